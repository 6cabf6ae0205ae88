//! The redb database over the state file: transactions, and what their errors mean.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase as _, WriteTransaction};

use super::{
    fault::Fault,
    header::Header,
    page_file::{Backend, PageFile},
};
use crate::error::StorageError;

/// An open state file.
#[derive(Debug)]
pub(super) struct StateFile {
    pub(super) pages: Arc<PageFile>,
    /// Held for reading by everything that begins a transaction, for writing to compact and to close.
    database: RwLock<Option<Database>>,
}

impl StateFile {
    /// Opens the database in `pages`, repairing it if a crash left it in need of that.
    pub(super) fn open(pages: Arc<PageFile>, cache_bytes: u64) -> Result<Self, StorageError> {
        let file = Self { pages: Arc::clone(&pages), database: RwLock::new(None) };
        let header = pages.header()?;
        // Damage that no checksum shows, as in the allocator's own tables, may make redb panic.
        let opened = catch_unwind(AssertUnwindSafe(|| open_database(&pages, cache_bytes, header)));
        let database = match opened {
            Ok(opened) => opened.map_err(|fault| file.error(fault))?,
            Err(_) => {
                return Err(pages.read_failure().unwrap_or_else(|| {
                    StorageError::corrupt(pages.path(), 0, "redb cannot make sense of it")
                }));
            }
        };
        file.pages.set_repairing(false);
        *file.database.write() = Some(database);
        Ok(file)
    }

    /// Runs `change` in one transaction; nothing of it stays if it fails. Waits for other writers.
    pub(super) fn write<T>(
        &self,
        durability: Durability,
        change: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StorageError> {
        let database = self.database()?;
        let run = || {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(durability)?;
            // With the allocator's state in the commit, opening after a crash need not walk the file.
            transaction.set_quick_repair(matches!(durability, Durability::Immediate));
            let done = change(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|fault| self.error(fault))
    }

    /// A moment of the state.
    pub(super) fn read(&self) -> Result<ReadTransaction, StorageError> {
        self.database()?.begin_read().map_err(|error| self.error(error.into()))
    }

    /// Rewrites the file to be as small as possible. Waits for transactions that begin or write.
    ///
    /// # Errors
    ///
    /// redb's `TransactionInProgress` while a moment of the state is still being read.
    pub(super) fn compact(&self) -> Result<(), StorageError> {
        let mut database = self.database.write();
        let database = database.as_mut().ok_or(StorageError::Closed)?;
        while database.compact().map_err(|error| self.error(error.into()))? {}
        Ok(())
    }

    /// Closes the file; later calls answer [`StorageError::Closed`].
    pub(super) fn close(&self) {
        *self.database.write() = None;
    }

    fn database(&self) -> Result<MappedRwLockReadGuard<'_, Database>, StorageError> {
        RwLockReadGuard::try_map(self.database.read(), Option::as_ref).map_err(|_| StorageError::Closed)
    }

    /// What a fault means: the first failure of the file, if there was one.
    pub(super) fn error(&self, fault: Fault) -> StorageError {
        fault_of(&self.pages, fault)
    }
}

fn open_database(pages: &Arc<PageFile>, cache_bytes: u64, header: Option<Header>) -> Result<Database, Fault> {
    let repaired = Arc::clone(pages);
    let mut database = redb::Builder::new()
        .set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX))
        .set_repair_callback(move |repair| {
            let progress = repair.progress();
            tracing::warn!(path = %repaired.path().display(), progress, "repairing the state file");
            repaired.set_repairing(true);
        })
        .create_with_backend(Backend(Arc::clone(pages)))?;
    if header.is_some_and(|header| header.secondary_is_newer) {
        let _whole = database.check_integrity()?;
    }
    Ok(database)
}

/// What a fault of `pages` means: its first failure, if there was one.
pub(super) fn fault_of(pages: &PageFile, fault: Fault) -> StorageError {
    match fault {
        Fault::Redb(source) => pages.read_failure().unwrap_or_else(|| StorageError::State {
            path: pages.path().to_owned(),
            source: Arc::from(source),
        }),
        Fault::Corrupt(reason) => StorageError::corrupt(pages.path(), 0, reason),
        Fault::Other(error) => error,
    }
}
