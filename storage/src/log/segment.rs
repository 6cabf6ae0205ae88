//! A segment: a file of the log, its name and its first bytes.
//!
//! ```text
//! 0   magic                                  8 bytes
//! 8   number                                 u64
//! 16  salt                                   u64   chosen anew whenever the file begins a new life
//! 24  end of the records of the segment before   u64
//! 32  zeros
//! 56  checksum of 0..56                      u64   xxh3
//! ```
//! All little-endian; the first record follows.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::{Buf as _, BufMut as _};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::record::HEADER_BYTES;
use crate::disk::{Disk, DiskFile};

/// Length of the header of a segment; the first record follows.
pub(super) const SEGMENT_HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"GDBLOG\0\x02";

/// The header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: u64,
    /// Where the records of the segment before this one end.
    pub(super) previous_end: u64,
}

/// What the first bytes of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentState {
    /// It was begun; records may follow.
    Begun(SegmentHeader),
    /// A crash came before it was begun: nothing that counts was ever written to it.
    Unused,
    /// The header is damaged.
    Damaged,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(MAGIC);
        rest.put_u64_le(self.number);
        rest.put_u64_le(self.salt);
        rest.put_u64_le(self.previous_end);
        let (fields, _) = bytes.split_at(SEGMENT_HEADER_BYTES - 8);
        let checksum = xxh3_64(fields);
        if let Some(last) = bytes.last_chunk_mut::<8>() {
            *last = checksum.to_le_bytes();
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = bytes.get(..SEGMENT_HEADER_BYTES - 8)?;
        let stored = bytes.last_chunk::<8>().map(|last| u64::from_le_bytes(*last));
        if !bytes.starts_with(MAGIC) || stored != Some(xxh3_64(fields)) {
            return None;
        }
        let mut rest = fields.get(MAGIC.len()..)?;
        let (number, salt, previous_end) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        Some(Self { number, salt, previous_end })
    }

    /// Reads the header of what is named as segment `number`.
    pub(super) fn read(file: &dyn DiskFile, number: u64) -> io::Result<SegmentState> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES + HEADER_BYTES];
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX).min(bytes.len());
        let Some(present) = bytes.get_mut(..length) else { return Ok(SegmentState::Unused) };
        file.read_exact_at(present, 0)?;
        let (header, behind) = bytes.split_at(SEGMENT_HEADER_BYTES);
        Ok(match Self::decode(header) {
            Some(header) if header.number == number => SegmentState::Begun(header),
            // Renamed for use again, but its new header is durable before anything in it counts.
            Some(_) => SegmentState::Unused,
            // A header and the first record are written as one.
            None if header.iter().chain(behind).all(|byte| *byte == 0) => SegmentState::Unused,
            None => SegmentState::Damaged,
        })
    }
}

/// The salt of a segment: of the log's own, so that its number alone decides the rest.
pub(super) fn segment_salt(salt: u64, number: u64) -> u64 {
    xxh3_64_with_seed(&number.to_le_bytes(), salt)
}

/// Path of a segment in the folder of the log.
pub(super) fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.log"))
}

/// Path under which a finished segment waits for use again.
pub(super) fn spare_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.spare"))
}

/// Numbers of the segments, and of those that wait for use again, ascending.
pub(super) fn list_segments(folder: &Path, disk: &dyn Disk) -> io::Result<(Vec<u64>, Vec<u64>)> {
    let names = disk.read_dir(folder)?;
    let numbers = |suffix: &str| {
        let number = |name: &String| u64::from_str_radix(name.strip_suffix(suffix)?, 16).ok();
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    };
    Ok((numbers(".log"), numbers(".spare")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_any_bit_flipped_is_damaged() {
        let header = SegmentHeader { number: 3, salt: 77, previous_end: 4096 };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), None, "bit {bit}");
        }
    }
}
