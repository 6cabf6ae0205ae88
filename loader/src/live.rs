//! The loads and drops that run in this process, so that nobody collects what they have just written.
//!
//! A folder that is open here is open nowhere else: what its journal names and this list does not is a
//! leftover. Where other processes share the store, each source on the list has a [`Lease`] besides, which a
//! thread renews as long as there are any.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use genomdb_layout::key::{SourceId, TableId};
use genomdb_storage::Storage;

use crate::{
    LoadError,
    lease::{self, Lease},
};

static LIVE: Mutex<List> = Mutex::new(List { entries: Vec::new(), is_keeping: false });
/// Told when an entry with a lease goes.
static LEFT: Condvar = Condvar::new();
static RESERVING: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct List {
    entries: Vec<Entry>,
    /// Whether the thread runs that renews leases.
    is_keeping: bool,
}

#[derive(Debug)]
struct Entry {
    storage: usize,
    table: TableId,
    source: SourceId,
    /// Dataset and name of the table that a load will make.
    makes: Option<(String, String)>,
    lease: Option<(Storage, Lease)>,
}

/// Keeps one load or drop on the list; dropping it takes it off, and gives its lease back.
#[derive(Debug)]
pub(crate) struct Live {
    /// Keeps the address, by which the storage is known, from being given to another one.
    storage: Storage,
    source: SourceId,
    lease: Option<Lease>,
}

impl Live {
    /// Puts a load on the list; `makes` names its table if that does not exist yet. Its lease, if it needs
    /// one, has been written.
    pub(crate) fn load(
        storage: &Storage,
        table: TableId,
        source: SourceId,
        makes: Option<(String, String)>,
        lease: Option<Lease>,
    ) -> Self {
        let mut live = lock(&LIVE);
        live.add(storage, table, source, makes, lease.clone());
        Self { storage: storage.clone(), source, lease }
    }

    /// Puts a drop on the list.
    pub(crate) fn drop_of(storage: &Storage, table: TableId, source: SourceId) -> Result<Self, LoadError> {
        let lease = match storage.is_shared() {
            false => None,
            true => Some(Self::lease_of_drop(storage, table, source)?),
        };
        lock(&LIVE).add(storage, table, source, None, lease.clone());
        Ok(Self { storage: storage.clone(), source, lease })
    }

    /// Two drops of one source in this process have one lease, as they write the same journal.
    fn lease_of_drop(storage: &Storage, table: TableId, source: SourceId) -> Result<Lease, LoadError> {
        let here = lock(&LIVE).lease(storage, source);
        if let Some(lease) = here
            && lease.renew(storage)?
        {
            return Ok(lease);
        }
        let lease = Lease::new(table, source, None);
        if lease.take(storage)? { Ok(lease) } else { Err(LoadError::SourceBusy { source_id: source.0 }) }
    }

    /// What must hold for the work to take effect: where others share the store, that its lease lives.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let storage = address(&self.storage);
        let is_last = {
            let mut live = lock(&LIVE);
            let of_source = |entry: &Entry| entry.storage == storage && entry.source == self.source;
            // A source that is being dropped twice is on the list twice.
            if let Some(index) = live.entries.iter().position(of_source) {
                live.entries.swap_remove(index);
            }
            !live.entries.iter().any(of_source)
        };
        LEFT.notify_all();
        if let Some(lease) = self.lease.take().filter(|_| is_last)
            && let Err(error) = lease.release(&self.storage)
        {
            tracing::debug!(%error, "a lease was not given back; it expires");
        }
    }
}

impl List {
    fn add(
        &mut self,
        storage: &Storage,
        table: TableId,
        source: SourceId,
        makes: Option<(String, String)>,
        lease: Option<Lease>,
    ) {
        let lease = lease.map(|lease| (storage.clone(), lease));
        if lease.is_some() && !self.is_keeping {
            let keeper = thread::Builder::new().name("leases".to_owned()).spawn(keep);
            // Without the thread the lease expires, and then the load refuses to publish.
            match keeper {
                Ok(_) => self.is_keeping = true,
                Err(error) => tracing::warn!(%error, "leases are not renewed"),
            }
        }
        self.entries.push(Entry { storage: address(storage), table, source, makes, lease });
    }

    fn lease(&self, storage: &Storage, source: SourceId) -> Option<Lease> {
        let storage = address(storage);
        let mut entries = self.entries.iter();
        let entry = entries.find(|entry| entry.storage == storage && entry.source == source)?;
        entry.lease.as_ref().map(|(_, lease)| lease.clone())
    }

    fn leases(&self) -> Vec<(Storage, Lease)> {
        self.entries.iter().filter_map(|entry| entry.lease.clone()).collect()
    }
}

/// Renews the leases of this process until there are none.
fn keep() {
    let mut live = lock(&LIVE);
    loop {
        let is_idle = |list: &mut List| !list.entries.iter().any(|entry| entry.lease.is_some());
        let waited = LEFT.wait_timeout_while(live, lease::RENEW_EVERY, |list| !is_idle(list));
        live = waited.unwrap_or_else(PoisonError::into_inner).0;
        if is_idle(&mut live) {
            live.is_keeping = false;
            return;
        }
        let leases = live.leases();
        drop(live);
        for (storage, lease) in leases {
            match lease.renew(&storage) {
                Ok(true) => {}
                // It was given back meanwhile, or it expired: then the work fails when it wants to take effect.
                Ok(false) => tracing::debug!(?lease, "a lease is gone"),
                Err(error) => tracing::warn!(%error, "a lease was not renewed"),
            }
        }
        live = lock(&LIVE);
    }
}

/// Tells whether somebody in this process works on a source.
pub(crate) fn is_live(storage: &Storage, source: SourceId) -> bool {
    let storage = address(storage);
    lock(&LIVE).entries.iter().any(|entry| entry.storage == storage && entry.source == source)
}

/// Returns the number that a table will have which a running load makes.
pub(crate) fn table_in_the_making(
    storage: &Storage,
    dataset: &str,
    table: &str,
) -> Result<Option<TableId>, LoadError> {
    if storage.is_shared() {
        return lease::table_in_the_making(storage, dataset, table);
    }
    let storage = address(storage);
    let is_it = |entry: &&Entry| {
        let makes = entry.makes.as_ref().map(|(dataset, table)| (dataset.as_str(), table.as_str()));
        entry.storage == storage && makes == Some((dataset, table))
    };
    Ok(lock(&LIVE).entries.iter().find(is_it).map(|entry| entry.table))
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
