//! Operations on keys beyond reading and writing: counters, deques, values with a time, watching.

use std::time::Duration;

use super::Storage;
use crate::{
    action::OperationResult,
    client::{Position, Transacted, WatchPage},
    error::StorageError,
    kv::{Condition, End, Key, KeyRange, Outcome, ScanLimit, Timestamp, Transaction, Value, WriteBatch},
    range::Space,
};

impl Storage {
    /// As [`Storage::transact`]; also gives a result for each `add`, `push` and `pop`, in their order.
    ///
    /// Only a transaction whose keys lie in one range has results: what several ranges do, they do when
    /// the answer is already on its way.
    pub async fn transact_with_results(
        &self,
        transaction: Transaction,
    ) -> Result<(Outcome, Vec<OperationResult>), StorageError> {
        let Some(_permit) = self.admit(&transaction).await? else {
            return Ok((Outcome::Committed, Vec::new()));
        };
        let done = self.with_client(|client| async move { client.transact(Space::User, transaction).await });
        Ok(outcome(done.await?))
    }

    /// As [`Storage::transact_with_results`], as the one request of `sender`, a random number: however
    /// often and by whomever it is sent, it takes effect once, and the first answer is given each time.
    ///
    /// A range remembers this for an hour at least. The transaction is to be the same each time.
    ///
    /// # Errors
    ///
    /// Also [`StorageError::Refused`] if its keys lie in several ranges.
    pub async fn transact_once(
        &self,
        sender: u64,
        transaction: Transaction,
    ) -> Result<(Outcome, Vec<OperationResult>), StorageError> {
        let Some(_permit) = self.admit(&transaction).await? else {
            return Ok((Outcome::Committed, Vec::new()));
        };
        let done =
            self.with_client(
                |client| async move { client.transact_once(Space::User, sender, transaction).await },
            );
        Ok(outcome(done.await?))
    }

    async fn one(&self, batch: WriteBatch) -> Result<OperationResult, StorageError> {
        let transaction = Transaction { conditions: Vec::new(), batch };
        let (_, mut results) = self.transact_with_results(transaction).await?;
        results.pop().ok_or_else(|| StorageError::Refused { reason: "an operation without a result".into() })
    }

    /// The value of a key.
    pub async fn get(&self, key: impl Into<Key>) -> Result<Option<Value>, StorageError> {
        Ok(self.batch_get(vec![key.into()]).await?.pop().flatten())
    }

    /// Stores a value.
    pub async fn put(&self, key: impl Into<Key>, value: impl Into<Value>) -> Result<(), StorageError> {
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        self.write(batch).await
    }

    /// Stores a value that is gone from a moment on.
    pub async fn put_until(
        &self,
        key: impl Into<Key>,
        value: impl Into<Value>,
        until: Timestamp,
    ) -> Result<(), StorageError> {
        let mut batch = WriteBatch::new();
        batch.put_until(key, value, until);
        self.write(batch).await
    }

    /// Removes a key, its value and its deque.
    pub async fn delete(&self, key: impl Into<Key>) -> Result<(), StorageError> {
        let mut batch = WriteBatch::new();
        batch.delete(key);
        self.write(batch).await
    }

    /// Replaces the value of a key if it is `expected`, `None` for an absent key; tells whether it did.
    pub async fn compare_and_set(
        &self,
        key: impl Into<Key>,
        expected: Option<Value>,
        value: impl Into<Value>,
    ) -> Result<bool, StorageError> {
        let key = key.into();
        let condition = match expected {
            Some(expected) => Condition::Equals(key.clone(), expected),
            None => Condition::Absent(key.clone()),
        };
        let mut batch = WriteBatch::new();
        batch.put(key, value);
        let outcome = self.transact(Transaction { conditions: vec![condition], batch }).await?;
        Ok(outcome == Outcome::Committed)
    }

    /// Adds to a counter, a value that is a decimal number (an absent one counts as 0); gives the sum.
    ///
    /// # Errors
    ///
    /// If the value is something else, or the sum would leave 64 bits.
    pub async fn add(&self, key: impl Into<Key>, change: i64) -> Result<i64, StorageError> {
        let mut batch = WriteBatch::new();
        batch.add(key, change);
        match self.one(batch).await? {
            OperationResult::Counter(sum) => Ok(sum),
            other => Err(other_result(&other)),
        }
    }

    /// Puts an element at an end of a deque; gives its length.
    pub async fn push(
        &self,
        key: impl Into<Key>,
        end: End,
        value: impl Into<Value>,
    ) -> Result<u64, StorageError> {
        let mut batch = WriteBatch::new();
        batch.push(key, end, value);
        match self.one(batch).await? {
            OperationResult::Length(length) => Ok(length),
            other => Err(other_result(&other)),
        }
    }

    /// Takes the element at an end of a deque; `None` if the deque is empty.
    pub async fn pop(&self, key: impl Into<Key>, end: End) -> Result<Option<Value>, StorageError> {
        let mut batch = WriteBatch::new();
        batch.pop(key, end);
        match self.one(batch).await? {
            OperationResult::Element(element) => Ok(element),
            other => Err(other_result(&other)),
        }
    }

    /// The length of a deque, and up to `limit` of its elements from the one numbered `from`.
    pub async fn deque(
        &self,
        key: impl Into<Key>,
        from: u64,
        limit: ScanLimit,
    ) -> Result<(u64, Vec<Value>), StorageError> {
        let (mode, key) = (self.freshness.into(), key.into());
        self.with_client(|client| async move { client.deque(mode, key, from, limit).await }).await
    }

    /// When the value of a key expires; `None` if it never does.
    pub async fn expires(&self, key: impl Into<Key>) -> Result<Option<Timestamp>, StorageError> {
        let (mode, key) = (self.freshness.into(), key.into());
        self.with_client(|client| async move { client.expiry(mode, key).await }).await
    }

    /// Where watching `keys` begins now: every change that begins after this call is told.
    pub async fn watch_from_now(&self, keys: KeyRange) -> Result<Vec<Position>, StorageError> {
        self.with_client(|client| async move { client.watch_from_now(&keys).await }).await
    }

    /// What changed since `positions`, and the positions to go on from; waits for a change, up to `wait`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Compacted`] if that is too long ago: read the keys, and watch from then on.
    pub async fn watch(&self, positions: Vec<Position>, wait: Duration) -> Result<WatchPage, StorageError> {
        self.with_client(|client| async move { client.watch(positions, wait).await }).await
    }
}

fn outcome(done: Transacted) -> (Outcome, Vec<OperationResult>) {
    match done {
        Transacted::Committed(results) => (Outcome::Committed, results),
        Transacted::ConditionFailed { condition, found } => {
            (Outcome::ConditionFailed { condition, found }, Vec::new())
        }
    }
}

fn other_result(result: &OperationResult) -> StorageError {
    StorageError::Refused { reason: format!("another result was expected: {result:?}").into() }
}
