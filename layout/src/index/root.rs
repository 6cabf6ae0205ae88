//! The root of a source's index: one line for each index page, and what counting needs.

use genomdb_genome::{ContigId, RegionSet};

use super::{IndexPage, overlaps};
use crate::{
    LayoutError,
    block::pieces,
    cursor::{Cursor, put_signed, put_varint},
    envelope,
    key::{IndexPageKey, Key, SourceId, TableId, contig_number, start_number},
};

const WHAT: &str = "index root";

/// One line for each index page of a source, in genomic order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexRoot {
    /// The lines.
    pub lines: Vec<IndexLine>,
}

/// What the root knows of an index page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexLine {
    /// The contig of every block; `None` for the records without one.
    pub contig: Option<ContigId>,
    /// The smallest start; -1 where a record has no position.
    pub start: i64,
    /// The largest end.
    pub end: i64,
    /// The number of the page in its source, from 0.
    pub page: u32,
    /// The bytes of the page.
    pub page_bytes: u32,
    /// The number of blocks.
    pub blocks: u32,
    /// The number of records.
    pub records: u64,
    /// The bytes of the blocks' pages.
    pub bytes: u64,
    /// The smallest MAPQ as stored.
    pub mapq_min: u8,
    /// The largest MAPQ as stored.
    pub mapq_max: u8,
    /// The flags that every record has.
    pub flag_and: u16,
    /// The flags that some record has.
    pub flag_or: u16,
}

impl IndexLine {
    /// Describes an index page, which is the source's page number `page` and has `page_bytes` bytes.
    pub fn new(index: &IndexPage, page: u32, page_bytes: usize) -> Self {
        let entries = || (0..index.len()).filter_map(|number| index.summary(number));
        Self {
            contig: index.contig(),
            start: entries().map(|entry| entry.start).min().unwrap_or(-1),
            end: entries().map(|entry| entry.end).max().unwrap_or(0),
            page,
            page_bytes: u32::try_from(page_bytes).unwrap_or(u32::MAX),
            blocks: index.len() as u32,
            records: entries().map(|entry| u64::from(entry.records)).sum(),
            bytes: index.directories().iter().map(|directory| directory.total_bytes()).sum(),
            mapq_min: entries().map(|entry| entry.mapq_min).min().unwrap_or(0),
            mapq_max: entries().map(|entry| entry.mapq_max).max().unwrap_or(0),
            flag_and: entries().fold(u16::MAX, |all, entry| all & entry.flag_and),
            flag_or: entries().fold(0, |any, entry| any | entry.flag_or),
        }
    }

    /// Returns the keys of the page's pieces, ascending; their values joined are the page's bytes.
    pub fn keys(&self, table: TableId, source: SourceId) -> Vec<Key> {
        let key = |piece| {
            Key::IndexPage(IndexPageKey {
                table,
                contig: contig_number(self.contig),
                start: start_number(self.start),
                source,
                page: self.page,
                piece,
            })
        };
        // A damaged length may ask for more pieces than a key can number; their values are then missing.
        (0..=u16::MAX).zip(pieces::ranges(self.page_bytes as usize)).map(|(piece, _)| key(piece)).collect()
    }

    /// Tells whether a block of the page may hold a record overlapping `regions`.
    pub fn overlaps(&self, regions: &RegionSet) -> bool {
        let Some(contig) = self.contig else {
            return regions.unplaced;
        };
        let intervals = regions.intervals(contig);
        let first = intervals
            .partition_point(|interval| i64::try_from(interval.end()).is_ok_and(|end| end <= self.start));
        intervals.iter().skip(first).take(1).any(|interval| overlaps(self.start, self.end, interval))
    }
}

impl IndexRoot {
    /// Returns the lines whose pages may name a block with a record overlapping `regions` (IX-1).
    pub fn overlap<'a>(&'a self, regions: &'a RegionSet) -> impl Iterator<Item = &'a IndexLine> + 'a {
        self.lines.iter().filter(|line| line.overlaps(regions))
    }

    /// Returns the number of records.
    pub fn records(&self) -> u64 {
        self.lines.iter().map(|line| line.records).sum()
    }

    /// Returns the number of records of a contig, or of those without one.
    pub fn records_of(&self, contig: Option<ContigId>) -> u64 {
        self.lines.iter().filter(|line| line.contig == contig).map(|line| line.records).sum()
    }

    /// Returns the number of blocks.
    pub fn blocks(&self) -> u64 {
        self.lines.iter().map(|line| u64::from(line.blocks)).sum()
    }

    /// Returns the bytes of the blocks' pages.
    pub fn bytes(&self) -> u64 {
        self.lines.iter().map(|line| line.bytes).sum()
    }

    /// Returns the stored bytes; [`crate::block::cut`] makes values of them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.lines.len() as u64);
        for line in &self.lines {
            put_varint(&mut out, u64::from(contig_number(line.contig)));
            put_signed(&mut out, line.start);
            put_signed(&mut out, line.end);
            for number in [line.page, line.page_bytes, line.blocks] {
                put_varint(&mut out, number.into());
            }
            put_varint(&mut out, line.records);
            put_varint(&mut out, line.bytes);
            out.extend_from_slice(&[line.mapq_min, line.mapq_max]);
            put_varint(&mut out, line.flag_and.into());
            put_varint(&mut out, line.flag_or.into());
        }
        envelope::seal(&out)
    }

    /// Reads a root back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open(WHAT, bytes)?;
        let mut cursor = Cursor::new(WHAT, &payload);
        let count = cursor.count(12)?;
        let lines = (0..count).map(|_| read_line(&mut cursor)).collect::<Result<_, _>>()?;
        cursor.finish()?;
        Ok(Self { lines })
    }
}

fn read_line(cursor: &mut Cursor<'_>) -> Result<IndexLine, LayoutError> {
    let contig: u32 = cursor.number(u32::MAX)?;
    Ok(IndexLine {
        contig: (contig != u32::MAX).then_some(ContigId(contig)),
        start: cursor.signed()?,
        end: cursor.signed()?,
        page: cursor.number(u32::MAX)?,
        page_bytes: cursor.number(u32::MAX)?,
        blocks: cursor.number(u32::MAX)?,
        // Sums over the lines must not overflow.
        records: cursor.number(1 << 48)?,
        bytes: cursor.number(1 << 48)?,
        mapq_min: cursor.u8()?,
        mapq_max: cursor.u8()?,
        flag_and: cursor.number(u16::MAX)?,
        flag_or: cursor.number(u16::MAX)?,
    })
}
