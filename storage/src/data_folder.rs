//! The data folder itself: who holds it, and which format it has.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    disk::{Disk, DiskFile},
    error::StorageError,
};

/// Format of the folder that this version writes.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// The oldest format that it reads, and makes its own when it has read it.
const OLDEST_VERSION: u32 = 1;

/// The longest content of `LOCK` and `FORMAT` that is believed.
const TEXT_BYTES_MAX: u64 = 1024;

/// An open data folder; no other process has it.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// Closing it gives the folder free.
    _lock: Arc<dyn DiskFile>,
}

impl DataFolder {
    /// Locks the folder, creating it if absent, and checks its format.
    pub(crate) fn open(path: &Path, disk: &dyn Disk) -> Result<Self, StorageError> {
        for folder in [path, &path.join("wal"), &path.join("state"), &path.join("incoming")] {
            disk.create_dir(folder).map_err(|error| StorageError::io("create folder", folder, error))?;
        }
        let lock = lock(path, disk)?;
        check_format(path, disk)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Folder of the log.
    pub(crate) fn wal(&self) -> PathBuf {
        self.path.join("wal")
    }

    /// Folder of snapshots on their way in.
    pub(crate) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Removes what did not arrive whole.
    pub(crate) fn clear_incoming(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        let folder = self.incoming();
        let failed = |error| StorageError::io("clear", &folder, error);
        for name in disk.read_dir(&folder).map_err(failed)? {
            disk.remove(&folder.join(name)).map_err(failed)?;
        }
        Ok(())
    }

    /// Number of the newest segment of the log.
    pub(crate) fn newest_segment(&self, disk: &dyn Disk) -> Result<Option<u64>, StorageError> {
        let wal = self.wal();
        let names = disk.read_dir(&wal).map_err(|error| StorageError::io("list", &wal, error))?;
        let numbers =
            names.iter().filter_map(|name| u64::from_str_radix(name.strip_suffix(".log")?, 16).ok());
        Ok(numbers.max())
    }

    /// Says that the folder has the present format now.
    pub(crate) fn write_format(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        let path = self.path.join("FORMAT");
        let failed = |error| StorageError::io("write", &path, error);
        let file = disk.open(&path, false).map_err(failed)?;
        if read_text(file.as_ref()).map_err(failed)? == format_text() {
            return Ok(());
        }
        write_format(&self.path, &path, disk).map_err(failed)
    }

    /// File of the only state store.
    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state").join("0.redb")
    }
}

/// Takes the lock, or says who has it.
///
/// The lock is the operating system's, so it ends with its process; the text in the file only tells
/// who that is.
fn lock(folder: &Path, disk: &dyn Disk) -> Result<Arc<dyn DiskFile>, StorageError> {
    let path = folder.join("LOCK");
    let failed = |error| StorageError::io("lock", &path, error);
    let file = disk.open(&path, true).map_err(failed)?;
    if !file.try_lock().map_err(failed)? {
        let text = read_text(file.as_ref()).unwrap_or_default();
        let mut lines = text.lines();
        let mut field = || lines.next().unwrap_or("unknown").to_owned();
        let (pid, since, program) = (field(), field(), field());
        return Err(StorageError::InUse {
            path: folder.to_owned(),
            pid: pid.parse().unwrap_or(0),
            program,
            since,
        });
    }
    // Told to the curious only, so a full disk does not keep us from reading.
    let _told = file.set_len(0).and_then(|()| file.write_all_at(holder().as_bytes(), 0));
    Ok(file)
}

/// Who holds the folder, in a simulation always the same.
fn holder() -> String {
    if cfg!(simulation) {
        return "0\n0\nsimulation\n".to_owned();
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let program = std::env::current_exe()
        .ok()
        .and_then(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "unknown".to_owned());
    format!("{}\n{since}\n{program}\n", std::process::id())
}

/// Reads `FORMAT`, or writes it if the folder is new.
fn check_format(folder: &Path, disk: &dyn Disk) -> Result<(), StorageError> {
    let path = folder.join("FORMAT");
    let failed = |error| StorageError::io("read", &path, error);
    let text = match disk.open(&path, false) {
        Ok(file) => read_text(file.as_ref()).map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return write_format(folder, &path, disk)
                .map_err(|error| StorageError::io("write", &path, error));
        }
        Err(error) => return Err(failed(error)),
    };
    let version = text.strip_prefix("genomdb data folder, format ").map(str::trim_end);
    match version.map(str::parse::<u32>) {
        Some(Ok(OLDEST_VERSION..=FORMAT_VERSION)) => Ok(()),
        _ => Err(StorageError::UnknownFormat {
            path,
            found: version.unwrap_or(text.trim_end()).to_owned(),
            known: FORMAT_VERSION,
        }),
    }
}

fn format_text() -> String {
    format!("genomdb data folder, format {FORMAT_VERSION}\n")
}

fn write_format(folder: &Path, path: &Path, disk: &dyn Disk) -> io::Result<()> {
    // Renamed when complete: a crash leaves either no FORMAT or a whole one.
    let draft = folder.join("FORMAT.new");
    let file = disk.open(&draft, true)?;
    file.set_len(0)?;
    file.write_all_at(format_text().as_bytes(), 0)?;
    file.sync_data()?;
    disk.rename(&draft, path)?;
    disk.sync_dir(folder)
}

fn read_text(file: &dyn DiskFile) -> io::Result<String> {
    let length = file.len()?.min(TEXT_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
