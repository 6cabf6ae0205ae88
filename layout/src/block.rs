//! Column blocks: some thousand alignment records of one contig, each column a page of its own.
//!
//! [`AlignmentBlockBuilder`] makes a block of records; [`AlignmentBlockReader`] reads the columns that are
//! named from the pieces that [`BlockEntry::pieces`] asks for.

mod build;
mod column;
mod decode;
mod decode_tags;
mod directory;
mod entry;
mod float_text;
pub(crate) mod pieces;
mod reader;
mod records;
mod rows;
mod tags;

pub use build::{AlignmentBlockBuilder, BlockConfig, EncodedBlock};
pub use column::{Column, ColumnGroup, TagColumn};
pub(crate) use decode_tags::tag_column;
pub use directory::{PageDirectory, PageLocation, Piece};
pub use entry::{BlockEntry, Field};
pub use pieces::{PIECE_BYTES_MAX, cut};
pub use reader::AlignmentBlockReader;
pub use rows::RowRanges;
pub(crate) use tags::put_tag_column;

#[cfg(test)]
mod tests;
