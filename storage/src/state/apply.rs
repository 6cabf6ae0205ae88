//! Applying entries of the log, several in one redb transaction.

use std::{collections::BTreeMap, ops::Bound};

use redb::{CursorError, Durability, ReadableTable as _, Table};

use super::{APPLIED, Applied, DATA, STORE, State};
use crate::{
    error::StorageError,
    kv::{Key, Operation, Outcome, Transaction, Value},
    wal::LogPosition,
};

/// An entry of the log as it is applied.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    /// Its number: one more than that of the entry before.
    pub(crate) index: u64,
    /// The place behind it in the log.
    pub(crate) end: LogPosition,
    /// What it says.
    pub(crate) transaction: &'a Transaction,
}

type Data<'t> = Table<'t, &'static [u8], &'static [u8]>;

impl State {
    /// Applies entries in order, visible when it returns, durable only after a checkpoint.
    ///
    /// Conditions are judged here, against all entries before, so replaying gives the same outcomes.
    pub(crate) fn apply(&self, entries: &[Entry<'_>]) -> Result<Vec<Outcome>, StorageError> {
        let Some(last) = entries.last() else { return Ok(Vec::new()) };
        let applied = Applied { index: last.index, position: last.end };
        let database = self.database()?;
        let mut transaction = database.begin_write().map_err(|error| self.error(error))?;
        transaction.set_durability(Durability::None).map_err(|error| self.error(error))?;
        let mut outcomes = Vec::with_capacity(entries.len());
        {
            let mut store = transaction.open_table(STORE).map_err(|error| self.error(error))?;
            let before = store.get(APPLIED).map_err(|error| self.error(error))?;
            let before = before.and_then(|bytes| Applied::decode(bytes.value()));
            let expected = before.map_or(1, |before| before.index + 1);
            // STATE-1: the place in the log changes with the data, so nothing is applied twice or left out.
            assert!(entries.iter().map(|entry| entry.index).eq(expected..=last.index), "STATE-1");
            let mut data = transaction.open_table(DATA).map_err(|error| self.error(error))?;
            for entry in entries {
                let outcome = apply_one(&mut data, entry.transaction);
                outcomes.push(outcome.map_err(|error| self.error(error))?);
            }
            let encoded = applied.encode();
            store.insert(APPLIED, encoded.as_slice()).map_err(|error| self.error(error))?;
        }
        transaction.commit().map_err(|error| self.error(error))?;
        Ok(outcomes)
    }
}

fn apply_one(data: &mut Data<'_>, transaction: &Transaction) -> Result<Outcome, redb::StorageError> {
    for (number, condition) in transaction.conditions.iter().enumerate() {
        let found = data.get(condition.key().as_ref())?;
        if !condition.holds(found.as_ref().map(|found| found.value())) {
            let found = found.map(|found| Value::copy_from_slice(found.value()));
            return Ok(Outcome::ConditionFailed { condition: number, found });
        }
    }
    let is_range = |operation: &Operation| matches!(operation, Operation::DeleteRange(_));
    let mut rest = transaction.batch.operations();
    while let Some(first) = rest.first() {
        if let Operation::DeleteRange(range) = first {
            if !range.is_empty() {
                data.retain_in::<&[u8], _>(range.bounds(), |_, _| false)?;
            }
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let count = rest.iter().position(is_range).unwrap_or(rest.len());
        let (points, after) = rest.split_at(count);
        apply_points(data, points)?;
        rest = after;
    }
    Ok(Outcome::Committed)
}

/// Applies puts and deletes, in which only the last one of a key counts, in key order.
fn apply_points(data: &mut Data<'_>, operations: &[Operation]) -> Result<(), redb::StorageError> {
    let mut last: Vec<(&Key, Option<&Value>)> = operations.iter().filter_map(point).collect();
    if !last.is_sorted_by(|(a, _), (b, _)| a < b) {
        let unique: BTreeMap<_, _> = last.into_iter().collect();
        last = unique.into_iter().collect();
    }
    let mut puts = Vec::with_capacity(last.len());
    for (key, value) in last {
        match value {
            Some(value) => puts.push((key, value)),
            None => drop(data.remove(key.as_ref())?),
        }
    }
    insert_sorted(data, &puts)
}

fn point(operation: &Operation) -> Option<(&Key, Option<&Value>)> {
    match operation {
        Operation::Put(key, value) => Some((key, Some(value))),
        Operation::Delete(key) => Some((key, None)),
        _ => None,
    }
}

/// Inserts ascending keys. Runs of them between two keys of the table go through a cursor, which
/// fills pages one after the other: for values of 60 KB that is more than twice as fast as inserts.
fn insert_sorted(data: &mut Data<'_>, puts: &[(&Key, &Value)]) -> Result<(), redb::StorageError> {
    let mut rest = puts;
    while let [(key, value), after @ ..] = rest {
        let run = run_length(data, rest)?;
        if run < 2 {
            data.insert(key.as_ref(), value.as_ref())?;
            rest = after;
            continue;
        }
        let (run, after) = rest.split_at(run);
        let mut cursor = data.lower_bound_mut(Bound::Included(key.as_ref()))?;
        for (key, value) in run {
            cursor.insert_before(key.as_ref(), value.as_ref()).map_err(|error| match error {
                CursorError::Storage(error) => error,
                other => redb::StorageError::Corrupted(other.to_string()),
            })?;
        }
        cursor.close()?;
        rest = after;
    }
    Ok(())
}

/// How many of the keys lie before the next key of the table; 0 if the first is itself there.
fn run_length(data: &Data<'_>, puts: &[(&Key, &Value)]) -> Result<usize, redb::StorageError> {
    let [(first, _), (_, _), ..] = puts else { return Ok(puts.len()) };
    let next = data.range(first.as_ref()..)?.next().transpose()?;
    Ok(next.map_or(puts.len(), |(next, _)| puts.partition_point(|(key, _)| key.as_ref() < next.value())))
}
