//! Which chunks a source has: how many rows each has, and where its columns' pages lie.

use std::collections::BTreeSet;

use super::schema::COLUMNS_MAX;
use crate::{
    LayoutError,
    block::pieces,
    cursor::{Cursor, put_varint},
    envelope,
    key::{ChunkKey, SourceId, TableId},
    page::ROWS_MAX,
};

const WHAT: &str = "chunk index";

/// The chunks of a source, in the order in which their rows came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkIndex {
    /// The chunks; the number of each is its place here.
    pub chunks: Vec<ChunkEntry>,
}

/// What is known of a chunk without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Its rows.
    pub rows: u32,
    /// The bytes of each column's page; the pages lie one after the other.
    pub pages: Vec<u32>,
}

impl ChunkIndex {
    /// Returns the number of rows of all chunks.
    pub fn rows(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum()
    }

    /// Returns the stored bytes; [`crate::block::cut`] makes values of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.chunks.len() as u64);
        put_varint(&mut out, self.chunks.first().map_or(0, |chunk| chunk.pages.len()) as u64);
        for chunk in &self.chunks {
            put_varint(&mut out, chunk.rows.into());
            chunk.pages.iter().for_each(|length| put_varint(&mut out, (*length).into()));
        }
        envelope::seal(&out)
    }

    /// Reads an index back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open(WHAT, bytes)?;
        let mut cursor = Cursor::new(WHAT, &payload);
        let count = cursor.count(1)?;
        let columns = cursor.number(COLUMNS_MAX)?;
        let mut chunks = Vec::new();
        for _ in 0..count {
            let rows = cursor.number(ROWS_MAX as u32)?;
            let pages = (0..columns).map(|_| cursor.number(u32::MAX)).collect::<Result<_, _>>()?;
            chunks.push(ChunkEntry { rows, pages });
        }
        cursor.finish()?;
        Ok(Self { chunks })
    }
}

impl ChunkEntry {
    /// Returns the bytes of all pages.
    pub fn bytes(&self) -> u64 {
        self.pages.iter().map(|length| u64::from(*length)).sum()
    }

    /// Returns the numbers of the pieces that hold the pages of `columns`, ascending.
    pub fn pieces(&self, columns: impl IntoIterator<Item = usize>) -> Vec<u16> {
        // A damaged index may ask for more than a key can number; these values are then missing.
        let ranges = self.piece_ranges();
        let mut found = BTreeSet::new();
        for page in columns.into_iter().map(|column| self.page(column)).filter(|page| !page.is_empty()) {
            let holding = ranges.iter().filter(|(_, piece)| piece.start < page.end && page.start < piece.end);
            found.extend(holding.map(|(number, _)| *number));
        }
        found.into_iter().collect()
    }

    /// Returns the bytes of the pieces that hold the pages of `columns`.
    pub fn piece_bytes(&self, columns: impl IntoIterator<Item = usize>) -> u64 {
        let wanted = self.pieces(columns);
        let ranges = self.piece_ranges().into_iter().filter(|(number, _)| wanted.contains(number));
        ranges.map(|(_, range)| range.len() as u64).sum()
    }

    /// Returns the key of a piece.
    pub fn key(table: TableId, source: SourceId, chunk: u32, piece: u16) -> ChunkKey {
        ChunkKey { table, source, chunk, piece }
    }

    pub(super) fn piece_ranges(&self) -> Vec<(u16, std::ops::Range<usize>)> {
        let length = usize::try_from(self.bytes()).unwrap_or(usize::MAX);
        (0..=u16::MAX).zip(pieces::ranges(length.min(CHUNK_PIECES_BYTES_MAX))).collect()
    }

    /// Where the page of a column lies; empty if there is none.
    pub(super) fn page(&self, column: usize) -> std::ops::Range<usize> {
        let before = self.pages.get(..column).unwrap_or_default();
        let start: usize = before.iter().map(|length| *length as usize).sum();
        start..start + self.pages.get(column).map_or(0, |length| *length as usize)
    }
}

/// More bytes than this have more pieces than a key can number.
const CHUNK_PIECES_BYTES_MAX: usize = (u16::MAX as usize) * pieces::PIECE_BYTES_MAX;
