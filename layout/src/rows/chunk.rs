//! A chunk: some thousand rows, each column a page of its own, the pages one after the other.

use std::{borrow::Cow, collections::BTreeMap};

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Field;
use bytes::Bytes;

use super::{ChunkEntry, array};
use crate::{
    LayoutError, block,
    cursor::Cursor,
    page::{self, Encoding, blob},
};

/// Rows of a chunk at most.
pub const CHUNK_ROWS_MAX: usize = 1 << 16;
/// Bytes of the columns of a chunk at most, before they are compressed.
pub const CHUNK_BYTES_MAX: usize = 256 << 20;

/// Written once and read often; above it much time saves few bytes.
const ZSTD_LEVEL: i32 = 3;

/// A chunk in its stored form.
#[derive(Clone, Debug)]
pub struct EncodedChunk {
    /// What the index says of it.
    pub entry: ChunkEntry,
    /// The values, in the order of their pieces.
    pub pieces: Vec<Bytes>,
}

/// Makes a chunk of the rows of a batch, whose schema [`super::check_schema`] let pass.
///
/// # Errors
///
/// If the rows are more than [`CHUNK_ROWS_MAX`] or take more than [`CHUNK_BYTES_MAX`]: fewer may fit.
pub fn encode_chunk(batch: &RecordBatch) -> Result<EncodedChunk, LayoutError> {
    let rows = batch.num_rows();
    if rows > CHUNK_ROWS_MAX {
        return Err(LayoutError::RecordTooLarge { bytes: rows, max: CHUNK_ROWS_MAX });
    }
    let (mut out, mut plain, mut total, mut pages) = (Vec::new(), Vec::new(), 0, Vec::new());
    for column in batch.columns() {
        plain.clear();
        array::encode(column, &mut plain)?;
        total += plain.len();
        if total > CHUNK_BYTES_MAX {
            return Err(LayoutError::RecordTooLarge { bytes: total, max: CHUNK_BYTES_MAX });
        }
        let start = out.len();
        page::write(&mut out, Encoding::Array, rows, |out| blob::encode(&plain, ZSTD_LEVEL, out));
        // Far below 4 GiB, as their sum before compression is.
        pages.push((out.len() - start) as u32);
    }
    Ok(EncodedChunk { entry: ChunkEntry { rows: rows as u32, pages }, pieces: block::cut(out.into()) })
}

/// Reads columns of a chunk from the pieces that [`ChunkEntry::pieces`] asks for.
#[derive(Clone, Debug)]
pub struct ChunkReader<'a> {
    entry: &'a ChunkEntry,
    pieces: BTreeMap<u16, Bytes>,
}

impl<'a> ChunkReader<'a> {
    /// A reader that has no piece yet.
    pub fn new(entry: &'a ChunkEntry) -> Self {
        Self { entry, pieces: BTreeMap::new() }
    }

    /// Gives it a piece.
    pub fn insert(&mut self, number: u16, value: Bytes) {
        self.pieces.insert(number, value);
    }

    /// Decodes a column; `field` is what the table's schema says of it.
    ///
    /// # Errors
    ///
    /// If its page is damaged, or a piece of it was not given.
    pub fn column(&self, index: usize, field: &Field) -> Result<ArrayRef, LayoutError> {
        let corrupt = |reason: String| LayoutError::CorruptColumn { column: field.name().clone(), reason };
        let decode = || -> Result<ArrayRef, LayoutError> {
            let bytes = self.page(index)?;
            let mut page = page::read(&bytes)?;
            let rows = self.entry.rows as usize;
            if page.encoding != Encoding::Array || page.rows != rows {
                return Err(page.payload.corrupt("it is of another kind or length than its index says"));
            }
            let plain = blob::decode(&mut page.payload, CHUNK_BYTES_MAX)?;
            page.payload.finish()?;
            array::decode(Cursor::new("page", &plain), field.data_type(), rows)
        };
        let array = decode().map_err(|error| corrupt(error.to_string()))?;
        if !field.is_nullable() && array.null_count() > 0 {
            return Err(corrupt("it has a NULL, and its column has none".to_owned()));
        }
        Ok(array)
    }

    /// The bytes of a column's page, whether they lie in one piece or in several.
    fn page(&self, index: usize) -> Result<Cow<'_, [u8]>, LayoutError> {
        let page = self.entry.page(index);
        let missing = || Cursor::new("page", &[]).corrupt("a piece of it is missing or too short");
        let mut joined = Vec::new();
        for (number, range) in self.entry.piece_ranges() {
            if range.end <= page.start || page.end <= range.start {
                continue;
            }
            let piece = self.pieces.get(&number).filter(|piece| piece.len() == range.len());
            let (from, to) = (page.start.max(range.start), page.end.min(range.end));
            let part = piece.and_then(|piece| piece.get(from - range.start..to - range.start));
            let part = part.ok_or_else(missing)?;
            if part.len() == page.len() {
                return Ok(Cow::Borrowed(part));
            }
            joined.extend_from_slice(part);
        }
        if joined.len() == page.len() { Ok(Cow::Owned(joined)) } else { Err(missing()) }
    }
}
