//! Writing records to segments and making them durable; the worker owns it.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    ops::Range,
    sync::Arc,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    LogOptions,
    hard_state::{self, HardState},
    memory::Request,
    open::Tail,
    record::{ALIGNMENT, FOLLOWED, HEADER_BYTES, Header, Kind, record_bytes},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path, segment_salt, spare_path},
};
use crate::{
    disk::DiskFile,
    error::{StorageError, is_disk_full},
    log_id::LogId,
    range::RangeId,
};

/// Smaller payloads are copied behind their headers: a piece of its own costs the system more.
const COPIED_BYTES_MAX: usize = 1024;

/// Why a batch was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// So many bytes of disk are missing. Nothing of the batch counts; it can be written again.
    Full(u64),
    /// The log can no longer be trusted.
    Failed(StorageError),
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) salt: u64,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Everything before is durable.
    durable: u64,
    /// Where the first record after the states went.
    begin: u64,
}

/// Writes the log.
#[derive(Debug)]
pub(super) struct Writer {
    options: LogOptions,
    pub(super) current: Option<Segment>,
    tail: Tail,
    /// What the records written so far make of every group.
    states: BTreeMap<RangeId, HardState>,
    staged: Vec<u8>,
    offsets: Vec<u64>,
}

impl Writer {
    pub(super) fn new(options: LogOptions, tail: Tail, states: BTreeMap<RangeId, HardState>) -> Self {
        Self { options, current: None, tail, states, staged: Vec::new(), offsets: Vec::new() }
    }

    /// Writes what is asked for and makes it durable, with one fsync; where each entry went is in
    /// [`Writer::offsets`], of the current segment.
    pub(super) fn write<'a>(
        &mut self,
        batch: impl Iterator<Item = &'a Request> + Clone,
        free_bytes: impl Fn() -> io::Result<u64>,
    ) -> Result<(), WriteError> {
        let bytes: u64 = batch.clone().map(Request::bytes).sum();
        if bytes == 0 {
            return Ok(());
        }
        if !self.has_room(bytes) {
            let needed = bytes.max(self.options.segment_bytes);
            if self.tail.spares.is_empty() {
                let free = free_bytes().map_err(|error| WriteError::Failed(self.failure(error)))?;
                let needed = needed.saturating_add(self.options.reserve_bytes);
                if free < needed {
                    return Err(WriteError::Full(needed - free));
                }
            }
            self.begin_segment(self.options.segment_bytes).map_err(|error| self.refusal(error, needed))?;
        }
        let Some(segment) = &mut self.current else { return Ok(()) };
        let end = write_records(segment, batch.clone(), &mut self.staged, &mut self.offsets);
        match end {
            Ok(end) => segment.end = end,
            Err(error) if is_disk_full(&error) => {
                // What came of it lies behind the end of the segment, where nobody looks: the batch
                // begins the next one.
                self.finish_segment();
                return Err(WriteError::Full(bytes.max(self.options.segment_bytes)));
            }
            Err(error) => return Err(WriteError::Failed(self.failure(error))),
        }
        self.sync().map_err(WriteError::Failed)?;
        batch.for_each(|request| apply(request, &mut self.states));
        Ok(())
    }

    /// Offsets of the entries that were written last.
    pub(super) fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    /// Whether a batch goes to the current segment: its space is already taken, unless it is too large
    /// for any.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let fits = |segment: &Segment| {
            segment.end == segment.begin || segment.end + bytes <= self.options.segment_bytes
        };
        self.current.as_ref().is_some_and(fits)
    }

    /// Index of the last entry of a group that was written.
    pub(super) fn last_written(&self, range: RangeId) -> Option<u64> {
        self.states.get(&range)?.last
    }

    /// After an error the log must not be used again: what the kernel did with the pages is unknown,
    /// and asking again would get a false yes.
    fn sync(&mut self) -> Result<(), StorageError> {
        let Some(segment) = &mut self.current else { return Ok(()) };
        let synced = if self.options.no_fsync { Ok(()) } else { segment.file.sync_data() };
        synced.map_err(|error| {
            StorageError::io("sync", segment_path(&self.options.folder, segment.number), error)
        })?;
        segment.durable = segment.end;
        Ok(())
    }

    /// Notes behind the last record that all of it is durable, so that damage to it is told from a
    /// tail that a crash cut off. Written over by the next record; its own durability does not matter.
    pub(super) fn mark_durable(&mut self) {
        let Some(segment) = &self.current else { return };
        let header = Header { durable: segment.durable, ..empty(Kind::Mark) };
        let bytes = header.encode(segment.salt, segment.end);
        if let Err(error) = segment.file.write_all_at(&bytes, segment.end) {
            tracing::debug!(%error, segment = segment.number, "the log took no durable mark");
        }
    }

    fn finish_segment(&mut self) {
        if let Some(segment) = self.current.take() {
            self.tail.previous_end = segment.end;
        }
    }

    /// Creates a segment, or makes one of a spare file, with the state of every group; it is durable
    /// when this returns. The one before it stays if this fails.
    pub(super) fn begin_segment(&mut self, segment_bytes: u64) -> io::Result<()> {
        let LogOptions { folder, disk, salt, .. } = &self.options;
        let number = self.tail.next_segment;
        let path = segment_path(folder, number);
        let spare = self.tail.spares.pop();
        let salt = segment_salt(*salt, number);
        let previous_end = self.current.as_ref().map_or(self.tail.previous_end, |segment| segment.end);
        let begun = (|| {
            if let Some(spare) = spare {
                disk.rename(&spare_path(folder, spare), &path)?;
                // Else a crash could bring back the old name, for a file with the new content.
                sync(|| disk.sync_dir(folder))?;
            }
            let file = disk.open(&path, true)?;
            if segment_bytes > 0 {
                file.allocate(segment_bytes)?;
            }
            let mut bytes = SegmentHeader { number, salt, previous_end }.encode().to_vec();
            let states = hard_state::encode(&self.states);
            let header = Header {
                length: u32::try_from(states.len()).unwrap_or(u32::MAX),
                payload_checksum: xxh3_64(&states),
                ..empty(Kind::States)
            };
            bytes.extend(header.encode(salt, SEGMENT_HEADER_BYTES as u64));
            bytes.extend(&states);
            bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
            file.write_all_at(&bytes, 0)?;
            sync(|| file.sync_data())?;
            sync(|| disk.sync_dir(folder))?;
            let end = bytes.len() as u64;
            Ok(Segment { number, file, salt, end, durable: end, begin: end })
        })();
        match begun {
            Ok(segment) => {
                self.tail.previous_end = previous_end;
                self.tail.next_segment += 1;
                if let Some(before) = self.current.replace(segment) {
                    note_followed(&before);
                }
                Ok(())
            }
            Err(error) => {
                // The one before it may go on: then a crash must not bring back a header that says
                // where that one ended.
                match disk.remove(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io::Error::other(error)),
                    _ => sync(|| disk.sync_dir(folder)).and(Err(error)),
                }
            }
        }
    }

    /// Removes a segment in which nothing lives, or keeps its file for use again.
    pub(super) fn remove_segment(&mut self, number: u64) -> Result<(), StorageError> {
        let LogOptions { folder, disk, spare_segments_max, .. } = &self.options;
        let path = segment_path(folder, number);
        let removed = if self.tail.spares.len() < *spare_segments_max {
            let renamed = disk.rename(&path, &spare_path(folder, number));
            renamed.map(|()| self.tail.spares.push(number))
        } else {
            disk.remove(&path)
        };
        removed.map_err(|error| StorageError::io("remove log segment", path, error))
    }

    /// Removes the files kept for use again beyond so many.
    pub(super) fn remove_spares(&mut self, kept: usize) {
        let LogOptions { folder, disk, .. } = &self.options;
        while self.tail.spares.len() > kept
            && let Some(spare) = self.tail.spares.pop()
        {
            if let Err(error) = disk.remove(&spare_path(folder, spare)) {
                tracing::warn!(%error, spare, "a spare log segment could not be removed");
            }
        }
    }

    fn refusal(&self, error: io::Error, needed: u64) -> WriteError {
        if is_disk_full(&error) { WriteError::Full(needed) } else { WriteError::Failed(self.failure(error)) }
    }

    fn failure(&self, error: io::Error) -> StorageError {
        let path = match &self.current {
            Some(segment) => segment_path(&self.options.folder, segment.number),
            None => self.options.folder.clone(),
        };
        StorageError::io("append to", path, error)
    }
}

/// Notes at the end of a segment that another one follows and is durable, so that this one is missed if
/// it is gone.
fn note_followed(segment: &Segment) {
    let header = Header { tag: FOLLOWED, durable: segment.end, ..empty(Kind::Mark) };
    let bytes = header.encode(segment.salt, segment.end);
    let noted = segment.file.write_all_at(&bytes, segment.end).and_then(|()| segment.file.sync_data());
    if let Err(error) = noted {
        tracing::debug!(%error, segment = segment.number, "the log took no mark of the next segment");
    }
}

/// A failed fsync is never just a full disk, whatever it says: trying again proves nothing.
fn sync(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    sync().map_err(io::Error::other)
}

fn empty(kind: Kind) -> Header {
    let payload_checksum = xxh3_64(&[]);
    Header { length: 0, kind, tag: 0, group: 0, term: 0, index: 0, durable: 0, payload_checksum }
}

/// Writes the records of a batch at the end of a segment; returns where they end, and the offset of
/// each entry in `offsets`.
fn write_records<'a>(
    segment: &Segment,
    batch: impl Iterator<Item = &'a Request>,
    staged: &mut Vec<u8>,
    offsets: &mut Vec<u64>,
) -> io::Result<u64> {
    staged.clear();
    offsets.clear();
    let mut encoder = Encoder { segment, staged, pieces: Vec::new(), run: 0, end: segment.end };
    for request in batch {
        let (kind, range, tag, id) = match request {
            Request::Append { range, entries, .. } => {
                for entry in entries {
                    offsets.push(encoder.end);
                    encoder.record((Kind::Entry, *range, entry.tag, entry.id), &entry.payload);
                }
                continue;
            }
            Request::Vote { range, vote, .. } => {
                let id = LogId { term: vote.term, index: vote.node.0 };
                (Kind::Vote, range, u8::from(vote.committed), id)
            }
            Request::Committed { range, id } => (Kind::Committed, range, 0, *id),
            Request::Truncate { range, after } => {
                let id = LogId { term: 0, index: after.unwrap_or(0) };
                (Kind::Truncated, range, u8::from(after.is_some()), id)
            }
            Request::Purge { range, id } => (Kind::Purged, range, 0, *id),
            Request::Born { range, floor } => {
                (Kind::Born, range, u8::from(floor.is_some()), floor.unwrap_or_default())
            }
            Request::Remove { range, .. } => (Kind::Removed, range, 0, LogId::default()),
        };
        encoder.record((kind, *range, tag, id), &[]);
    }
    encoder.write()
}

/// Part of what is written with one call.
enum Piece<'a> {
    /// Of the staged bytes.
    Staged(Range<usize>),
    /// A payload where it lies.
    Payload(&'a [u8]),
}

struct Encoder<'a, 's> {
    segment: &'s Segment,
    staged: &'s mut Vec<u8>,
    pieces: Vec<Piece<'a>>,
    /// Staged bytes from here on are in no piece yet.
    run: usize,
    /// Where the next record goes.
    end: u64,
}

impl<'a> Encoder<'a, '_> {
    fn record(&mut self, (kind, range, tag, id): (Kind, RangeId, u8, LogId), payload: &'a [u8]) {
        let header = Header {
            // Checked when it was appended.
            length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            kind,
            tag,
            group: range.0,
            term: id.term,
            index: id.index,
            durable: self.segment.durable,
            payload_checksum: xxh3_64(payload),
        };
        self.staged.extend(header.encode(self.segment.salt, self.end));
        if payload.len() <= COPIED_BYTES_MAX {
            self.staged.extend(payload);
        } else {
            self.pieces.push(Piece::Staged(self.run..self.staged.len()));
            self.pieces.push(Piece::Payload(payload));
            self.run = self.staged.len();
        }
        let padding = record_bytes(header.length) - HEADER_BYTES as u64 - payload.len() as u64;
        self.staged.resize(self.staged.len() + padding as usize, 0);
        self.end += header.record_bytes();
    }

    fn write(mut self) -> io::Result<u64> {
        self.pieces.push(Piece::Staged(self.run..self.staged.len()));
        let bytes = |piece: &Piece<'a>| match piece {
            Piece::Staged(range) => self.staged.get(range.clone()).unwrap_or_default(),
            Piece::Payload(payload) => payload,
        };
        let slices: Vec<IoSlice<'_>> = self.pieces.iter().map(|piece| IoSlice::new(bytes(piece))).collect();
        self.segment.file.write_vectored_at(&slices, self.segment.end)?;
        Ok(self.end)
    }
}

/// What a record makes of its group.
fn apply(request: &Request, states: &mut BTreeMap<RangeId, HardState>) {
    match request {
        Request::Born { range, floor } => _ = states.insert(*range, HardState::born(*floor)),
        Request::Remove { range, .. } => _ = states.remove(range),
        Request::Append { range, .. }
        | Request::Vote { range, .. }
        | Request::Committed { range, .. }
        | Request::Truncate { range, .. }
        | Request::Purge { range, .. } => {
            let state = states.entry(*range).or_default();
            match request {
                Request::Append { entries, .. } => {
                    state.last = entries.last().map(|entry| entry.id.index).or(state.last);
                }
                Request::Vote { vote, .. } => state.vote = Some(*vote),
                Request::Committed { id, .. } => state.committed = Some(*id),
                Request::Truncate { after, .. } => state.truncate_after(*after),
                Request::Purge { id, .. } => state.purge(*id),
                _ => {}
            }
        }
    }
}
