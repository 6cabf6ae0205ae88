//! From what the filters ask and what the index says to the blocks that are read and the keys that are got.

use std::{collections::BTreeSet, sync::Arc};

use genomdb_genome::{ContigId, Interval, RegionSet, alignment::tag::TagKey};
use genomdb_layout::{
    block::{BlockEntry, Field, Piece},
    index::{IndexLine, IndexPage, IndexRoot, overlap},
    key::{Key, SourceId, TableId},
};

use crate::{Pruning, ZoneMap, reach::Reach};

/// The fields that a scan reads of each record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub BTreeSet<Field>);

/// A block that is read.
#[derive(Clone, Debug)]
pub struct BlockGet {
    /// Its source, as a place in the table's list.
    pub source: usize,
    /// The index page that names it.
    pub page: Arc<IndexPage>,
    /// Its place in that page.
    pub index: usize,
    /// Its contig.
    pub contig: Option<ContigId>,
    /// Its smallest start.
    pub start: i64,
    /// Its largest end.
    pub end: i64,
    /// How many records it holds.
    pub records: u32,
}

/// What a list of gets costs, for EXPLAIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetCounts {
    /// Index pages that were read, of those that there are.
    pub index_pages: usize,
    /// Index pages that there are.
    pub index_pages_known: usize,
    /// Blocks that are read.
    pub blocks: usize,
    /// Blocks that there are.
    pub blocks_known: u64,
    /// Records in the blocks that are read.
    pub records: u64,
    /// Values that are got.
    pub gets: usize,
    /// Bytes of these values.
    pub bytes: u64,
}

impl Fields {
    /// Adds what a column of an `alignments` table is made of; the tags are added apart.
    pub fn add_column(&mut self, name: &str) {
        match name {
            "qname" => self.add(Field::Qname),
            "flag" => self.add(Field::Flag),
            "start" | "pos" => self.add(Field::Start),
            "end" => self.add(Field::End),
            "mapq" => self.add(Field::Mapq),
            "cigar" => self.add(Field::Cigar),
            "mate_chrom" => self.add(Field::MateContig),
            "mate_start" | "mate_pos" => self.add(Field::MateStart),
            "tlen" => self.add(Field::Tlen),
            "seq" => self.add(Field::Seq),
            "qual" => self.add(Field::Qual),
            "read_group" | "sample" => self.add_tag(TagKey(*b"RG")),
            // `chrom` and `source` are the same for a whole block: the index knows them.
            _ => {}
        }
    }

    /// Adds a tag.
    pub fn add_tag(&mut self, key: TagKey) {
        self.add(Field::Tag(key));
    }

    fn add(&mut self, field: Field) {
        self.0.insert(field);
    }
}

impl Pruning {
    /// Narrows to rows that also overlap `regions`.
    pub fn narrowed(&self, regions: RegionSet) -> Self {
        let mine = self.regions.clone().map_or(Reach::Everything, Reach::Regions);
        let regions = match mine.and(Reach::Regions(regions)) {
            Reach::Regions(set) => Some(set),
            _ => None,
        };
        Self { regions, zone: self.zone.clone() }
    }

    /// Returns the lines of a root whose pages may name a block that must be read.
    pub fn lines<'a>(&'a self, root: &'a IndexRoot) -> impl Iterator<Item = &'a IndexLine> + 'a {
        root.lines.iter().filter(|line| {
            let map = ZoneMap {
                flag_and: line.flag_and,
                flag_or: line.flag_or,
                mapq_min: line.mapq_min,
                mapq_max: line.mapq_max,
            };
            let reached = self
                .regions
                .as_ref()
                .is_none_or(|regions| is_whole(regions, line.contig) || line.overlaps(regions));
            reached && self.zone.may_hold(map)
        })
    }

    /// Returns the blocks of an index page that must be read, in order of their starts.
    pub fn blocks(&self, page: &Arc<IndexPage>, source: usize) -> Vec<BlockGet> {
        let reached: Vec<usize> = match &self.regions {
            Some(regions) if !is_whole(regions, page.contig()) => overlap(page, regions),
            _ => (0..page.len()).collect(),
        };
        let block = |index: usize| {
            let entry = page.summary(index)?;
            let map = ZoneMap {
                flag_and: entry.flag_and,
                flag_or: entry.flag_or,
                mapq_min: entry.mapq_min,
                mapq_max: entry.mapq_max,
            };
            self.zone.may_hold(map).then(|| BlockGet {
                source,
                page: Arc::clone(page),
                index,
                contig: entry.contig,
                start: entry.start,
                end: entry.end,
                records: entry.records,
            })
        };
        reached.into_iter().filter_map(block).collect()
    }
}

/// Whether a contig is wanted whole: then so are its records without a position, which overlap nothing.
fn is_whole(regions: &RegionSet, contig: Option<ContigId>) -> bool {
    contig.is_some_and(|contig| regions.intervals(contig) == [Interval::ALL])
}

impl BlockGet {
    /// Returns what the index knows of the block; `None` never for a block that a page named.
    pub fn entry(&self) -> Option<BlockEntry> {
        self.page.entry(self.index)
    }

    /// Sorts by place: contig, start, then source; records without a contig come last.
    pub fn order(&self) -> (bool, Option<ContigId>, i64, usize, usize) {
        (self.contig.is_none(), self.contig, self.start, self.source, self.index)
    }
}

/// Returns the values that reading fields of a block takes: pieces, and their keys.
pub fn gets(entry: &BlockEntry, table: TableId, source: SourceId, fields: &Fields) -> Vec<(Piece, Vec<u8>)> {
    let pieces = entry.pieces(fields.0.iter().copied());
    pieces.into_iter().map(|piece| (piece, Key::Block(entry.key(table, source, piece)).to_bytes())).collect()
}

/// Counts the values, and their bytes, that reading fields of blocks takes.
pub fn count_gets<'a>(blocks: impl IntoIterator<Item = &'a BlockGet>, fields: &Fields) -> (usize, u64) {
    let mut counts = (0, 0);
    for entry in blocks.into_iter().filter_map(BlockGet::entry) {
        for piece in entry.pieces(fields.0.iter().copied()) {
            counts.0 += 1;
            counts.1 += entry.directory.piece_bytes(piece) as u64;
        }
    }
    counts
}
