//! What the index knows of a block: its place, its zone maps, and where its pages lie.

use genomdb_genome::{ContigId, alignment::tag::TagKey};

use super::{Column, ColumnGroup, PageDirectory, Piece};
use crate::key::{BlockKey, SourceId, TableId, contig_number, start_number};

/// What the index knows of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockEntry {
    /// The contig of every record; `None` for records without one.
    pub contig: Option<ContigId>,
    /// The smallest 0-based start; -1 where a record has no position.
    pub start: i64,
    /// The largest exclusive end.
    pub end: i64,
    /// How many records the block holds; never 0.
    pub records: u32,
    /// The number of the block in its source, from 0, in genomic order.
    pub number: u32,
    /// The smallest MAPQ as stored (255 is "not available").
    pub mapq_min: u8,
    /// The largest MAPQ as stored (255 is "not available").
    pub mapq_max: u8,
    /// The flags that every record has.
    pub flag_and: u16,
    /// The flags that some record has.
    pub flag_or: u16,
    /// Where each page lies.
    pub directory: PageDirectory,
}

/// A field that a reader wants; it may take several pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// QNAME.
    Qname,
    /// FLAG.
    Flag,
    /// The 0-based start.
    Start,
    /// The exclusive end.
    End,
    /// MAPQ.
    Mapq,
    /// CIGAR.
    Cigar,
    /// RNEXT.
    MateContig,
    /// PNEXT.
    MateStart,
    /// TLEN.
    Tlen,
    /// SEQ.
    Seq,
    /// QUAL.
    Qual,
    /// The tag of a key; `RG` for the read group and the sample.
    Tag(TagKey),
    /// The number of the record in its file.
    Ordinal,
}

impl BlockEntry {
    /// Returns the pieces that reading `fields` takes, ascending and each once.
    pub fn pieces(&self, fields: impl IntoIterator<Item = Field>) -> Vec<Piece> {
        let mut columns = Vec::new();
        fields.into_iter().for_each(|field| self.add_columns(field, &mut columns));
        self.directory.pieces(columns)
    }

    fn add_columns(&self, field: Field, columns: &mut Vec<Column>) {
        let needs: &[Column] = match field {
            Field::Qname => &[Column::Qname],
            Field::Flag => &[Column::Flag],
            Field::Start => &[Column::Start],
            Field::End => &[Column::Start, Column::Span],
            Field::Mapq => &[Column::Mapq],
            Field::Cigar => &[Column::Cigar],
            Field::MateContig => &[Column::MateContig],
            Field::MateStart => &[Column::Start, Column::MateContig, Column::MateStart],
            Field::Tlen => &[Column::Start, Column::MateContig, Column::MateStart, Column::Tlen],
            Field::Seq => &[Column::Start, Column::BaseCount, Column::Cigar, Column::Seq],
            Field::Qual => &[Column::BaseCount, Column::Qual],
            Field::Ordinal => &[Column::Ordinal],
            Field::Tag(key) => {
                columns.extend(self.directory.tag_columns(key).map(Column::Tag));
                &[Column::TagLists, Column::RawTags]
            }
        };
        columns.extend_from_slice(needs);
    }

    /// Returns the key of a piece of this block.
    pub fn key(&self, table: TableId, source: SourceId, piece: Piece) -> BlockKey {
        BlockKey {
            table,
            contig: contig_number(self.contig),
            start: start_number(self.start),
            source,
            block: self.number,
            group: piece.group,
            piece: piece.number,
        }
    }

    /// Returns the key of the block's first piece; [`BlockKey::prefix`] of it names the whole block.
    pub fn first_key(&self, table: TableId, source: SourceId) -> BlockKey {
        self.key(table, source, Piece { group: ColumnGroup::CORE, number: 0 })
    }
}
