//! Reading the log after a crash: every entry that the state store does not hold, in order.
//!
//! A tail that a crash cut off was never acknowledged and is left out. Damage to what was durable is
//! an error that names file and offset. The two are told apart by what stands behind the damage: an
//! entry (or mark) that was written when the damaged bytes were already durable.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    LogPosition,
    entry::{ALIGNMENT, ENTRY_HEADER_BYTES, EntryHeader, EntryKind},
    segment::{SEGMENT_HEADER_BYTES, SegmentHeader, SegmentState, list_segments, segment_path},
};
use crate::{
    disk::{Disk, DiskFile},
    error::StorageError,
};

/// An entry read back.
#[derive(Debug)]
pub(crate) struct ReplayedEntry {
    /// Its number.
    pub(crate) index: u64,
    /// What was appended.
    pub(crate) payload: Bytes,
    /// The place behind it.
    pub(crate) end: LogPosition,
    /// Where it lies, for messages.
    pub(crate) path: PathBuf,
    /// Offset of its payload there.
    pub(crate) offset: u64,
}

/// How a segment ended.
enum Ending {
    /// With its end mark.
    Complete,
    /// Where writing stopped.
    Open,
}

/// Calls `apply` with each entry from `from` on, the first of which must be `next_index`.
///
/// Returns the number of a segment that does not exist yet and comes after all that do.
pub(crate) fn replay(
    folder: &Path,
    disk: &dyn Disk,
    from: LogPosition,
    next_index: u64,
    apply: &mut dyn FnMut(ReplayedEntry) -> Result<(), StorageError>,
) -> Result<u64, StorageError> {
    let mut numbers =
        list_segments(folder, disk).map_err(|error| StorageError::io("list segments in", folder, error))?;
    numbers.retain(|number| *number >= from.segment);
    let (mut next_index, mut expected, mut offset) = (next_index, from.segment, from.offset);
    let last = numbers.last().copied();
    if last.is_none() && from.offset > 0 {
        return Err(missing(folder, from.segment));
    }
    for number in numbers {
        if number != expected {
            return Err(missing(folder, expected));
        }
        let segment = OpenSegment::open(folder, disk, number)?;
        let ending = match segment {
            Some(segment) => segment.replay(offset, &mut next_index, apply)?,
            None => Ending::Open,
        };
        if matches!(ending, Ending::Open) && Some(number) != last {
            let path = segment_path(folder, number);
            return Err(StorageError::corrupt(
                path,
                0,
                "the log goes on behind this segment, but its end mark is missing",
            ));
        }
        (expected, offset) = (number + 1, 0);
    }
    Ok(expected)
}

fn missing(folder: &Path, number: u64) -> StorageError {
    StorageError::corrupt(segment_path(folder, number), 0, "the segment is missing")
}

struct OpenSegment {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    length: u64,
    number: u64,
    salt: u64,
}

impl OpenSegment {
    /// Opens a segment; `None` if a crash came before it was begun.
    fn open(folder: &Path, disk: &dyn Disk, number: u64) -> Result<Option<Self>, StorageError> {
        let path = segment_path(folder, number);
        let failed = |error| StorageError::io("read", &path, error);
        let file = disk.open(&path, false).map_err(failed)?;
        let length = file.len().map_err(failed)?;
        match SegmentHeader::read(file.as_ref(), number).map_err(failed)? {
            SegmentState::Begun(header) => Ok(Some(Self { path, file, length, number, salt: header.salt })),
            SegmentState::Unused => Ok(None),
            SegmentState::Damaged => Err(StorageError::corrupt(path, 0, "the segment's header is damaged")),
        }
    }

    fn replay(
        &self,
        offset: u64,
        next_index: &mut u64,
        apply: &mut dyn FnMut(ReplayedEntry) -> Result<(), StorageError>,
    ) -> Result<Ending, StorageError> {
        let mut offset = offset.max(SEGMENT_HEADER_BYTES);
        loop {
            let Some(header) = self.header(offset)? else {
                self.expect_torn(offset, offset + ALIGNMENT)?;
                return Ok(Ending::Open);
            };
            match header.kind {
                EntryKind::End => return Ok(Ending::Complete),
                EntryKind::Mark => return Ok(Ending::Open),
                EntryKind::Command => {}
            }
            let next = offset + header.entry_bytes();
            let Some(payload) = self.payload(offset, &header)? else {
                self.expect_torn(offset, next)?;
                return Ok(Ending::Open);
            };
            if header.index != *next_index {
                let reason = format!("entry {} stands where entry {next_index} belongs", header.index);
                return Err(StorageError::corrupt(&self.path, offset, reason));
            }
            apply(ReplayedEntry {
                index: header.index,
                payload,
                end: LogPosition { segment: self.number, offset: next },
                path: self.path.clone(),
                offset: offset + ENTRY_HEADER_BYTES,
            })?;
            *next_index += 1;
            offset = next;
        }
    }

    /// The header at `offset`, if one was written there.
    fn header(&self, offset: u64) -> Result<Option<EntryHeader>, StorageError> {
        let mut bytes = [0; ENTRY_HEADER_BYTES as usize];
        if offset + ENTRY_HEADER_BYTES > self.length {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| self.io(error))?;
        Ok(EntryHeader::decode(&bytes, self.salt, offset))
    }

    /// The payload of the entry at `offset`, if all of it is there.
    fn payload(&self, offset: u64, header: &EntryHeader) -> Result<Option<Bytes>, StorageError> {
        // Checked against the file before memory is taken for it.
        if offset + header.entry_bytes() > self.length {
            return Ok(None);
        }
        let mut payload = vec![0; header.length as usize];
        let start = offset + ENTRY_HEADER_BYTES;
        self.file.read_exact_at(&mut payload, start).map_err(|error| self.io(error))?;
        Ok((xxh3_64(&payload) == header.payload_checksum).then(|| Bytes::from(payload)))
    }

    /// Checks that bad bytes at `damage` were never durable: nothing from `next` on says so.
    fn expect_torn(&self, damage: u64, next: u64) -> Result<(), StorageError> {
        const WINDOW_BYTES: usize = 1 << 20;
        let mut window = vec![0; WINDOW_BYTES + ENTRY_HEADER_BYTES as usize];
        let mut start = next;
        while start < self.length {
            let length = usize::try_from(self.length - start).unwrap_or(usize::MAX).min(window.len());
            let Some(bytes) = window.get_mut(..length) else { break };
            self.file.read_exact_at(bytes, start).map_err(|error| self.io(error))?;
            // A header that begins in the window's last bytes is looked at in the next window.
            for (at, candidate) in (start..).zip(bytes.windows(ENTRY_HEADER_BYTES as usize)) {
                if at % ALIGNMENT != 0 || at >= start + WINDOW_BYTES as u64 {
                    continue;
                }
                let header =
                    candidate.first_chunk().and_then(|bytes| EntryHeader::decode(bytes, self.salt, at));
                if header.is_some_and(|header| header.durable > damage) {
                    let reason = "an entry that was durable does not match its checksum";
                    return Err(StorageError::corrupt(&self.path, damage, reason));
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
