//! A block as records again, byte for byte, for an export.

use genomdb_genome::{
    ContigId,
    alignment::{
        Cigar, Record, Records,
        tag::{TagType, value_width},
    },
};

use super::{
    AlignmentBlockReader, Column, RowRanges,
    decode::{mate_contig, span_of},
    decode_tags::{TagValue, TagValues},
};
use crate::{
    LayoutError,
    page::{names::Names, texts::StringRows},
};

impl AlignmentBlockReader {
    /// Appends the records of `rows` to `records` in row order, and their numbers in the file to `ordinals`.
    ///
    /// It takes every piece of the block. Contigs are numbers of the table's dictionary.
    ///
    /// # Errors
    ///
    /// If a piece is missing or damaged.
    pub fn read_records(
        &self,
        rows: &RowRanges,
        records: &mut Records,
        ordinals: &mut Vec<u64>,
    ) -> Result<(), LayoutError> {
        let columns = Columns::read(self)?;
        let (quality_offsets, scores) = self.quality_scores(rows)?;
        let base_offsets = self.base_offsets()?;
        self.with_bases(&columns.cigars, |packed| {
            let mut tags = TagBytes::read(self)?;
            let (mut letters, mut bases) = (Vec::new(), Vec::new());
            let (mut name, mut tag_bytes) = (Vec::new(), Vec::new());
            let mut wanted = rows.iter().peekable();
            for row in 0..self.rows() {
                let is_wanted = wanted.next_if_eq(&row).is_some();
                tag_bytes.clear();
                tags.next_row(self, row, is_wanted.then_some(&mut tag_bytes))?;
                if !is_wanted {
                    continue;
                }
                let (base_start, base_end) = span_of(base_offsets, row);
                bases.clear();
                name.clear();
                columns.names.put(row, &mut name);
                packed.codes(row, &mut letters, &mut bases);
                let (score_start, score_end) = span_of(&quality_offsets, row);
                let record = Record {
                    name: &name,
                    base_count: (base_end - base_start) as u32,
                    bases: &bases,
                    quality_scores: scores.get(score_start as usize, score_end as usize),
                    tags: &tag_bytes,
                    ..columns.record(row)
                };
                records.push(&record);
                ordinals.push(columns.ordinals.get(row).map_or(0, |ordinal| ordinal.cast_unsigned()));
            }
            Ok(())
        })
    }
}

/// The columns of a block that are fixed fields or plain byte strings.
struct Columns<'a> {
    contig: Option<ContigId>,
    flags: Vec<u16>,
    starts: &'a [i64],
    mapqs: Vec<u8>,
    mate_contigs: &'a [i64],
    mate_starts: &'a [i64],
    tlens: Vec<i64>,
    ordinals: Vec<i64>,
    names: Names,
    cigars: StringRows,
}

impl<'a> Columns<'a> {
    fn read(reader: &'a AlignmentBlockReader) -> Result<Self, LayoutError> {
        Ok(Self {
            contig: reader.entry.contig,
            flags: reader.integers(Column::Flag)?,
            starts: reader.starts()?,
            mapqs: reader.integers(Column::Mapq)?,
            mate_contigs: reader.mate_contigs()?,
            mate_starts: reader.mate_starts()?,
            tlens: reader.tlens()?,
            ordinals: reader.integers(Column::Ordinal)?,
            names: reader.names()?,
            cigars: reader.cigars()?,
        })
    }

    /// The record of a row, without name, bases, scores and tags.
    ///
    /// Each column has a value for each row: the pages were checked for it.
    fn record(&self, row: usize) -> Record<'_> {
        fn at<T: Copy + Default>(values: &[T], row: usize) -> T {
            values.get(row).copied().unwrap_or_default()
        }
        let own = self.contig.map(|contig| contig.0);
        Record {
            flag: at(&self.flags, row),
            contig: self.contig,
            start: at(self.starts, row),
            mapping_quality: at(&self.mapqs, row),
            mate_contig: mate_contig(at(self.mate_contigs, row), own).map(ContigId),
            mate_start: at(self.mate_starts, row),
            template_length: at(&self.tlens, row),
            name: &[],
            cigar: Cigar::from_bytes(self.cigars.get(row)),
            base_count: 0,
            bases: &[],
            quality_scores: &[],
            tags: &[],
        }
    }
}

/// The tags of each row as BAM's bytes, row after row.
struct TagBytes {
    columns: Vec<(TagValues, usize)>,
    raw: Option<StringRows>,
    next_raw: usize,
}

impl TagBytes {
    fn read(reader: &AlignmentBlockReader) -> Result<Self, LayoutError> {
        let lists = reader.tag_lists()?;
        let columns = lists.columns.iter().map(|column| Ok((reader.tag_values(*column)?, 0)));
        Ok(Self {
            columns: columns.collect::<Result<_, LayoutError>>()?,
            raw: reader.raw_tags()?,
            next_raw: 0,
        })
    }

    /// Passes over the values of the next row, appending them to `out` if there is one.
    fn next_row(
        &mut self,
        reader: &AlignmentBlockReader,
        row: usize,
        mut out: Option<&mut Vec<u8>>,
    ) -> Result<(), LayoutError> {
        let lists = reader.tag_lists()?;
        let Some(list) = lists.list(row) else {
            let bytes =
                self.raw.as_ref().filter(|raw| self.next_raw < raw.rows()).map(|raw| raw.get(self.next_raw));
            let bytes = bytes.ok_or_else(|| reader.corrupt(Column::RawTags, "a row has no tags there"))?;
            self.next_raw += 1;
            out.into_iter().for_each(|out| out.extend_from_slice(bytes));
            return Ok(());
        };
        for &number in list {
            let column = lists.columns.get(usize::from(number)).copied();
            let values = self.columns.get_mut(usize::from(number));
            let (Some(column), Some((values, next))) = (column, values) else {
                return Err(reader.corrupt(Column::TagLists, "a list names no tag"));
            };
            let value = values.get(*next);
            let value = value
                .ok_or_else(|| reader.corrupt(Column::Tag(column), "a tag has fewer values than rows"))?;
            *next += 1;
            if let Some(out) = out.as_deref_mut() {
                out.extend_from_slice(&column.key.0);
                put_value(column.kind, value, out);
            }
        }
        Ok(())
    }
}

/// Appends type and value as BAM stores them.
fn put_value(kind: TagType, value: TagValue<'_>, out: &mut Vec<u8>) {
    let put_number = |kind: u8, number: i64, out: &mut Vec<u8>| {
        let width = value_width(kind).unwrap_or(1);
        out.extend(number.to_le_bytes().iter().take(width));
    };
    match (kind, value) {
        (TagType::Single(kind), TagValue::Text(text)) => {
            out.push(kind);
            out.extend_from_slice(text);
            out.push(0);
        }
        (TagType::Single(kind), TagValue::Number(number)) => {
            out.push(kind);
            put_number(kind, number, out);
        }
        (TagType::Array(kind), TagValue::Array(elements)) => {
            out.extend_from_slice(&[b'B', kind]);
            out.extend_from_slice(&(elements.len() as u32).to_le_bytes());
            elements.iter().for_each(|&element| put_number(kind, element, out));
        }
        // `TagValues` are read by the type of their column.
        (TagType::Single(_), TagValue::Array(_))
        | (TagType::Array(_), TagValue::Number(_) | TagValue::Text(_)) => {}
    }
}
