//! The columns of a block of alignments, and the groups in which their pages lie together.

use std::fmt;

use genomdb_genome::alignment::tag::{TagKey, TagType};

/// A column of a block of alignments: one page, separately readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// FLAG.
    Flag,
    /// POS - 1.
    Start,
    /// End minus start.
    Span,
    /// MAPQ.
    Mapq,
    /// The number of the record in its file.
    Ordinal,
    /// CIGAR.
    Cigar,
    /// The number of bases.
    BaseCount,
    /// RNEXT.
    MateContig,
    /// PNEXT - 1, from the start.
    MateStart,
    /// TLEN.
    Tlen,
    /// QNAME.
    Qname,
    /// SEQ.
    Seq,
    /// QUAL.
    Qual,
    /// Which list of tags each record has.
    TagLists,
    /// The tags of records whose lists are not in the dictionary, as BAM's bytes.
    RawTags,
    /// The values of one tag.
    Tag(TagColumn),
}

/// The values of one tag: its key, its exact type, and which of the tags of that key in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagColumn {
    /// The key.
    pub key: TagKey,
    /// The exact type.
    pub kind: TagType,
    /// 0 for the first tag of this key and type in a record, 1 for the second, …
    pub occurrence: u8,
}

impl Column {
    /// Every column but the tags, in the order in which a block stores them.
    pub(crate) const FIXED: [Self; 15] = [
        Self::Flag,
        Self::Start,
        Self::Span,
        Self::Mapq,
        Self::Ordinal,
        Self::BaseCount,
        Self::Cigar,
        Self::MateContig,
        Self::MateStart,
        Self::Tlen,
        Self::Qname,
        Self::Seq,
        Self::Qual,
        Self::TagLists,
        Self::RawTags,
    ];

    /// Returns the stored number of a column other than a tag.
    pub(crate) fn code(self) -> u8 {
        Self::FIXED.iter().position(|column| *column == self).map_or(u8::MAX, |code| code as u8)
    }

    /// Returns the column of a stored number.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::FIXED.get(usize::from(code)).copied()
    }

    /// Returns the group in which the page of a column other than a tag lies.
    pub(crate) const fn group(self) -> ColumnGroup {
        match self {
            Self::Flag | Self::Start | Self::Span | Self::Mapq | Self::Ordinal | Self::BaseCount => {
                ColumnGroup::CORE
            }
            Self::Cigar => ColumnGroup::CIGAR,
            Self::MateContig | Self::MateStart | Self::Tlen => ColumnGroup::MATE,
            Self::Qname => ColumnGroup::QNAME,
            Self::Seq => ColumnGroup::SEQ,
            Self::Qual => ColumnGroup::QUAL,
            Self::TagLists | Self::RawTags | Self::Tag(_) => ColumnGroup::TAGS,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "flag",
            Self::Start => "start",
            Self::Span => "end",
            Self::Mapq => "mapq",
            Self::Ordinal => "ordinal",
            Self::Cigar => "cigar",
            Self::BaseCount => "base count",
            Self::MateContig => "mate contig",
            Self::MateStart => "mate start",
            Self::Tlen => "tlen",
            Self::Qname => "qname",
            Self::Seq => "seq",
            Self::Qual => "qual",
            Self::TagLists => "tag lists",
            Self::RawTags => "raw tags",
            Self::Tag(tag) => return tag.fmt(f),
        })
    }
}

impl fmt::Display for TagColumn {
    /// Writes `NM:C`, `ML:B:C`, and `CR:Z#1` for the second `CR` of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)?;
        match self.kind {
            TagType::Single(kind) => write!(f, ":{}", char::from(kind))?,
            TagType::Array(element) => write!(f, ":B:{}", char::from(element))?,
        }
        if self.occurrence == 0 { Ok(()) } else { write!(f, "#{}", self.occurrence) }
    }
}

/// Pages that are read together: their bytes lie one after the other, cut into the same values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnGroup(pub u16);

impl ColumnGroup {
    /// Flag, start, end, mapq, ordinal, base count.
    pub const CORE: Self = Self(0);
    /// CIGAR.
    pub const CIGAR: Self = Self(1);
    /// Mate contig and start, TLEN.
    pub const MATE: Self = Self(2);
    /// QNAME.
    pub const QNAME: Self = Self(3);
    /// SEQ.
    pub const SEQ: Self = Self(4);
    /// QUAL.
    pub const QUAL: Self = Self(5);
    /// The tag lists and every tag with a small page.
    pub const TAGS: Self = Self(6);
    /// The first of the groups that hold one big tag each.
    pub(crate) const FIRST_TAG: u16 = 7;
}

impl fmt::Display for ColumnGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["core", "cigar", "mate", "qname", "seq", "qual", "tags"];
        match names.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "tag {}", self.0 - Self::FIRST_TAG),
        }
    }
}
