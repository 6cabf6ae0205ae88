//! Keys, values, and what can be asked of them; opaque bytes, no meaning.

use std::ops::Bound;

use bytes::Bytes;

use crate::{config::Config, error::StorageError};

/// A key: 1 to [`Config::key_bytes_max`] bytes, ordered bytewise.
pub type Key = Bytes;
/// A value: any bytes, up to [`Config::value_bytes_max`].
pub type Value = Bytes;

/// A span of keys: `start` is in it, `end` is not; without an end it reaches the last key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First key of the range, present or not; empty for the first key of all.
    pub start: Key,
    /// First key after the range.
    pub end: Option<Key>,
}

impl KeyRange {
    /// Every key.
    pub const fn all() -> Self {
        Self { start: Bytes::new(), end: None }
    }

    /// Every key from `start` up to `end`, which is not in it.
    pub fn new(start: impl Into<Key>, end: impl Into<Key>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Every key that begins with `prefix`.
    ///
    /// # Examples
    ///
    /// ```
    /// use genomdb_storage::KeyRange;
    ///
    /// assert!(KeyRange::prefix(b"ab".to_vec()).contains(b"abc"));
    /// assert!(!KeyRange::prefix(b"ab".to_vec()).contains(b"ac"));
    /// assert_eq!(KeyRange::prefix(vec![0xFF]).end, None);
    /// ```
    pub fn prefix(prefix: impl Into<Key>) -> Self {
        let start = prefix.into();
        let mut end = start.to_vec();
        while end.pop_if(|last| *last == u8::MAX).is_some() {}
        let end = end.last_mut().map(|last| *last += 1).map(|()| Bytes::from(end));
        Self { start, end }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_ref() <= key && self.end.as_ref().is_none_or(|end| key < end.as_ref())
    }

    /// Whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end <= &self.start)
    }

    /// What lies before `limit`, and the rest, if anything does.
    pub(crate) fn cut(&self, limit: Option<&Key>) -> (Self, Option<Self>) {
        match limit {
            Some(limit) if self.end.as_ref().is_none_or(|end| limit < end) => (
                Self { start: self.start.clone(), end: Some(limit.clone()) },
                Some(Self { start: limit.clone(), end: self.end.clone() }),
            ),
            _ => (self.clone(), None),
        }
    }

    /// As bounds over slices.
    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        let end = self.end.as_ref().map_or(Bound::Unbounded, |end| Bound::Excluded(end.as_ref()));
        (Bound::Included(self.start.as_ref()), end)
    }
}

/// One step of a [`WriteBatch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Stores a value under a key, replacing what was there.
    Put(Key, Value),
    /// Removes a key; nothing happens if it is absent.
    Delete(Key),
    /// Removes every key of a range.
    DeleteRange(KeyRange),
    /// Stores a value that is gone from a moment on.
    PutUntil(Key, Value, Timestamp),
    /// Adds to a counter, a value that is a decimal number; an absent one counts as 0.
    Add(Key, i64),
    /// Puts an element at one end of a deque, which begins to exist with its first element.
    Push(Key, End, Value),
    /// Takes the element at one end of a deque, which ends with its last element.
    Pop(Key, End),
}

impl Operation {
    /// Its key; of a range the first one.
    pub const fn key(&self) -> &Key {
        match self {
            Self::DeleteRange(range) => &range.start,
            Self::Put(key, _)
            | Self::Delete(key)
            | Self::PutUntil(key, ..)
            | Self::Add(key, _)
            | Self::Push(key, ..)
            | Self::Pop(key, _) => key,
        }
    }

    /// Bytes of keys and values.
    fn bytes(&self) -> u64 {
        let more = match self {
            Self::Put(_, value) | Self::PutUntil(_, value, _) | Self::Push(_, _, value) => value.len(),
            Self::DeleteRange(range) => range.end.as_ref().map_or(0, Bytes::len),
            Self::Delete(_) | Self::Add(..) | Self::Pop(..) => 0,
        };
        (self.key().len() + more) as u64
    }
}

/// Milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// An end of a deque.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// Where the first element is.
    Front = 0,
    /// Where the last element is.
    Back = 1,
}

/// Writes that take effect together or not at all; a later step sees the earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBatch {
    operations: Vec<Operation>,
    bytes: u64,
}

impl WriteBatch {
    /// An empty batch.
    pub const fn new() -> Self {
        Self { operations: Vec::new(), bytes: 0 }
    }

    /// Stores `value` under `key`. The bytes are kept by reference, not copied.
    pub fn put(&mut self, key: impl Into<Key>, value: impl Into<Value>) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.operations.push(Operation::Put(key, value));
        self
    }

    /// Removes `key`.
    pub fn delete(&mut self, key: impl Into<Key>) -> &mut Self {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.operations.push(Operation::Delete(key));
        self
    }

    /// Removes every key of `range`.
    pub fn delete_range(&mut self, range: KeyRange) -> &mut Self {
        self.bytes += (range.start.len() + range.end.as_ref().map_or(0, Bytes::len)) as u64;
        self.operations.push(Operation::DeleteRange(range));
        self
    }

    /// Stores `value` under `key` up to a moment; from then on the key is absent.
    pub fn put_until(&mut self, key: impl Into<Key>, value: impl Into<Value>, until: Timestamp) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.operations.push(Operation::PutUntil(key, value, until));
        self
    }

    /// Adds to the counter under `key`; an absent one counts as 0.
    pub fn add(&mut self, key: impl Into<Key>, change: i64) -> &mut Self {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.operations.push(Operation::Add(key, change));
        self
    }

    /// Puts `value` at an end of the deque under `key`.
    pub fn push(&mut self, key: impl Into<Key>, end: End, value: impl Into<Value>) -> &mut Self {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.operations.push(Operation::Push(key, end, value));
        self
    }

    /// Takes the element at an end of the deque under `key`.
    pub fn pop(&mut self, key: impl Into<Key>, end: End) -> &mut Self {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.operations.push(Operation::Pop(key, end));
        self
    }

    /// Appends the steps of another batch.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.operations.append(&mut other.operations);
        self.bytes += other.bytes;
        self
    }

    /// Appends a step.
    pub(crate) fn push_operation(&mut self, operation: Operation) {
        match operation {
            Operation::Put(key, value) => self.put(key, value),
            Operation::Delete(key) => self.delete(key),
            Operation::DeleteRange(range) => self.delete_range(range),
            Operation::PutUntil(key, value, until) => self.put_until(key, value, until),
            Operation::Add(key, change) => self.add(key, change),
            Operation::Push(key, end, value) => self.push(key, end, value),
            Operation::Pop(key, end) => self.pop(key, end),
        };
    }

    /// The steps, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Bytes of keys and values.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

impl FromIterator<Operation> for WriteBatch {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        let operations: Vec<Operation> = operations.into_iter().collect();
        let bytes = operations.iter().map(Operation::bytes).sum();
        Self { operations, bytes }
    }
}

/// What must hold for a [`Transaction`] to take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The key is absent.
    Absent(Key),
    /// The key is present, with whatever value.
    Present(Key),
    /// The key has exactly this value.
    Equals(Key, Value),
}

impl Condition {
    /// The key that it looks at.
    pub const fn key(&self) -> &Key {
        match self {
            Self::Absent(key) | Self::Present(key) | Self::Equals(key, _) => key,
        }
    }

    /// Whether it holds for what was found under its key.
    pub(crate) fn holds(&self, found: Option<&[u8]>) -> bool {
        match self {
            Self::Absent(_) => found.is_none(),
            Self::Present(_) => found.is_some(),
            Self::Equals(_, value) => found == Some(value.as_ref()),
        }
    }
}

/// A batch that takes effect only if all conditions hold, seen at one moment with the writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// What must hold; all of it.
    pub conditions: Vec<Condition>,
    /// What is then written.
    pub batch: WriteBatch,
}

/// What became of a [`Transaction`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a transaction whose condition failed wrote nothing"]
pub enum Outcome {
    /// The batch is written and durable.
    Committed,
    /// Nothing was written.
    ConditionFailed {
        /// Which condition, counted from 0.
        condition: usize,
        /// What was found under its key.
        found: Option<Value>,
    },
}

/// Where a scan stops; it returns at least one entry if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimit {
    /// Entries at most.
    pub entries: usize,
    /// Bytes of keys and values at most; the entry that reaches the bound is still returned.
    pub bytes: usize,
}

impl Default for ScanLimit {
    /// 65,536 entries, 16 MiB.
    fn default() -> Self {
        Self { entries: 1 << 16, bytes: 16 << 20 }
    }
}

/// A part of what a scan finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPage<E> {
    /// In key order.
    pub entries: Vec<E>,
    /// What is left, if the limit stopped the scan; scan it to go on.
    pub next: Option<KeyRange>,
}

/// Checks sizes of a transaction against the limits.
pub(crate) fn check_limits(transaction: &Transaction, config: &Config) -> Result<(), StorageError> {
    let mut bytes = transaction.batch.bytes();
    for condition in &transaction.conditions {
        check_key(condition.key(), config)?;
        bytes += condition.key().len() as u64;
        if let Condition::Equals(key, value) = condition {
            check_value(key, value, config)?;
            bytes += value.len() as u64;
        }
    }
    for operation in transaction.batch.operations() {
        match operation {
            Operation::Put(key, value) => {
                check_key(key, config)?;
                check_value(key, value, config)?;
            }
            Operation::PutUntil(key, value, _) | Operation::Push(key, _, value) => {
                check_key(key, config)?;
                check_value(key, value, config)?;
            }
            Operation::Delete(key) | Operation::Add(key, _) | Operation::Pop(key, _) => {
                check_key(key, config)?
            }
            Operation::DeleteRange(range) => check_range(range, config)?,
        }
    }
    let operations = transaction.conditions.len() + transaction.batch.operations().len();
    if bytes > config.batch_bytes_max || operations as u64 > config.batch_operations_max {
        return Err(StorageError::BatchSize {
            bytes,
            operations,
            bytes_max: config.batch_bytes_max,
            operations_max: usize::try_from(config.batch_operations_max).unwrap_or(usize::MAX),
        });
    }
    Ok(())
}

/// Checks the length of a key.
pub(crate) fn check_key(key: &Key, config: &Config) -> Result<(), StorageError> {
    if key.is_empty() || key.len() as u64 > config.key_bytes_max {
        let max = usize::try_from(config.key_bytes_max).unwrap_or(usize::MAX);
        return Err(StorageError::KeyLength { length: key.len(), max });
    }
    Ok(())
}

/// Checks the lengths of the ends of a range; the start may be empty.
pub(crate) fn check_range(range: &KeyRange, config: &Config) -> Result<(), StorageError> {
    let ends = [Some(&range.start), range.end.as_ref()];
    ends.into_iter().flatten().filter(|key| !key.is_empty()).try_for_each(|key| check_key(key, config))
}

fn check_value(key: &Key, value: &Value, config: &Config) -> Result<(), StorageError> {
    if value.len() as u64 > config.value_bytes_max {
        let max = usize::try_from(config.value_bytes_max).unwrap_or(usize::MAX);
        return Err(StorageError::ValueLength { key: key.clone(), length: value.len(), max });
    }
    Ok(())
}
