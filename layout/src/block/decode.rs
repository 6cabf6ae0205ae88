//! Columns as Arrow arrays, in the types of `genome::schema::alignment`.

use std::{ops::Range, sync::Arc};

use arrow_array::{Array, Int32Array, Int64Array, StringArray, UInt8Array, UInt16Array, UInt64Array};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use genomdb_genome::alignment::Cigar;

use super::{AlignmentBlockReader, Column, RowRanges, reader::offsets};
use crate::{
    LayoutError,
    cursor::Cursor,
    page::{
        COLUMN_BYTES_MAX, Encoding,
        bases::{Alignments, Bases},
        integers,
        names::{Names, put_decimal},
        quality_scores::QualityScores,
        texts::StringRows,
    },
};

impl AlignmentBlockReader {
    /// Returns FLAG.
    ///
    /// # Errors
    ///
    /// If a piece is missing or damaged; so do all methods that read a column.
    pub fn flag(&self, rows: &RowRanges) -> Result<UInt16Array, LayoutError> {
        Ok(rows.select(self.integers::<u16>(Column::Flag)?).into())
    }

    /// Returns the 0-based start, NULL without a position.
    pub fn start(&self, rows: &RowRanges) -> Result<Int64Array, LayoutError> {
        Ok(positions(rows.select(self.starts()?.to_vec())))
    }

    /// Returns the exclusive end, NULL without a position.
    pub fn end(&self, rows: &RowRanges) -> Result<Int64Array, LayoutError> {
        let starts = rows.select(self.starts()?.to_vec());
        let mut ends = rows.select(self.integers::<i64>(Column::Span)?);
        ends.iter_mut().zip(&starts).for_each(|(end, start)| *end = end.wrapping_add(*start));
        let nulls = position_nulls(&starts);
        Ok(Int64Array::new(ends.into(), nulls))
    }

    /// Returns MAPQ, NULL for 255.
    pub fn mapq(&self, rows: &RowRanges) -> Result<UInt8Array, LayoutError> {
        let mapqs = rows.select(self.integers::<u8>(Column::Mapq)?);
        let nulls = mapqs.contains(&u8::MAX).then(|| mapqs.iter().map(|&mapq| mapq != u8::MAX).collect());
        Ok(UInt8Array::new(mapqs.into(), nulls))
    }

    /// Returns the number of the record in its file.
    pub fn ordinal(&self, rows: &RowRanges) -> Result<UInt64Array, LayoutError> {
        let ordinals = rows.select(self.integers::<i64>(Column::Ordinal)?);
        Ok(ordinals.into_iter().map(i64::cast_unsigned).collect::<Vec<_>>().into())
    }

    /// Returns RNEXT as a number of the table's dictionary, NULL for `*`.
    pub fn mate_contig(&self, rows: &RowRanges) -> Result<Int32Array, LayoutError> {
        let all = self.mate_contigs()?;
        let own = self.entry.contig.map_or(Ok(0), |contig| i32::try_from(contig.0));
        let contigs = match own {
            Ok(own) if rows.len() == all.len() => contig_numbers(all, own),
            Ok(own) => contig_numbers(&rows.select(all.to_vec()), own),
            Err(_) => None,
        };
        contigs.ok_or_else(|| self.corrupt(Column::MateContig, "a contig number is out of range"))
    }

    /// Returns the mate's 0-based start, NULL without one.
    pub fn mate_start(&self, rows: &RowRanges) -> Result<Int64Array, LayoutError> {
        Ok(positions(rows.select(self.mate_starts()?.to_vec())))
    }

    /// Returns TLEN.
    pub fn tlen(&self, rows: &RowRanges) -> Result<Int64Array, LayoutError> {
        Ok(rows.select(self.tlens()?).into())
    }

    /// Returns QNAME, NULL for `*`.
    pub fn qname(&self, rows: &RowRanges) -> Result<StringArray, LayoutError> {
        let names = self.names()?;
        let mut texts = Texts::with_capacity(rows.len(), rows.len() * 40);
        for row in rows.iter() {
            let before = texts.bytes.len();
            names.put(row, &mut texts.bytes);
            let valid = texts.bytes.len() > before;
            texts.end_row(valid);
        }
        texts.finish(self, Column::Qname)
    }

    /// Returns CIGAR as text, NULL for `*`.
    pub fn cigar(&self, rows: &RowRanges) -> Result<StringArray, LayoutError> {
        let cigars = self.cigars()?;
        let mut texts = Texts::with_capacity(rows.len(), rows.len() * 5);
        if cigars.is_dictionary() {
            let mut known = Texts::with_capacity(cigars.distinct(), cigars.distinct() * 8);
            (0..cigars.distinct()).for_each(|number| known.push_cigar(cigars.string(number)));
            rows.iter().for_each(|row| texts.push_or_null(known.get(cigars.number(row))));
        } else {
            rows.iter().for_each(|row| texts.push_cigar(cigars.get(row)));
        }
        texts.finish(self, Column::Cigar)
    }

    /// Returns SEQ, NULL for `*`.
    pub fn seq(&self, rows: &RowRanges) -> Result<StringArray, LayoutError> {
        let offsets = self.base_offsets()?;
        self.with_bases(&self.cigars()?, |bases| {
            let mut texts = Texts::with_capacity(rows.len(), selected_bytes(rows, offsets));
            for row in rows.iter() {
                let (start, end) = span_of(offsets, row);
                bases.letters(row, &mut texts.bytes);
                texts.end_row(start < end);
            }
            texts.finish(self, Column::Seq)
        })
    }

    /// Returns QUAL as SAM writes it, NULL for `*`.
    pub fn qual(&self, rows: &RowRanges) -> Result<StringArray, LayoutError> {
        // SAM can write 33 to 126; a codec lets no other score in.
        let letter = |score: u8| score.min(93) + 33;
        let (offsets, scores) = self.quality_scores(rows)?;
        if rows.is_all() {
            let mut bytes = scores.into_scores();
            bytes.iter_mut().for_each(|score| *score = letter(*score));
            return Texts::from_rows(bytes, &offsets).finish(self, Column::Qual);
        }
        let mut texts = Texts::with_capacity(rows.len(), selected_bytes(rows, &offsets));
        for row in rows.iter() {
            let (start, end) = span_of(&offsets, row);
            texts.bytes.extend(scores.get(start as usize, end as usize).iter().map(|&score| letter(score)));
            texts.end_row(start < end);
        }
        texts.finish(self, Column::Qual)
    }

    pub(super) fn names(&self) -> Result<Names, LayoutError> {
        let rows = self.rows();
        self.decode_column(Column::Qname, |encoding, cursor| match encoding {
            Encoding::Names => Names::decode(cursor, rows),
            _ => Err(cursor.corrupt("its encoding is not that of names")),
        })
    }

    pub(super) fn cigars(&self) -> Result<StringRows, LayoutError> {
        let rows = self.rows();
        let cigars = self.decode_column(Column::Cigar, |encoding, cursor| strings(encoding, rows, cursor))?;
        let whole = (0..cigars.distinct()).all(|number| cigars.string(number).len() % 4 == 0);
        if whole { Ok(cigars) } else { Err(self.corrupt(Column::Cigar, "an operation breaks off")) }
    }

    /// Reads the bases, whose form follows from where each read lies.
    pub(super) fn with_bases<T>(
        &self,
        cigars: &StringRows,
        read: impl FnOnce(&Bases<'_>) -> Result<T, LayoutError>,
    ) -> Result<T, LayoutError> {
        let alignments = Alignments { starts: self.starts()?, base_offsets: self.base_offsets()?, cigars };
        self.decode_column(Column::Seq, |encoding, cursor| match encoding {
            Encoding::Bases => Bases::decode(cursor, alignments).map(|bases| read(&bases)),
            _ => Err(cursor.corrupt("its encoding is not that of bases")),
        })?
    }

    /// Returns where the scores of each row lie, and all of them.
    pub(super) fn quality_scores(
        &self,
        wanted: &RowRanges,
    ) -> Result<(Vec<u64>, QualityScores), LayoutError> {
        let bases = self.base_offsets()?;
        let rows = self.rows();
        self.decode_column(Column::Qual, |encoding, cursor| {
            if encoding != Encoding::QualityScores {
                return Err(cursor.corrupt("its encoding is not that of quality scores"));
            }
            let differences: Vec<i64> = integers::decode(cursor, rows)?;
            let counts = differences.iter().zip(bases.windows(2));
            let counts: Option<Vec<u64>> = counts
                .map(|(&difference, span)| match span {
                    [start, end] => (end - start).checked_add_signed(difference),
                    _ => None,
                })
                .collect();
            let counts = counts.ok_or_else(|| cursor.corrupt("a count of scores is negative"))?;
            let offsets = offsets(counts.into_iter());
            let total = offsets.last().copied().and_then(|total| usize::try_from(total).ok());
            let total = total.filter(|&total| total <= COLUMN_BYTES_MAX);
            let total = total.ok_or_else(|| cursor.corrupt("its scores are too many"))?;
            let span = |range: &Range<usize>| {
                let place = |row| offsets.get(row).map_or(0, |&place| place as usize);
                place(range.start)..place(range.end)
            };
            let scores = QualityScores::decode(cursor, total, wanted.ranges().iter().map(span))?;
            Ok((offsets, scores))
        })
    }
}

/// Reads a mate's contig: 0 is none, 1 the record's own.
/// Makes mates' contigs of their stored form (see [`mate_contig`]); `None` where one is beyond an `i32`.
fn contig_numbers(stored: &[i64], own: i32) -> Option<Int32Array> {
    if stored.iter().any(|&stored| stored > i64::from(i32::MAX) + 2) {
        return None;
    }
    // What has no mate holds 0 under its NULL, which is a number of the dictionary.
    let number = |&stored: &i64| if stored == 1 { own } else { (stored - 2).max(0) as i32 };
    let numbers: Vec<i32> = stored.iter().map(number).collect();
    Some(Int32Array::new(numbers.into(), nulls(stored.iter().map(|&stored| stored != 0))))
}

pub(super) fn mate_contig(stored: i64, own: Option<u32>) -> Option<u32> {
    match stored {
        0 => None,
        1 => own,
        number => u32::try_from(number - 2).ok(),
    }
}

pub(super) fn strings(
    encoding: Encoding,
    rows: usize,
    cursor: &mut Cursor<'_>,
) -> Result<StringRows, LayoutError> {
    match encoding {
        Encoding::Texts => StringRows::decode(cursor, rows),
        _ => Err(cursor.corrupt("its encoding is not that of texts")),
    }
}

pub(super) fn span_of(offsets: &[u64], row: usize) -> (u64, u64) {
    match (offsets.get(row), offsets.get(row + 1)) {
        (Some(&start), Some(&end)) => (start, end),
        _ => (0, 0),
    }
}

fn selected_bytes(rows: &RowRanges, offsets: &[u64]) -> usize {
    let bytes = |range: &Range<usize>| match (offsets.get(range.start), offsets.get(range.end)) {
        (Some(start), Some(end)) => end - start,
        _ => 0,
    };
    rows.ranges().iter().map(bytes).sum::<u64>() as usize
}

fn positions(values: Vec<i64>) -> Int64Array {
    let nulls = position_nulls(&values);
    Int64Array::new(values.into(), nulls)
}

/// A negative position is none.
fn position_nulls(values: &[i64]) -> Option<NullBuffer> {
    let some_negative = values.iter().fold(0, |signs, value| signs | value) < 0;
    some_negative.then(|| values.iter().map(|&value| value >= 0).collect())
}

/// Returns a validity buffer; `None` where every row is valid.
pub(super) fn nulls(valid: impl Iterator<Item = bool> + Clone) -> Option<NullBuffer> {
    if valid.clone().all(|valid| valid) { None } else { Some(valid.collect()) }
}

/// The texts of an Arrow array, being appended.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) bytes: Vec<u8>,
    ends: Vec<usize>,
    valid: Vec<bool>,
}

impl Texts {
    pub(super) fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        Self { bytes: Vec::with_capacity(bytes), ends, valid: Vec::with_capacity(rows) }
    }

    /// Texts that lie one after the other, NULL where one is empty.
    fn from_rows(bytes: Vec<u8>, offsets: &[u64]) -> Self {
        let ends = offsets.iter().map(|&end| end as usize).collect();
        Self { bytes, ends, valid: offsets.array_windows().map(|[start, end]| start < end).collect() }
    }

    /// Ends a row whose bytes were appended.
    pub(super) fn end_row(&mut self, valid: bool) {
        self.ends.push(self.bytes.len());
        self.valid.push(valid);
    }

    /// Appends a text, NULL where it is empty.
    pub(super) fn push_or_null(&mut self, text: &[u8]) {
        self.bytes.extend_from_slice(text);
        self.end_row(!text.is_empty());
    }

    fn push_cigar(&mut self, operations: &[u8]) {
        for operation in Cigar::from_bytes(operations).operations() {
            put_decimal(u64::from(operation.length), &mut self.bytes);
            self.bytes.push(operation.kind.letter() as u8);
        }
        self.end_row(!operations.is_empty());
    }

    fn get(&self, row: usize) -> &[u8] {
        match (self.ends.get(row), self.ends.get(row + 1)) {
            (Some(&start), Some(&end)) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Ends the array; bytes that are not UTF-8 are shown as U+FFFD.
    pub(super) fn finish(
        self,
        reader: &AlignmentBlockReader,
        column: Column,
    ) -> Result<StringArray, LayoutError> {
        let nulls = nulls(self.valid.iter().copied());
        if str::from_utf8(&self.bytes).is_err() {
            let text = |row| String::from_utf8_lossy(self.get(row));
            let texts = self.valid.iter().enumerate().map(|(row, valid)| valid.then(|| text(row)));
            return Ok(texts.collect());
        }
        let ends: Result<Vec<i32>, _> = self.ends.iter().map(|&end| i32::try_from(end)).collect();
        let ends = ends.map_err(|_| reader.corrupt(column, "its texts are longer than 2 GiB"))?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        StringArray::try_new(offsets, Buffer::from_vec(self.bytes), nulls)
            .map_err(|error| reader.corrupt(column, error))
    }

    pub(super) fn finish_shared(
        self,
        reader: &AlignmentBlockReader,
        column: Column,
    ) -> Result<Arc<dyn Array>, LayoutError> {
        Ok(Arc::new(self.finish(reader, column)?))
    }
}
