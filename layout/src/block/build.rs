//! Records in, an encoded block out: each field is collected into its column, then each column is encoded.

use bytes::Bytes;
use genomdb_genome::{
    ContigId,
    alignment::{
        Record,
        tag::{TagKey, TagType},
    },
};

use super::{BlockEntry, Column, ColumnGroup, PageDirectory, pieces, tags::Tags};
use crate::{
    LayoutError,
    page::{
        self, Encoding, ROWS_MAX,
        bases::BaseRows,
        integers::{self, Order},
        names, quality_scores,
        texts::{self, Scratch, Strings},
    },
};

/// How large a block grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockConfig {
    /// The most records of a block.
    ///
    /// Default: 8,192. Bounds: 1..=1,048,576.
    pub records_max: usize,
    /// A block ends at the record with which its fields reach so many bytes: long reads need no 8,192.
    ///
    /// Default: 16 MiB. Bounds: 1..=128 MiB.
    pub bytes_max: usize,
}

impl Default for BlockConfig {
    fn default() -> Self {
        Self { records_max: 8_192, bytes_max: 16 << 20 }
    }
}

/// A record with more bytes than this is refused: a block must stay below 1 GiB.
const RECORD_BYTES_MAX: usize = 256 << 20;
/// A tag whose page is longer lies in a group of its own, so that reading another one does not read it.
const OWN_GROUP_FROM: usize = 12 << 10;
/// zstd's level for texts, chosen by measurement: see docs/decisions on encodings.
const ZSTD_LEVEL: i32 = 1;

/// A block as it is stored.
#[derive(Clone, Debug)]
pub struct EncodedBlock {
    /// What the index keeps of it.
    pub entry: BlockEntry,
    /// The pieces of each group, ascending; each is one value.
    pub groups: Vec<(ColumnGroup, Vec<Bytes>)>,
    /// Every tag of its records, with each exact type, ascending.
    pub tags_seen: Vec<(TagKey, TagType)>,
}

impl EncodedBlock {
    /// Returns the bytes of all values.
    pub fn byte_count(&self) -> u64 {
        self.groups.iter().flat_map(|(_, pieces)| pieces).map(|piece| piece.len() as u64).sum()
    }
}

/// Collects records of one contig, in order of their starts, and encodes them as a block.
///
/// Its buffers are reused from block to block; a record costs no allocation.
#[derive(Debug)]
pub struct AlignmentBlockBuilder {
    config: BlockConfig,
    contig: Option<ContigId>,
    end: i64,
    bytes: usize,
    flags: Vec<i64>,
    starts: Vec<i64>,
    spans: Vec<i64>,
    mapqs: Vec<i64>,
    ordinals: Vec<i64>,
    base_counts: Vec<i64>,
    quality_counts: Vec<i64>,
    mate_contigs: Vec<i64>,
    mate_starts: Vec<i64>,
    tlens: Vec<i64>,
    cigars: Strings,
    names: Strings,
    bases: BaseRows,
    quality_scores: Vec<u8>,
    tags: Tags,
    scratch: Scratch,
}

impl AlignmentBlockBuilder {
    /// Creates a builder.
    pub fn new(config: BlockConfig) -> Self {
        let config = BlockConfig {
            records_max: config.records_max.clamp(1, ROWS_MAX),
            bytes_max: config.bytes_max.clamp(1, 128 << 20),
        };
        Self {
            config,
            contig: None,
            end: i64::MIN,
            bytes: 0,
            flags: Vec::new(),
            starts: Vec::new(),
            spans: Vec::new(),
            mapqs: Vec::new(),
            ordinals: Vec::new(),
            base_counts: Vec::new(),
            quality_counts: Vec::new(),
            mate_contigs: Vec::new(),
            mate_starts: Vec::new(),
            tlens: Vec::new(),
            cigars: Strings::default(),
            names: Strings::default(),
            bases: BaseRows::default(),
            quality_scores: Vec::new(),
            tags: Tags::default(),
            scratch: Scratch::default(),
        }
    }

    /// Returns the number of records pushed since the last block.
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Tells whether no record was pushed since the last block.
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// Tells whether the block must be finished before the next record.
    pub fn is_full(&self) -> bool {
        self.len() >= self.config.records_max || self.bytes >= self.config.bytes_max
    }

    /// Tells whether a record may join the block: it is of the same contig, and there is room.
    pub fn accepts(&self, record: &Record<'_>) -> bool {
        self.is_empty() || (record.contig == self.contig && !self.is_full())
    }

    /// Appends a record; `ordinal` is its number in its file.
    ///
    /// Contigs are numbers of the table's dictionary. Where [`Self::accepts`] says no, finish the block first.
    ///
    /// # Errors
    ///
    /// If the record holds more than 256 MiB.
    ///
    /// # Panics
    ///
    /// If the record does not belong to the block, or starts before the last one.
    pub fn push(&mut self, record: &Record<'_>, ordinal: u64) -> Result<(), LayoutError> {
        let fields = [record.name, record.cigar.as_bytes(), record.bases, record.quality_scores, record.tags];
        let bytes = fields.iter().map(|field| field.len()).sum::<usize>();
        if bytes > RECORD_BYTES_MAX {
            return Err(LayoutError::RecordTooLarge { bytes, max: RECORD_BYTES_MAX });
        }
        assert!(self.accepts(record), "BLK-1: the records of a block are of one contig and fit it");
        // BLK-2: rows of a block are ordered by start.
        assert!(self.starts.last().is_none_or(|&last| last <= record.start), "BLK-2");
        self.contig = record.contig;
        self.bytes += bytes + 64;
        let end = record.end();
        self.end = self.end.max(end);
        self.flags.push(i64::from(record.flag));
        self.starts.push(record.start);
        self.spans.push(end.wrapping_sub(record.start));
        self.mapqs.push(i64::from(record.mapping_quality));
        self.ordinals.push(ordinal.cast_signed());
        self.base_counts.push(i64::from(record.base_count));
        self.quality_counts.push(record.quality_scores.len() as i64 - i64::from(record.base_count));
        self.push_mate(record);
        self.cigars.push(record.cigar.as_bytes());
        self.names.push(record.name);
        self.bases.push(record.bases, record.base_count);
        self.quality_scores.extend_from_slice(record.quality_scores);
        self.tags.push(record.tags);
        Ok(())
    }

    /// Stores the mate relative to the record where it lies on the same contig.
    ///
    /// TLEN of a pair is the mate's start minus ours, plus the mate's span or minus ours: what is left is
    /// nearly constant.
    fn push_mate(&mut self, record: &Record<'_>) {
        let same = record.mate_contig.is_some() && record.mate_contig == record.contig;
        self.mate_contigs.push(match record.mate_contig {
            None => 0,
            Some(_) if same => 1,
            Some(ContigId(number)) => i64::from(number) + 2,
        });
        let (start, tlen) = if same {
            let distance = record.mate_start.wrapping_sub(record.start);
            (distance, record.template_length.wrapping_sub(distance))
        } else {
            (record.mate_start, record.template_length)
        };
        self.mate_starts.push(start);
        self.tlens.push(tlen);
    }

    /// Encodes the records as block `number` of their source, and is ready for the next block.
    ///
    /// # Panics
    ///
    /// If no record was pushed.
    pub fn finish(&mut self, number: u32) -> EncodedBlock {
        assert!(!self.is_empty(), "BLK-3: a block holds a record at least");
        let tags_seen = self.tags.take_seen();
        let pages = self.encode_pages();
        let mut directory = PageDirectory::default();
        let mut groups: Vec<(ColumnGroup, Vec<u8>)> = Vec::new();
        for (column, group, page) in pages {
            directory.push(column, group, page.len() as u32);
            match groups.last_mut() {
                Some((last, bytes)) if *last == group => bytes.extend_from_slice(&page),
                _ => groups.push((group, page)),
            }
        }
        let entry = self.entry(number, directory);
        self.clear();
        let groups = groups.into_iter().map(|(group, bytes)| (group, pieces::cut(bytes.into()))).collect();
        EncodedBlock { entry, groups, tags_seen }
    }

    fn entry(&self, number: u32, directory: PageDirectory) -> BlockEntry {
        let flags = || self.flags.iter().map(|&flag| flag as u16);
        BlockEntry {
            contig: self.contig,
            start: self.starts.first().copied().unwrap_or(-1),
            end: self.end,
            records: self.len() as u32,
            number,
            mapq_min: self.mapqs.iter().min().map_or(0, |&mapq| mapq as u8),
            mapq_max: self.mapqs.iter().max().map_or(0, |&mapq| mapq as u8),
            flag_and: flags().fold(u16::MAX, |all, flag| all & flag),
            flag_or: flags().fold(0, |any, flag| any | flag),
            directory,
        }
    }

    /// Encodes every page, in the order in which groups hold them.
    fn encode_pages(&mut self) -> Vec<(Column, ColumnGroup, Vec<u8>)> {
        let mut pages = Vec::with_capacity(40);
        for column in Column::FIXED {
            let mut out = Vec::new();
            if self.encode_column(column, &mut out) {
                pages.push((column, column.group(), out));
            }
        }
        let mut own = ColumnGroup::FIRST_TAG;
        self.tags.finish(&mut self.scratch, ZSTD_LEVEL, |column, page| {
            let large = page.len() >= OWN_GROUP_FROM && matches!(column, Column::Tag(_));
            let group = if large { ColumnGroup(own) } else { ColumnGroup::TAGS };
            own += u16::from(large);
            pages.push((column, group, page));
        });
        pages.sort_by_key(|(_, group, _)| *group);
        pages
    }

    /// Encodes a column other than the tags; false where the block needs no page of it.
    fn encode_column(&mut self, column: Column, out: &mut Vec<u8>) -> bool {
        let rows = self.len();
        let scratch = &mut self.scratch;
        let numbers = |values: &[i64], order, out: &mut Vec<u8>| {
            page::write(out, Encoding::Integers, rows, |out| integers::encode(values, order, out));
        };
        match column {
            Column::Flag => numbers(&self.flags, Order::None, out),
            Column::Start => numbers(&self.starts, Order::Delta, out),
            Column::Span => numbers(&self.spans, Order::None, out),
            Column::Mapq => numbers(&self.mapqs, Order::None, out),
            Column::Ordinal => numbers(&self.ordinals, Order::Delta, out),
            Column::BaseCount => numbers(&self.base_counts, Order::None, out),
            Column::MateContig => numbers(&self.mate_contigs, Order::None, out),
            Column::MateStart => numbers(&self.mate_starts, Order::None, out),
            Column::Tlen => numbers(&self.tlens, Order::None, out),
            Column::Cigar => page::write(out, Encoding::Texts, rows, |out| {
                texts::encode(&self.cigars, ZSTD_LEVEL, scratch, out);
            }),
            Column::Qname => page::write(out, Encoding::Names, rows, |out| {
                names::encode(&self.names, ZSTD_LEVEL, scratch, out);
            }),
            Column::Seq => page::write(out, Encoding::Bases, rows, |out| {
                self.bases.encode(&self.starts, &self.base_counts, &self.cigars, out);
            }),
            Column::Qual => page::write(out, Encoding::QualityScores, rows, |out| {
                integers::encode(&self.quality_counts, Order::None, out);
                quality_scores::encode(&self.quality_scores, out);
            }),
            Column::TagLists | Column::RawTags | Column::Tag(_) => return false,
        }
        true
    }

    fn clear(&mut self) {
        let columns = [
            &mut self.flags,
            &mut self.starts,
            &mut self.spans,
            &mut self.mapqs,
            &mut self.ordinals,
            &mut self.base_counts,
            &mut self.quality_counts,
            &mut self.mate_contigs,
            &mut self.mate_starts,
            &mut self.tlens,
        ];
        columns.into_iter().for_each(Vec::clear);
        self.cigars.clear();
        self.names.clear();
        self.bases.clear();
        self.quality_scores.clear();
        (self.bytes, self.end) = (0, i64::MIN);
    }
}
