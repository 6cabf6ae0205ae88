//! The state: everything that was applied, in redb; the log has what is newer than its last checkpoint.
//!
//! Applying commits without durability, since the log is durable already; a checkpoint commits
//! durably. The place in the log up to which the state reaches lies in the same transaction.

mod apply;
mod draft;
mod events;
mod execute;
mod fault;
mod group;
mod header;
mod install;
mod old_format;
mod overlay;
mod page_checksums;
mod page_file;
mod read;
mod rows;
mod sessions;
mod snapshot;
mod state_file;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod transact;
mod two_phase;
mod values;
mod verify;
mod view;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::{RwLock, RwLockReadGuard};
use redb::{Database, Durability, ReadableDatabase as _, ReadableTableMetadata as _, TableDefinition};

pub(crate) use apply::Entry;
pub(crate) use events::{Change, Compacted, Event, Events};
pub(crate) use group::{Group, GroupEntries, Membership, Payload, Phase};
pub(crate) use page_file::{Detachment, PageFile};

pub(crate) use self::{
    execute::Responses, install::Installer, old_format::OldFormat, snapshot::SnapshotReader, store::Store,
};
pub(crate) use view::{DequePage, LockFound, Read, View};

use self::page_file::Backend;
use crate::{disk::Disk, error::StorageError, wal::LogPosition};

/// The users' keys and values.
const DATA: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("data");
/// What the store knows of itself.
const STORE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("store");
/// Key in [`STORE`] of the encoded [`Applied`].
const APPLIED: &str = "applied";

/// Up to where the log is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Number of the last entry; 0 before the first.
    pub(crate) index: u64,
    /// The place behind it.
    pub(crate) position: LogPosition,
}

impl Applied {
    fn encode(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let fields = [self.index, self.position.segment, self.position.offset];
        for (bytes, field) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(fields) {
            *bytes = field.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let ([index, segment, offset], []) = bytes.as_chunks::<8>() else { return None };
        let position =
            LogPosition { segment: u64::from_le_bytes(*segment), offset: u64::from_le_bytes(*offset) };
        Some(Self { index: u64::from_le_bytes(*index), position })
    }
}

/// Creates an empty state file under another name and renames it when it is whole.
fn create(path: &Path, disk: &dyn Disk) -> Result<(), StorageError> {
    const CACHE_BYTES: u64 = 1 << 20;
    let pages = Arc::new(PageFile::create(path.with_file_name("new.redb"), disk)?);
    let state = State::with_pages(Arc::clone(&pages), CACHE_BYTES)?;
    state.checkpoint(Some(LogPosition::FIRST))?;
    state.close();
    match pages.detachment() {
        None => pages.publish(path, disk),
        Some(Detachment::Failed(error)) => Err(error),
        Some(Detachment::DiskFull | Detachment::Idle) => {
            Err(StorageError::io("create", path, std::io::ErrorKind::StorageFull.into()))
        }
    }
}

/// The state store.
#[derive(Debug)]
pub(crate) struct State {
    pages: Arc<PageFile>,
    /// Held for reading by every transaction, for writing to compact and to close.
    database: RwLock<Option<Database>>,
}

impl State {
    /// Opens the state file, creating it if absent. What exists is not written to before
    /// [`PageFile::attach`].
    pub(crate) fn open(path: PathBuf, disk: &dyn Disk, cache_bytes: u64) -> Result<Self, StorageError> {
        let pages = match PageFile::open(path.clone(), disk)? {
            Some(pages) => pages,
            None => {
                create(&path, disk)?;
                PageFile::open(path.clone(), disk)?
                    .ok_or_else(|| StorageError::io("open", path, std::io::ErrorKind::NotFound.into()))?
            }
        };
        Self::with_pages(Arc::new(pages), cache_bytes)
    }

    fn with_pages(pages: Arc<PageFile>, cache_bytes: u64) -> Result<Self, StorageError> {
        let state = Self { pages: Arc::clone(&pages), database: RwLock::new(None) };
        let repaired = Arc::clone(&pages);
        let database = redb::Builder::new()
            .set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX))
            .set_repair_callback(move |repair| {
                let progress = repair.progress();
                tracing::warn!(path = %repaired.path().display(), progress, "repairing the state file");
                repaired.set_repairing(true);
            })
            .create_with_backend(Backend(pages))
            .map_err(|error| state.error(error))?;
        state.pages.set_repairing(false);
        *state.database.write() = Some(database);
        Ok(state)
    }

    /// The file under it.
    pub(crate) fn pages(&self) -> &PageFile {
        &self.pages
    }

    /// Up to where the log is applied.
    pub(crate) fn applied(&self) -> Result<Applied, StorageError> {
        let none = Applied { index: 0, position: LogPosition::FIRST };
        let transaction = self.database()?.begin_read().map_err(|error| self.error(error))?;
        let table = match transaction.open_table(STORE) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(none),
            table => table.map_err(|error| self.error(error))?,
        };
        let found = table.get(APPLIED).map_err(|error| self.error(error))?;
        found.map_or(Ok(none), |bytes| {
            Applied::decode(bytes.value())
                .ok_or_else(|| StorageError::corrupt(self.pages.path(), 0, "the applied position is damaged"))
        })
    }

    /// Makes everything applied durable; at `position`, if given, the log goes on.
    ///
    /// Returns up to where the log is no longer needed, or `None` if there was no way to tell: the
    /// file takes no writes.
    pub(crate) fn checkpoint(
        &self,
        position: Option<LogPosition>,
    ) -> Result<Option<LogPosition>, StorageError> {
        let applied = self.applied()?;
        let applied = Applied { position: position.unwrap_or(applied.position), ..applied };
        let database = self.database()?;
        let mut transaction = database.begin_write().map_err(|error| self.error(error))?;
        transaction.set_durability(Durability::Immediate).map_err(|error| self.error(error))?;
        // With the allocator's state in the commit, opening after a crash need not walk the file.
        transaction.set_quick_repair(true);
        if position.is_some() {
            let mut table = transaction.open_table(STORE).map_err(|error| self.error(error))?;
            let encoded = applied.encode();
            table.insert(APPLIED, encoded.as_slice()).map_err(|error| self.error(error))?;
        }
        transaction.commit().map_err(|error| self.error(error))?;
        Ok(self.pages.detachment().is_none().then_some(applied.position))
    }

    /// Rewrites the file to be as small as possible. Waits for reads, and reads wait for it.
    pub(crate) fn compact(&self) -> Result<(), StorageError> {
        let mut database = self.database.write();
        let database = database.as_mut().ok_or(StorageError::Closed)?;
        while database.compact().map_err(|error| self.error(error))? {}
        Ok(())
    }

    /// Number of keys.
    pub(crate) fn keys(&self) -> Result<u64, StorageError> {
        let transaction = self.database()?.begin_read().map_err(|error| self.error(error))?;
        match transaction.open_table(DATA) {
            Err(redb::TableError::TableDoesNotExist(_)) => Ok(0),
            table => table.map_err(|error| self.error(error))?.len().map_err(|error| self.error(error)),
        }
    }

    /// Closes the file; later calls answer [`StorageError::Closed`].
    pub(crate) fn close(&self) {
        *self.database.write() = None;
    }

    fn database(&self) -> Result<parking_lot::MappedRwLockReadGuard<'_, Database>, StorageError> {
        RwLockReadGuard::try_map(self.database.read(), Option::as_ref).map_err(|_| StorageError::Closed)
    }

    /// What redb's error means: the first failure of the file, if there was one.
    fn error(&self, error: impl Into<redb::Error>) -> StorageError {
        self.pages.read_failure().unwrap_or_else(|| StorageError::State {
            path: self.pages.path().to_owned(),
            source: Arc::new(error.into()),
        })
    }
}
