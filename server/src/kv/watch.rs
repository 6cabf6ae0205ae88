//! Watching what clients keep.

use std::time::Duration;

use genomdb_layout::key;
use genomdb_storage::{End, Key, KeyRange, Position, Value, WatchEvent};

use super::{KeyValues, KvError, Span};

/// A change of a client's key, in the client's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has a value; a long one is left out and can be read.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value, unless it is long.
        value: Option<Value>,
    },
    /// It was deleted, or its time was over.
    Deleted {
        /// The key.
        key: Vec<u8>,
    },
    /// All keys of a span were deleted.
    DeletedSpan {
        /// The first.
        from: Vec<u8>,
        /// The first behind; `None` for all that follow.
        to: Option<Vec<u8>>,
    },
    /// Its deque has one more element.
    Pushed {
        /// The key.
        key: Vec<u8>,
        /// Where.
        end: End,
        /// The element, unless it is long.
        value: Option<Value>,
    },
    /// Its deque was asked for an element.
    Popped {
        /// The key.
        key: Vec<u8>,
        /// Where.
        end: End,
    },
}

impl KeyValues {
    /// Where watching a span begins now: every change that begins after this call is told.
    ///
    /// # Errors
    ///
    /// If the store does not answer.
    pub async fn watch_from_now(&self, span: &Span) -> Result<Vec<Position>, KvError> {
        let range = self.range(span)?;
        if range.is_empty() {
            return Err(KvError::Position);
        }
        Ok(self.storage.watch_from_now(range).await?)
    }

    /// What changed since, and the positions to go on from; waits for a change, up to `wait`.
    ///
    /// # Errors
    ///
    /// If that is too long ago, or the store does not answer.
    pub async fn watch(
        &self,
        positions: Vec<Position>,
        wait: Duration,
    ) -> Result<(Vec<Change>, Vec<Position>), KvError> {
        let page = self.storage.watch(positions, wait).await?;
        Ok((page.events.into_iter().filter_map(in_clients_words).collect(), page.positions))
    }
}

/// `None` for what is no client's.
fn in_clients_words(event: WatchEvent) -> Option<Change> {
    let name = |key: &Key| key::client_name(key).map(<[u8]>::to_vec);
    Some(match event {
        WatchEvent::Put { key, value } => Change::Put { key: name(&key)?, value },
        WatchEvent::Deleted { key } => Change::Deleted { key: name(&key)? },
        WatchEvent::Pushed { key, end, value } => Change::Pushed { key: name(&key)?, end, value },
        WatchEvent::Popped { key, end } => Change::Popped { key: name(&key)?, end },
        WatchEvent::DeletedRange { keys } => {
            let all = KeyRange::prefix(key::client_prefix());
            let start = keys.start.max(all.start);
            let to = keys.end.as_ref().and_then(name);
            // What ends before clients' keys begin is nothing to them.
            if keys.end.is_some_and(|end| end <= start) {
                return None;
            }
            Change::DeletedSpan { from: name(&start)?, to }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_clients_is_not_told() {
        let range = |start: &[u8], end: &[u8]| WatchEvent::DeletedRange {
            keys: KeyRange::new(start.to_vec(), end.to_vec()),
        };
        assert_eq!(in_clients_words(WatchEvent::Deleted { key: Key::from_static(&[6, 1]) }), None);
        assert_eq!(in_clients_words(range(&[6], &[7])), None);
        assert_eq!(in_clients_words(range(&[6], &[16])), None);
        let all = Change::DeletedSpan { from: Vec::new(), to: None };
        assert_eq!(in_clients_words(range(&[6], &[17])), Some(all));
        let some = Change::DeletedSpan { from: b"a".to_vec(), to: Some(b"b".to_vec()) };
        assert_eq!(in_clients_words(range(&[16, b'a'], &[16, b'b'])), Some(some));
    }
}
