//! The pieces of one block, and its pages found in them.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeMap};

use bytes::Bytes;

use super::{BlockEntry, Column, PageLocation, Piece, pieces};
use crate::{
    LayoutError,
    cursor::Cursor,
    page::{self, Encoding, integers},
};

/// Reads columns of one block from the pieces that it was given.
///
/// Every method answers with an error, never a panic, whatever the bytes are.
#[derive(Debug)]
pub struct AlignmentBlockReader {
    pub(super) entry: BlockEntry,
    pieces: BTreeMap<Piece, Bytes>,
    starts: OnceCell<Vec<i64>>,
    base_offsets: OnceCell<Vec<u64>>,
    mate_contigs: OnceCell<Vec<i64>>,
    mate_starts: OnceCell<Vec<i64>>,
    pub(super) lists: OnceCell<super::decode_tags::TagLists>,
}

impl AlignmentBlockReader {
    /// Creates a reader without pieces; [`BlockEntry::pieces`] says which it needs.
    pub fn new(entry: BlockEntry) -> Self {
        Self {
            entry,
            pieces: BTreeMap::new(),
            starts: OnceCell::new(),
            base_offsets: OnceCell::new(),
            mate_contigs: OnceCell::new(),
            mate_starts: OnceCell::new(),
            lists: OnceCell::new(),
        }
    }

    /// Returns what the index knows of the block.
    pub fn entry(&self) -> &BlockEntry {
        &self.entry
    }

    /// Hands over the value of a piece.
    pub fn insert(&mut self, piece: Piece, value: Bytes) {
        self.pieces.insert(piece, value);
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.entry.records as usize
    }

    pub(super) fn corrupt(&self, column: Column, reason: impl ToString) -> LayoutError {
        LayoutError::CorruptPage { block: self.entry.number, column, reason: reason.to_string() }
    }

    /// Decodes the page of a column; `None` where the block has none.
    pub(super) fn decode_page<T>(
        &self,
        column: Column,
        decode: impl FnOnce(Encoding, usize, &mut Cursor<'_>) -> Result<T, LayoutError>,
    ) -> Result<Option<T>, LayoutError> {
        let Some(location) = self.entry.directory.page(column) else {
            return Ok(None);
        };
        let bytes = self.page_bytes(location)?;
        let decoded = page::read(&bytes).and_then(|page| {
            let mut payload = page.payload;
            let decoded = decode(page.encoding, page.rows, &mut payload)?;
            payload.finish()?;
            Ok(decoded)
        });
        decoded.map(Some).map_err(|error| self.corrupt(column, error))
    }

    /// Decodes the page of a column that every block has, with one value for each row.
    pub(super) fn decode_column<T>(
        &self,
        column: Column,
        decode: impl FnOnce(Encoding, &mut Cursor<'_>) -> Result<T, LayoutError>,
    ) -> Result<T, LayoutError> {
        let rows = self.rows();
        let decoded = self.decode_page(column, |encoding, found, cursor| {
            if found != rows {
                return Err(cursor.corrupt("its row count differs from the block's"));
            }
            decode(encoding, cursor)
        })?;
        decoded.ok_or_else(|| self.corrupt(column, "the block has no such page"))
    }

    pub(super) fn integers<T: integers::Whole>(&self, column: Column) -> Result<Vec<T>, LayoutError> {
        let rows = self.rows();
        self.decode_column(column, |encoding, cursor| match encoding {
            Encoding::Integers => integers::decode(cursor, rows),
            _ => Err(cursor.corrupt("its encoding is not that of numbers")),
        })
    }

    fn page_bytes(&self, location: PageLocation) -> Result<Cow<'_, [u8]>, LayoutError> {
        let column = location.column;
        let group = usize::try_from(self.entry.directory.group_bytes(location.group)).unwrap_or(usize::MAX);
        let (start, end) = (location.offset as usize, location.offset as usize + location.length as usize);
        let mut parts = Vec::new();
        for (range, number) in pieces::ranges(group).into_iter().zip(0_u16..) {
            if range.end <= start || end <= range.start {
                continue;
            }
            let piece = Piece { group: location.group, number };
            let missing =
                || LayoutError::MissingPiece { block: self.entry.number, group: piece.group, piece: number };
            let value = self.pieces.get(&piece).ok_or_else(missing)?;
            if value.len() != range.len() {
                return Err(self.corrupt(
                    column,
                    format_args!("piece {number} has {} bytes, not {}", value.len(), range.len()),
                ));
            }
            let part = start.max(range.start) - range.start..end.min(range.end) - range.start;
            parts.push(value.get(part).unwrap_or_default());
        }
        Ok(match parts.as_slice() {
            [one] => Cow::Borrowed(*one),
            _ => Cow::Owned(parts.concat()),
        })
    }

    pub(super) fn starts(&self) -> Result<&[i64], LayoutError> {
        get_or_try(&self.starts, || self.integers(Column::Start)).map(Vec::as_slice)
    }

    pub(super) fn mate_contigs(&self) -> Result<&[i64], LayoutError> {
        get_or_try(&self.mate_contigs, || {
            let contigs: Vec<i64> = self.integers(Column::MateContig)?;
            let (least, most) = contigs
                .iter()
                .fold((0, 0), |(least, most): (i64, i64), &contig| (least.min(contig), most.max(contig)));
            let known = 0 <= least && most <= i64::from(u32::MAX) + 1;
            let impossible = self.entry.contig.is_none() && contigs.contains(&1);
            if known && !impossible {
                Ok(contigs)
            } else {
                Err(self.corrupt(Column::MateContig, "a contig number is impossible"))
            }
        })
        .map(Vec::as_slice)
    }

    /// The mate's starts, no longer relative.
    pub(super) fn mate_starts(&self) -> Result<&[i64], LayoutError> {
        get_or_try(&self.mate_starts, || {
            let mut mates: Vec<i64> = self.integers(Column::MateStart)?;
            let rows = mates.iter_mut().zip(self.mate_contigs()?).zip(self.starts()?);
            for ((mate, _), start) in rows.filter(|((_, contig), _)| **contig == 1) {
                *mate = mate.wrapping_add(*start);
            }
            Ok(mates)
        })
        .map(Vec::as_slice)
    }

    /// TLEN of each row, no longer relative.
    pub(super) fn tlens(&self) -> Result<Vec<i64>, LayoutError> {
        let mut tlens: Vec<i64> = self.integers(Column::Tlen)?;
        let rows = tlens.iter_mut().zip(self.mate_contigs()?).zip(self.mate_starts()?).zip(self.starts()?);
        for (((tlen, _), mate), start) in rows.filter(|(((_, contig), _), _)| **contig == 1) {
            *tlen = tlen.wrapping_add(mate.wrapping_sub(*start));
        }
        Ok(tlens)
    }

    /// Where the bases of each row start, and after the last row where they end.
    pub(super) fn base_offsets(&self) -> Result<&[u64], LayoutError> {
        get_or_try(&self.base_offsets, || {
            let counts: Vec<u32> = self.integers(Column::BaseCount)?;
            Ok(offsets(counts.into_iter().map(u64::from)))
        })
        .map(Vec::as_slice)
    }
}

/// Sums up lengths: a leading 0, then the end of each.
pub(super) fn offsets(lengths: impl ExactSizeIterator<Item = u64>) -> Vec<u64> {
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    let mut end = 0_u64;
    offsets.push(0);
    offsets.extend(lengths.map(|length| {
        end = end.saturating_add(length);
        end
    }));
    offsets
}

pub(super) fn get_or_try<T>(
    cell: &OnceCell<T>,
    make: impl FnOnce() -> Result<T, LayoutError>,
) -> Result<&T, LayoutError> {
    if cell.get().is_none() {
        let value = make()?;
        return Ok(cell.get_or_init(|| value));
    }
    // Set above or by an earlier call.
    cell.get().ok_or(LayoutError::Corrupt { what: "page", offset: 0, reason: "it was never read" })
}
