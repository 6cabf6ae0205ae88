//! Setting a damaged log and state aside: they are kept, and the node comes back empty.
//!
//! ```text
//! ASIDE                    written first: names the folder. What it begins, the next opening finishes
//! damaged-<ms>/wal, state  the files that were there
//! NODE                     gets a higher incarnation, so that the cluster knows that all is lost
//! state/0.redb             without a range; then ASIDE goes
//! ```
//! One without the other of log and state is of no use, so both go. A node that lost its votes must
//! not take part in its old groups again; it does not, since it has none and is another incarnation.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{disk::Disk, error::StorageError, kv::Timestamp, node::NodeIdentity};

/// The longest `ASIDE` that is believed.
const TEXT_BYTES_MAX: u64 = 1024;
const PREFIX: &str = "damaged-";

/// Damage that is being set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetAside {
    /// When it was begun, in ms since 1970.
    since: u64,
}

impl SetAside {
    /// Begins, durably, to set aside what is in the data folder; the next opening does it.
    pub(crate) fn begin(folder: &Path, now: Timestamp, disk: &dyn Disk) -> Result<Self, StorageError> {
        let begun = Self { since: now.0 };
        let (path, draft) = (folder.join("ASIDE"), folder.join("ASIDE.new"));
        let written = (|| {
            let names = disk.read_dir(folder)?;
            if let Some(earlier) = names.iter().find(|name| name.starts_with(PREFIX)) {
                tracing::warn!(earlier, folder = %folder.display(), "damaged files from before take space");
            }
            let file = disk.open(&draft, true)?;
            file.set_len(0)?;
            file.write_all_at(format!("{PREFIX}{}\n", begun.since).as_bytes(), 0)?;
            file.sync_data()?;
            disk.rename(&draft, &path)?;
            disk.sync_dir(folder)
        })();
        written.map(|()| begun).map_err(|error| StorageError::io("write", &path, error))
    }

    /// What was begun and is not finished.
    pub(crate) fn begun(folder: &Path, disk: &dyn Disk) -> Result<Option<Self>, StorageError> {
        let path = folder.join("ASIDE");
        let failed = |error| StorageError::io("read", &path, error);
        let file = match disk.open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut bytes =
            vec![0; usize::try_from(file.len().map_err(failed)?.min(TEXT_BYTES_MAX)).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let since = text.strip_prefix(PREFIX).and_then(|since| since.trim_end().parse().ok());
        let since = since.ok_or_else(|| StorageError::corrupt(&path, 0, "it names no folder"))?;
        Ok(Some(Self { since }))
    }

    /// Where the files go.
    pub(crate) fn target(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{PREFIX}{}", self.since))
    }

    /// Moves the files, and makes the node another incarnation. May be done again after a crash.
    pub(crate) fn carry_out(
        &self,
        folder: &Path,
        identity: NodeIdentity,
        disk: &dyn Disk,
    ) -> Result<NodeIdentity, StorageError> {
        let target = self.target(folder);
        let moved = ["wal", "state"].iter().try_for_each(|part| {
            let (from, to) = (folder.join(part), target.join(part));
            disk.create_dir(&to)?;
            let there = disk.read_dir(&to)?;
            for name in disk.read_dir(&from)? {
                // What has a name that was moved already is new.
                if !there.contains(&name) {
                    disk.rename(&from.join(&name), &to.join(&name))?;
                }
            }
            disk.sync_dir(&to)?;
            disk.sync_dir(&from)
        });
        moved.map_err(|error| StorageError::io("set aside damaged files in", &target, error))?;
        // HEAL-1: the votes are gone with the log, so the state must be too.
        let incarnation = identity.incarnation.saturating_add(1).max(self.since);
        let identity = NodeIdentity { incarnation, ..identity };
        identity.write(folder, disk)?;
        Ok(identity)
    }

    /// Says, durably, that the node has an empty state.
    pub(crate) fn finish(self, folder: &Path, disk: &dyn Disk) -> Result<(), StorageError> {
        let path = folder.join("ASIDE");
        let removed = disk.remove(&path).and_then(|()| disk.sync_dir(folder));
        removed.map_err(|error| StorageError::io("remove", &path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::Config,
        data_folder::DataFolder,
        node::Opened,
        range::NodeId,
        testing::{Fault, SimulatedDisk},
    };

    const FOLDER: &str = "/data";
    const NOW: Timestamp = Timestamp(1_000);

    fn open(disk: &SimulatedDisk, founds: bool) -> Result<Opened, StorageError> {
        let config = Config { cache_bytes: 1 << 20, disk: Arc::new(disk.clone()), ..Config::default() };
        let new = NodeIdentity { node: NodeId(4), cluster: 9, incarnation: 2_000 };
        Opened::open(DataFolder::open(Path::new(FOLDER), disk)?, config, new, founds)
    }

    /// A disk with a node whose state is damaged.
    fn damaged() -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        open(&disk, true).unwrap().close();
        let disk = disk.after_kill();
        assert!(disk.flip(&Path::new(FOLDER).join("state/0.redb"), 64 + 9, 1));
        disk.after_kill()
    }

    fn kept(disk: &SimulatedDisk, name: &str) -> bool {
        let path = Path::new(FOLDER).join("damaged-1000").join(name);
        disk.files().iter().any(|(file, _)| *file == path)
    }

    /// HEAL-1: whatever crash comes, what opens is the damaged state, which is refused, or an empty one
    /// of a higher incarnation; and the damaged files are there.
    #[test]
    fn a_crash_leaves_the_damage_or_an_empty_node() {
        let mut done = false;
        for number in 0.. {
            let disk = damaged();
            disk.inject(Fault::Crash(number));
            let begun = SetAside::begin(Path::new(FOLDER), NOW, &disk).and_then(|_| open(&disk, false));
            let opened = begun.map(|opened| opened.close()).is_ok();
            let disk = disk.after_power_cut(number);
            match open(&disk, false) {
                Ok(opened) => {
                    assert_eq!(opened.store.groups().unwrap(), []);
                    assert!(opened.identity.incarnation > 2_000);
                    assert_eq!((opened.identity.node, opened.identity.cluster), (NodeId(4), 9));
                    assert!(kept(&disk, "state/0.redb") && kept(&disk, "state/0.sums"), "crash at {number}");
                }
                Err(error) => assert!(error.is_damage() && !opened, "crash at {number}: {error}"),
            }
            if opened {
                done = true;
                break;
            }
        }
        assert!(done);
    }

    #[test]
    fn a_folder_that_lost_its_state_is_damaged() {
        let disk = SimulatedDisk::new();
        open(&disk, true).unwrap().close();
        disk.remove(&Path::new(FOLDER).join("state/0.redb")).unwrap();
        for founds in [true, false] {
            let error = open(&disk.after_kill(), founds).map(|_| ()).unwrap_err();
            assert!(error.is_damage(), "{error}");
        }
        SetAside::begin(Path::new(FOLDER), NOW, &disk).unwrap();
        let error = open(&disk.after_kill(), true).map(|_| ()).unwrap_err();
        assert!(matches!(error, StorageError::Member { .. }), "{error}");
        assert_eq!(open(&disk.after_kill(), false).unwrap().store.groups().unwrap(), []);
    }
}
