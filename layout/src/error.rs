//! What can be wrong with stored bytes, and with what a load brings.

use crate::block::{Column, ColumnGroup};

/// Stored bytes are not what this crate wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A value of a stored structure is damaged.
    #[error("{what} is corrupt at byte {offset}: {reason}")]
    Corrupt {
        /// Which structure: an index page, the catalog, …
        what: &'static str,
        /// Where, from the structure's first byte.
        offset: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A page of a column block is damaged.
    #[error("block {block}: the page of column {column} is corrupt: {reason}")]
    CorruptPage {
        /// The number of the block in its source.
        block: u32,
        /// The page's column.
        column: Column,
        /// What is wrong.
        reason: String,
    },
    /// A column of a chunk of a table of rows is damaged.
    #[error("column `{column}` is corrupt: {reason}")]
    CorruptColumn {
        /// The column's name.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// A table of rows cannot have a column.
    #[error("column `{column}` cannot be stored: {reason}")]
    UnusableColumn {
        /// The column's name.
        column: String,
        /// Why.
        reason: &'static str,
    },
    /// A piece of a block, which the reader needs, was not given to it.
    #[error("block {block}: piece {piece} of column group {group} is missing")]
    MissingPiece {
        /// The number of the block in its source.
        block: u32,
        /// The column group.
        group: ColumnGroup,
        /// The number of the piece in its group.
        piece: u16,
    },
    /// A record does not fit a block.
    #[error("the record has {bytes} bytes, more than the {max} of a block")]
    RecordTooLarge {
        /// The bytes of its fields.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A key is of no known form.
    #[error("key {0:02x?} is of no known form")]
    CorruptKey(Vec<u8>),
    /// A later version of the program wrote the bytes.
    #[error("{what} has format version {found}; this program reads up to {}", crate::FORMAT_VERSION)]
    UnknownVersion {
        /// Which structure.
        what: &'static str,
        /// The version that it names.
        found: u16,
    },
}
