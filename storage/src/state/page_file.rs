//! The file under redb: verifies every page it reads, and never tells redb of a failed write.
//!
//! redb refuses everything, reads too, after one failed call. So a write or fsync that fails, and all
//! after it, go to an [`Overlay`] in memory: the file keeps the last durable state, which the log
//! completes; reads go on over file and overlay. The same overlay holds what redb writes merely
//! because it was opened, so a process that only reads writes nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};

use super::{
    header::{HEADER_BYTES, Header},
    held_file::HeldFile,
    overlay::{Held, Overlay},
    page_checksums::PageChecksums,
};
use crate::{
    disk::{Disk, DiskFile},
    error::{StorageError, is_disk_full},
};

/// The state file and its checksums.
#[derive(Debug)]
pub(crate) struct PageFile {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    checksums: PageChecksums,
    /// None while the file is being made: one that takes no writes is made anew.
    held: Option<HeldFile>,
    mode: RwLock<Mode>,
    /// Whether redb is repairing: then it verifies all pages itself, and expects to find some that a
    /// crash tore.
    repairing: AtomicBool,
    /// The first error that redb was told; it answers every later call with "previous error".
    read_failure: Mutex<Option<StorageError>>,
}

#[derive(Debug)]
enum Mode {
    /// Writes go to the file.
    Attached,
    /// Writes go to the overlay.
    Detached(Overlay, Detachment),
}

/// Why writes do not go to the file.
#[derive(Clone, Debug)]
pub(crate) enum Detachment {
    /// Nobody wrote yet.
    Idle,
    /// There was no space.
    DiskFull,
    /// A write or fsync failed; for good.
    Failed(StorageError),
}

impl Detachment {
    /// As an error of the file `path`.
    pub(crate) fn into_error(self, path: &Path) -> StorageError {
        match self {
            Self::Failed(error) => error,
            Self::DiskFull => StorageError::io("write", path, io::ErrorKind::StorageFull.into()),
            Self::Idle => StorageError::io("write", path, io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }
}

impl PageFile {
    /// Opens the state file, detached; `None` if there is none.
    pub(crate) fn open(path: PathBuf, disk: Arc<dyn Disk>) -> Result<Option<Self>, StorageError> {
        let failed = |error| StorageError::io("open", &path, error);
        let file = match disk.open(&path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let length = file.len().map_err(failed)?;
        if length == 0 {
            // Taken for a new file, it would lose everything quietly.
            return Err(StorageError::corrupt(path, 0, "the state file is empty"));
        }
        let checksums = PageChecksums::open(path.with_extension("sums"), disk.as_ref())?;
        let held = HeldFile::beside(&path, disk);
        let mode = match held.read()? {
            // The file may have some of them, or all; they are written once more.
            Some((overlay, slots)) => {
                checksums.restore(slots);
                Mode::Detached(overlay, Detachment::DiskFull)
            }
            None => Mode::Detached(Overlay::new(length), Detachment::Idle),
        };
        Ok(Some(Self { held: Some(held), ..Self::new(path, file, checksums, mode) }))
    }

    /// Creates a state file, attached, in place of what has the name.
    pub(crate) fn create(path: PathBuf, disk: &dyn Disk) -> Result<Self, StorageError> {
        let failed = |error| StorageError::io("create", &path, error);
        let file = disk.open(&path, true).map_err(failed)?;
        file.set_len(0).map_err(failed)?;
        let checksums = PageChecksums::create(path.with_extension("sums"), disk)?;
        Ok(Self::new(path, file, checksums, Mode::Attached))
    }

    fn new(path: PathBuf, file: Arc<dyn DiskFile>, checksums: PageChecksums, mode: Mode) -> Self {
        let (repairing, read_failure) = (AtomicBool::new(false), Mutex::new(None));
        Self { path, file, checksums, held: None, mode: RwLock::new(mode), repairing, read_failure }
    }

    /// Says when redb begins and ends to repair the file.
    ///
    /// redb compacts with one-phase commits, after which a crash may leave pages of a commit that
    /// repairing finds torn and takes back.
    pub(crate) fn set_repairing(&self, repairing: bool) {
        self.repairing.store(repairing, Ordering::Release);
    }

    /// Gives a file that is complete its name; a crash before leaves none of that name.
    pub(crate) fn publish(&self, path: &Path, disk: &dyn Disk) -> Result<(), StorageError> {
        let named = (|| {
            self.file.sync_data()?;
            self.checksums.sync_always()?;
            disk.rename(self.checksums.path(), &path.with_extension("sums"))?;
            disk.rename(&self.path, path)?;
            disk.sync_dir(path.parent().unwrap_or(Path::new(".")))
        })();
        named.map_err(|error| StorageError::io("create", path, error))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes on the disk, with the checksums.
    pub(crate) fn allocated_bytes(&self) -> Result<u64, StorageError> {
        let bytes =
            self.file.allocated_bytes().and_then(|pages| Ok(pages + self.checksums.allocated_bytes()?));
        bytes.map_err(|error| StorageError::io("measure", &self.path, error))
    }

    /// The header, verified; `None` if the file is new.
    pub(super) fn header(&self) -> Result<Option<Header>, StorageError> {
        let failed = |error| StorageError::io("read", &self.path, error);
        let length = self.seen_len().map_err(failed)?;
        if length == 0 {
            return Ok(None);
        }
        let damaged = |reason: &'static str| StorageError::corrupt(&self.path, 0, reason);
        let mut bytes = [0; HEADER_BYTES];
        if length < HEADER_BYTES as u64 {
            return Err(damaged("the state file is shorter than its header"));
        }
        self.read_verified(0, &mut bytes).map_err(failed)?;
        Header::decode(&bytes).map(Some).map_err(damaged)
    }

    /// The error that made redb stop reading, if one did.
    pub(crate) fn read_failure(&self) -> Option<StorageError> {
        self.read_failure.lock().clone()
    }

    /// Why writes do not go to the file, if they do not.
    pub(crate) fn detachment(&self) -> Option<Detachment> {
        match &*self.mode.read() {
            Mode::Attached => None,
            Mode::Detached(_, why) => Some(why.clone()),
        }
    }

    /// Lets writes go to the file, first those held back.
    ///
    /// # Errors
    ///
    /// The detachment that remains.
    pub(crate) fn attach(&self) -> Result<(), Detachment> {
        let mut mode = self.mode.write();
        let Mode::Detached(overlay, why) = &mut *mode else { return Ok(()) };
        if matches!(why, Detachment::Failed(_)) {
            return Err(why.clone());
        }
        // Opening wrote at most the header; after a full disk, pages of the file may not be durable.
        let pages_owed = !matches!(why, Detachment::Idle);
        match self.write_back(overlay, pages_owed) {
            Ok(()) => {
                *mode = Mode::Attached;
                Ok(())
            }
            Err(error) => {
                *why = self.why(error);
                Err(why.clone())
            }
        }
    }

    /// Writes the overlay to the file so that a crash at any moment leaves either the old state or the new
    /// one. Nothing is changed here before it is done, so it may be tried again.
    ///
    /// redb took a durable commit into the overlay for done, so pages of the file's root may be among
    /// those written over: they are made durable beside it before, and space is taken first, so that no
    /// full disk comes between.
    fn write_back(&self, overlay: &Overlay, pages_owed: bool) -> io::Result<()> {
        let held = self.held.as_ref().filter(|_| pages_owed);
        if let Some(held) = held {
            self.checksums.allocate(overlay.len())?;
            self.file.allocate(overlay.len())?;
            held.write(overlay, &self.checksums.dirty())?;
        }
        if overlay.file_limit() < self.file.len()? {
            self.file.set_len(overlay.file_limit())?;
        }
        if self.file.len()? != overlay.len() {
            self.file.set_len(overlay.len())?;
        }
        let mut pages = pages_owed;
        for (offset, block) in overlay.header_last() {
            if offset == 0 && pages {
                self.checksums.sync()?;
                self.file.sync_data().map_err(io::Error::other)?;
            }
            self.file.write_all_at(block, offset)?;
            pages |= offset > 0;
        }
        if pages {
            self.checksums.sync()?;
            self.file.sync_data().map_err(io::Error::other)?;
        }
        held.map_or(Ok(()), HeldFile::remove)
    }

    /// Runs `write` if attached; on failure, or if detached, `hold` gets the overlay.
    fn write_or_hold(
        &self,
        write: impl Fn() -> io::Result<()>,
        hold: impl Fn(&mut Overlay) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let failure = match &*self.mode.read() {
                Mode::Detached(..) => None,
                Mode::Attached => match write() {
                    Ok(()) => return Ok(()),
                    Err(error) => Some(self.why(error)),
                },
            };
            let mut mode = self.mode.write();
            if let (Mode::Attached, Some(why)) = (&*mode, failure) {
                tracing::error!(path = %self.path.display(), ?why, "the state file takes no writes");
                *mode = Mode::Detached(Overlay::new(self.file.len()?), why);
            }
            if let Mode::Detached(overlay, _) = &mut *mode {
                return hold(overlay);
            }
            // Another thread attached in between.
        }
    }

    fn why(&self, error: io::Error) -> Detachment {
        if is_disk_full(&error) {
            Detachment::DiskFull
        } else {
            Detachment::Failed(StorageError::io("write", &self.path, error))
        }
    }

    /// The length that redb sees.
    fn seen_len(&self) -> io::Result<u64> {
        match &*self.mode.read() {
            Mode::Attached => self.file.len(),
            Mode::Detached(overlay, _) => Ok(overlay.len()),
        }
    }

    /// Reads from the file alone, zeros behind `limit`.
    fn read_file(&self, offset: u64, out: &mut [u8], limit: u64) -> io::Result<()> {
        let present = limit.saturating_sub(offset).min(out.len() as u64) as usize;
        let (present, beyond) = out.split_at_mut(present);
        beyond.fill(0);
        self.file.read_exact_at(present, offset)
    }

    fn read_verified(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mode = self.mode.read();
        if let Mode::Detached(overlay, _) = &*mode {
            let held = overlay.held(offset, out.len());
            if held != Held::None || offset + out.len() as u64 > overlay.file_limit() {
                if held != Held::All {
                    self.read_file(offset, out, overlay.file_limit())?;
                }
                overlay.read(offset, out);
                return Ok(());
            }
        }
        self.file.read_exact_at(out, offset)?;
        if self.repairing.load(Ordering::Acquire) || self.checksums.verify(offset, out)? {
            return Ok(());
        }
        let reason = format!("the page does not match its checksum in `{}`", self.checksums.path().display());
        let error = StorageError::corrupt(&self.path, offset, reason);
        let text = error.to_string();
        self.read_failure.lock().get_or_insert(error);
        Err(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

/// What redb is given.
#[derive(Debug)]
pub(super) struct Backend(pub(super) Arc<PageFile>);

impl redb::StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.seen_len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_verified(offset, out).inspect_err(|error| {
            let error = io::Error::new(error.kind(), error.to_string());
            let error = StorageError::io("read", &self.0.path, error);
            self.0.read_failure.lock().get_or_insert(error);
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.write_or_hold(
            || self.0.file.set_len(length),
            |overlay| {
                overlay.set_len(length);
                Ok(())
            },
        )
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.write_or_hold(
            || {
                // STATE-2: a checksum is durable before its page.
                self.0.checksums.sync()?;
                self.0.file.sync_data().map_err(io::Error::other)
            },
            |_| Ok(()),
        )
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.checksums.record(offset, data);
        self.0.write_or_hold(
            || self.0.file.write_all_at(data, offset),
            |overlay| {
                let limit = overlay.file_limit();
                overlay.write(offset, data, |offset, out| self.0.read_file(offset, out, limit))
            },
        )
    }
}
