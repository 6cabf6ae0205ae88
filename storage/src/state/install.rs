//! Bringing a range to this node, and taking it away: in pieces, under a mark that outlives a crash.
//!
//! The group's row says [`Phase::Installing`], durably, before the first row changes and until all are
//! there. After a crash in between there is only to remove what there is.

use bytes::Bytes;
use redb::{Durability, ReadableTable, ReadableTableMetadata as _, WriteTransaction};

use super::{
    execute::find_group,
    fault::Fault,
    group::{Group, GroupRow, Phase},
    rows::{Row, take_row},
    snapshot::{Chunk, decode_chunk},
    store::Store,
    tables::{GROUPS, SESSIONS, SpaceTables},
    values::{decision_bounds, element_bounds},
};
use crate::{
    error::StorageError,
    fields::Reason,
    kv::{Key, KeyRange, Value},
    range::{RangeDescriptor, RangeId},
};

/// Rows and bytes that one transaction removes at most, of each table.
const PIECE_ROWS: usize = 16 << 10;
const PIECE_BYTES: usize = 64 << 20;

/// A snapshot on its way in; dropped unfinished, it leaves a group that must be removed.
#[derive(Debug)]
pub(crate) struct Installer {
    group: Group,
    /// Number of the next chunk.
    sequence: u32,
    /// Whether the last chunk is there.
    complete: bool,
    bytes: u64,
}

impl Store {
    /// Begins to install a snapshot of `group`: marks it, durably, and clears its keys.
    ///
    /// What this node has of the group is lost. From here on the group is not live, until
    /// [`Installer::finish`] or [`Store::remove_group`].
    ///
    /// # Errors
    ///
    /// [`StorageError::RangeOverlap`] if another group of this node has some of the keys.
    pub(crate) fn installer(&self, group: &Group) -> Result<Installer, StorageError> {
        let descriptor = self.file.write(Durability::Immediate, |transaction| mark(transaction, group))?;
        self.durable()?;
        self.events.forget(descriptor.id);
        self.clear(&descriptor)?;
        Ok(Installer { group: group.clone(), sequence: 0, complete: false, bytes: 0 })
    }

    /// Makes a group that has nothing yet, durably; it replaces one that has nothing either.
    ///
    /// # Errors
    ///
    /// [`StorageError::RangeOverlap`] if another group of this node has some of the keys, or this one has.
    pub(crate) fn create_group(&self, group: &Group) -> Result<(), StorageError> {
        self.file.write(Durability::Immediate, |transaction| {
            let mut groups = transaction.open_table(GROUPS)?;
            check_overlap(&groups, &group.descriptor)?;
            if find_group(&groups, group.descriptor.id)?.is_some_and(|known| !known.group.is_empty()) {
                return Err(StorageError::RangeOverlap {
                    range: group.descriptor.id,
                    other: group.descriptor.id,
                }
                .into());
            }
            let row = GroupRow { group: group.clone(), bytes: 0 };
            groups.insert(group.descriptor.id.0, row.encode().as_ref())?;
            Ok(())
        })?;
        self.durable()
    }

    /// Whether a snapshot of the range could be installed.
    ///
    /// # Errors
    ///
    /// [`StorageError::RangeOverlap`] if another group of this node has some of the keys.
    pub(crate) fn check_installable(&self, range: &RangeDescriptor) -> Result<(), StorageError> {
        let view = self.view()?;
        let groups = view.transaction.open_table(GROUPS).map_err(|error| view.error(error))?;
        check_overlap(&groups, range).map_err(|fault| view.error(fault))
    }

    /// Takes a group out of use; nothing happens if it is absent. Durable when it returns, so that
    /// whoever opens the folder after a crash knows that it is to be removed.
    pub(crate) fn condemn_group(&self, range: RangeId) -> Result<(), StorageError> {
        self.condemn(range).map(drop)
    }

    fn condemn(&self, range: RangeId) -> Result<Option<RangeDescriptor>, StorageError> {
        let condemned = self.file.write(Durability::Immediate, |transaction| {
            let mut groups = transaction.open_table(GROUPS)?;
            let Some(mut row) = find_group(&groups, range)? else { return Ok(None) };
            row.group.phase = Phase::Installing;
            groups.insert(range.0, row.encode().as_ref())?;
            Ok(Some(row.group.descriptor))
        })?;
        if condemned.is_some() {
            self.durable()?;
        }
        Ok(condemned)
    }

    /// Removes a group and all of its rows; nothing happens if it is absent. Durable when it returns.
    pub(crate) fn remove_group(&self, range: RangeId) -> Result<(), StorageError> {
        let Some(descriptor) = self.condemn(range)? else { return Ok(()) };
        self.events.forget(range);
        self.clear(&descriptor)?;
        self.file.write(Durability::Immediate, |transaction| {
            transaction.open_table(GROUPS)?.remove(range.0)?;
            Ok(())
        })?;
        self.durable()
    }

    fn clear(&self, range: &RangeDescriptor) -> Result<(), StorageError> {
        while !self.file.write(Durability::None, |transaction| clear_piece(transaction, range))? {}
        Ok(())
    }
}

/// Marks a group as being installed; returns the keys that are to be cleared.
fn mark(transaction: &WriteTransaction, group: &Group) -> Result<RangeDescriptor, Fault> {
    let new = &group.descriptor;
    let mut groups = transaction.open_table(GROUPS)?;
    check_overlap(&groups, new)?;
    let mut descriptor = new.clone();
    if let Some(row) = find_group(&groups, new.id)? {
        // A range only ever shrinks, so what this node has of it covers the new one.
        let old = row.group.descriptor;
        if old.space != new.space || hull(&old.keys, &new.keys) != old.keys {
            let reason = "its keys are not within those that the range had here";
            return Err(StorageError::Snapshot { range: new.id, reason }.into());
        }
        descriptor.keys = old.keys;
    }
    let marked = Group { descriptor: descriptor.clone(), phase: Phase::Installing, ..group.clone() };
    groups.insert(new.id.0, GroupRow { group: marked, bytes: 0 }.encode().as_ref())?;
    Ok(descriptor)
}

/// Refuses a range of which another group has some of the keys.
fn check_overlap(
    groups: &impl ReadableTable<u64, &'static [u8]>,
    new: &RangeDescriptor,
) -> Result<(), Fault> {
    for row in groups.iter()? {
        let (_, row) = row?;
        let GroupRow { group: other, .. } = GroupRow::decode(row.value()).map_err(Fault::row("groups"))?;
        let other = other.descriptor;
        if other.id != new.id && other.space == new.space && overlap(&other.keys, &new.keys) {
            return Err(StorageError::RangeOverlap { range: new.id, other: other.id }.into());
        }
    }
    Ok(())
}

fn overlap(a: &KeyRange, b: &KeyRange) -> bool {
    let before = |a: &KeyRange, b: &KeyRange| a.end.as_ref().is_some_and(|end| *end <= b.start);
    !before(a, b) && !before(b, a)
}

/// The least span that has both.
fn hull(a: &KeyRange, b: &KeyRange) -> KeyRange {
    let end = match (&a.end, &b.end) {
        (Some(a), Some(b)) => Some(a.max(b).clone()),
        _ => None,
    };
    KeyRange { start: a.start.clone().min(b.start.clone()), end }
}

/// Removes some of the rows of a range; true when none is left.
fn clear_piece(transaction: &WriteTransaction, range: &RangeDescriptor) -> Result<bool, Fault> {
    let mut tables = SpaceTables::open(transaction, range.space)?;
    let keys = &range.keys;
    if let Some(end) = piece_end(&tables, keys)? {
        tables.data.retain_in::<&[u8], _>(
            KeyRange { start: keys.start.clone(), end: Some(end) }.bounds(),
            |_, _| false,
        )?;
        return Ok(false);
    }
    let elements = element_bounds(keys);
    if tables.elements.range(elements)?.nth(PIECE_ROWS).is_some() {
        let mut count = 0;
        tables.elements.retain_in(elements, |_, _| {
            count += 1;
            count > PIECE_ROWS
        })?;
        return Ok(false);
    }
    tables.elements.retain_in(elements, |_, _| false)?;
    tables.remove_span(keys)?;
    tables.locks.retain_in::<&[u8], _>(keys.bounds(), |_, _| false)?;
    tables.decisions.retain_in(decision_bounds(keys), |_, _| false)?;
    let clients = (range.id.0, 0)..=(range.id.0, u64::MAX);
    transaction.open_table(SESSIONS)?.retain_in(clients, |_, _| false)?;
    Ok(true)
}

/// Where a piece of the values ends, if they are more than one.
fn piece_end(tables: &SpaceTables<'_>, keys: &KeyRange) -> Result<Option<Key>, Fault> {
    let mut bytes = 0;
    if keys.is_empty() || tables.data.is_empty()? {
        return Ok(None);
    }
    for (row, count) in tables.data.range::<&[u8]>(keys.bounds())?.zip(0..) {
        let (key, value) = row?;
        if count >= PIECE_ROWS || bytes > PIECE_BYTES {
            return Ok(Some(Key::copy_from_slice(key.value())));
        }
        bytes += value.value().len();
    }
    Ok(None)
}

impl Installer {
    /// Writes the next chunk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Snapshot`] if it is not the next chunk of this snapshot, as it was sent.
    pub(crate) fn chunk(&mut self, store: &Store, bytes: Bytes) -> Result<(), StorageError> {
        let refused = |reason| StorageError::Snapshot { range: self.group.descriptor.id, reason };
        let Chunk { range, sequence, last, rows } = decode_chunk(bytes).map_err(refused)?;
        if range != self.group.descriptor.id || sequence != self.sequence || self.complete {
            return Err(refused("a chunk is out of its order"));
        }
        let rows = decode_rows(rows, &self.group.descriptor.keys).map_err(refused)?;
        let growth = store.file.write(Durability::None, |transaction| {
            let groups = transaction.open_table(GROUPS)?;
            let marked = find_group(&groups, range)?.filter(|row| row.group.phase == Phase::Installing);
            marked.ok_or(StorageError::RangeAbsent { range })?;
            write_rows(transaction, &self.group.descriptor, rows)
        })?;
        self.bytes = self.bytes.saturating_add_signed(growth);
        (self.sequence, self.complete) = (sequence + 1, last);
        Ok(())
    }

    /// Makes the group live; it and all of its rows are durable when it returns.
    ///
    /// # Errors
    ///
    /// [`StorageError::Snapshot`] if chunks are missing.
    pub(crate) fn finish(self, store: &Store) -> Result<Group, StorageError> {
        let range = self.group.descriptor.id;
        if !self.complete {
            return Err(StorageError::Snapshot { range, reason: "its last chunk is missing" });
        }
        let group = Group { phase: Phase::Live, ..self.group };
        let row = GroupRow { group: group.clone(), bytes: self.bytes };
        store.file.write(Durability::Immediate, |transaction| {
            let mut groups = transaction.open_table(GROUPS)?;
            let marked = find_group(&groups, range)?.filter(|row| row.group.phase == Phase::Installing);
            marked.ok_or(StorageError::RangeAbsent { range })?;
            groups.insert(range.0, row.encode().as_ref())?;
            Ok(())
        })?;
        store.durable()?;
        Ok(group)
    }
}

/// Decodes the rows of a chunk: all of them within `keys`, and the values ascending.
fn decode_rows(mut rest: Bytes, keys: &KeyRange) -> Result<Vec<Row<Bytes>>, Reason> {
    let mut rows: Vec<Row<Bytes>> = Vec::new();
    while !rest.is_empty() {
        let row = take_row(&mut rest)?;
        let inside = match &row {
            Row::Value(key, _) | Row::Expiry(key, _) | Row::Deque(key, ..) | Row::Element(key, ..) => {
                keys.contains(key)
            }
            Row::Lock(key, _) | Row::Decision(key, ..) => keys.contains(key),
            Row::Session(..) => true,
        };
        if !inside {
            return Err("a key is outside of the range");
        }
        if let (Some(Row::Value(before, _)), Row::Value(key, _)) = (rows.last(), &row)
            && key <= before
        {
            return Err("keys do not ascend");
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Writes rows; returns by how many bytes keys and values grew.
fn write_rows(
    transaction: &WriteTransaction,
    range: &RangeDescriptor,
    rows: Vec<Row<Bytes>>,
) -> Result<i64, Fault> {
    let mut tables = SpaceTables::open(transaction, range.space)?;
    let mut sessions = transaction.open_table(SESSIONS)?;
    let values = rows.iter().map_while(|row| match row {
        Row::Value(key, value) => Some((key, value)),
        _ => None,
    });
    let values: Vec<(&Key, &Value)> = values.collect();
    tables.insert_sorted(&values)?;
    for row in rows.iter().skip(values.len()) {
        match row {
            Row::Value(key, value) => tables.insert_sorted(&[(key, value)])?,
            Row::Expiry(key, until) => {
                tables.expiries.insert(key.as_ref(), until)?;
                tables.expiry_queue.insert((*until, key.as_ref()), ())?;
            }
            Row::Deque(key, first, next) => drop(tables.deques.insert(key.as_ref(), (*first, *next))?),
            Row::Element(key, position, element) => {
                tables.elements.insert((key.as_ref(), *position), element.as_ref())?;
            }
            Row::Lock(key, lock) => drop(tables.locks.insert(key.as_ref(), lock.as_ref())?),
            Row::Decision(key, id, decision) => {
                tables.decisions.insert((key.as_ref(), *id), decision.as_ref())?;
            }
            Row::Session(client, session) => {
                sessions.insert((range.id.0, *client), session.as_ref())?;
            }
        }
    }
    Ok(tables.data_growth)
}
