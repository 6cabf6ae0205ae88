//! What the rest of the store holds of the log.

use std::{collections::BTreeMap, fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Done, Entry, LogOptions, LogState, Vote, Worker,
    memory::{Group, Memory, Request},
    open::{Found, open},
    read,
};
use crate::{error::StorageError, log_id::LogId, range::RangeId};

/// What handles and worker share.
pub(super) struct Shared {
    pub(super) options: LogOptions,
    /// Never held while anything is read, written or called back.
    pub(super) memory: Mutex<Memory>,
    /// Wakes the worker.
    pub(super) notify: Notify,
}

/// The log of a node; clones are the same log. The worker finishes when the last one is dropped.
#[derive(Clone)]
pub(crate) struct Log(Arc<Handle>);

struct Handle(Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.memory.lock().closing = true;
        self.0.notify.notify_one();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Log").field("folder", &self.0.0.options.folder).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens the log. Nothing is written, and nothing will be until the worker runs.
    ///
    /// `applied` is what the state store holds durably of each range.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] names file and offset of what was durable and is damaged, and ranges
    /// of which entries are missing that the state store does not hold.
    pub(crate) fn open(
        options: LogOptions,
        applied: &BTreeMap<RangeId, LogId>,
    ) -> Result<(Self, Worker), StorageError> {
        let Found { groups, segments, tail } = open(&options, applied)?;
        let mut memory = Memory::new(groups, segments, options.cache_bytes_max);
        for (range, group) in &mut memory.groups {
            group.flushed(applied.get(range).map_or(0, |applied| applied.index));
        }
        let states = memory.groups.iter().map(|(range, group)| (*range, group.into())).collect();
        let shared = Arc::new(Shared { options, memory: Mutex::new(memory), notify: Notify::new() });
        let worker = Worker::new(Arc::clone(&shared), tail, states);
        Ok((Self(Arc::new(Handle(shared))), worker))
    }

    /// The ranges that have a group, ascending.
    #[cfg(test)]
    pub(crate) fn groups(&self) -> Vec<RangeId> {
        self.memory().lock().groups.keys().copied().collect()
    }

    /// The group of a range. If there is none it is born, purged up to `floor`: readable at once,
    /// durable with what is written next.
    pub(crate) fn group(&self, range: RangeId, floor: Option<LogId>) -> GroupLog {
        let mut memory = self.memory().lock();
        let present = memory.groups.get(&range).map(|group| group.birth);
        let birth = present.unwrap_or_else(|| memory.bear(range, floor));
        drop(memory);
        if present.is_none() {
            self.wake();
        }
        GroupLog { log: self.clone(), range, birth }
    }

    /// The groups whose live entries keep segments older than the newest few: they should make a
    /// snapshot and purge.
    pub(crate) fn pinned(&self) -> Vec<RangeId> {
        let memory = self.memory().lock();
        let newest = memory.segments.last_key_value().map_or(0, |(number, _)| *number);
        let kept = (newest + 1).saturating_sub(self.0.0.options.segments_kept);
        let pins = |segment: Option<u64>| segment.is_some_and(|segment| segment < kept);
        let groups = memory.groups.iter().filter(|(_, group)| pins(group.oldest_segment()));
        groups.map(|(range, _)| *range).collect()
    }

    /// Bytes in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory().lock().segments.values().map(|segment| segment.bytes).sum()
    }

    /// Bytes of entries that the state does not hold durably: it will take as many, and more.
    pub(crate) fn unflushed_bytes(&self) -> u64 {
        self.memory().lock().groups.values().map(Group::unflushed_bytes).sum()
    }

    /// The state holds the entries of a range up to this one durably.
    pub(crate) fn flushed(&self, range: RangeId, index: u64) {
        if let Some(group) = self.memory().lock().groups.get_mut(&range) {
            group.flushed(index);
        }
    }

    /// Bytes of disk that are missing, while that is why nothing is written. Everything asked for is
    /// kept, answered when it is written, and tried again at [`Log::retry`] or the next request.
    pub(crate) fn full(&self) -> Option<u64> {
        self.memory().lock().full
    }

    /// Tries again to write what a full disk refused.
    pub(crate) fn retry(&self) {
        self.wake();
    }

    /// Why nothing is written any more, after an error.
    pub(crate) fn stopped(&self) -> Option<StorageError> {
        self.memory().lock().stopped.clone()
    }

    /// What was read and is not what was written, if anything was.
    pub(crate) fn damage(&self) -> Option<StorageError> {
        self.memory().lock().damage.clone()
    }

    /// Tells the worker to write what it has, and to finish. Every later request is refused.
    pub(crate) fn close(&self) {
        self.memory().lock().closing = true;
        self.wake();
    }

    fn memory(&self) -> &Mutex<Memory> {
        &self.0.0.memory
    }

    fn wake(&self) {
        self.0.0.notify.notify_one();
    }
}

/// The log of one group, of one life of it: after [`GroupLog::remove`] everything is refused.
#[derive(Clone)]
pub(crate) struct GroupLog {
    log: Log,
    range: RangeId,
    birth: u64,
}

impl fmt::Debug for GroupLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GroupLog").field("range", &self.range).finish_non_exhaustive()
    }
}

impl GroupLog {
    /// What the log knows of the group; nothing if it was removed.
    pub(crate) fn state(&self) -> LogState {
        let memory = self.log.memory().lock();
        memory.group_to_read(self.range, self.birth).map(|group| group.state()).unwrap_or_default()
    }

    /// Bytes of the entries that are not purged.
    pub(crate) fn bytes(&self) -> u64 {
        let memory = self.log.memory().lock();
        memory.group_to_read(self.range, self.birth).map_or(0, |group| group.bytes())
    }

    /// The index up to which entries must go, so that the newest of at most so many bytes stay; 0 if all
    /// may stay.
    pub(crate) fn surplus(&self, bytes_kept: u64) -> u64 {
        let memory = self.log.memory().lock();
        memory.group_to_read(self.range, self.birth).map_or(0, |group| group.surplus(bytes_kept))
    }

    /// The last live entry of each term within the indexes, ascending.
    pub(crate) fn last_of_each_term(&self, from: u64, to: u64) -> Vec<LogId> {
        let memory = self.log.memory().lock();
        let Ok(group) = memory.group_to_read(self.range, self.birth) else { return Vec::new() };
        let mut ids: Vec<LogId> = Vec::new();
        for (index, slot) in group.range(from, to) {
            match ids.last_mut() {
                Some(last) if last.term == slot.term => last.index = index,
                _ => ids.push(LogId { term: slot.term, index }),
            }
        }
        ids
    }

    /// The live entries from `from` up to and without `to`, of at most so many bytes in the log; if
    /// there is one at all, at least one.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] names what does not match its checksum; [`StorageError::Closed`] if
    /// the group was removed.
    pub(crate) fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<Entry>, StorageError> {
        let shared = &self.log.0.0;
        read::entries(shared, (self.range, self.birth), from, to, bytes_max)
    }

    /// Appends entries; they can be read at once, and are durable when `done` is called.
    ///
    /// # Panics
    ///
    /// The first one does not follow the last one that is there.
    pub(crate) fn append(&self, entries: Vec<Entry>, done: Done) {
        self.post(done, |memory, range, done| memory.append(range, entries, done));
    }

    /// Saves a vote; it is durable when `done` is called.
    pub(crate) fn save_vote(&self, vote: Vote, done: Done) {
        self.post(done, |memory, range, done| {
            if let Some(group) = memory.groups.get_mut(&range) {
                group.vote = Some(vote);
            }
            memory.post(Request::Vote { range, vote, done });
        });
    }

    /// Notes up to where entries are committed; durable some time after the entries themselves.
    pub(crate) fn save_committed(&self, id: LogId) {
        let mut memory = self.log.memory().lock();
        if memory.group(self.range, self.birth).is_ok() {
            memory.save_committed(self.range, id);
        }
    }

    /// Drops the entries behind `after`, all for `None`; in order with what is appended.
    ///
    /// # Errors
    ///
    /// The log stopped, or the group was removed.
    pub(crate) fn truncate_after(&self, after: Option<u64>) -> Result<(), StorageError> {
        self.change(|memory, range| {
            let Memory { groups, segments, .. } = memory;
            let Some(group) = groups.get_mut(&range) else { return };
            group.truncate_after(after, segments);
            let after = group.last().map(|last| last.index);
            memory.post(Request::Truncate { range, after });
        })
    }

    /// Drops the entries up to `id`; later ones follow it even if it was never there.
    ///
    /// # Errors
    ///
    /// The log stopped, or the group was removed.
    pub(crate) fn purge(&self, id: LogId) -> Result<(), StorageError> {
        self.change(|memory, range| {
            let Memory { groups, segments, .. } = memory;
            let Some(group) = groups.get_mut(&range) else { return };
            if group.purged.is_some_and(|purged| id.index <= purged.index) {
                return;
            }
            group.purge(id, segments);
            memory.post(Request::Purge { range, id });
        })
    }

    /// Forgets the group; a crash cannot bring it back when `done` is called. It may be born again at
    /// once, and nothing of this life will be seen then.
    pub(crate) fn remove(&self, done: Done) {
        self.post(done, |memory, range, done| {
            if let Some(mut group) = memory.groups.remove(&range) {
                group.clear(&mut memory.segments);
            }
            memory.post(Request::Remove { range, done });
        });
    }

    fn change(&self, change: impl FnOnce(&mut Memory, RangeId)) -> Result<(), StorageError> {
        let mut memory = self.log.memory().lock();
        memory.group(self.range, self.birth)?;
        change(&mut memory, self.range);
        drop(memory);
        self.log.wake();
        Ok(())
    }

    fn post(&self, done: Done, post: impl FnOnce(&mut Memory, RangeId, Done)) {
        let mut memory = self.log.memory().lock();
        if let Err(error) = memory.group(self.range, self.birth).map(|_| ()) {
            drop(memory);
            return done(Err(error));
        }
        post(&mut memory, self.range, done);
        drop(memory);
        self.log.wake();
    }
}
