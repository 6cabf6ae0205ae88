//! Changing single rows and spans of them: what belongs to a key changes together.

use std::{collections::BTreeMap, ops::Bound};

use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::{
    fault::Fault,
    tables::{DataTable, SpaceTables},
};
use crate::kv::{Key, KeyRange, Operation, Timestamp, Value};

/// What a key is to have: a value, with the moment from which it is gone, or none.
pub(super) type NewValue<'a> = Option<(&'a Value, Option<Timestamp>)>;

/// From where to where.
pub(super) type Span<K> = (Bound<K>, Bound<K>);

impl SpaceTables<'_> {
    /// When the value under `key` is gone.
    pub(super) fn expiry(&self, key: &[u8]) -> Result<Option<Timestamp>, Fault> {
        if self.expiries.is_empty()? {
            return Ok(None);
        }
        Ok(self.expiries.get(key)?.map(|until| Timestamp(until.value())))
    }

    /// The value under `key`, unless its time is over.
    pub(super) fn value(&self, key: &[u8], now: Timestamp) -> Result<Option<Value>, Fault> {
        if self.expiry(key)?.is_some_and(|until| until <= now) {
            return Ok(None);
        }
        Ok(self.data.get(key)?.map(|value| Value::copy_from_slice(value.value())))
    }

    /// Gives `key` an expiry, or none, in place of what it has.
    fn set_expiry(&mut self, key: &[u8], until: Option<Timestamp>) -> Result<(), Fault> {
        let before = match until {
            Some(until) => self.expiries.insert(key, until.0)?.map(|before| before.value()),
            None if self.expiries.is_empty()? => None,
            None => self.expiries.remove(key)?.map(|before| before.value()),
        };
        if let Some(before) = before {
            self.expiry_queue.remove((before, key))?;
        }
        if let Some(until) = until {
            self.expiry_queue.insert((until.0, key), ())?;
        }
        Ok(())
    }

    /// Removes a value.
    pub(super) fn remove_value(&mut self, key: &[u8]) -> Result<(), Fault> {
        self.set_expiry(key, None)?;
        if let Some(before) = self.data.remove(key)? {
            self.data_growth -= (key.len() + before.value().len()) as i64;
        }
        Ok(())
    }

    /// Removes a deque.
    pub(super) fn remove_deque(&mut self, key: &[u8]) -> Result<(), Fault> {
        if !self.deques.is_empty()? && self.deques.remove(key)?.is_some() {
            self.elements.retain_in((key, i64::MIN)..=(key, i64::MAX), |_, _| false)?;
        }
        Ok(())
    }

    /// Removes every value and deque of a span of keys.
    pub(super) fn remove_span(&mut self, keys: &KeyRange) -> Result<(), Fault> {
        if keys.is_empty() {
            return Ok(());
        }
        let growth = &mut self.data_growth;
        self.data.retain_in::<&[u8], _>(keys.bounds(), |key, value| {
            *growth -= (key.len() + value.len()) as i64;
            false
        })?;
        if !self.expiries.is_empty()? {
            let mut queued = Vec::new();
            self.expiries.retain_in::<&[u8], _>(keys.bounds(), |key, until| {
                queued.push((until, key.to_vec()));
                false
            })?;
            for (until, key) in queued {
                self.expiry_queue.remove((until, key.as_slice()))?;
            }
        }
        if !self.deques.is_empty()? {
            self.deques.retain_in::<&[u8], _>(keys.bounds(), |_, _| false)?;
            self.elements.retain_in(element_bounds(keys), |_, _| false)?;
        }
        Ok(())
    }

    /// Runs puts, deletes and deletes of spans, in order.
    pub(super) fn write_plain(&mut self, operations: &[Operation]) -> Result<(), Fault> {
        let mut rest = operations;
        while let Some(first) = rest.first() {
            if let Operation::DeleteRange(keys) = first {
                self.remove_span(keys)?;
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let is_span = |operation: &Operation| matches!(operation, Operation::DeleteRange(_));
            let count = rest.iter().position(is_span).unwrap_or(rest.len());
            let (points, after) = rest.split_at(count);
            self.write_points(points)?;
            rest = after;
        }
        Ok(())
    }

    fn write_points(&mut self, operations: &[Operation]) -> Result<(), Fault> {
        if !self.deques.is_empty()? {
            for operation in operations {
                if let Operation::Delete(key) = operation {
                    self.remove_deque(key)?;
                }
            }
        }
        let mut last: Vec<(&Key, NewValue<'_>)> = operations.iter().filter_map(point).collect();
        if !last.is_sorted_by(|(a, _), (b, _)| a < b) {
            // Of several for one key, the last counts.
            let unique: BTreeMap<_, _> = last.into_iter().collect();
            last = unique.into_iter().collect();
        }
        self.write_values(&last)
    }

    /// Writes values under ascending keys.
    pub(super) fn write_values(&mut self, values: &[(&Key, NewValue<'_>)]) -> Result<(), Fault> {
        let mut puts = Vec::with_capacity(values.len());
        let expiring = !self.expiries.is_empty()?;
        for (key, value) in values {
            match value {
                Some((value, until)) => {
                    if expiring || until.is_some() {
                        self.set_expiry(key, *until)?;
                    }
                    puts.push((*key, *value));
                }
                None => self.remove_value(key)?,
            }
        }
        self.insert_sorted(&puts)
    }

    /// Inserts ascending keys. Runs of them between two keys of the table go through a cursor, which
    /// fills pages one after the other: for values of 60 KB that is more than twice as fast as inserts.
    pub(super) fn insert_sorted(&mut self, puts: &[(&Key, &Value)]) -> Result<(), Fault> {
        let mut rest = puts;
        while let [(key, value), after @ ..] = rest {
            let run = run_length(&self.data, rest)?;
            if run < 2 {
                let before = self.data.insert(key.as_ref(), value.as_ref())?;
                let before = before.map_or(0, |before| key.len() + before.value().len());
                self.data_growth += (key.len() + value.len()) as i64 - before as i64;
                rest = after;
                continue;
            }
            let (run, after) = rest.split_at(run);
            let mut cursor = self.data.lower_bound_mut(Bound::Included(key.as_ref()))?;
            for (key, value) in run {
                cursor.insert_before(key.as_ref(), value.as_ref())?;
                self.data_growth += (key.len() + value.len()) as i64;
            }
            cursor.close()?;
            rest = after;
        }
        Ok(())
    }
}

/// The elements of all deques of a span of keys.
pub(super) fn element_bounds(keys: &KeyRange) -> Span<(&[u8], i64)> {
    let (start, end) = keys.bounds();
    (start.map(|key| (key, i64::MIN)), end.map(|key| (key, i64::MIN)))
}

/// The decisions of all transactions whose primary key is in a span.
pub(super) fn decision_bounds(keys: &KeyRange) -> Span<(&[u8], u128)> {
    let (start, end) = keys.bounds();
    (start.map(|key| (key, 0)), end.map(|key| (key, 0)))
}

fn point(operation: &Operation) -> Option<(&Key, NewValue<'_>)> {
    match operation {
        Operation::Put(key, value) => Some((key, Some((value, None)))),
        Operation::PutUntil(key, value, until) => Some((key, Some((value, Some(*until))))),
        Operation::Delete(key) => Some((key, None)),
        Operation::DeleteRange(_) | Operation::Add(..) | Operation::Push(..) | Operation::Pop(..) => None,
    }
}

/// How many of the keys lie before the next key of the table; 0 if the first is itself there.
fn run_length(data: &DataTable<'_>, puts: &[(&Key, &Value)]) -> Result<usize, Fault> {
    let [(first, _), (_, _), ..] = puts else { return Ok(puts.len()) };
    let next = data.range(first.as_ref()..)?.next().transpose()?;
    Ok(next.map_or(puts.len(), |(next, _)| puts.partition_point(|(key, _)| key.as_ref() < next.value())))
}
