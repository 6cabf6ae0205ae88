//! Reading the log when it is opened: where every live entry lies, and the state of every group.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    LogOptions, Vote,
    hard_state::{self, HardState},
    memory::{Group, Place, SegmentFile, Segments, Slot},
    record::{ALIGNMENT, FOLLOWED, HEADER_BYTES, Header, Kind},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentState, list_segments, segment_path},
};
use crate::{
    disk::DiskFile,
    error::StorageError,
    log_id::LogId,
    range::{NodeId, RangeId},
};

/// What opening found.
pub(super) struct Found {
    pub(super) groups: BTreeMap<RangeId, Group>,
    pub(super) segments: Segments,
    pub(super) tail: Tail,
}

/// Where the log goes on.
#[derive(Debug)]
pub(super) struct Tail {
    /// Number of the segment that is begun next.
    pub(super) next_segment: u64,
    /// Where the records of the one before it end.
    pub(super) previous_end: u64,
    /// Files that wait for use again.
    pub(super) spares: Vec<u64>,
}

/// Reads the log of a folder; see [`Log::open`](super::Log::open).
pub(super) fn open(options: &LogOptions, applied: &BTreeMap<RangeId, LogId>) -> Result<Found, StorageError> {
    let LogOptions { folder, disk, .. } = options;
    let listed = list_segments(folder, disk.as_ref());
    let (numbers, spares) = listed.map_err(|error| StorageError::io("list segments in", folder, error))?;
    let mut files = Vec::with_capacity(numbers.len());
    let (first, last) = (numbers.first().copied(), numbers.last().copied());
    let mut next_segment = first.unwrap_or(1);
    for number in numbers {
        if number != next_segment {
            return Err(missing(folder, next_segment));
        }
        match Segment::open(options, number)? {
            Some(segment) => files.push(segment),
            // Its number is used again, since no later segment says that it exists.
            None if Some(number) == last => break,
            None => return Err(missing(folder, number)),
        }
        next_segment += 1;
    }
    let mut replay = Replay::default();
    let (mut segments, mut previous_end) = (Segments::new(), 0);
    let ends: Vec<_> = files.iter().skip(1).map(|next| Some(next.header.previous_end)).collect();
    for (segment, end) in files.iter().zip(ends.into_iter().chain([None])) {
        previous_end = segment.replay(end, &mut replay)?;
        let file = SegmentFile {
            file: Arc::clone(&segment.file),
            salt: segment.header.salt,
            bytes: previous_end,
            live: 0,
        };
        segments.insert(segment.header.number, file);
    }
    let groups = replay.finish(folder, &mut segments, applied)?;
    Ok(Found { groups, segments, tail: Tail { next_segment, previous_end, spares } })
}

fn missing(folder: &Path, number: u64) -> StorageError {
    StorageError::corrupt(segment_path(folder, number), 0, "the segment is missing")
}

struct Segment {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    length: u64,
    header: SegmentHeader,
}

impl Segment {
    /// Opens a segment; `None` if a crash came before it was begun.
    fn open(options: &LogOptions, number: u64) -> Result<Option<Self>, StorageError> {
        let path = segment_path(&options.folder, number);
        let failed = |error| StorageError::io("read", &path, error);
        let file = options.disk.open(&path, false).map_err(failed)?;
        let length = file.len().map_err(failed)?;
        match SegmentHeader::read(file.as_ref(), number).map_err(failed)? {
            SegmentState::Begun(header) => Ok(Some(Self { path, file, length, header })),
            SegmentState::Unused => Ok(None),
            SegmentState::Damaged => Err(StorageError::corrupt(path, 0, "the segment's header is damaged")),
        }
    }

    /// Replays all records; returns where they end. `end` is that place if it is known, from the
    /// segment behind: then everything before was acknowledged or counts as such.
    fn replay(&self, end: Option<u64>, replay: &mut Replay) -> Result<u64, StorageError> {
        let mut window = Window::new(self, end.unwrap_or(self.length).min(self.length));
        let mut offset = SEGMENT_HEADER_BYTES as u64;
        while Some(offset) != end {
            let Some((header, payload)) = window.record(offset)? else {
                if end.is_some() {
                    return Err(self.damaged(offset));
                }
                self.expect_torn(offset)?;
                return Ok(offset);
            };
            if header.kind == Kind::Mark {
                if header.tag == FOLLOWED && end.is_none() {
                    let folder = self.path.parent().unwrap_or(Path::new("."));
                    return Err(missing(folder, self.header.number + 1));
                }
                break;
            }
            let place = Place::Written { segment: self.header.number, offset };
            let applied = replay.apply(&header, payload, place);
            applied.map_err(|reason| StorageError::corrupt(&self.path, offset, reason))?;
            offset += header.record_bytes();
        }
        match end {
            // A mark is written over by the next record, if there is one.
            Some(end) if end != offset => Err(self.damaged(offset)),
            _ => Ok(offset),
        }
    }

    fn damaged(&self, offset: u64) -> StorageError {
        StorageError::corrupt(&self.path, offset, "a record that was durable does not match its checksum")
    }

    /// Checks that bad bytes at `damage` were never durable: nothing behind them says so.
    fn expect_torn(&self, damage: u64) -> Result<(), StorageError> {
        const WINDOW_BYTES: usize = 1 << 20;
        let mut window = vec![0; WINDOW_BYTES + HEADER_BYTES];
        let mut start = damage + ALIGNMENT;
        while start < self.length {
            let length = usize::try_from(self.length - start).unwrap_or(usize::MAX).min(window.len());
            let Some(bytes) = window.get_mut(..length) else { break };
            self.file.read_exact_at(bytes, start).map_err(|error| self.io(error))?;
            // A header that begins in the window's last bytes is looked at in the next window.
            let candidates = bytes.windows(HEADER_BYTES).step_by(ALIGNMENT as usize);
            for (at, candidate) in (start..start + WINDOW_BYTES as u64).step_by(8).zip(candidates) {
                let header = candidate.first_chunk();
                let header = header.and_then(|bytes| Header::decode(bytes, self.header.salt, at));
                if header.is_some_and(|header| header.durable > damage) {
                    return Err(self.damaged(damage));
                }
            }
            start += WINDOW_BYTES as u64;
        }
        Ok(())
    }

    fn io(&self, error: io::Error) -> StorageError {
        StorageError::io("read", &self.path, error)
    }
}

/// Reads a segment from its beginning in large pieces.
struct Window<'a> {
    segment: &'a Segment,
    /// Nothing behind is looked at.
    limit: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(segment: &'a Segment, limit: u64) -> Self {
        Self { segment, limit, start: 0, bytes: Vec::new() }
    }

    /// The record at `offset`, if one was written there and all of it is there.
    fn record(&mut self, offset: u64) -> Result<Option<(Header, &[u8])>, StorageError> {
        let salt = self.segment.header.salt;
        let header = self.get(offset, HEADER_BYTES as u64)?.and_then(|bytes| bytes.first_chunk());
        let header = header.and_then(|bytes| Header::decode(bytes, salt, offset));
        let Some(header) = header else { return Ok(None) };
        let payload = self.get(offset + HEADER_BYTES as u64, u64::from(header.length))?;
        let payload = payload.filter(|payload| xxh3_64(payload) == header.payload_checksum);
        Ok(payload.map(|payload| (header, payload)))
    }

    /// Bytes at a place; `None` if they are not there.
    fn get(&mut self, offset: u64, length: u64) -> Result<Option<&[u8]>, StorageError> {
        const WINDOW_BYTES: u64 = 1 << 20;
        // Checked against the file before memory is taken for it.
        let Some(end) = offset.checked_add(length).filter(|end| *end <= self.limit) else {
            return Ok(None);
        };
        if offset < self.start || self.start + (self.bytes.len() as u64) < end {
            let window = length.max(WINDOW_BYTES).min(self.limit - offset);
            self.start = offset;
            self.bytes.resize(usize::try_from(window).unwrap_or(usize::MAX), 0);
            let read = self.segment.file.read_exact_at(&mut self.bytes, offset);
            read.map_err(|error| self.segment.io(error))?;
        }
        let start = (offset - self.start) as usize;
        Ok(self.bytes.get(start..start + length as usize))
    }
}

/// A group while the log is read.
struct Replayed {
    group: Group,
    /// Entries up to here, from before the first segment, are not there; to be purged later on.
    absent: Option<u64>,
}

#[derive(Default)]
struct Replay {
    groups: BTreeMap<RangeId, Replayed>,
    /// None yet: what lives in which segment is counted at the end.
    segments: Segments,
    next_birth: u64,
}

impl Replay {
    /// Applies a record; the error says why it cannot stand there.
    fn apply(&mut self, header: &Header, payload: &[u8], place: Place) -> Result<(), String> {
        let range = RangeId(header.group);
        let id = LogId { term: header.term, index: header.index };
        match header.kind {
            Kind::States => return self.apply_states(payload),
            Kind::Born => self.bear(range, (header.tag == 1).then_some(id)),
            Kind::Removed => _ = self.groups.remove(&range),
            _ => {}
        }
        let segments = &mut self.segments;
        let Some(Replayed { group, absent }) = self.groups.get_mut(&range) else {
            let known = matches!(header.kind, Kind::Removed | Kind::Mark);
            return if known { Ok(()) } else { Err(format!("a record of range {range}, which is not here")) };
        };
        match header.kind {
            Kind::Entry => {
                let next = absent.map(|absent| absent + 1).max(group.next_index());
                if next.is_some_and(|next| next != id.index) {
                    return Err(format!("entry {id} of range {range} stands where {next:?} belongs"));
                }
                let (length, tag) = (header.length, header.tag);
                group.push(id.index, Slot { term: id.term, tag, length, place, payload: None });
            }
            Kind::Vote => {
                let committed = header.tag == 1;
                group.vote = Some(Vote { term: id.term, node: NodeId(id.index), committed });
            }
            Kind::Committed => group.committed = Some(id),
            Kind::Truncated => {
                let after = (header.tag == 1).then_some(id.index);
                group.truncate_after(after, segments);
                *absent = (*absent).min(after);
            }
            Kind::Purged => {
                group.purge(id, segments);
                *absent = absent.filter(|absent| *absent > id.index);
            }
            Kind::States | Kind::Born | Kind::Removed | Kind::Mark => {}
        }
        Ok(())
    }

    /// What a segment says first is what the segments before it made, unless they are gone.
    fn apply_states(&mut self, payload: &[u8]) -> Result<(), String> {
        let states = hard_state::decode(payload).ok_or("the states of the groups are not readable")?;
        self.groups.retain(|range, _| states.contains_key(range));
        for (range, state) in states {
            let HardState { purged, last, vote, committed } = state;
            if !self.groups.contains_key(&range) {
                self.bear(range, purged);
                if let Some(replayed) = self.groups.get_mut(&range) {
                    replayed.absent = last.filter(|last| purged.is_none_or(|purged| purged.index < *last));
                }
            }
            if let Some(Replayed { group, .. }) = self.groups.get_mut(&range) {
                (group.vote, group.committed) = (vote, committed);
            }
        }
        Ok(())
    }

    fn bear(&mut self, range: RangeId, floor: Option<LogId>) {
        let group = Group::born(self.next_birth, floor);
        self.next_birth += 1;
        self.groups.insert(range, Replayed { group, absent: None });
    }

    /// Checks that no group misses an entry.
    fn finish(
        self,
        folder: &Path,
        segments: &mut Segments,
        applied: &BTreeMap<RangeId, LogId>,
    ) -> Result<BTreeMap<RangeId, Group>, StorageError> {
        let Self { groups, .. } = self;
        let mut live = BTreeMap::new();
        for (range, Replayed { mut group, absent }) in groups {
            let purged = group.purged.map(|purged| purged.index);
            if let Some(absent) = absent.filter(|absent| purged.is_none_or(|purged| purged < *absent)) {
                let first = purged.map_or(0, |purged| purged + 1);
                let reason = format!("entries {first} to {absent} of range {range} are missing");
                return Err(StorageError::corrupt(folder, 0, reason));
            }
            if let Some(applied) = applied.get(&range).filter(|applied| Some(applied.index) < purged) {
                let reason = format!("range {range} is purged up to {purged:?}, but applied up to {applied}");
                return Err(StorageError::corrupt(folder, 0, reason));
            }
            // It is written without waiting; what it speaks of may have been cut off.
            group.committed = group.committed.min(group.last());
            for (_, slot) in group.range(0, u64::MAX) {
                if let Place::Written { segment, .. } = slot.place
                    && let Some(segment) = segments.get_mut(&segment)
                {
                    segment.live += 1;
                }
            }
            live.insert(range, group);
        }
        Ok(live)
    }
}

impl From<&Group> for HardState {
    fn from(group: &Group) -> Self {
        let last = group.last().map(|last| last.index);
        Self { purged: group.purged, last, vote: group.vote, committed: group.committed }
    }
}
