//! One BGZF block: its gzip header, whose `BC` field says how long it is, and its inflation.

use std::ops::Range;

use libdeflater::{DecompressionError, Decompressor};

/// The gzip header up to and including XLEN.
pub(super) const FIXED_HEADER_BYTES: usize = 12;

/// CRC32 and ISIZE.
const TRAILER_BYTES: usize = 8;

/// SAM v1 § 4.1: a block holds at most 2^16 bytes.
pub(super) const BLOCK_INFLATED_BYTES_MAX: usize = 1 << 16;

/// A block within a run.
pub(super) struct Block {
    /// Where it starts in the file.
    pub(super) offset: u64,
    /// Where it lies in the run.
    pub(super) bytes: Range<usize>,
}

/// Tells whether a gzip file is a BGZF file: its first member says how long it is.
pub(crate) fn is_bgzf(first: &[u8]) -> bool {
    let extra =
        extra_field_bytes(first).ok().and_then(|length| first.get(FIXED_HEADER_BYTES..)?.get(..length));
    extra.is_some_and(|extra| block_bytes(extra).is_some())
}

/// Returns how many bytes of extra fields follow the fixed header.
pub(super) fn extra_field_bytes(header: &[u8]) -> Result<usize, &'static str> {
    let &[id1, id2, method, flags, _, _, _, _, _, _, x0, x1, ..] = header else {
        return Err("its header breaks off");
    };
    if [id1, id2] != [0x1f, 0x8b] {
        return Err("it does not start with the magic number of gzip");
    }
    // FLG: only FEXTRA, because a name or a comment would lie between the extra fields and the data.
    if method != 8 || flags != 4 {
        return Err("it is gzip, but not BGZF");
    }
    Ok(u16::from_le_bytes([x0, x1]).into())
}

/// Returns how many bytes of the block follow its header.
pub(super) fn rest_bytes(header: &[u8]) -> Result<usize, &'static str> {
    let extra = header.get(FIXED_HEADER_BYTES..).unwrap_or_default();
    let length = block_bytes(extra).ok_or("it is gzip, but not BGZF")?;
    let rest = length.checked_sub(header.len()).filter(|&rest| rest >= TRAILER_BYTES);
    rest.ok_or("its length is too small")
}

/// Finds `BC` among the extra fields and returns the length of the whole block.
fn block_bytes(mut extra: &[u8]) -> Option<usize> {
    while let Some((&[id1, id2, l0, l1], rest)) = extra.split_first_chunk::<4>() {
        let (field, rest) = rest.split_at_checked(u16::from_le_bytes([l0, l1]).into())?;
        if let ([b'B', b'C'], &[b0, b1]) = ([id1, id2], field) {
            return Some(usize::from(u16::from_le_bytes([b0, b1])) + 1);
        }
        extra = rest;
    }
    None
}

/// Returns how many bytes a block says it holds (ISIZE).
pub(super) fn inflated_bytes(block: &[u8]) -> Option<usize> {
    block.last_chunk::<4>().and_then(|&size| usize::try_from(u32::from_le_bytes(size)).ok())
}

/// Inflates blocks and checks what they hold.
pub(super) struct Inflater(Decompressor);

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompressor::new())
    }
}

impl Inflater {
    /// Inflates a whole block, whose framing has been checked, into the start of `room`.
    pub(super) fn inflate(&mut self, block: &[u8], room: &mut [u8]) -> Result<usize, &'static str> {
        let header_bytes = FIXED_HEADER_BYTES + extra_field_bytes(block)?;
        let body = block.get(header_bytes..).unwrap_or_default();
        let (deflated, &[c0, c1, c2, c3, ..]) =
            body.split_last_chunk::<TRAILER_BYTES>().ok_or("its length is too small")?;
        let length = inflated_bytes(block).filter(|&length| length <= BLOCK_INFLATED_BYTES_MAX);
        let length = length.ok_or("it claims to hold more than 64 KiB")?;
        let inflated = room.get_mut(..length).ok_or("it claims to hold more than 64 KiB")?;
        let found = self.0.deflate_decompress(deflated, inflated).map_err(|error| match error {
            DecompressionError::BadData => "its compressed data are damaged",
            DecompressionError::InsufficientSpace => "it holds more bytes than it claims",
        })?;
        if found != length {
            return Err("it holds fewer bytes than it claims");
        }
        if libdeflater::crc32(inflated) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err("the checksum (CRC32) of its bytes is wrong");
        }
        Ok(length)
    }
}
