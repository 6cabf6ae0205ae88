//! Reads: everything asked of one [`View`] is of one moment.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable as _, ReadableTableMetadata as _};

use super::{
    fault::Fault,
    group::{Group, GroupRow, Phase},
    page_file::PageFile,
    state_file::fault_of,
    tables::{Decision, GROUPS, Lock, SPACES, SpaceReads, definition},
};
use crate::{
    action::{Refusal, TransactionId},
    error::StorageError,
    kv::{Key, KeyRange, ScanLimit, ScanPage, Timestamp, Value},
    range::{RangeDescriptor, RangeId, Space},
};

/// One moment of the state; pages that are freed meanwhile stay in the file as long as it lives.
pub(crate) struct View {
    pub(super) transaction: ReadTransaction,
    pub(super) pages: Arc<PageFile>,
}

/// A lock that a read met; what is read is as if there were no transaction.
///
/// Whether that is right only the range of `primary` knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockFound {
    pub(crate) key: Key,
    pub(crate) id: TransactionId,
    pub(crate) primary: Key,
    pub(crate) deadline: Timestamp,
}

/// What was read, and the locks on what was read, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read<T> {
    pub(crate) found: T,
    pub(crate) locks: Vec<LockFound>,
}

/// A part of a deque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DequePage {
    /// Elements of the whole deque; 0 if there is none.
    pub(crate) length: u64,
    /// The elements asked for, front first.
    pub(crate) elements: Vec<Value>,
}

impl View {
    pub(super) fn new(transaction: ReadTransaction, pages: Arc<PageFile>) -> Self {
        Self { transaction, pages }
    }

    pub(super) fn error(&self, fault: impl Into<Fault>) -> StorageError {
        fault_of(&self.pages, fault.into())
    }

    pub(super) fn reads(&self, space: Space) -> Result<SpaceReads, StorageError> {
        SpaceReads::open(&self.transaction, space).map_err(|fault| self.error(fault))
    }

    /// All groups, by range.
    pub(crate) fn groups(&self) -> Result<Vec<Group>, StorageError> {
        let rows = self.try_group_rows().map_err(|fault| self.error(fault))?;
        Ok(rows.into_iter().map(|row| row.group).collect())
    }

    fn try_group_rows(&self) -> Result<Vec<GroupRow>, Fault> {
        let table = self.transaction.open_table(GROUPS)?;
        let mut groups = Vec::new();
        for row in table.iter()? {
            let (_, row) = row?;
            groups.push(GroupRow::decode(row.value()).map_err(Fault::row("groups"))?);
        }
        Ok(groups)
    }

    pub(super) fn group_row(&self, range: RangeId) -> Result<Option<GroupRow>, StorageError> {
        let find = || {
            let table = self.transaction.open_table(GROUPS)?;
            let row = table.get(range.0)?;
            row.map(|row| GroupRow::decode(row.value()).map_err(Fault::row("groups"))).transpose()
        };
        find().map_err(|fault| self.error(fault))
    }

    /// The group of `range`, if this node has it.
    pub(crate) fn group(&self, range: RangeId) -> Result<Option<Group>, StorageError> {
        Ok(self.group_row(range)?.map(|row| row.group))
    }

    /// The range as it is in this view, if it is live and has this version.
    ///
    /// What is read in the same view is of the same moment, so a request of this version is answered
    /// truly. [`Refusal::Version`] tells what the range is now.
    pub(crate) fn check(
        &self,
        range: RangeId,
        version: u64,
    ) -> Result<Result<RangeDescriptor, Refusal>, StorageError> {
        match self.group(range)? {
            Some(Group { descriptor, phase: Phase::Live, .. }) if descriptor.version == version => {
                Ok(Ok(descriptor))
            }
            Some(Group { descriptor, phase: Phase::Live, .. }) => Ok(Err(Refusal::Version(descriptor))),
            Some(_) | None => Err(StorageError::RangeAbsent { range }),
        }
    }

    /// All groups by range, each with about as many bytes as its keys and values have.
    pub(crate) fn groups_and_bytes(&self) -> Result<BTreeMap<RangeId, (Group, u64)>, StorageError> {
        let rows = self.try_group_rows().map_err(|fault| self.error(fault))?;
        Ok(rows.into_iter().map(|row| (row.group.descriptor.id, (row.group, row.bytes))).collect())
    }

    /// One of them, if this node has it.
    pub(crate) fn group_and_bytes(&self, range: RangeId) -> Result<Option<(Group, u64)>, StorageError> {
        Ok(self.group_row(range)?.map(|row| (row.group, row.bytes)))
    }

    /// About how many bytes the keys and values of a range have: exact but for what a split estimates.
    #[cfg(test)]
    pub(crate) fn approximate_bytes(&self, range: RangeId) -> Result<Option<u64>, StorageError> {
        Ok(self.group_row(range)?.map(|row| row.bytes))
    }

    /// Number of the keys with a value, of all ranges of a space, also those whose time is over.
    pub(crate) fn keys(&self, space: Space) -> Result<u64, StorageError> {
        self.reads(space)?.data.len().map_err(|error| self.error(error))
    }

    /// Values of `keys`, in the order of `keys`; looked up in key order.
    pub(crate) fn batch_get(
        &self,
        space: Space,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<Read<Vec<Option<Value>>>, StorageError> {
        self.try_batch_get(space, keys, now).map_err(|fault| self.error(fault))
    }

    fn try_batch_get(
        &self,
        space: Space,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<Read<Vec<Option<Value>>>, Fault> {
        // Opening a table costs about as much as a look into it: no more of them than are needed.
        let tables = definition(space);
        let data = self.transaction.open_table(tables.data)?;
        let locked = self.transaction.open_table(tables.locks)?;
        let expiries = self.transaction.open_table(tables.expiries)?;
        let (is_locked, expiring) = (!locked.is_empty()?, !expiries.is_empty()?);
        let (mut found, mut locks) = (vec![None; keys.len()], Vec::new());
        let mut sorted: Vec<(&Key, &mut Option<Value>)> = keys.iter().zip(&mut found).collect();
        if !sorted.is_sorted_by_key(|(key, _)| *key) {
            sorted.sort_by_key(|(key, _)| *key);
        }
        for (key, value) in sorted {
            if is_locked && let Some(lock) = find_lock(&locked, key)? {
                locks.push(lock);
            }
            if expiring && is_over(&expiries, key, now)? {
                continue;
            }
            // Copied: a page kept by a caller would keep its whole read transaction alive, and with it
            // every page that is freed meanwhile.
            *value = data.get(key.as_ref())?.map(|found| Value::copy_from_slice(found.value()));
        }
        locks.dedup_by(|a, b| a.key == b.key);
        Ok(Read { found, locks })
    }

    /// Entries of a span of keys, in key order, up to a limit; `entry` makes them, and counts bytes.
    ///
    /// Locks are those on keys of the part that was scanned, with a value or not.
    pub(crate) fn scan<E>(
        &self,
        space: Space,
        keys: &KeyRange,
        limit: ScanLimit,
        now: Timestamp,
        entry: impl Fn(&[u8], &[u8]) -> (E, usize),
    ) -> Result<Read<ScanPage<E>>, StorageError> {
        self.try_scan(space, keys, limit, now, entry).map_err(|fault| self.error(fault))
    }

    fn try_scan<E>(
        &self,
        space: Space,
        keys: &KeyRange,
        limit: ScanLimit,
        now: Timestamp,
        entry: impl Fn(&[u8], &[u8]) -> (E, usize),
    ) -> Result<Read<ScanPage<E>>, Fault> {
        let mut page = ScanPage { entries: Vec::new(), next: None };
        if keys.is_empty() {
            return Ok(Read { found: page, locks: Vec::new() });
        }
        let tables = SpaceReads::open(&self.transaction, space)?;
        let expiring = !tables.expiries.is_empty()?;
        let mut bytes = 0_usize;
        for item in tables.data.range::<&[u8]>(keys.bounds())? {
            let (key, value) = item?;
            if expiring && is_over(&tables.expiries, key.value(), now)? {
                continue;
            }
            let full = page.entries.len() >= limit.entries || bytes >= limit.bytes;
            if full && !page.entries.is_empty() {
                let start = Bytes::copy_from_slice(key.value());
                page.next = Some(KeyRange { start, end: keys.end.clone() });
                break;
            }
            let (entry, entry_bytes) = entry(key.value(), value.value());
            page.entries.push(entry);
            bytes = bytes.saturating_add(entry_bytes);
        }
        let end = page.next.as_ref().map_or_else(|| keys.end.clone(), |next| Some(next.start.clone()));
        let scanned = KeyRange { start: keys.start.clone(), end };
        let locks = find_locks(&tables, &scanned, usize::MAX, |_| true)?;
        Ok(Read { found: page, locks })
    }

    /// Entries with their values.
    pub(crate) fn scan_entries(
        &self,
        space: Space,
        keys: &KeyRange,
        limit: ScanLimit,
        now: Timestamp,
    ) -> Result<Read<ScanPage<(Key, Value)>>, StorageError> {
        self.scan(space, keys, limit, now, |key, value| {
            ((Key::copy_from_slice(key), Value::copy_from_slice(value)), key.len() + value.len())
        })
    }

    /// Keys alone; the limit counts their bytes.
    pub(crate) fn scan_keys(
        &self,
        space: Space,
        keys: &KeyRange,
        limit: ScanLimit,
        now: Timestamp,
    ) -> Result<Read<ScanPage<Key>>, StorageError> {
        self.scan(space, keys, limit, now, |key, _| (Key::copy_from_slice(key), key.len()))
    }

    /// Elements of the deque under `key` from number `from` on (0 is the front), up to a limit.
    pub(crate) fn deque(
        &self,
        space: Space,
        key: &Key,
        from: u64,
        limit: ScanLimit,
    ) -> Result<Read<DequePage>, StorageError> {
        self.try_deque(space, key, from, limit).map_err(|fault| self.error(fault))
    }

    fn try_deque(
        &self,
        space: Space,
        key: &Key,
        from: u64,
        limit: ScanLimit,
    ) -> Result<Read<DequePage>, Fault> {
        let tables = SpaceReads::open(&self.transaction, space)?;
        let locks = find_lock(&tables.locks, key)?.into_iter().collect();
        let Some((first, next)) = tables.deques.get(key.as_ref())?.map(|row| row.value()) else {
            return Ok(Read { found: DequePage { length: 0, elements: Vec::new() }, locks });
        };
        let mut found = DequePage { length: first.abs_diff(next), elements: Vec::new() };
        let start = first.saturating_add_unsigned(from).min(next);
        let mut bytes = 0_usize;
        for row in tables.elements.range((key.as_ref(), start)..(key.as_ref(), next))? {
            if !found.elements.is_empty() && (found.elements.len() >= limit.entries || bytes >= limit.bytes) {
                break;
            }
            let (_, element) = row?;
            bytes = bytes.saturating_add(element.value().len());
            found.elements.push(Value::copy_from_slice(element.value()));
        }
        Ok(Read { found, locks })
    }

    /// When the value under `key` is gone, if that was said of it; also when it is over.
    pub(crate) fn expires(&self, space: Space, key: &Key) -> Result<Option<Timestamp>, StorageError> {
        let found = self.reads(space)?.expiries.get(key.as_ref()).map_err(|error| self.error(error))?;
        Ok(found.map(|until| Timestamp(until.value())))
    }

    /// The lock on `key`.
    pub(crate) fn lock(&self, space: Space, key: &Key) -> Result<Option<LockFound>, StorageError> {
        find_lock(&self.reads(space)?.locks, key).map_err(|fault| self.error(fault))
    }

    /// Whether a transaction is committed, if that is decided and not forgotten; asked of the range
    /// that has its primary key.
    pub(crate) fn decision(
        &self,
        space: Space,
        primary: &Key,
        id: TransactionId,
    ) -> Result<Option<bool>, StorageError> {
        let tables = self.reads(space)?;
        let row = tables.decisions.get((primary.as_ref(), id.0)).map_err(|error| self.error(error))?;
        let decision = row.map(|row| Decision::decode(row.value()).map_err(Fault::row("decisions")));
        let decision = decision.transpose().map_err(|fault| self.error(fault))?;
        Ok(decision.map(|decision| decision.committed))
    }

    /// Locks of a range whose deadline is over, for its leader to resolve.
    ///
    /// Reads every lock before those that it returns.
    pub(crate) fn overdue_locks(
        &self,
        range: &RangeDescriptor,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<LockFound>, StorageError> {
        let tables = self.reads(range.space)?;
        find_locks(&tables, &range.keys, limit, |lock| lock.deadline <= now)
            .map_err(|fault| self.error(fault))
    }

    /// Whether the time of any value is over, in any range.
    pub(crate) fn is_anything_due(&self, now: Timestamp) -> Result<bool, StorageError> {
        let look = || {
            for space in SPACES {
                let queue = self.transaction.open_table(definition(space).expiry_queue)?;
                if queue.first()?.is_some_and(|(row, _)| row.value().0 <= now.0) {
                    return Ok(true);
                }
            }
            Ok::<_, Fault>(false)
        };
        look().map_err(|fault| self.error(fault))
    }

    /// Entries of a range whose time is over, the oldest first, for its leader to remove.
    ///
    /// Passes over what is due in the other ranges of this node, so it costs their number too.
    pub(crate) fn due(
        &self,
        range: &RangeDescriptor,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(Key, Timestamp)>, StorageError> {
        let find = || {
            let tables = SpaceReads::open(&self.transaction, range.space)?;
            let mut due = Vec::new();
            let end = now.0.saturating_add(1);
            for row in tables.expiry_queue.range((0, [].as_slice())..(end, [].as_slice()))? {
                if due.len() >= limit {
                    break;
                }
                let (row, _) = row?;
                let (until, key) = row.value();
                if range.keys.contains(key) {
                    due.push((Key::copy_from_slice(key), Timestamp(until)));
                }
            }
            Ok::<_, Fault>(due)
        };
        find().map_err(|fault| self.error(fault))
    }

    /// A key with about half of the bytes of a range before it, where it can be split; `None` with
    /// fewer than two keys.
    ///
    /// Reads half of the range, since a page of the tree has keys and values together.
    pub(crate) fn middle_key(&self, range: RangeId) -> Result<Option<Key>, StorageError> {
        let Some(row) = self.group_row(range)? else { return Ok(None) };
        let descriptor = &row.group.descriptor;
        let find = |half: u64| {
            let tables = SpaceReads::open(&self.transaction, descriptor.space)?;
            let mut bytes = 0;
            for item in tables.data.range::<&[u8]>(descriptor.keys.bounds())? {
                let (key, value) = item?;
                if bytes >= half.max(1) {
                    return Ok((bytes, Some(Key::copy_from_slice(key.value()))));
                }
                bytes += (key.value().len() + value.value().len()) as u64;
            }
            Ok::<_, Fault>((bytes, None))
        };
        let (bytes, middle) = find(row.bytes / 2).map_err(|fault| self.error(fault))?;
        match middle {
            Some(middle) => Ok(Some(middle)),
            // The estimate was too large; now it is known.
            None => Ok(find(bytes / 2).map_err(|fault| self.error(fault))?.1),
        }
    }
}

fn is_over(expiries: &ReadOnlyTable<&'static [u8], u64>, key: &[u8], now: Timestamp) -> Result<bool, Fault> {
    Ok(expiries.get(key)?.is_some_and(|until| until.value() <= now.0))
}

fn find_lock(
    locks: &ReadOnlyTable<&'static [u8], &'static [u8]>,
    key: &[u8],
) -> Result<Option<LockFound>, Fault> {
    let row = locks.get(key)?;
    row.map(|row| lock_found(key, row.value())).transpose()
}

fn find_locks(
    tables: &SpaceReads,
    keys: &KeyRange,
    limit: usize,
    wanted: impl Fn(&LockFound) -> bool,
) -> Result<Vec<LockFound>, Fault> {
    let mut locks = Vec::new();
    if keys.is_empty() || tables.locks.is_empty()? {
        return Ok(locks);
    }
    for row in tables.locks.range::<&[u8]>(keys.bounds())? {
        if locks.len() >= limit {
            break;
        }
        let (key, row) = row?;
        locks.extend(Some(lock_found(key.value(), row.value())?).filter(&wanted));
    }
    Ok(locks)
}

fn lock_found(key: &[u8], row: &[u8]) -> Result<LockFound, Fault> {
    let Lock { id, primary, deadline, .. } = Lock::decode(row).map_err(Fault::row("locks"))?;
    Ok(LockFound { key: Key::copy_from_slice(key), id, primary, deadline })
}
