//! Bytes in front of every record of the log.
//!
//! ```text
//! 0   length of the payload   u32
//! 4   kind                    u8
//! 5   tag                     u8    of an entry's payload; else see the kinds
//! 6   zeros                   u16
//! 8   group                   u64
//! 16  term                    u64
//! 24  index                   u64
//! 32  durable                 u64   everything before this offset was durable when this was written
//! 40  checksum of the payload u64   xxh3
//! 48  checksum of 0..48       u64   xxh3, seeded with the segment's salt and the offset
//! ```
//! All little-endian; the payload follows, then zeros up to a multiple of 8.

use bytes::{Buf as _, BufMut as _};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Length of the header of a record.
pub(super) const HEADER_BYTES: usize = 56;
/// Records begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;

/// Tag of a mark behind which nothing is written: the next segment is durable.
pub(super) const FOLLOWED: u8 = 1;

/// What a record says of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry: term, index, tag and payload.
    Entry,
    /// Nothing, of no group: only how far the log was durable. The next record is written over it. With
    /// the tag [`FOLLOWED`] it ends a segment for good: there is a next one.
    Mark,
    /// The hard state of every group as of here; the first record of each segment.
    States,
    /// A vote: its term, its node as index, whether it is committed as tag.
    Vote,
    /// Entries up to term and index are committed.
    Committed,
    /// Entries behind index are gone; all are if the tag is 0.
    Truncated,
    /// Entries up to term and index are gone.
    Purged,
    /// The group begins anew, purged up to term and index if the tag is 1.
    Born,
    /// The group is no longer on this node.
    Removed,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Entry,
            2 => Self::Mark,
            3 => Self::States,
            4 => Self::Vote,
            5 => Self::Committed,
            6 => Self::Truncated,
            7 => Self::Purged,
            8 => Self::Born,
            9 => Self::Removed,
            _ => return None,
        })
    }

    fn to_byte(self) -> u8 {
        match self {
            Self::Entry => 1,
            Self::Mark => 2,
            Self::States => 3,
            Self::Vote => 4,
            Self::Committed => 5,
            Self::Truncated => 6,
            Self::Purged => 7,
            Self::Born => 8,
            Self::Removed => 9,
        }
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) tag: u8,
    pub(super) group: u64,
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) durable: u64,
    pub(super) payload_checksum: u64,
}

impl Header {
    /// Encodes the header for a record at `offset` of the segment with this salt.
    pub(super) fn encode(&self, salt: u64, offset: u64) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.put_u32_le(self.length);
        rest.put_u8(self.kind.to_byte());
        rest.put_u8(self.tag);
        rest.put_u16_le(0);
        for field in [self.group, self.term, self.index, self.durable, self.payload_checksum] {
            rest.put_u64_le(field);
        }
        let checksum = checksum(&bytes, salt, offset);
        if let Some(last) = bytes.last_chunk_mut::<8>() {
            *last = checksum.to_le_bytes();
        }
        bytes
    }

    /// Decodes a header; `None` if these bytes were not written as one, here, in this segment.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES], salt: u64, offset: u64) -> Option<Self> {
        let mut rest = bytes.as_slice();
        let length = rest.get_u32_le();
        // Before the checksum, which costs more: whoever looks for a header in zeros is done here.
        let kind = Kind::from_byte(rest.get_u8())?;
        let tag = rest.get_u8();
        if rest.get_u16_le() != 0
            || bytes.last_chunk::<8>().map(|last| u64::from_le_bytes(*last))
                != Some(checksum(bytes, salt, offset))
        {
            return None;
        }
        let (group, term, index) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let (durable, payload_checksum) = (rest.get_u64_le(), rest.get_u64_le());
        Some(Self { length, kind, tag, group, term, index, durable, payload_checksum })
    }

    /// Bytes of the record with its header and padding.
    pub(super) fn record_bytes(&self) -> u64 {
        record_bytes(self.length)
    }
}

/// Bytes of a record with a payload of this length.
pub(super) fn record_bytes(length: u32) -> u64 {
    HEADER_BYTES as u64 + u64::from(length).next_multiple_of(ALIGNMENT)
}

/// The salt makes a record of an earlier life of the file no record of this one, the offset a record
/// that was copied elsewhere.
fn checksum(bytes: &[u8; HEADER_BYTES], salt: u64, offset: u64) -> u64 {
    let (fields, _) = bytes.split_at(HEADER_BYTES - 8);
    xxh3_64_with_seed(fields, salt.wrapping_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        length: 13,
        kind: Kind::Entry,
        tag: 2,
        group: 9,
        term: 3,
        index: 7,
        durable: 64,
        payload_checksum: 99,
    };

    #[test]
    fn a_header_is_valid_only_where_it_was_written() {
        let bytes = HEADER.encode(5, 64);
        assert_eq!(Header::decode(&bytes, 5, 64), Some(HEADER));
        assert_eq!(Header::decode(&bytes, 6, 64), None);
        assert_eq!(Header::decode(&bytes, 5, 72), None);
        assert_eq!(HEADER.record_bytes(), 56 + 16);
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_none() {
        let bytes = HEADER.encode(5, 64);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&damaged, 5, 64), None, "bit {bit}");
        }
        assert_eq!(Header::decode(&[0; HEADER_BYTES], 0, 0), None);
    }

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        for byte in 0..=u8::MAX {
            let kind = Kind::from_byte(byte);
            assert!(kind.is_none_or(|kind| kind.to_byte() == byte), "{kind:?}");
        }
    }
}
