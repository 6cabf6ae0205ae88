//! What the log knows in memory: of each group where its entries lie, of all of them the newest
//! payloads, and what the worker has yet to write.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::Arc,
};

use bytes::Bytes;

use super::{Done, Entry, LogState, Vote, record::record_bytes};
use crate::{disk::DiskFile, error::StorageError, log_id::LogId, range::RangeId};

/// What an entry takes in the cache beside its payload.
const CACHED_OVERHEAD_BYTES: u64 = 64;

/// Where an entry lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is not durable yet; the number is never given to another entry.
    Waiting { sequence: u64 },
    /// In a segment, at this offset.
    Written { segment: u64, offset: u64 },
}

/// A live entry.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) term: u64,
    pub(super) tag: u8,
    pub(super) length: u32,
    pub(super) place: Place,
    /// Always there while the entry waits.
    pub(super) payload: Option<Bytes>,
}

/// A file of the log.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) salt: u64,
    /// Bytes in it.
    pub(super) bytes: u64,
    /// Entries in it that are neither purged nor truncated.
    pub(super) live: u64,
}

/// The files of the log, by number.
pub(super) type Segments = BTreeMap<u64, SegmentFile>;

/// What the worker has to write, in order.
pub(super) enum Request {
    Append { range: RangeId, sequence: u64, entries: Vec<Entry>, done: Done },
    Vote { range: RangeId, vote: Vote, done: Done },
    Committed { range: RangeId, id: LogId },
    Truncate { range: RangeId, after: Option<u64> },
    Purge { range: RangeId, id: LogId },
    Born { range: RangeId, floor: Option<LogId> },
    Remove { range: RangeId, done: Done },
}

impl Request {
    /// Bytes that it takes in the log.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Append { entries, .. } => entries.iter().map(entry_bytes).sum(),
            _ => record_bytes(0),
        }
    }

    /// Answers whoever waits for it.
    pub(super) fn finish(self, result: &Result<(), StorageError>) {
        match self {
            Self::Append { done, .. } | Self::Vote { done, .. } | Self::Remove { done, .. } => {
                done(result.clone());
            }
            _ => {}
        }
    }
}

/// Bytes that an entry takes in the log.
pub(super) fn entry_bytes(entry: &Entry) -> u64 {
    record_bytes(u32::try_from(entry.payload.len()).unwrap_or(u32::MAX))
}

/// A group.
#[derive(Debug)]
pub(super) struct Group {
    /// Tells this life of the group from others of the same range, in this process.
    pub(super) birth: u64,
    pub(super) purged: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// Index of the first slot, if there is one.
    first: u64,
    slots: VecDeque<Slot>,
    bytes: u64,
    /// Index of the last entry that the state holds durably.
    flushed: u64,
    /// Bytes of the entries behind that.
    unflushed_bytes: u64,
}

impl Group {
    pub(super) fn born(birth: u64, floor: Option<LogId>) -> Self {
        Self {
            birth,
            purged: floor,
            vote: None,
            committed: None,
            first: 0,
            slots: VecDeque::new(),
            bytes: 0,
            flushed: floor.map_or(0, |floor| floor.index),
            unflushed_bytes: 0,
        }
    }

    /// Index that the next entry must have; any will do for the first one of a log without a floor.
    pub(super) fn next_index(&self) -> Option<u64> {
        if self.slots.is_empty() {
            return self.purged.map(|purged| purged.index + 1);
        }
        Some(self.first + self.slots.len() as u64)
    }

    /// Index of the first live entry.
    #[cfg(test)]
    pub(super) fn first_index(&self) -> Option<u64> {
        (!self.slots.is_empty()).then_some(self.first)
    }

    pub(super) fn last(&self) -> Option<LogId> {
        let last = self.first + (self.slots.len() as u64).saturating_sub(1);
        self.slots.back().map(|slot| LogId { term: slot.term, index: last }).or(self.purged)
    }

    pub(super) fn state(&self) -> LogState {
        LogState { purged: self.purged, last: self.last(), vote: self.vote, committed: self.committed }
    }

    /// Bytes in the log that a purge of everything would make unneeded.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the entries that the state does not hold durably.
    pub(super) fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes
    }

    /// The state holds the entries up to this one durably.
    pub(super) fn flushed(&mut self, index: u64) {
        let bytes: u64 = self
            .range(self.flushed + 1, index.saturating_add(1))
            .map(|(_, slot)| record_bytes(slot.length))
            .sum();
        self.unflushed_bytes -= bytes;
        self.flushed = self.flushed.max(index);
    }

    #[cfg(test)]
    pub(super) fn slot(&self, index: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    fn slot_mut(&mut self, index: u64) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// The live entries from `from` up to and without `to`, with their indexes.
    pub(super) fn range(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Slot)> {
        let start = from.saturating_sub(self.first).min(self.slots.len() as u64);
        let end = to.saturating_sub(self.first).clamp(start, self.slots.len() as u64);
        (self.first + start..).zip(self.slots.range(start as usize..end as usize))
    }

    /// The index up to which entries must go, so that the newest of at most so many bytes stay; 0 if all
    /// may stay.
    pub(super) fn surplus(&self, bytes_kept: u64) -> u64 {
        let mut bytes = 0;
        let newest = self.slots.iter().rev().take_while(|slot| {
            bytes += u64::from(slot.length);
            bytes <= bytes_kept
        });
        let kept = newest.count() as u64;
        let gone = self.slots.len() as u64 - kept;
        if gone == 0 { 0 } else { self.first + gone - 1 }
    }

    /// The oldest segment in which it has a live entry.
    pub(super) fn oldest_segment(&self) -> Option<u64> {
        match self.slots.front()?.place {
            Place::Written { segment, .. } => Some(segment),
            Place::Waiting { .. } => None,
        }
    }

    /// Adds an entry behind the last one; its index was checked.
    pub(super) fn push(&mut self, index: u64, slot: Slot) {
        if self.slots.is_empty() {
            self.first = index;
        }
        self.bytes += record_bytes(slot.length);
        if index > self.flushed {
            self.unflushed_bytes += record_bytes(slot.length);
        }
        self.slots.push_back(slot);
    }

    /// Drops the entries behind `after`; all for `None`.
    pub(super) fn truncate_after(&mut self, after: Option<u64>, segments: &mut Segments) {
        let kept = after.map_or(0, |after| (after + 1).saturating_sub(self.first));
        let kept = kept.min(self.slots.len() as u64) as usize;
        for (slot, index) in self.slots.drain(kept..).zip(self.first + kept as u64..) {
            self.bytes -= record_bytes(slot.length);
            if index > self.flushed {
                self.unflushed_bytes -= record_bytes(slot.length);
            }
            release(&slot, segments);
        }
    }

    /// Drops the entries up to `id`.
    pub(super) fn purge(&mut self, id: LogId, segments: &mut Segments) {
        self.flushed(id.index);
        let dropped = (id.index + 1).saturating_sub(self.first).min(self.slots.len() as u64) as usize;
        for slot in self.slots.drain(..dropped) {
            self.bytes -= record_bytes(slot.length);
            release(&slot, segments);
        }
        self.first += dropped as u64;
        self.purged = Some(id);
    }

    /// Drops everything.
    pub(super) fn clear(&mut self, segments: &mut Segments) {
        self.truncate_after(None, segments);
    }
}

fn release(slot: &Slot, segments: &mut Segments) {
    if let Place::Written { segment, .. } = slot.place
        && let Some(segment) = segments.get_mut(&segment)
    {
        segment.live -= 1;
    }
}

/// An entry whose payload may be in memory; a slot that has since become another's does no harm.
#[derive(Debug)]
struct Cached {
    range: RangeId,
    index: u64,
    bytes: u64,
}

/// All that the log knows in memory.
pub(super) struct Memory {
    pub(super) groups: BTreeMap<RangeId, Group>,
    pub(super) segments: Segments,
    /// What the worker did not take yet.
    inbox: Vec<Request>,
    /// Groups whose committed id changed since it was last put into the inbox.
    committed: BTreeSet<RangeId>,
    cached: VecDeque<Cached>,
    cached_bytes: u64,
    cache_bytes_max: u64,
    next_sequence: u64,
    next_birth: u64,
    /// Bytes that are not yet durable.
    pub(super) waiting_bytes: u64,
    /// Bytes of disk that are missing, if that is why nothing is written.
    pub(super) full: Option<u64>,
    /// Why nothing is written ever again.
    pub(super) stopped: Option<StorageError>,
    /// The first record that was read and does not match its checksum.
    pub(super) damage: Option<StorageError>,
    /// Whether the worker is to finish.
    pub(super) closing: bool,
}

impl Memory {
    /// The log as it was found, groups and segments.
    pub(super) fn new(groups: BTreeMap<RangeId, Group>, segments: Segments, cache_bytes_max: u64) -> Self {
        let next_birth = groups.values().map(|group| group.birth + 1).max().unwrap_or(0);
        Self {
            groups,
            segments,
            inbox: Vec::new(),
            committed: BTreeSet::new(),
            cached: VecDeque::new(),
            cached_bytes: 0,
            cache_bytes_max,
            next_sequence: 0,
            next_birth,
            waiting_bytes: 0,
            full: None,
            stopped: None,
            damage: None,
            closing: false,
        }
    }

    /// Leaves a request for the worker.
    pub(super) fn post(&mut self, request: Request) {
        self.waiting_bytes += request.bytes();
        self.inbox.push(request);
    }

    /// The group of a handle.
    ///
    /// # Errors
    ///
    /// The log stopped, or the group is gone.
    pub(super) fn group(&mut self, range: RangeId, birth: u64) -> Result<&mut Group, StorageError> {
        if let Some(error) = &self.stopped {
            return Err(error.clone());
        }
        if self.closing {
            return Err(StorageError::Closed);
        }
        self.groups.get_mut(&range).filter(|group| group.birth == birth).ok_or(StorageError::Closed)
    }

    /// The group of a handle, to read of it.
    pub(super) fn group_to_read(&self, range: RangeId, birth: u64) -> Result<&Group, StorageError> {
        self.groups.get(&range).filter(|group| group.birth == birth).ok_or(StorageError::Closed)
    }

    /// A new life of a group.
    pub(super) fn bear(&mut self, range: RangeId, floor: Option<LogId>) -> u64 {
        let birth = self.next_birth;
        self.next_birth += 1;
        self.groups.insert(range, Group::born(birth, floor));
        self.post(Request::Born { range, floor });
        birth
    }

    /// Makes entries readable, and leaves them for the worker.
    pub(super) fn append(&mut self, range: RangeId, entries: Vec<Entry>, done: Done) {
        let sequence = self.next_sequence;
        self.next_sequence += entries.len() as u64;
        let Some(group) = self.groups.get_mut(&range) else { return };
        for (entry, sequence) in entries.iter().zip(sequence..) {
            let next = group.next_index();
            // Anything else would be read back as a log with a hole, or with two entries in a place.
            assert!(
                next.is_none_or(|next| next == entry.id.index),
                "entry {} of range {range} appended where {next:?} belongs",
                entry.id
            );
            let length = u32::try_from(entry.payload.len());
            let length = length.unwrap_or_else(|_| panic!("an entry of {} bytes", entry.payload.len()));
            let slot = Slot {
                term: entry.id.term,
                tag: entry.tag,
                length,
                place: Place::Waiting { sequence },
                payload: Some(entry.payload.clone()),
            };
            group.push(entry.id.index, slot);
            let bytes = u64::from(length) + CACHED_OVERHEAD_BYTES;
            self.cached.push_back(Cached { range, index: entry.id.index, bytes });
            self.cached_bytes += bytes;
        }
        self.post(Request::Append { range, sequence, entries, done });
        self.evict();
    }

    /// Notes the committed id of a group; it is written with what is written next.
    pub(super) fn save_committed(&mut self, range: RangeId, id: LogId) {
        if let Some(group) = self.groups.get_mut(&range) {
            group.committed = Some(id);
            self.committed.insert(range);
        }
    }

    /// Takes what there is to write. Committed ids come behind everything that they may speak of;
    /// alone they are no reason to write, unless this is the end.
    pub(super) fn take_inbox(&mut self, waiting: &mut VecDeque<Request>) {
        waiting.extend(self.inbox.drain(..));
        if waiting.is_empty() && !self.closing {
            return;
        }
        for range in mem::take(&mut self.committed) {
            if let Some(id) = self.groups.get(&range).and_then(|group| group.committed) {
                let request = Request::Committed { range, id };
                self.waiting_bytes += request.bytes();
                waiting.push_back(request);
            }
        }
    }

    /// Whether there is something to write that the worker did not take yet.
    pub(super) fn has_inbox(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Notes where an entry lies, now that it is durable there.
    pub(super) fn place(&mut self, range: RangeId, index: u64, sequence: u64, segment: u64, offset: u64) {
        let slot = self.groups.get_mut(&range).and_then(|group| group.slot_mut(index));
        // It may have been purged or truncated while it waited, and another may have its index.
        let Some(slot) = slot.filter(|slot| slot.place == Place::Waiting { sequence }) else { return };
        slot.place = Place::Written { segment, offset };
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.live += 1;
        }
    }

    /// Lets the oldest payloads go that are too much. Entries that wait keep theirs, and so do those
    /// appended after them.
    pub(super) fn evict(&mut self) {
        while self.cached_bytes > self.cache_bytes_max
            && let Some(oldest) = self.cached.front()
        {
            let slot = self.groups.get_mut(&oldest.range).and_then(|group| group.slot_mut(oldest.index));
            if let Some(slot) = slot {
                if matches!(slot.place, Place::Waiting { .. }) {
                    break;
                }
                slot.payload = None;
            }
            self.cached_bytes -= oldest.bytes;
            self.cached.pop_front();
        }
    }

    /// The oldest segment that something lives in.
    pub(super) fn oldest_live_segment(&self) -> Option<u64> {
        self.segments.iter().find(|(_, segment)| segment.live > 0).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        let place = Place::Waiting { sequence: 0 };
        Slot { term: 1, tag: 0, length: 0, place, payload: Some(Bytes::new()) }
    }

    #[test]
    fn a_group_is_cut_at_both_ends() {
        let mut segments = Segments::new();
        let mut group = Group::born(0, Some(LogId { term: 1, index: 5 }));
        assert_eq!((group.next_index(), group.first_index()), (Some(6), None));
        (6..=10).for_each(|index| group.push(index, slot()));
        group.truncate_after(Some(9), &mut segments);
        assert_eq!(group.last(), Some(LogId { term: 1, index: 9 }));
        group.purge(LogId { term: 1, index: 7 }, &mut segments);
        let indexes = |group: &Group, from, to| group.range(from, to).map(|(index, _)| index).collect();
        let live: Vec<u64> = indexes(&group, 0, u64::MAX);
        assert_eq!(live, [8, 9]);
        let none: Vec<u64> = indexes(&group, 10, 9);
        assert!(none.is_empty());
        assert_eq!(group.unflushed_bytes(), group.bytes());
        group.flushed(8);
        assert_eq!(group.unflushed_bytes(), record_bytes(0));
        group.truncate_after(Some(3), &mut segments);
        assert_eq!((group.next_index(), group.bytes(), group.unflushed_bytes()), (Some(8), 0, 0));
        group.purge(LogId { term: 4, index: 20 }, &mut segments);
        assert_eq!((group.next_index(), group.last()), (Some(21), Some(LogId { term: 4, index: 20 })));
    }

    #[test]
    fn a_place_is_only_for_the_entry_that_was_written_there() {
        let range = RangeId(1);
        let file: Arc<dyn DiskFile> = Arc::new(tempfile::tempfile().unwrap());
        let segments = [(3, SegmentFile { file, salt: 0, bytes: 0, live: 0 })].into();
        let groups = [(range, Group::born(0, None))].into();
        let mut memory = Memory::new(groups, segments, 0);
        let entry = |term| Entry { id: LogId { term, index: 5 }, tag: 0, payload: Bytes::new() };
        memory.append(range, vec![entry(1)], Box::new(|_| {}));
        let Memory { groups, segments, .. } = &mut memory;
        groups.get_mut(&range).unwrap().truncate_after(None, segments);
        memory.append(range, vec![entry(2)], Box::new(|_| {}));
        // The first is written and the second is not.
        memory.place(range, 5, 0, 3, 64);
        memory.evict();
        let slot = memory.groups[&range].slot(5).unwrap();
        assert!(slot.payload.is_some() && slot.place == Place::Waiting { sequence: 1 });
        assert_eq!(memory.segments[&3].live, 0);
        memory.place(range, 5, 1, 3, 128);
        memory.evict();
        assert!(memory.groups[&range].slot(5).unwrap().payload.is_none());
        assert_eq!(memory.oldest_live_segment(), Some(3));
    }
}
