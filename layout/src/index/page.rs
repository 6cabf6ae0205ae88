//! An index page: the block entries of one contig of a source, column by column.

use std::collections::HashMap;

use genomdb_genome::{ContigId, RegionSet};

use super::overlaps;
use crate::{
    LayoutError,
    block::{BlockEntry, Column, ColumnGroup, PageDirectory, put_tag_column, tag_column},
    cursor::{Cursor, put_varint},
    envelope,
    key::contig_number,
    page::integers::{self, Order},
};

/// The most block entries of a page.
pub const PAGE_BLOCKS_MAX: usize = 512;
/// A directory has no more pages than this.
const DIRECTORY_PAGES_MAX: usize = 1_024;
const WHAT: &str = "index page";

/// The block entries of one contig of a source, ascending by start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexPage {
    contig: Option<ContigId>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    /// The largest end up to and with each entry.
    end_maxima: Vec<i64>,
    records: Vec<u32>,
    numbers: Vec<u32>,
    mapq_minima: Vec<u8>,
    mapq_maxima: Vec<u8>,
    flag_ands: Vec<u16>,
    flag_ors: Vec<u16>,
    directories: Vec<PageDirectory>,
}

/// Collects block entries of one contig into a page.
#[derive(Clone, Debug, Default)]
pub struct IndexPageBuilder {
    entries: Vec<BlockEntry>,
}

impl IndexPageBuilder {
    /// Tells whether an entry may join: it is of the same contig, and there is room.
    pub fn accepts(&self, entry: &BlockEntry) -> bool {
        match self.entries.first() {
            None => true,
            Some(first) => first.contig == entry.contig && self.entries.len() < PAGE_BLOCKS_MAX,
        }
    }

    /// Tells whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Appends the entry of the next block.
    ///
    /// # Panics
    ///
    /// If [`Self::accepts`] says no, or the block starts before the last one.
    pub fn push(&mut self, entry: BlockEntry) {
        assert!(self.accepts(&entry), "IX-2: the blocks of an index page are of one contig and fit it");
        assert!(
            self.entries.last().is_none_or(|last| last.start <= entry.start),
            "IX-2: blocks ascend by start"
        );
        self.entries.push(entry);
    }

    /// Ends the page and is ready for the next one.
    pub fn finish(&mut self) -> IndexPage {
        let entries = std::mem::take(&mut self.entries);
        let mut page = IndexPage {
            contig: entries.first().and_then(|entry| entry.contig),
            starts: entries.iter().map(|entry| entry.start).collect(),
            ends: entries.iter().map(|entry| entry.end).collect(),
            end_maxima: Vec::new(),
            records: entries.iter().map(|entry| entry.records).collect(),
            numbers: entries.iter().map(|entry| entry.number).collect(),
            mapq_minima: entries.iter().map(|entry| entry.mapq_min).collect(),
            mapq_maxima: entries.iter().map(|entry| entry.mapq_max).collect(),
            flag_ands: entries.iter().map(|entry| entry.flag_and).collect(),
            flag_ors: entries.iter().map(|entry| entry.flag_or).collect(),
            directories: entries.into_iter().map(|entry| entry.directory).collect(),
        };
        page.end_maxima = running_maxima(&page.ends);
        page
    }
}

fn running_maxima(ends: &[i64]) -> Vec<i64> {
    let mut max = i64::MIN;
    ends.iter()
        .map(|&end| {
            max = max.max(end);
            max
        })
        .collect()
}

/// Returns the entries of a page whose blocks may hold a record overlapping `regions`, ascending.
///
/// May return a block without one; never misses one (IX-1). A record without a position overlaps no region;
/// the unplaced records belong to the set that says so.
pub fn overlap(page: &IndexPage, regions: &RegionSet) -> Vec<usize> {
    let Some(contig) = page.contig else {
        return if regions.unplaced { (0..page.len()).collect() } else { Vec::new() };
    };
    let mut found = Vec::new();
    let mut next = 0;
    for interval in regions.intervals(contig) {
        // Up to here every block ends at or before the interval, since no largest end lies beyond its start.
        let first = page
            .end_maxima
            .partition_point(|&end| i64::try_from(interval.start()).is_ok_and(|start| end <= start));
        let spans = page.starts.iter().zip(&page.ends).enumerate().skip(first.max(next));
        for (index, (&start, &end)) in spans {
            if u64::try_from(start).is_ok_and(|start| start >= interval.end()) {
                break;
            }
            if overlaps(start, end, interval) {
                found.push(index);
                next = index + 1;
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

impl IndexPage {
    /// Returns the contig of every block; `None` for the records without one.
    pub fn contig(&self) -> Option<ContigId> {
        self.contig
    }

    /// Returns the number of blocks.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Tells whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns an entry; `None` beyond the last.
    pub fn entry(&self, index: usize) -> Option<BlockEntry> {
        Some(BlockEntry { directory: self.directories.get(index)?.clone(), ..self.summary(index)? })
    }

    /// Returns an entry without its directory: what zone maps need; `None` beyond the last.
    pub fn summary(&self, index: usize) -> Option<BlockEntry> {
        Some(BlockEntry {
            contig: self.contig,
            start: *self.starts.get(index)?,
            end: *self.ends.get(index)?,
            records: *self.records.get(index)?,
            number: *self.numbers.get(index)?,
            mapq_min: *self.mapq_minima.get(index)?,
            mapq_max: *self.mapq_maxima.get(index)?,
            flag_and: *self.flag_ands.get(index)?,
            flag_or: *self.flag_ors.get(index)?,
            directory: PageDirectory::default(),
        })
    }

    /// Iterates over the entries.
    pub fn entries(&self) -> impl Iterator<Item = BlockEntry> + '_ {
        (0..self.len()).filter_map(|index| self.entry(index))
    }

    /// Returns where the pages of each block lie, in the order of the entries.
    pub fn directories(&self) -> &[PageDirectory] {
        &self.directories
    }

    /// Returns the stored bytes; [`crate::block::cut`] makes values of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, u64::from(contig_number(self.contig)));
        put_varint(&mut out, self.len() as u64);
        let spans = self.starts.iter().zip(&self.ends).map(|(start, end)| end.wrapping_sub(*start)).collect();
        put_column(&mut out, self.starts.clone(), Order::Delta);
        put_column(&mut out, spans, Order::None);
        put_column(&mut out, self.records.iter().map(|&value| value.into()).collect(), Order::None);
        put_column(&mut out, self.numbers.iter().map(|&value| value.into()).collect(), Order::Delta);
        put_column(&mut out, self.mapq_minima.iter().map(|&value| value.into()).collect(), Order::None);
        put_column(&mut out, self.mapq_maxima.iter().map(|&value| value.into()).collect(), Order::None);
        put_column(&mut out, self.flag_ands.iter().map(|&value| value.into()).collect(), Order::None);
        put_column(&mut out, self.flag_ors.iter().map(|&value| value.into()).collect(), Order::None);
        put_directories(&mut out, &self.directories);
        envelope::seal(&out)
    }

    /// Reads a page back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open(WHAT, bytes)?;
        let mut cursor = Cursor::new(WHAT, &payload);
        let contig: u32 = cursor.number(u32::MAX)?;
        let count = cursor.number(PAGE_BLOCKS_MAX)?;
        let starts: Vec<i64> = integers::decode(&mut cursor, count)?;
        let spans: Vec<i64> = integers::decode(&mut cursor, count)?;
        let ends: Vec<i64> = starts.iter().zip(spans).map(|(start, span)| start.wrapping_add(span)).collect();
        let page = Self {
            contig: (contig != u32::MAX).then_some(ContigId(contig)),
            end_maxima: running_maxima(&ends),
            starts,
            ends,
            records: integers::decode(&mut cursor, count)?,
            numbers: integers::decode(&mut cursor, count)?,
            mapq_minima: integers::decode(&mut cursor, count)?,
            mapq_maxima: integers::decode(&mut cursor, count)?,
            flag_ands: integers::decode(&mut cursor, count)?,
            flag_ors: integers::decode(&mut cursor, count)?,
            directories: read_directories(&mut cursor, count)?,
        };
        if !page.starts.is_sorted() || page.records.contains(&0) {
            return Err(cursor.corrupt("its blocks are not in order"));
        }
        cursor.finish()?;
        Ok(page)
    }
}

fn put_column(out: &mut Vec<u8>, values: Vec<i64>, order: Order) {
    integers::encode(&values, order, out);
}

/// The columns of a block, each with its group.
type Shape = Vec<(Column, ColumnGroup)>;

/// Writes directories: most blocks have the same columns, so that their lengths are what differs.
fn put_directories(out: &mut Vec<u8>, directories: &[PageDirectory]) {
    let mut shapes: Vec<(Shape, Vec<&PageDirectory>)> = Vec::new();
    let mut known: HashMap<Shape, usize> = HashMap::new();
    let mut numbers = Vec::with_capacity(directories.len());
    for directory in directories {
        let shape: Vec<_> = directory.pages().iter().map(|page| (page.column, page.group)).collect();
        let number = *known.entry(shape).or_insert_with_key(|shape| {
            shapes.push((shape.clone(), Vec::new()));
            shapes.len() - 1
        });
        numbers.push(number as i64);
        shapes.get_mut(number).into_iter().for_each(|(_, members)| members.push(directory));
    }
    put_varint(out, shapes.len() as u64);
    for (shape, _) in &shapes {
        put_varint(out, shape.len() as u64);
        for (column, group) in shape {
            put_page_column(out, *column);
            put_varint(out, u64::from(group.0));
        }
    }
    integers::encode(&numbers, Order::None, out);
    for (shape, members) in &shapes {
        for position in 0..shape.len() {
            let lengths = members.iter().filter_map(|directory| directory.pages().get(position));
            put_column(out, lengths.map(|page| i64::from(page.length)).collect(), Order::None);
        }
    }
}

fn read_directories(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<PageDirectory>, LayoutError> {
    let shape_count = cursor.number(count)?;
    let mut shapes = Vec::with_capacity(shape_count);
    for _ in 0..shape_count {
        let pages = cursor.number(DIRECTORY_PAGES_MAX)?;
        let shape: Shape = (0..pages)
            .map(|_| Ok((page_column(cursor)?, ColumnGroup(cursor.number(u16::MAX)?))))
            .collect::<Result<_, LayoutError>>()?;
        if !shape.is_sorted_by_key(|(_, group)| *group) {
            return Err(cursor.corrupt("the groups of a block are not in order"));
        }
        shapes.push(shape);
    }
    let numbers: Vec<u32> = integers::decode(cursor, count)?;
    let mut directories = vec![PageDirectory::default(); count];
    for (number, shape) in (0_u32..).zip(&shapes) {
        let members = numbers.iter().filter(|&&found| found == number).count();
        for (column, group) in shape {
            let lengths: Vec<u32> = integers::decode(cursor, members)?;
            let members = directories.iter_mut().zip(&numbers).filter(|(_, found)| **found == number);
            for ((directory, _), length) in members.zip(lengths) {
                directory.push(*column, *group, length);
            }
        }
    }
    if numbers.iter().any(|&number| number as usize >= shapes.len()) {
        return Err(cursor.corrupt("a block names no directory"));
    }
    Ok(directories)
}

/// Writes a column: its place among the fixed ones, or 255 and the tag.
fn put_page_column(out: &mut Vec<u8>, column: Column) {
    match column {
        Column::Tag(tag) => {
            out.push(u8::MAX);
            put_tag_column(out, tag);
        }
        fixed => out.push(fixed.code()),
    }
}

fn page_column(cursor: &mut Cursor<'_>) -> Result<Column, LayoutError> {
    match cursor.u8()? {
        u8::MAX => tag_column(cursor).map(Column::Tag),
        code => Column::from_code(code).ok_or_else(|| cursor.corrupt("a column is unknown")),
    }
}
