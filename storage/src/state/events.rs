//! What happened of late: for each range the last events, in memory, for those who watch.

use std::collections::{BTreeMap, VecDeque};

use parking_lot::Mutex;

use crate::{
    kv::{End, Key, KeyRange, Operation, Value},
    log_id::LogId,
    range::{RangeDescriptor, RangeId},
};

/// Events kept for a range at most.
const EVENTS_MAX: usize = 4096;
/// Bytes of events kept for a range at most.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// Longer values are not in the event; whoever wants one reads it.
const VALUE_BYTES_MAX: usize = 4096;
/// What an event takes beside its key and value.
const EVENT_BYTES: usize = 96;

/// Something that an entry changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// The entry.
    pub(crate) index: u64,
    /// The key; for [`Change::DeletedRange`] the first of them, for [`Change::Split`] where.
    pub(crate) key: Key,
    /// What happened to it.
    pub(crate) change: Change,
}

impl Event {
    /// Whether it is about one of `keys`; a split concerns everybody.
    pub(crate) fn concerns(&self, keys: &KeyRange) -> bool {
        match &self.change {
            Change::DeletedRange(end) => {
                keys.end.as_ref().is_none_or(|limit| self.key < *limit)
                    && end.as_ref().is_none_or(|end| *end > keys.start)
            }
            Change::Split { .. } => true,
            _ => keys.contains(&self.key),
        }
    }
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has a value; `None` if that is too long for an event.
    Put(Option<Value>),
    /// It was deleted, value and deque, or its value expired.
    Deleted,
    /// All keys up to this one were deleted.
    DeletedRange(Option<Key>),
    /// Its deque has one more element at an end.
    Pushed(End, Option<Value>),
    /// Its deque was asked for the element at an end.
    Popped(End),
    /// The range was cut in two; both halves say so, the child with the first event that it has.
    Split {
        /// The range with the smaller keys.
        parent: RangeDescriptor,
        /// The range with the others.
        child: RangeDescriptor,
    },
}

/// Events of a range, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Events {
    /// What happened.
    pub(crate) events: Vec<Event>,
    /// The last entry that these cover; ask from there on next time.
    pub(crate) through: u64,
}

/// Events so far back are no longer known: read the state, and watch from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted {
    /// The first index from which events can be asked for.
    pub(crate) floor: u64,
}

/// The rings of all ranges.
#[derive(Debug, Default)]
pub(super) struct EventRings(Mutex<BTreeMap<RangeId, Ring>>);

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    /// Events up to and with this index are not all there.
    floor: u64,
    /// The last entry that was heard of.
    through: u64,
}

/// What the entries of one transaction changed in one range, noted while they are applied.
#[derive(Debug)]
pub(super) struct NewEvents {
    range: RangeId,
    /// The last entry before them.
    start: u64,
    index: u64,
    ring: Ring,
}

impl NewEvents {
    /// Begins behind the entry `applied`.
    pub(super) fn new(range: RangeId, applied: u64) -> Self {
        let ring = Ring { floor: applied, through: applied, ..Ring::default() };
        Self { range, start: applied, index: applied, ring }
    }

    /// Goes on to the next entry.
    pub(super) fn begin(&mut self, index: u64) {
        self.index = index;
        self.ring.through = index;
    }

    /// Notes a change. Key and value are copied: a part of an entry would keep all of it in memory.
    pub(super) fn push(&mut self, key: &[u8], change: Change) {
        self.ring.push(Event { index: self.index, key: Key::copy_from_slice(key), change });
    }

    /// As many of the last operations as there is space for; earlier ones are given up.
    pub(super) fn last_of<'o>(&mut self, operations: &'o [Operation]) -> &'o [Operation] {
        let skipped = operations.len().saturating_sub(EVENTS_MAX);
        if skipped > 0 {
            self.ring = Ring { floor: self.index, through: self.index, ..Ring::default() };
        }
        operations.get(skipped..).unwrap_or_default()
    }

    /// A split, as the first event of the child.
    pub(super) fn born(child: &RangeDescriptor, parent: &RangeDescriptor) -> Self {
        let mut new = Self::new(child.id, LogId::BIRTH.index - 1);
        new.begin(LogId::BIRTH.index);
        let change = Change::Split { parent: parent.clone(), child: child.clone() };
        new.push(&child.keys.start, change);
        new
    }
}

/// A copy of a value that is short enough for an event.
pub(super) fn short(value: &[u8]) -> Option<Value> {
    (value.len() <= VALUE_BYTES_MAX).then(|| Value::copy_from_slice(value))
}

impl Ring {
    fn push(&mut self, event: Event) {
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.floor = self.floor.max(oldest.index);
        }
    }

    fn since(&self, index: u64) -> Result<Events, Compacted> {
        if index < self.floor {
            return Err(Compacted { floor: self.floor });
        }
        let first = self.events.partition_point(|event| event.index <= index);
        Ok(Events { events: self.events.range(first..).cloned().collect(), through: self.through.max(index) })
    }
}

impl Event {
    fn bytes(&self) -> usize {
        let more = match &self.change {
            Change::Put(value) | Change::Pushed(_, value) => value.as_ref().map_or(0, Value::len),
            Change::DeletedRange(end) => end.as_ref().map_or(0, Key::len),
            Change::Deleted | Change::Popped(_) | Change::Split { .. } => 0,
        };
        EVENT_BYTES + self.key.len() + more
    }
}

impl EventRings {
    /// Adds what was applied, once it can be read.
    pub(super) fn add(&self, new: Vec<NewEvents>) {
        let mut rings = self.0.lock();
        for NewEvents { range, start, ring: new, .. } in new {
            match rings.get_mut(&range) {
                // Otherwise events are missing in between, and none before is of use.
                Some(ring) if ring.through == start && new.floor == start => {
                    new.events.into_iter().for_each(|event| ring.push(event));
                    ring.through = new.through;
                }
                _ => drop(rings.insert(range, new)),
            }
        }
    }

    /// Forgets a range, whose rows came or went in another way.
    pub(super) fn forget(&self, range: RangeId) {
        self.0.lock().remove(&range);
    }

    /// Events of `range` after the entry `index`; `applied` is what the state has now.
    pub(super) fn since(&self, range: RangeId, index: u64, applied: u64) -> Result<Events, Compacted> {
        match self.0.lock().get(&range) {
            Some(ring) => ring.since(index),
            // Nothing was applied since opening.
            None if index >= applied => Ok(Events { events: Vec::new(), through: index }),
            None => Err(Compacted { floor: applied }),
        }
    }
}
