//! Bytes in front of every entry of the log.
//!
//! ```text
//! 0   length of the payload   u32
//! 4   kind                    u8, then three zeros
//! 8   group                   u64   whose entry it is; 1 while a node has one group
//! 16  term                    u64   0 without Raft
//! 24  index                   u64   number of the entry in its group, from 1
//! 32  durable                 u64   everything before this offset was durable when this was written
//! 40  checksum of the payload u64   xxh3
//! 48  checksum of 0..48       u64   xxh3, seeded with the segment's salt and the offset
//! ```
//! All little-endian; the payload follows, then zeros up to a multiple of 8.

use bytes::{Buf as _, BufMut as _};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Length of the header of an entry.
pub(super) const ENTRY_HEADER_BYTES: u64 = 56;
/// Entries begin at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;
/// The only group, until a node serves many.
pub(super) const GROUP: u64 = 1;

/// What stands behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryKind {
    /// A command.
    Command,
    /// Nothing: it only says how far the log was durable. The next entry is written over it.
    Mark,
    /// Nothing: the segment is complete.
    End,
}

/// The header of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryHeader {
    pub(super) length: u32,
    pub(super) kind: EntryKind,
    pub(super) group: u64,
    pub(super) term: u64,
    pub(super) index: u64,
    pub(super) durable: u64,
    pub(super) payload_checksum: u64,
}

impl EntryHeader {
    /// Bytes of the entry with its header and padding.
    pub(super) fn entry_bytes(&self) -> u64 {
        ENTRY_HEADER_BYTES + u64::from(self.length).next_multiple_of(ALIGNMENT)
    }

    /// Encodes the header for an entry at `offset` of the segment with this salt.
    pub(super) fn encode(&self, salt: u64, offset: u64) -> [u8; ENTRY_HEADER_BYTES as usize] {
        let mut bytes = [0; ENTRY_HEADER_BYTES as usize];
        let mut rest = bytes.as_mut_slice();
        rest.put_u32_le(self.length);
        rest.put_u8(match self.kind {
            EntryKind::Command => 1,
            EntryKind::Mark => 2,
            EntryKind::End => 3,
        });
        rest.put_slice(&[0; 3]);
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
    pub(super) fn decode(bytes: &[u8; ENTRY_HEADER_BYTES as usize], salt: u64, offset: u64) -> Option<Self> {
        if bytes.last_chunk::<8>().map(|last| u64::from_le_bytes(*last))
            != Some(checksum(bytes, salt, offset))
        {
            return None;
        }
        let mut rest = bytes.as_slice();
        let length = rest.get_u32_le();
        let kind = match rest.get_u32_le() {
            1 => EntryKind::Command,
            2 => EntryKind::Mark,
            3 => EntryKind::End,
            _ => return None,
        };
        let (group, term, index) = (rest.get_u64_le(), rest.get_u64_le(), rest.get_u64_le());
        let (durable, payload_checksum) = (rest.get_u64_le(), rest.get_u64_le());
        Some(Self { length, kind, group, term, index, durable, payload_checksum })
    }
}

/// The salt makes an entry of an earlier life of the file no entry of this one, the offset an entry
/// that was copied elsewhere.
fn checksum(bytes: &[u8; ENTRY_HEADER_BYTES as usize], salt: u64, offset: u64) -> u64 {
    let (fields, _) = bytes.split_at(bytes.len() - 8);
    xxh3_64_with_seed(fields, salt.wrapping_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: EntryHeader = EntryHeader {
        length: 13,
        kind: EntryKind::Command,
        group: GROUP,
        term: 0,
        index: 7,
        durable: 64,
        payload_checksum: 99,
    };

    #[test]
    fn a_header_is_valid_only_where_it_was_written() {
        let bytes = HEADER.encode(5, 64);
        assert_eq!(EntryHeader::decode(&bytes, 5, 64), Some(HEADER));
        assert_eq!(EntryHeader::decode(&bytes, 6, 64), None);
        assert_eq!(EntryHeader::decode(&bytes, 5, 72), None);
        assert_eq!(HEADER.entry_bytes(), 56 + 16);
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_none() {
        let bytes = HEADER.encode(5, 64);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(EntryHeader::decode(&damaged, 5, 64), None, "bit {bit}");
        }
        assert_eq!(EntryHeader::decode(&[0; 56], 0, 0), None);
    }
}
