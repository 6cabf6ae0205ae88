//! The columns of an `alignments` table (SAM v1 § 1.4, § 1.5).
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `qname` | Utf8 | QNAME; NULL for `*` |
//! | `flag` | UInt16 | FLAG |
//! | `chrom` | Dictionary(Int32, Utf8) | RNAME; NULL for `*` |
//! | `start`, `end` | Int64 | 0-based, half-open; NULL without a position |
//! | `pos` | Int64 | POS, 1-based; NULL without a position |
//! | `mapq` | UInt8 | MAPQ; NULL for 255 |
//! | `cigar` | Utf8 | CIGAR; NULL for `*` |
//! | `mate_chrom` | Dictionary(Int32, Utf8) | RNEXT, `=` resolved; NULL for `*` |
//! | `mate_start`, `mate_pos` | Int64 | PNEXT, 0-based and 1-based; NULL for 0 |
//! | `tlen` | Int64 | TLEN |
//! | `seq` | Utf8 | SEQ; NULL for `*` |
//! | `qual` | Utf8 | QUAL as SAM writes it (Phred + 33); NULL for `*` |
//! | `tags` | Struct | one nullable field for each tag that a load saw, in order of their keys |
//! | `read_group` | Dictionary(Int32, Utf8) | the `RG` tag |
//! | `sample` | Dictionary(Int32, Utf8) | `SM` of the read group; the source's only sample without one |
//! | `source` | Dictionary(Int32, Utf8) | the name of the loaded file |

use std::sync::Arc;

use arrow_schema::{DataType, Field, Fields, Schema};

use crate::alignment::tag::{TagKey, TagType};

/// The type of a column of few distinct texts.
pub fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Returns the schema of a table whose loads saw `tags`.
///
/// `tags` holds a key with each exact type that some record gave it.
pub fn schema(tags: &[(TagKey, Vec<TagType>)]) -> Schema {
    let mut fields: Vec<TagField> = tags.iter().map(|(key, kinds)| TagField::new(*key, kinds)).collect();
    fields.sort_by_key(|field| field.key);
    let tags = Fields::from_iter(
        fields.iter().map(|field| Field::new(field.key.to_string(), field.data_type(), true)),
    );
    let field = |name, data_type, nullable| Arc::new(Field::new(name, data_type, nullable));
    Schema::new(vec![
        field("qname", DataType::Utf8, true),
        field("flag", DataType::UInt16, false),
        field("chrom", dictionary(), true),
        field("start", DataType::Int64, true),
        field("end", DataType::Int64, true),
        field("pos", DataType::Int64, true),
        field("mapq", DataType::UInt8, true),
        field("cigar", DataType::Utf8, true),
        field("mate_chrom", dictionary(), true),
        field("mate_start", DataType::Int64, true),
        field("mate_pos", DataType::Int64, true),
        field("tlen", DataType::Int64, false),
        field("seq", DataType::Utf8, true),
        field("qual", DataType::Utf8, true),
        field("tags", DataType::Struct(tags), true),
        field("read_group", dictionary(), true),
        field("sample", dictionary(), true),
        field("source", dictionary(), false),
    ])
}

/// A tag as a query sees it: one Arrow type that holds every exact type that the loads saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagField {
    /// The tag's key, and the column's name.
    pub key: TagKey,
    /// How its values are shown.
    pub shape: TagShape,
}

/// How the values of a tag are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagShape {
    /// Every integer type of SAM fits an `Int64`.
    Integer,
    /// `f`.
    Float,
    /// `A`, `Z` and `H`; also a tag whose types do not agree: each value as SAM writes it.
    Text,
    /// `B` of integers.
    Integers,
    /// `B:f`.
    Floats,
}

impl TagField {
    /// Chooses the shape that holds all of `kinds`.
    pub fn new(key: TagKey, kinds: &[TagType]) -> Self {
        let shape = |kind: &TagType| match kind {
            TagType::Single(b'f') => TagShape::Float,
            TagType::Single(b'A' | b'Z' | b'H') => TagShape::Text,
            TagType::Single(_) => TagShape::Integer,
            TagType::Array(b'f') => TagShape::Floats,
            TagType::Array(_) => TagShape::Integers,
        };
        let mut shapes = kinds.iter().map(shape);
        let first = shapes.next().unwrap_or(TagShape::Text);
        let shape = if shapes.all(|other| other == first) { first } else { TagShape::Text };
        Self { key, shape }
    }

    /// Returns the Arrow type.
    pub fn data_type(self) -> DataType {
        let list = |item| DataType::List(Arc::new(Field::new("item", item, false)));
        match self.shape {
            TagShape::Integer => DataType::Int64,
            TagShape::Float => DataType::Float32,
            TagShape::Text => DataType::Utf8,
            TagShape::Integers => list(DataType::Int64),
            TagShape::Floats => list(DataType::Float32),
        }
    }
}
