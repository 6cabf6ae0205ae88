//! Watching keys: what changed since a position, which can be kept and gone on from.

use std::time::Duration;

use super::{Client, call::Attempt};
use crate::{
    error::StorageError,
    kv::{End, Key, KeyRange, Value},
    range::{RangeDescriptor, RangeId, Space},
    rpc::{Answer, Request, Route, decode_events},
    state::Change,
};

/// Up to where changes of one range are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The range.
    pub range: RangeId,
    /// The keys of it that are watched.
    pub keys: KeyRange,
    /// Index of the last entry of its log that was seen.
    pub index: u64,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// It has a value; long ones (over 4 KiB) are left out and can be read.
    Put {
        /// The key.
        key: Key,
        /// The value, unless it is long.
        value: Option<Value>,
    },
    /// It was deleted, or its time was over.
    Deleted {
        /// The key.
        key: Key,
    },
    /// All keys of a span were deleted.
    DeletedRange {
        /// The span.
        keys: KeyRange,
    },
    /// Its deque has one more element.
    Pushed {
        /// The key.
        key: Key,
        /// At which end.
        end: End,
        /// The element, unless it is long.
        value: Option<Value>,
    },
    /// Its deque was asked for an element.
    Popped {
        /// The key.
        key: Key,
        /// At which end.
        end: End,
    },
}

/// Changes, and from where to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPage {
    /// In the order in which they took effect in their range.
    pub events: Vec<WatchEvent>,
    /// One position for each range that the watched keys lie in.
    pub positions: Vec<Position>,
}

impl Client {
    /// Where watching `keys` begins now: what is acknowledged before the call is not told, what begins
    /// after it is.
    pub(crate) async fn watch_from_now(&self, keys: &KeyRange) -> Result<Vec<Position>, StorageError> {
        let mut patience = self.patience();
        let mut positions = Vec::new();
        for (route, keys) in self.pieces(Space::User, keys, &mut patience).await? {
            let index = loop {
                let request = Request::ReadIndex { range: route.descriptor.id };
                match self.attempt(&route, request, patience.left()).await {
                    Attempt::Answered(Answer::Index(index)) => break index,
                    Attempt::Failed(error) => return Err(error),
                    _ => patience.wait("the range has no leader").await?,
                }
            };
            positions.push(Position { range: route.descriptor.id, keys, index });
        }
        Ok(positions)
    }

    /// What changed since `positions`; waits for the first change, at most `wait`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Compacted`] if it was too long ago: read the keys, and watch from then on.
    pub(crate) async fn watch(
        &self,
        positions: Vec<Position>,
        wait: Duration,
    ) -> Result<WatchPage, StorageError> {
        let mut page = WatchPage { events: Vec::new(), positions: Vec::new() };
        let alone = positions.len() <= 1;
        for position in positions {
            let wait = if alone { wait } else { Duration::ZERO };
            self.watch_range(position, wait, &mut page).await?;
        }
        if page.events.is_empty() && !alone && !wait.is_zero() {
            /// Several ranges are asked in turn.
            const TURN: Duration = Duration::from_millis(50);
            let mut patience = super::Patience::new(wait.max(TURN) + TURN);
            let _waited = patience.wait("no change").await;
        }
        Ok(page)
    }

    async fn watch_range(
        &self,
        position: Position,
        wait: Duration,
        page: &mut WatchPage,
    ) -> Result<(), StorageError> {
        let mut patience = self.patience();
        loop {
            let range = position.range;
            let known = self.routes.read().by_id(range);
            let found = match known {
                Some(route) => route,
                None => self.locate(Space::User, &position.keys.start, &mut patience).await?,
            };
            // A range that was just split off, or has shrunk, is where the other half is.
            let (found_id, nodes, leader) = (found.descriptor.id, found.nodes, found.leader);
            let descriptor = RangeDescriptor { id: range, ..found.descriptor };
            let route = Route { descriptor, nodes, leader };
            let (keys, after) = (position.keys.clone(), position.index);
            let request = Request::Watch { range, keys, after, wait };
            let events = match self.attempt(&route, request, patience.left() + wait).await {
                Attempt::Answered(Answer::Bytes(bytes)) => decode_events(bytes).map_err(|reason| {
                    StorageError::Refused { reason: format!("malformed events: {reason}").into() }
                })?,
                Attempt::Answered(_) => {
                    return Err(StorageError::other_answer());
                }
                Attempt::Failed(error) => return Err(error),
                Attempt::Split(reason)
                | Attempt::Moved(reason)
                | Attempt::Again(reason)
                | Attempt::Unknown(reason) => {
                    if found_id != range {
                        // The answer tells nothing about what was found: it may be of long ago.
                        self.routes.write().forget(found_id);
                    }
                    patience.wait(reason).await?;
                    continue;
                }
            };
            let mut keys = position.keys.clone();
            for event in events.events {
                match event.change {
                    Change::Put(value) => page.events.push(WatchEvent::Put { key: event.key, value }),
                    Change::Deleted => page.events.push(WatchEvent::Deleted { key: event.key }),
                    Change::DeletedRange(end) => {
                        let keys = KeyRange { start: event.key, end };
                        page.events.push(WatchEvent::DeletedRange { keys });
                    }
                    Change::Pushed(end, value) => {
                        page.events.push(WatchEvent::Pushed { key: event.key, end, value });
                    }
                    Change::Popped(end) => page.events.push(WatchEvent::Popped { key: event.key, end }),
                    Change::Split { child, .. } if child.id != position.range => {
                        // The rest of the keys goes on in the child, from its first entry.
                        let at = child.keys.start;
                        if keys.end.as_ref().is_none_or(|end| at < *end) {
                            // No more than was watched, if it was cut before that.
                            let at = at.max(keys.start.clone());
                            let child_keys = KeyRange { start: at.clone(), end: keys.end.take() };
                            let index = crate::log_id::LogId::BIRTH.index;
                            page.positions.push(Position { range: child.id, keys: child_keys, index });
                            keys.end = Some(at);
                        }
                    }
                    Change::Split { .. } => {}
                }
            }
            if !keys.is_empty() || page.positions.is_empty() {
                page.positions.push(Position { range: position.range, keys, index: events.through });
            }
            return Ok(());
        }
    }
}
