//! The loads and drops that run in this process, so that nobody collects what they have just written.
//!
//! A data folder belongs to one process at a time: what its journal names and this list does not is a
//! leftover. An entry also says which number a table that does not exist yet will have, so that several
//! loads can make it together.

use std::sync::{Mutex, MutexGuard, PoisonError};

use genomdb_layout::key::{SourceId, TableId};
use genomdb_storage::Storage;

static LIVE: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
static RESERVING: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct Entry {
    storage: usize,
    table: TableId,
    source: SourceId,
    /// Dataset and name of the table that a load will make.
    makes: Option<(String, String)>,
}

/// Keeps one load or drop on the list; dropping it takes it off.
#[derive(Debug)]
pub(crate) struct Live {
    /// Keeps the address, by which the storage is known, from being given to another one.
    storage: Storage,
    source: SourceId,
}

impl Live {
    /// Puts a source on the list; `makes` names its table if that does not exist yet.
    pub(crate) fn add(
        storage: &Storage,
        table: TableId,
        source: SourceId,
        makes: Option<(String, String)>,
    ) -> Self {
        lock(&LIVE).push(Entry { storage: address(storage), table, source, makes });
        Self { storage: storage.clone(), source }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let storage = address(&self.storage);
        let mut live = lock(&LIVE);
        // A source that is being dropped twice is on the list twice.
        if let Some(index) =
            live.iter().position(|entry| entry.storage == storage && entry.source == self.source)
        {
            live.swap_remove(index);
        }
    }
}

/// Tells whether somebody in this process works on a source.
pub(crate) fn is_live(storage: &Storage, source: SourceId) -> bool {
    let storage = address(storage);
    lock(&LIVE).iter().any(|entry| entry.storage == storage && entry.source == source)
}

/// Returns the number that a table will have which a running load makes.
pub(crate) fn table_in_the_making(storage: &Storage, dataset: &str, table: &str) -> Option<TableId> {
    let storage = address(storage);
    let is_it = |entry: &&Entry| {
        let makes = entry.makes.as_ref().map(|(dataset, table)| (dataset.as_str(), table.as_str()));
        entry.storage == storage && makes == Some((dataset, table))
    };
    lock(&LIVE).iter().find(is_it).map(|entry| entry.table)
}

/// Lets one load at a time find out its numbers.
pub(crate) fn reserving() -> MutexGuard<'static, ()> {
    lock(&RESERVING)
}

/// What tells one open storage from another.
fn address(storage: &Storage) -> usize {
    std::ptr::from_ref(storage.config()).addr()
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
