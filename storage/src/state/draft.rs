//! What operations that compute would do, found out before anything is written.
//!
//! A transaction with a counter may be refused, and a prepared one must tell its results before it is
//! committed. So the operations run over a draft: values and deques in memory, over those of the tables.

use std::collections::BTreeMap;

use redb::ReadableTable as _;

use super::{fault::Fault, tables::SpaceTables, values::NewValue};
use crate::{
    action::{OperationResult, Refusal},
    kv::{End, Key, KeyRange, Operation, Timestamp, Value},
};

/// Values and deques as they would be.
#[derive(Debug)]
pub(super) struct Draft {
    now: Timestamp,
    values: BTreeMap<Key, Option<(Value, Option<Timestamp>)>>,
    deques: BTreeMap<Key, Deque>,
    /// What of the tables counts no more.
    removed: Vec<KeyRange>,
}

/// What operations would give.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// One for each `Add`, `Push` and `Pop`.
    pub(super) results: Vec<OperationResult>,
    /// The operations, each `Add` as the put that it comes to.
    pub(super) operations: Vec<Operation>,
}

/// A deque as it would be.
#[derive(Debug, Default)]
struct Deque {
    /// Position of the first element.
    first: i64,
    /// Position behind the last.
    next: i64,
    /// Whether what is neither in `written` nor in `taken` lies in the table.
    stored: bool,
    written: BTreeMap<i64, Value>,
    taken: Vec<i64>,
}

impl Draft {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { now, values: BTreeMap::new(), deques: BTreeMap::new(), removed: Vec::new() }
    }

    /// Runs operations, each over what those before left.
    pub(super) fn run(
        &mut self,
        tables: &SpaceTables<'_>,
        operations: &[Operation],
    ) -> Result<Result<Results, Refusal>, Fault> {
        let mut done = Results::default();
        for operation in operations {
            let mut resolved = operation.clone();
            match operation {
                Operation::Put(key, value) => self.set(key, Some((value.clone(), None))),
                Operation::PutUntil(key, value, until) => self.set(key, Some((value.clone(), Some(*until)))),
                Operation::Delete(key) => {
                    self.set(key, None);
                    self.deques.insert(key.clone(), Deque::default());
                }
                Operation::DeleteRange(keys) => self.remove_span(keys),
                Operation::Add(key, change) => match self.add(tables, key, *change)? {
                    Err(refusal) => return Ok(Err(refusal)),
                    Ok((counter, put)) => {
                        done.results.push(OperationResult::Counter(counter));
                        resolved = put;
                    }
                },
                Operation::Push(key, end, value) => {
                    let length = self.deque(tables, key)?.push(*end, value)?;
                    done.results.push(OperationResult::Length(length));
                }
                Operation::Pop(key, end) => {
                    let element = self.deque(tables, key)?.pop(tables, key, *end)?;
                    done.results.push(OperationResult::Element(element));
                }
            }
            done.operations.push(resolved);
        }
        Ok(Ok(done))
    }

    fn set(&mut self, key: &Key, value: Option<(Value, Option<Timestamp>)>) {
        self.values.insert(key.clone(), value);
    }

    fn remove_span(&mut self, keys: &KeyRange) {
        if keys.is_empty() {
            return;
        }
        self.values.iter_mut().filter(|(key, _)| keys.contains(key)).for_each(|(_, value)| *value = None);
        let deques = self.deques.iter_mut().filter(|(key, _)| keys.contains(key));
        deques.for_each(|(_, deque)| *deque = Deque::default());
        self.removed.push(keys.clone());
    }

    fn is_removed(&self, key: &[u8]) -> bool {
        self.removed.iter().any(|keys| keys.contains(key))
    }

    /// Adds to a counter; a living one keeps its expiry.
    fn add(
        &mut self,
        tables: &SpaceTables<'_>,
        key: &Key,
        change: i64,
    ) -> Result<Result<(i64, Operation), Refusal>, Fault> {
        let before = match self.values.get(key) {
            Some(value) => value.clone(),
            None if self.is_removed(key) => None,
            None => {
                let until = tables.expiry(key)?;
                tables.value(key, self.now)?.map(|value| (value, until))
            }
        };
        let before = before.filter(|(_, until)| until.is_none_or(|until| self.now < until));
        let (value, until) = match &before {
            Some((text, until)) => (counter(text), *until),
            None => (Some(0), None),
        };
        let Some(value) = value else { return Ok(Err(Refusal::NotACounter { key: key.clone() })) };
        let Some(value) = value.checked_add(change) else {
            return Ok(Err(Refusal::CounterOverflow { key: key.clone() }));
        };
        let text = Value::from(value.to_string());
        self.set(key, Some((text.clone(), until)));
        let put = match until {
            Some(until) => Operation::PutUntil(key.clone(), text, until),
            None => Operation::Put(key.clone(), text),
        };
        Ok(Ok((value, put)))
    }

    fn deque(&mut self, tables: &SpaceTables<'_>, key: &Key) -> Result<&mut Deque, Fault> {
        let mut stored = None;
        if !self.deques.contains_key(key) && !self.is_removed(key) {
            stored = tables.deques.get(key.as_ref())?.map(|row| row.value());
        }
        Ok(self.deques.entry(key.clone()).or_insert_with(|| match stored {
            Some((first, next)) => Deque { first, next, stored: true, ..Deque::default() },
            None => Deque::default(),
        }))
    }

    /// Writes what was found out.
    pub(super) fn write(self, tables: &mut SpaceTables<'_>) -> Result<(), Fault> {
        for keys in &self.removed {
            tables.remove_span(keys)?;
        }
        let values: Vec<(&Key, NewValue<'_>)> = self
            .values
            .iter()
            .map(|(key, value)| (key, value.as_ref().map(|(value, until)| (value, *until))))
            .collect();
        tables.write_values(&values)?;
        self.deques.into_iter().try_for_each(|(key, deque)| deque.write(tables, &key))
    }
}

/// A decimal number of 64 bits, as `Add` writes it; also with a plus sign or leading zeros.
fn counter(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Deque {
    fn length(&self) -> u64 {
        self.first.abs_diff(self.next)
    }

    fn push(&mut self, end: End, value: &Value) -> Result<u64, Fault> {
        let exhausted = || Fault::Corrupt("the positions of a deque are used up".to_owned());
        let position = match end {
            End::Front => {
                self.first = self.first.checked_sub(1).ok_or_else(exhausted)?;
                self.first
            }
            End::Back => {
                let position = self.next;
                self.next = self.next.checked_add(1).ok_or_else(exhausted)?;
                position
            }
        };
        self.written.insert(position, value.clone());
        Ok(self.length())
    }

    fn pop(&mut self, tables: &SpaceTables<'_>, key: &Key, end: End) -> Result<Option<Value>, Fault> {
        if self.first >= self.next {
            return Ok(None);
        }
        let position = match end {
            End::Front => {
                self.first += 1;
                self.first - 1
            }
            End::Back => {
                self.next -= 1;
                self.next
            }
        };
        let element = match self.written.remove(&position) {
            Some(element) => element,
            None => {
                self.taken.push(position);
                let element = tables.elements.get((key.as_ref(), position))?;
                let absent = || Fault::Corrupt(format!("element {position} of a deque is absent"));
                Value::copy_from_slice(element.ok_or_else(absent)?.value())
            }
        };
        if self.first == self.next {
            // Ended: with the next element it begins anew.
            *self = Self::default();
        }
        Ok(Some(element))
    }

    fn write(self, tables: &mut SpaceTables<'_>, key: &Key) -> Result<(), Fault> {
        if self.stored {
            for position in &self.taken {
                tables.elements.remove((key.as_ref(), *position))?;
            }
        } else {
            tables.remove_deque(key)?;
        }
        for (position, element) in &self.written {
            tables.elements.insert((key.as_ref(), *position), element.as_ref())?;
        }
        if self.first < self.next {
            tables.deques.insert(key.as_ref(), (self.first, self.next))?;
        }
        Ok(())
    }
}
