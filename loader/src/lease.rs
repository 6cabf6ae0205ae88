//! Leases: what tells other processes that share the store that a load or a drop is alive.
//!
//! A folder of one process needs none. In a cluster, a lease is a key that expires; the process that works
//! renews it. It protects twice (LOAD-3):
//! - whoever collects leftovers leaves alone what is under a lease, and removes an expired lease in a
//!   transaction before it collects: from then on it cannot be renewed, whatever the clocks of nodes say;
//! - what makes a load or drop take effect is conditional on its lease: a process that was asleep for longer
//!   than its lease finds its work gone and cannot publish what was collected.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use bytes::Bytes;
use genomdb_layout::{
    catalog::LeaseEntry,
    key::{SourceId, TableId, leases_prefix},
};
use genomdb_storage::{
    Condition, KeyRange, Outcome, ScanLimit, Storage, StorageError, Timestamp, Transaction, WriteBatch,
};

use crate::LoadError;

/// How long a lease lives if nobody renews it. Clocks of processes and nodes may differ by less.
const LIFETIME: Duration = Duration::from_secs(60);
/// How often it is renewed.
pub(crate) const RENEW_EVERY: Duration = Duration::from_secs(15);

/// The lease of a source, held by this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    key: Bytes,
    value: Bytes,
}

impl Lease {
    /// A lease that nobody has yet; `makes` is the table that the load makes.
    pub(crate) fn new(table: TableId, source: SourceId, makes: Option<(String, String)>) -> Self {
        // The keys of this hasher are random, and so is what it makes of nothing.
        let holder = RandomState::new().hash_one(std::process::id());
        let value = LeaseEntry { holder, makes }.to_bytes().into();
        Self { key: LeaseEntry::key(table, source).to_bytes().into(), value }
    }

    /// Holds if the lease is still that of this process.
    pub(crate) fn is_held(&self) -> Condition {
        Condition::Equals(self.key.clone(), self.value.clone())
    }

    /// Writes it, to live from now on.
    pub(crate) fn put(&self, storage: &Storage, batch: &mut WriteBatch) {
        let now = storage.config().clock.wall().0;
        let lifetime = u64::try_from(LIFETIME.as_millis()).unwrap_or(u64::MAX);
        batch.put_until(self.key.clone(), self.value.clone(), Timestamp(now.saturating_add(lifetime)));
    }

    /// Takes it, unless somebody has it.
    pub(crate) fn take(&self, storage: &Storage) -> Result<bool, StorageError> {
        self.write(storage, Condition::Absent(self.key.clone()), |batch| self.put(storage, batch))
    }

    /// Prolongs it, unless it expired: then others may have collected what it protected.
    pub(crate) fn renew(&self, storage: &Storage) -> Result<bool, StorageError> {
        self.write(storage, self.is_held(), |batch| self.put(storage, batch))
    }

    /// Gives it back; nothing happens if it is somebody else's by now.
    pub(crate) fn release(&self, storage: &Storage) -> Result<(), StorageError> {
        self.write(storage, self.is_held(), |batch| {
            batch.delete(self.key.clone());
        })
        .map(drop)
    }

    fn write(
        &self,
        storage: &Storage,
        condition: Condition,
        write: impl FnOnce(&mut WriteBatch),
    ) -> Result<bool, StorageError> {
        let mut transaction = Transaction { conditions: vec![condition], ..Transaction::default() };
        write(&mut transaction.batch);
        Ok(storage.transact_blocking(transaction)? == Outcome::Committed)
    }
}

/// Makes sure that a source has no lease, and none that could come back to life. False if it has one.
pub(crate) fn bury(storage: &Storage, table: TableId, source: SourceId) -> Result<bool, StorageError> {
    let key = Bytes::from(LeaseEntry::key(table, source).to_bytes());
    // Most that have one are alive: to see that costs no write.
    if storage.batch_get_blocking(std::slice::from_ref(&key))?.iter().any(Option::is_some) {
        return Ok(false);
    }
    let mut transaction =
        Transaction { conditions: vec![Condition::Absent(key.clone())], ..Transaction::default() };
    transaction.batch.delete(key);
    Ok(storage.transact_blocking(transaction)? == Outcome::Committed)
}

/// Returns the number that a table will have which a running load makes, in whichever process.
pub(crate) fn table_in_the_making(
    storage: &Storage,
    dataset: &str,
    table: &str,
) -> Result<Option<TableId>, LoadError> {
    let mut next = Some(KeyRange::prefix(leases_prefix()));
    while let Some(range) = next {
        let page = storage.scan_blocking(&range, ScanLimit::default())?;
        for (key, value) in page.entries {
            let makes = LeaseEntry::from_bytes(&value)?.makes;
            if let genomdb_layout::key::Key::Lease { table: id, .. } =
                genomdb_layout::key::Key::from_bytes(&key)?
                && makes.is_some_and(|(in_dataset, name)| in_dataset == dataset && name == table)
            {
                return Ok(Some(id));
            }
        }
        next = page.next;
    }
    Ok(None)
}
