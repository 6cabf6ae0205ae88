//! Values that clients keep under keys of their own, beside the tables and apart from them: whatever bytes a
//! key has, it names nothing that is not a client's.

mod once;
pub(crate) mod position;
pub(crate) mod watch;

use genomdb_layout::{LayoutError, key};
use genomdb_storage::{Freshness, Key, KeyRange, ScanPage, Storage, StorageError};

pub use genomdb_storage::{
    Condition, End, OperationResult, Outcome, ScanLimit, Timestamp, Transaction, Value, WriteBatch,
};

pub use self::once::Request;

/// A client's keys are shorter than the store's by the byte that keeps them apart.
const KIND_BYTES: u64 = 1;

/// What clients keep; cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyValues {
    storage: Storage,
}

/// A request about keys and values fails.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// A key is empty or too long.
    #[error("a key of {length} bytes; a key has 1 to {max}")]
    KeyLength {
        /// Bytes of the key.
        length: usize,
        /// The longest.
        max: u64,
    },
    /// A request cannot be called so.
    #[error("the name of a request has 1 to {} bytes", once::NAME_BYTES_MAX)]
    RequestName,
    /// The request before had the same name and asked for something else.
    #[error("another request had the same name and asked for something else; a new request has a new name")]
    OtherRequest,
    /// The place of a watch is none.
    #[error("this is no position of a watch")]
    Position,
    /// The store refuses.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Stored bytes are damaged.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// Which keys: all that begin with something, or all from one up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Keys that begin so; every key, if it is empty.
    Prefix(Vec<u8>),
    /// Keys from `from` on, up to `to`, which is not among them.
    Between {
        /// The first key, present or not; the first of all, if it is empty.
        from: Vec<u8>,
        /// The first key behind; `None` for the end of all.
        to: Option<Vec<u8>>,
    },
}

/// A part of what a scan finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<E> {
    /// In the order of keys.
    pub entries: Vec<E>,
    /// The key to go on from, if anything is left.
    pub next: Option<Vec<u8>>,
}

impl KeyValues {
    /// What clients keep in a store.
    pub fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// The same, whose reads are as fresh as this.
    #[must_use]
    pub fn with_freshness(&self, freshness: Freshness) -> Self {
        Self { storage: self.storage.with_freshness(freshness) }
    }

    /// Bytes of the longest key.
    pub fn key_bytes_max(&self) -> u64 {
        self.storage.config().key_bytes_max - KIND_BYTES
    }

    /// Bytes of the longest value.
    pub fn value_bytes_max(&self) -> u64 {
        self.storage.config().value_bytes_max
    }

    /// The key of the store for a client's key.
    ///
    /// # Errors
    ///
    /// If it is empty or too long.
    pub fn key(&self, name: &[u8]) -> Result<Key, KvError> {
        if name.is_empty() {
            return Err(KvError::KeyLength { length: 0, max: self.key_bytes_max() });
        }
        self.bound(name)
    }

    /// The same for where a span begins or ends, which may be the beginning of all.
    fn bound(&self, name: &[u8]) -> Result<Key, KvError> {
        let max = self.key_bytes_max();
        match name.len() as u64 <= max {
            true => Ok(key::client_key(name).into()),
            false => Err(KvError::KeyLength { length: name.len(), max }),
        }
    }

    fn range(&self, span: &Span) -> Result<KeyRange, KvError> {
        let all = KeyRange::prefix(key::client_prefix());
        Ok(match span {
            Span::Prefix(prefix) => KeyRange::prefix(self.bound(prefix)?),
            Span::Between { from, to: None } => KeyRange { start: self.bound(from)?, end: all.end },
            Span::Between { from, to: Some(to) } => KeyRange::new(self.bound(from)?, self.bound(to)?),
        })
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If it is no key, or the store does not answer.
    pub async fn get(&self, name: &[u8]) -> Result<Option<Value>, KvError> {
        Ok(self.storage.get(self.key(name)?).await?)
    }

    /// The values of keys, in their order; those of one range are of one moment.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::get`].
    pub async fn get_many(&self, names: &[&[u8]]) -> Result<Vec<Option<Value>>, KvError> {
        let keys = names.iter().map(|name| self.key(name)).collect::<Result<_, _>>()?;
        Ok(self.storage.batch_get(keys).await?)
    }

    /// Values of a span, in the order of their keys. `after` is where the page before ended.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::get`].
    pub async fn scan(
        &self,
        span: &Span,
        after: Option<&[u8]>,
        limit: ScanLimit,
    ) -> Result<Page<(Vec<u8>, Value)>, KvError> {
        let Some(range) = self.rest(span, after)? else { return Ok(Page::end()) };
        let page = self.storage.scan(range, limit).await?;
        let entries = page.entries.iter().map(|(key, value)| (name(key), value.clone())).collect();
        Ok(Page { entries, next: next(&page) })
    }

    /// Keys of a span, in order, without their values.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::get`].
    pub async fn scan_keys(
        &self,
        span: &Span,
        after: Option<&[u8]>,
        limit: ScanLimit,
    ) -> Result<Page<Vec<u8>>, KvError> {
        let Some(range) = self.rest(span, after)? else { return Ok(Page::end()) };
        let page = self.storage.scan_keys(range, limit).await?;
        Ok(Page { entries: page.entries.iter().map(name).collect(), next: next(&page) })
    }

    /// What of a span is left; `None` for nothing.
    fn rest(&self, span: &Span, after: Option<&[u8]>) -> Result<Option<KeyRange>, KvError> {
        let mut range = self.range(span)?;
        if let Some(after) = after {
            range.start = range.start.max(self.bound(after)?);
        }
        Ok((!range.is_empty()).then_some(range))
    }

    /// When the value of a key is gone; `None` if it stays.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::get`].
    pub async fn expires(&self, name: &[u8]) -> Result<Option<Timestamp>, KvError> {
        Ok(self.storage.expires(self.key(name)?).await?)
    }

    /// The length of a deque, and elements from the one numbered `from`, counted from 0.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::get`].
    pub async fn deque(
        &self,
        name: &[u8],
        from: u64,
        limit: ScanLimit,
    ) -> Result<(u64, Vec<Value>), KvError> {
        Ok(self.storage.deque(self.key(name)?, from, limit).await?)
    }

    /// Changes one key, whose stored form [`KeyValues::key`] gives; as the request so named, it takes effect
    /// once, and answers the same each time.
    ///
    /// # Errors
    ///
    /// If the store refuses; [`KvError::OtherRequest`] if the name belongs to another request.
    pub async fn change(
        &self,
        transaction: Transaction,
        request: Option<&Request>,
    ) -> Result<(Outcome, Vec<OperationResult>), KvError> {
        match request {
            Some(request) => once::change(&self.storage, transaction, request).await,
            None => Ok(self.storage.transact_with_results(transaction).await?),
        }
    }

    /// Changes keys of any ranges, all or none; tells which condition did not hold, if one did not.
    ///
    /// # Errors
    ///
    /// As [`KeyValues::change`].
    pub async fn transact(
        &self,
        transaction: Transaction,
        request: Option<&Request>,
    ) -> Result<Option<usize>, KvError> {
        let outcome = match request {
            Some(request) => return once::transact(&self.storage, transaction, request).await,
            None => self.storage.transact(transaction).await?,
        };
        Ok(match outcome {
            Outcome::Committed => None,
            Outcome::ConditionFailed { condition, .. } => Some(condition),
        })
    }
}

impl<E> Page<E> {
    fn end() -> Self {
        Self { entries: Vec::new(), next: None }
    }
}

/// What a client calls a key that was found among clients' keys.
fn name(key: &Key) -> Vec<u8> {
    key::client_name(key).unwrap_or_default().to_vec()
}

fn next<E>(page: &ScanPage<E>) -> Option<Vec<u8>> {
    page.next.as_ref().map(|rest| name(&rest.start))
}
