//! A page: the values of one column of a block, in one encoding, under one checksum.
//!
//! `checksum u32 · encoding u8 · rows varint · payload`; the checksum covers all that follows it.

pub(crate) mod bases;
pub(crate) mod blob;
pub(crate) mod integers;
pub(crate) mod names;
pub(crate) mod quality_scores;
pub(crate) mod rans;
pub(crate) mod texts;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    LayoutError,
    cursor::{Cursor, put_varint},
};

/// The most rows of a block, whatever its configuration.
pub(crate) const ROWS_MAX: usize = 1 << 20;
/// The most bytes of a column of a block before it is encoded.
pub(crate) const COLUMN_BYTES_MAX: usize = 1 << 30;

/// How the payload of a page is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Encoding {
    /// [`integers`].
    Integers = 1,
    /// [`texts`].
    Texts = 2,
    /// [`bases`].
    Bases = 3,
    /// [`quality_scores`].
    QualityScores = 4,
    /// [`names`].
    Names = 5,
    /// An Arrow array of a table of rows: `rows/array.rs`.
    Array = 6,
}

impl Encoding {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Integers, Self::Texts, Self::Bases, Self::QualityScores, Self::Names, Self::Array]
            .into_iter()
            .find(|encoding| *encoding as u8 == code)
    }
}

/// A page whose checksum is right.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    pub(crate) encoding: Encoding,
    pub(crate) rows: usize,
    pub(crate) payload: Cursor<'a>,
}

/// The checksum of stored bytes: the low half of xxh3.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    xxh3_64(bytes) as u32
}

/// Appends a page to `out`; `payload` appends its own bytes.
pub(crate) fn write(out: &mut Vec<u8>, encoding: Encoding, rows: usize, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(encoding as u8);
    put_varint(out, rows as u64);
    payload(out);
    let (_, page) = out.split_at_mut(start);
    if let Some((sum, rest)) = page.split_first_chunk_mut::<4>() {
        *sum = checksum(rest).to_le_bytes();
    }
}

/// Checks the frame of a page.
pub(crate) fn read(bytes: &[u8]) -> Result<Page<'_>, LayoutError> {
    let mut cursor = Cursor::new("page", bytes);
    let sum = cursor.u32()?;
    let mut payload = Cursor::new("page", cursor.rest());
    if checksum(payload.clone().rest()) != sum {
        return Err(payload.corrupt("its checksum differs"));
    }
    let code = payload.u8()?;
    let encoding = Encoding::from_code(code).ok_or_else(|| payload.corrupt("its encoding is unknown"))?;
    let rows = payload.number(ROWS_MAX)?;
    Ok(Page { encoding, rows, payload })
}
