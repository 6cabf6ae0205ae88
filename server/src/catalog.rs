//! The catalog of the node: which version is read by whom, and what may be deleted when they are done.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use genomdb_layout::{catalog::Catalog, key::Key};
use genomdb_loader::{Garbage, LoadError};
use genomdb_storage::{Condition, Outcome, Storage, Transaction};
use parking_lot::Mutex;

use crate::QueryError;

/// Reads and changes the catalog.
#[derive(Debug)]
pub(crate) struct CatalogStore {
    storage: Storage,
    /// The last version that was decoded, with its bytes: most statements find the same.
    latest: Mutex<(Option<Bytes>, Arc<Catalog>)>,
    /// How many readers each version has.
    readers: Arc<Mutex<BTreeMap<u64, usize>>>,
    /// What drops left for readers of older versions.
    garbage: Mutex<Vec<Garbage>>,
}

/// A catalog version in use: what it shows stays on the disk as long as this value lives.
#[derive(Debug)]
pub(crate) struct Pin {
    catalog: Arc<Catalog>,
    _reader: Reader,
}

/// A reader of a version, or of a later one.
#[derive(Debug)]
struct Reader {
    version: u64,
    readers: Arc<Mutex<BTreeMap<u64, usize>>>,
}

impl Reader {
    fn new(version: u64, readers: &Arc<Mutex<BTreeMap<u64, usize>>>) -> Self {
        *readers.lock().entry(version).or_default() += 1;
        Self { version, readers: Arc::clone(readers) }
    }
}

impl Pin {
    pub(crate) fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut readers = self.readers.lock();
        if let Some(count) = readers.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.version);
            }
        }
    }
}

impl CatalogStore {
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage, latest: Mutex::default(), readers: Arc::default(), garbage: Mutex::default() }
    }

    /// Returns the catalog as it is now, for a statement that reads no rows.
    pub(crate) async fn current(&self) -> Result<Arc<Catalog>, QueryError> {
        let (_, catalog) = self.read().await?;
        Ok(catalog)
    }

    /// Returns the catalog as it is now, and keeps its rows from being deleted.
    pub(crate) async fn pin(&self) -> Result<Pin, QueryError> {
        // Between reading and counting, a drop must not find the version unused: counted before, as a reader
        // of the version that is known, which no version to come precedes.
        let known = self.latest.lock().1.version;
        let _counted = Reader::new(known, &self.readers);
        let (_, catalog) = self.read().await?;
        let reader = Reader::new(catalog.version, &self.readers);
        Ok(Pin { catalog, _reader: reader })
    }

    /// Changes the catalog; `change` runs again if another writer came first.
    pub(crate) async fn update<T>(
        &self,
        mut change: impl FnMut(&mut Catalog) -> Result<T, QueryError>,
    ) -> Result<T, QueryError> {
        loop {
            let (bytes, catalog) = self.read().await?;
            let mut next = (*catalog).clone();
            let result = change(&mut next)?;
            if next == *catalog {
                return Ok(result);
            }
            next.version += 1;
            let mut transaction = Transaction::default();
            transaction.conditions.push(match bytes {
                Some(bytes) => Condition::Equals(key(), bytes),
                None => Condition::Absent(key()),
            });
            transaction.batch.put(key(), next.to_bytes());
            if self.storage.transact(transaction).await? == Outcome::Committed {
                return Ok(result);
            }
        }
    }

    /// Takes over what a drop has left; it is deleted by [`CatalogStore::collect`].
    pub(crate) fn leave(&self, garbage: Garbage) {
        self.garbage.lock().push(garbage);
    }

    /// Deletes what no reader can see any more. Blocks.
    pub(crate) fn collect(&self) -> Result<(), LoadError> {
        let oldest = self.readers.lock().keys().next().copied();
        let is_free = |garbage: &mut Garbage| oldest.is_none_or(|oldest| oldest >= garbage.catalog_version());
        let free: Vec<_> = self.garbage.lock().extract_if(.., is_free).collect();
        free.into_iter().try_for_each(Garbage::collect)
    }

    /// Reads the one value of the catalog. Waits without keeping a thread: its range may have no leader.
    async fn read(&self) -> Result<(Option<Bytes>, Arc<Catalog>), QueryError> {
        let bytes = self.storage.batch_get(vec![key()]).await?.pop().flatten();
        let mut latest = self.latest.lock();
        if latest.0 == bytes {
            return Ok(latest.clone());
        }
        let catalog = bytes.as_deref().map(Catalog::from_bytes).transpose()?.unwrap_or_default();
        let read = (bytes, Arc::new(catalog));
        // Of two who read at a time, the one with the older version may come last.
        if latest.1.version <= read.1.version {
            *latest = read.clone();
        }
        Ok(read)
    }
}

fn key() -> genomdb_storage::Key {
    Key::Catalog.to_bytes().into()
}
