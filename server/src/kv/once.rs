//! Requests that count once, however often they are sent.
//!
//! ```text
//! one key     1. under the request's name: a digest of it, and a sender of the store, drawn now (if absent)
//!             2. the change, as the only request of that sender: the range does it once and keeps the answer
//! many keys   the change and, in the same transaction, under the request's name: a digest and the outcome
//! ```
//! A process that dies between 1 and 2 leaves a name whose change was not made: whoever sends the request
//! again makes it. Names expire well before ranges forget their senders.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use genomdb_layout::{RequestEntry, RequestState, key};
use genomdb_storage::{
    Condition, Key, OperationResult, Outcome, Storage, StorageError, Timestamp, Transaction, Value,
    WriteBatch,
};

use super::KvError;
use crate::random;

/// Bytes of the longest name.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// How long a name is known. Ranges keep the answer to a sender for an hour at least, so that the last
/// moment at which a name is known is well before that.
const KNOWN_FOR: Duration = Duration::from_secs(30 * 60);

/// A request that may come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    key: Key,
    fingerprint: u128,
}

impl Request {
    /// What `sender` calls `name`, and asks for what has this fingerprint.
    ///
    /// # Errors
    ///
    /// If the name is empty or too long.
    pub fn new(sender: &str, name: &[u8], fingerprint: u128) -> Result<Self, KvError> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(KvError::RequestName);
        }
        let key = key::request_key(sender, name).ok_or(KvError::RequestName)?;
        Ok(Self { key: key.into(), fingerprint })
    }

    /// What is put under the request's name.
    fn put(&self, state: RequestState, batch: &mut WriteBatch) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = u64::try_from((now + KNOWN_FOR).as_millis()).unwrap_or(u64::MAX);
        let entry = RequestEntry { fingerprint: self.fingerprint, state };
        batch.put_until(self.key.clone(), entry.to_bytes(), Timestamp(until));
    }

    /// What was remembered of the request, if it is the same.
    fn read(&self, found: &Value) -> Result<RequestState, KvError> {
        let entry = RequestEntry::from_bytes(found)?;
        match entry.fingerprint == self.fingerprint {
            true => Ok(entry.state),
            false => Err(KvError::OtherRequest),
        }
    }

    /// Remembers the request so, unless it is known; how it is known then.
    async fn remember(&self, storage: &Storage, state: RequestState) -> Result<RequestState, KvError> {
        let mut batch = WriteBatch::new();
        self.put(state, &mut batch);
        let unknown = Transaction { conditions: vec![Condition::Absent(self.key.clone())], batch };
        match storage.transact(unknown).await? {
            Outcome::Committed => Ok(state),
            Outcome::ConditionFailed { found: Some(found), .. } => self.read(&found),
            // Of another node, which may say anything.
            Outcome::ConditionFailed { found: None, .. } => {
                Err(StorageError::Refused { reason: "absent, and not absent".into() }.into())
            }
        }
    }
}

/// Changes one key, once.
pub(super) async fn change(
    storage: &Storage,
    transaction: Transaction,
    request: &Request,
) -> Result<(Outcome, Vec<OperationResult>), KvError> {
    let drawn = RequestState::Sent { sender: random::number() };
    match request.remember(storage, drawn).await? {
        RequestState::Sent { sender } => Ok(storage.transact_once(sender, transaction).await?),
        // A digest has the kind of the request in it.
        RequestState::Done | RequestState::ConditionFailed { .. } => Err(KvError::OtherRequest),
    }
}

/// Changes keys of any ranges, once.
pub(super) async fn transact(
    storage: &Storage,
    transaction: Transaction,
    request: &Request,
) -> Result<Option<usize>, KvError> {
    let Transaction { mut conditions, mut batch } = transaction;
    conditions.insert(0, Condition::Absent(request.key.clone()));
    request.put(RequestState::Done, &mut batch);
    let state = match storage.transact(Transaction { conditions, batch }).await? {
        Outcome::Committed => RequestState::Done,
        Outcome::ConditionFailed { condition: 0, found: Some(found) } => request.read(&found)?,
        Outcome::ConditionFailed { condition, .. } => {
            let condition = u32::try_from(condition.saturating_sub(1)).unwrap_or(u32::MAX);
            // Another attempt may have found otherwise meanwhile: the first that is remembered counts.
            request.remember(storage, RequestState::ConditionFailed { condition }).await?
        }
    };
    match state {
        RequestState::Done => Ok(None),
        RequestState::ConditionFailed { condition } => Ok(Some(condition as usize)),
        RequestState::Sent { .. } => Err(KvError::OtherRequest),
    }
}
