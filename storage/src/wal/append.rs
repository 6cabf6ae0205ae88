//! Appending to the log; one thread owns it.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    io::{self, IoSlice},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{
    LogPosition,
    entry::{ALIGNMENT, ENTRY_HEADER_BYTES, EntryHeader, EntryKind, GROUP},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, segment_path, spare_path},
};
use crate::{
    disk::{Disk, DiskFile},
    error::{StorageError, is_disk_full},
};

const ZEROS: [u8; ALIGNMENT as usize] = [0; ALIGNMENT as usize];

/// What the log needs to know.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    /// Folder of the segments.
    pub(crate) folder: PathBuf,
    /// Where it lies.
    pub(crate) disk: Arc<dyn Disk>,
    /// Size at which a segment is full.
    pub(crate) segment_bytes: u64,
    /// Finished segments kept for use again.
    pub(crate) spare_segments_max: usize,
}

/// Where entries went.
#[derive(Debug)]
pub(crate) struct Appended {
    /// Index of the entry.
    pub(crate) index: u64,
    /// The place behind it.
    pub(crate) end: LogPosition,
}

/// Why nothing of a group was appended.
#[derive(Debug)]
pub(crate) enum AppendError {
    /// There is no space. The log is whole and takes the next group.
    DiskFull,
    /// The log can no longer be trusted.
    Failed(StorageError),
}

/// The log, ready for appending.
#[derive(Debug)]
pub(crate) struct Log {
    options: LogOptions,
    current: Option<Segment>,
    /// Complete segments, oldest first.
    finished: VecDeque<(u64, u64)>,
    spares: Vec<u64>,
    next_segment: u64,
    next_index: u64,
    bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    file: Arc<dyn DiskFile>,
    salt: u64,
    /// Where the next entry goes.
    end: u64,
    /// Everything before is durable.
    durable: u64,
}

impl Log {
    /// A log that goes on with segment `next_segment`, which must not exist, and entry `next_index`.
    ///
    /// `bytes` tells others how much disk the log takes.
    pub(crate) fn new(
        options: LogOptions,
        next_segment: u64,
        next_index: u64,
        bytes: Arc<AtomicU64>,
    ) -> Self {
        Self {
            options,
            current: None,
            finished: VecDeque::new(),
            spares: Vec::new(),
            next_segment,
            next_index,
            bytes,
        }
    }

    /// Appends one entry for each payload, given in pieces; durable only after [`Log::sync`].
    ///
    /// All of them go to one segment. After an error none of them is in the log, and none will be
    /// found there after a crash.
    pub(crate) fn append(&mut self, payloads: &[Vec<Bytes>]) -> Result<Vec<Appended>, AppendError> {
        let group_bytes: u64 = payloads.iter().map(|payload| entry_bytes(payload)).sum();
        if self.current.as_ref().is_some_and(|segment| {
            segment.end > SEGMENT_HEADER_BYTES && segment.end + group_bytes > self.options.segment_bytes
        }) {
            self.finish_segment().map_err(|error| self.refuse(error))?;
        }
        if self.current.is_none() {
            let spare = self.spares.pop();
            let begun = begin_segment(&self.options, self.next_segment, spare, self.next_index);
            self.current = Some(begun.map_err(|error| self.refuse(error))?);
            self.next_segment += 1;
        }
        match self.write_group(payloads) {
            Ok(appended) => {
                self.next_index += payloads.len() as u64;
                self.count_bytes();
                Ok(appended)
            }
            Err(error) if is_disk_full(&error) => {
                // The end mark goes over the first header of the group: what follows is never read.
                self.finish_segment().map_err(|error| AppendError::Failed(self.failure(error)))?;
                Err(AppendError::DiskFull)
            }
            Err(error) => Err(AppendError::Failed(self.failure(error))),
        }
    }

    fn has_room(&self, segment: &Segment, group_bytes: u64) -> bool {
        segment.end == SEGMENT_HEADER_BYTES || segment.end + group_bytes <= self.options.segment_bytes
    }

    /// Space that the disk must still have for appending about so many bytes.
    pub(crate) fn needed_bytes(&self, bytes: u64) -> u64 {
        match &self.current {
            // Its space was taken when it was begun.
            Some(segment) if self.has_room(segment, bytes) => {
                (segment.end + bytes).saturating_sub(self.options.segment_bytes)
            }
            _ if !self.spares.is_empty() => bytes.saturating_sub(self.options.segment_bytes),
            _ => bytes.max(self.options.segment_bytes),
        }
    }

    /// Writes the entries at the end of the current segment.
    fn write_group(&mut self, payloads: &[Vec<Bytes>]) -> io::Result<Vec<Appended>> {
        let Some(segment) = &mut self.current else { return Ok(Vec::new()) };
        let mut headers = Vec::with_capacity(payloads.len());
        let mut appended = Vec::with_capacity(payloads.len());
        let mut end = segment.end;
        for (payload, index) in payloads.iter().zip(self.next_index..) {
            let header = EntryHeader {
                length: payload_bytes(payload),
                kind: EntryKind::Command,
                group: GROUP,
                term: 0,
                index,
                durable: segment.durable,
                payload_checksum: checksum(payload),
            };
            headers.push(header.encode(segment.salt, end));
            end += header.entry_bytes();
            let end = LogPosition { segment: segment.number, offset: end };
            appended.push(Appended { index, end });
        }
        let mut slices = Vec::new();
        for (header, payload) in headers.iter().zip(payloads) {
            slices.push(IoSlice::new(header));
            slices.extend(payload.iter().map(|piece| IoSlice::new(piece)));
            let length = u64::from(payload_bytes(payload));
            let padding = (length.next_multiple_of(ALIGNMENT) - length) as usize;
            slices.extend(ZEROS.get(..padding).map(IoSlice::new));
        }
        segment.file.write_vectored_at(&slices, segment.end)?;
        segment.end = end;
        Ok(appended)
    }

    /// Makes everything appended durable. After an error the log must not be used again: what the
    /// kernel did with the pages is unknown, and asking again would get a false yes.
    pub(crate) fn sync(&mut self) -> Result<(), StorageError> {
        let Some(segment) = &mut self.current else { return Ok(()) };
        segment.file.sync_data().map_err(|error| {
            StorageError::io("sync", segment_path(&self.options.folder, segment.number), error)
        })?;
        segment.durable = segment.end;
        Ok(())
    }

    /// Notes behind the last entry that all of it is durable, so that damage to it is told from a
    /// tail that a crash cut off. Written over by the next entry; its own durability does not matter.
    pub(crate) fn mark_durable(&mut self) {
        let Some(segment) = &self.current else { return };
        let bytes = empty_entry(EntryKind::Mark, segment);
        if let Err(error) = segment.file.write_all_at(&bytes, segment.end) {
            tracing::debug!(%error, segment = segment.number, "the log took no durable mark");
        }
    }

    /// Gives up segments of which `durable` says that nothing in them is needed.
    pub(crate) fn purge(&mut self, durable: LogPosition) -> Result<(), StorageError> {
        let LogOptions { folder, disk, .. } = &self.options;
        while let Some((number, _)) = self.finished.front().copied() {
            if number >= durable.segment {
                break;
            }
            let path = segment_path(folder, number);
            let failed = |error| StorageError::io("remove log segment", &path, error);
            if self.spares.len() < self.options.spare_segments_max {
                disk.rename(&path, &spare_path(folder, number)).map_err(failed)?;
                self.spares.push(number);
            } else {
                disk.remove(&path).map_err(failed)?;
            }
            self.finished.pop_front();
        }
        self.count_bytes();
        Ok(())
    }

    /// Removes the segments kept for use again; false if there was none.
    pub(crate) fn remove_spares(&mut self) -> bool {
        let LogOptions { folder, disk, .. } = &self.options;
        let count = self.spares.len();
        self.spares.retain(|number| disk.remove(&spare_path(folder, *number)).is_err());
        self.spares.len() < count
    }

    /// Where a log that goes on after this one begins.
    pub(crate) fn next_position(&self) -> LogPosition {
        LogPosition { segment: self.next_segment, offset: 0 }
    }

    /// Ends the segment, durably.
    fn finish_segment(&mut self) -> io::Result<()> {
        let Some(segment) = &mut self.current else { return Ok(()) };
        segment.file.write_all_at(&empty_entry(EntryKind::End, segment), segment.end)?;
        // A failed fsync is never just a full disk, whatever it says: trying again proves nothing.
        segment.file.sync_data().map_err(io::Error::other)?;
        self.finished.push_back((segment.number, segment.end + ENTRY_HEADER_BYTES));
        self.current = None;
        Ok(())
    }

    /// What an error means that came before anything of a group was written.
    fn refuse(&self, error: io::Error) -> AppendError {
        if is_disk_full(&error) { AppendError::DiskFull } else { AppendError::Failed(self.failure(error)) }
    }

    fn failure(&self, error: io::Error) -> StorageError {
        let path = match &self.current {
            Some(segment) => segment_path(&self.options.folder, segment.number),
            None => self.options.folder.clone(),
        };
        StorageError::io("append to", path, error)
    }

    fn count_bytes(&self) {
        let finished: u64 = self.finished.iter().map(|(_, bytes)| bytes).sum();
        let current = self.current.as_ref().map_or(0, |segment| segment.end);
        self.bytes.store(finished + current, Ordering::Relaxed);
    }
}

/// Creates a segment, or makes one of a spare file; its header is durable when it returns.
fn begin_segment(
    options: &LogOptions,
    number: u64,
    spare: Option<u64>,
    first_index: u64,
) -> io::Result<Segment> {
    let LogOptions { folder, disk, segment_bytes, .. } = options;
    let path = segment_path(folder, number);
    let begun = (|| {
        if let Some(spare) = spare {
            disk.rename(&spare_path(folder, spare), &path)?;
        }
        let file = disk.open(&path, true)?;
        if spare.is_none() {
            file.allocate(*segment_bytes)?;
        }
        let salt = RandomState::new().hash_one(number);
        let header = SegmentHeader { number, salt, first_index };
        file.write_all_at(&header.encode(), 0)?;
        file.sync_data()?;
        disk.sync_dir(folder)?;
        let (end, durable) = (SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES);
        Ok(Segment { number, file, salt, end, durable })
    })();
    if begun.is_err() {
        // Half a segment holds nothing; if it cannot be removed, opening finds it unused.
        let _removed = disk.remove(&path);
    }
    begun
}

fn empty_entry(kind: EntryKind, segment: &Segment) -> [u8; ENTRY_HEADER_BYTES as usize] {
    let header = EntryHeader {
        length: 0,
        kind,
        group: GROUP,
        term: 0,
        index: 0,
        durable: segment.durable,
        payload_checksum: xxh3_64(&[]),
    };
    header.encode(segment.salt, segment.end)
}

fn payload_bytes(payload: &[Bytes]) -> u32 {
    let bytes: usize = payload.iter().map(Bytes::len).sum();
    // The bounds of `Config` keep a batch below 1 GiB plus its framing.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn entry_bytes(payload: &[Bytes]) -> u64 {
    ENTRY_HEADER_BYTES + u64::from(payload_bytes(payload)).next_multiple_of(ALIGNMENT)
}

fn checksum(payload: &[Bytes]) -> u64 {
    if let [piece] = payload {
        return xxh3_64(piece);
    }
    let mut hasher = Xxh3::new();
    payload.iter().for_each(|piece| hasher.update(piece));
    hasher.digest()
}
