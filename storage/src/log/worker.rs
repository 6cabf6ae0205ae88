//! The worker: takes what waits, has it written and made durable with one fsync, and answers.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::Arc,
};

use super::{
    handle::Shared,
    hard_state::HardState,
    memory::{Request, SegmentFile},
    open::Tail,
    writer::{WriteError, Writer},
};
use crate::{error::StorageError, range::RangeId};

/// Writes the log. It runs as a task of its own, which blocks while the disk works: in production on
/// a thread of its own.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    writer: Writer,
    /// Taken from the inbox and not written, in order.
    waiting: VecDeque<Request>,
    /// Segments before this one can go as soon as what waits is written.
    oldest_needed: u64,
    wrote: bool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, tail: Tail, states: BTreeMap<RangeId, HardState>) -> Self {
        let writer = Writer::new(shared.options.clone(), tail, states);
        Self { shared, writer, waiting: VecDeque::new(), oldest_needed: 0, wrote: false }
    }

    /// Runs until the log is closed or its last handle is dropped; then everything asked for is
    /// durable, and nothing remains that is not needed.
    ///
    /// # Errors
    ///
    /// What stopped the log, if it was not closed; whoever waited has it too.
    pub(crate) async fn run(mut self) -> Result<(), StorageError> {
        loop {
            let closing = self.take_inbox();
            let written = self.write_waiting();
            match written {
                Ok(true) if closing => return self.close(),
                Ok(false) if closing => {
                    let error = self.disk_full();
                    self.stop(&error);
                    return Err(error);
                }
                Ok(_) => {}
                Err(error) => {
                    self.stop(&error);
                    if closing {
                        return Err(error);
                    }
                }
            }
            if !self.shared.memory.lock().has_inbox() {
                self.shared.notify.notified().await;
            }
        }
    }

    /// Takes what there is to write; returns whether that is the last of it.
    fn take_inbox(&mut self) -> bool {
        let mut memory = self.shared.memory.lock();
        memory.take_inbox(&mut self.waiting);
        // Everything that memory knows to be gone is in what was taken: durable when that is.
        let newest = memory.segments.last_key_value().map_or(0, |(number, _)| *number);
        let written = u64::from(self.writer.current.is_some());
        self.oldest_needed = memory.oldest_live_segment().unwrap_or(newest + 1 - written);
        memory.closing
    }

    /// Writes all that waits; false if the disk is full.
    fn write_waiting(&mut self) -> Result<bool, StorageError> {
        if let Some(error) = self.shared.memory.lock().stopped.clone() {
            return Err(error);
        }
        while !self.waiting.is_empty() {
            let count = self.batch();
            let batch = self.waiting.iter().take(count);
            let free_bytes = || self.shared.options.disk.free_bytes(&self.shared.options.folder);
            match self.writer.write(batch, free_bytes) {
                Ok(()) => self.answer(count),
                Err(WriteError::Full(needed)) => {
                    self.shared.memory.lock().full = Some(needed);
                    if !self.purge_ahead()? {
                        return Ok(false);
                    }
                }
                Err(WriteError::Failed(error)) => return Err(error),
            }
        }
        self.remove_segments();
        Ok(true)
    }

    /// How many requests are written with one fsync.
    fn batch(&self) -> usize {
        let mut bytes = 0;
        let fits = |request: &&Request| {
            bytes += request.bytes();
            bytes <= self.shared.options.batch_bytes_max
        };
        self.waiting.iter().take_while(fits).count().max(1)
    }

    /// Publishes what is durable now, and tells those who waited for it, in order.
    fn answer(&mut self, count: usize) {
        self.wrote = true;
        publish(&self.shared, &self.writer, self.waiting.iter().take(count));
        let idle = self.waiting.len() == count && !self.shared.memory.lock().has_inbox();
        if idle {
            // Nobody waits for the next fsync. Before the answers, so that what was acknowledged is
            // known as such, unless the next batch follows it.
            self.writer.mark_durable();
        }
        // LOG-1: what is answered is durable.
        for request in self.waiting.drain(..count) {
            request.finish(&Ok(()));
        }
    }

    /// On a full disk, writes purges before what they waited behind, into space that is already
    /// taken, so that segments go; false if that gives nothing back.
    fn purge_ahead(&mut self) -> Result<bool, StorageError> {
        let mut ahead = Vec::new();
        let mut held: Vec<RangeId> = Vec::new();
        for (number, request) in self.waiting.iter().enumerate() {
            match request {
                Request::Purge { range, id }
                    // What it drops was written, and nothing between would be written after it that
                    // must come before.
                    if !held.contains(range) && Some(id.index) <= self.writer.last_written(*range) =>
                {
                    ahead.push(number);
                }
                Request::Truncate { range, .. }
                | Request::Born { range, .. }
                | Request::Remove { range, .. }
                | Request::Purge { range, .. } => held.push(*range),
                _ => {}
            }
        }
        let bytes = ahead.iter().filter_map(|number| self.waiting.get(*number)).map(Request::bytes).sum();
        if ahead.is_empty() || !self.writer.has_room(bytes) {
            return Ok(false);
        }
        // From the back, so that the numbers stay true; then to the front, in their order.
        let mut purges: Vec<Request> =
            ahead.iter().rev().filter_map(|number| self.waiting.remove(*number)).collect();
        purges.drain(..).for_each(|purge| self.waiting.push_front(purge));
        let batch = self.waiting.iter().take(ahead.len());
        match self.writer.write(batch, || Ok(u64::MAX)) {
            Ok(()) => self.answer(ahead.len()),
            Err(WriteError::Full(_)) => return Ok(false),
            Err(WriteError::Failed(error)) => return Err(error),
        }
        // What else made segments unneeded in memory is not durable yet.
        Ok(held.is_empty() && self.remove_segments())
    }

    /// Gives up the segments in which nothing lives; false if there is none.
    fn remove_segments(&mut self) -> bool {
        let Some(current) = self.writer.current.as_ref().map(|segment| segment.number) else { return false };
        let before = self.oldest_needed.min(current);
        let mut removed = false;
        loop {
            let oldest = {
                let memory = self.shared.memory.lock();
                memory.segments.first_key_value().map(|(number, _)| *number)
            };
            let Some(number) = oldest.filter(|number| *number < before) else { break };
            if let Err(error) = self.writer.remove_segment(number) {
                // Only space is lost, and the next time may give it back.
                tracing::warn!(%error, "a log segment could not be removed");
                break;
            }
            self.shared.memory.lock().segments.remove(&number);
            removed = true;
        }
        if removed {
            self.writer.remove_spares(self.shared.options.spare_segments_max);
        }
        removed
    }

    /// Leaves no more on the disk than is needed.
    fn close(&mut self) -> Result<(), StorageError> {
        self.writer.remove_spares(0);
        let needed = self.shared.memory.lock().oldest_live_segment().is_some();
        if !self.wrote || needed {
            return Ok(());
        }
        if let Err(error) = self.writer.begin_segment(0) {
            // All is durable where it was.
            tracing::warn!(%error, "the log could not be made small");
            return Ok(());
        }
        publish(&self.shared, &self.writer, [].iter());
        self.oldest_needed = u64::MAX;
        self.remove_segments();
        self.writer.remove_spares(0);
        let synced = self.shared.options.disk.sync_dir(&self.shared.options.folder);
        synced.map_err(|error| StorageError::io("sync", &self.shared.options.folder, error))
    }

    fn disk_full(&self) -> StorageError {
        let needed = self.shared.memory.lock().full.unwrap_or(0);
        let path = self.shared.options.folder.clone();
        let available = self.shared.options.disk.free_bytes(&path).unwrap_or(0);
        StorageError::DiskFull { path, available, needed: available.saturating_add(needed) }
    }

    /// Refuses everything that waits, and everything later.
    fn stop(&mut self, error: &StorageError) {
        let reason = match error {
            StorageError::Poisoned { .. } | StorageError::Closed => error.clone(),
            error => StorageError::Poisoned { reason: error.to_string().into() },
        };
        let mut memory = self.shared.memory.lock();
        memory.stopped.get_or_insert(reason);
        memory.take_inbox(&mut self.waiting);
        memory.waiting_bytes = 0;
        drop(memory);
        for request in self.waiting.drain(..) {
            request.finish(&Err(error.clone()));
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Whoever waits is answered, however this ended.
        self.stop(&StorageError::Closed);
    }
}

/// Notes in memory what is durable now and where it lies.
fn publish<'a>(shared: &Shared, writer: &Writer, batch: impl Iterator<Item = &'a Request>) {
    let Some(current) = &writer.current else { return };
    let mut memory = shared.memory.lock();
    memory.full = None;
    let file = || SegmentFile { file: Arc::clone(&current.file), salt: current.salt, bytes: 0, live: 0 };
    memory.segments.entry(current.number).or_insert_with(file).bytes = current.end;
    let mut offsets = writer.offsets().iter();
    for request in batch {
        memory.waiting_bytes -= request.bytes();
        if let Request::Append { range, sequence, entries, .. } = request {
            for ((entry, sequence), offset) in entries.iter().zip(*sequence..).zip(offsets.by_ref()) {
                memory.place(*range, entry.id.index, sequence, current.number, *offset);
            }
        }
    }
    memory.evict();
}
