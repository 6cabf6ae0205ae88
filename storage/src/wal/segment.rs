//! A segment: a file of the log, its name and its first bytes.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, BufMut as _};
use xxhash_rust::xxh3::xxh3_64;

use crate::disk::{Disk, DiskFile};

/// Length of the header of a segment; the first entry follows.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 64;

const MAGIC: &[u8; 8] = b"GDBLOG\0\x01";

/// The header of a segment: magic, number, salt, index of its first entry, zeros, checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    /// Chosen anew whenever the file begins a new life.
    pub(super) salt: u64,
    pub(super) first_index: u64,
}

/// What the first bytes of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentState {
    /// It was begun; entries may follow.
    Begun(SegmentHeader),
    /// A crash came before it was begun: no entry was ever written to it.
    Unused,
    /// The header is damaged.
    Damaged,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES as usize] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(MAGIC);
        rest.put_u64_le(self.number);
        rest.put_u64_le(self.salt);
        rest.put_u64_le(self.first_index);
        let (fields, _) = bytes.split_at(bytes.len() - 8);
        let checksum = xxh3_64(fields);
        if let Some(last) = bytes.last_chunk_mut::<8>() {
            *last = checksum.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES as usize]) -> Option<Self> {
        let (fields, _) = bytes.split_at(bytes.len() - 8);
        let stored = bytes.last_chunk::<8>().map(|last| u64::from_le_bytes(*last));
        if !bytes.starts_with(MAGIC) || stored != Some(xxh3_64(fields)) {
            return None;
        }
        let mut rest = bytes.get(MAGIC.len()..)?;
        let (number, salt, first_index) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        Some(Self { number, salt, first_index })
    }

    /// Reads the header of what is named as segment `number`.
    pub(super) fn read(file: &dyn DiskFile, number: u64) -> io::Result<SegmentState> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        if file.len()? < SEGMENT_HEADER_BYTES {
            return Ok(SegmentState::Unused);
        }
        file.read_exact_at(&mut bytes, 0)?;
        Ok(match Self::decode(&bytes) {
            Some(header) if header.number == number => SegmentState::Begun(header),
            // Renamed for use again, but the new header is made durable before any entry.
            Some(_) => SegmentState::Unused,
            None if bytes == [0; SEGMENT_HEADER_BYTES as usize] => SegmentState::Unused,
            None => SegmentState::Damaged,
        })
    }
}

/// Path of a segment in the folder of the log.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.log"))
}

/// Path under which a finished segment waits for use again.
pub(super) fn spare_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.spare"))
}

/// Numbers of the segments in the folder, ascending.
pub(crate) fn list_segments(folder: &Path, disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let mut numbers: Vec<u64> = disk
        .read_dir(folder)?
        .iter()
        .filter_map(|name| u64::from_str_radix(name.strip_suffix(".log")?, 16).ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes all segments before `number`, and all spare ones.
pub(crate) fn remove_segments(folder: &Path, disk: &dyn Disk, before: u64) -> io::Result<()> {
    let mut removed = false;
    for name in disk.read_dir(folder)? {
        let number = name.strip_suffix(".log").and_then(|hex| u64::from_str_radix(hex, 16).ok());
        if name.ends_with(".spare") || number.is_some_and(|number| number < before) {
            disk.remove(&folder.join(name))?;
            removed = true;
        }
    }
    if removed { disk.sync_dir(folder) } else { Ok(()) }
}
