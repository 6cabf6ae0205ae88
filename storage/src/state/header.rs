//! redb's header, the only page without a checksum of our own: verified before redb believes it.
//!
//! redb takes a damaged commit slot for the trace of a crash and goes back to the other one, whose
//! pages may have been used again since. But the header lies in one sector, which is written whole or
//! not at all, so no crash damages a slot.
//!
//! ```text
//! 0    magic                          9 bytes
//! 9    flags                          u8    1 slot 1 is the primary, 2 not closed, 4 two phases
//! 12   bytes of a page, pages of a region's header, of a region    3 × u32
//! 64   slot 0, 192 slot 1             128 bytes each: … 104 number of the commit u64, 112 xxh3 of 0..112
//! ```

use xxhash_rust::xxh3::xxh3_128;

/// So much of the file is the header.
pub(super) const HEADER_BYTES: usize = 320;

const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";
const FLAGS_KNOWN: u8 = 7;
/// Bytes of a page, pages of a region's header, pages of a region: the same in every file.
const GEOMETRY: [u32; 3] = [4096, 0, 1 << 20];

/// A header that is what redb wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the commit that counts is older than the other one. So a crash leaves it in the midst
    /// of a commit, and so does damage of the flags: only reading all of it tells which.
    pub(super) secondary_is_newer: bool,
}

impl Header {
    /// Verifies the header.
    ///
    /// # Errors
    ///
    /// What of it is damaged.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, &'static str> {
        let (fixed, slots) = bytes.split_at(64);
        if !fixed.starts_with(MAGIC) {
            return Err("redb's header does not begin as it should");
        }
        let flags = fixed.get(MAGIC.len()).copied().unwrap_or(u8::MAX);
        if flags > FLAGS_KNOWN {
            return Err("the flags of redb's header are damaged");
        }
        let numbers = fixed.get(12..24).unwrap_or_default().as_chunks::<4>().0.iter();
        if !numbers.map(|number| u32::from_le_bytes(*number)).eq(GEOMETRY) {
            return Err("the geometry in redb's header is damaged");
        }
        let (first, second) = slots.split_at(128);
        let (first, second) = (commit(first)?, commit(second)?);
        let secondary_is_newer = if flags & 1 == 0 { second > first } else { first > second };
        Ok(Self { secondary_is_newer })
    }
}

/// The number of the commit of a slot.
fn commit(slot: &[u8]) -> Result<u64, &'static str> {
    let damaged = "a commit slot of redb's header does not match its checksum";
    let (fields, stored) = slot.split_last_chunk::<16>().ok_or(damaged)?;
    if xxh3_128(fields) != u128::from_le_bytes(*stored) {
        return Err(damaged);
    }
    fields.last_chunk::<8>().map(|number| u64::from_le_bytes(*number)).ok_or(damaged)
}
