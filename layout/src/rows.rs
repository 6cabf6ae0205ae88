//! Tables of plain rows: columns of any Arrow type, in chunks that keep the order in which they came.
//!
//! [`encode_chunk`] makes a chunk of a record batch: a page for each column, one after the other. Where the
//! pages lie stands in the source's [`ChunkIndex`], so that a reader gets the pieces of the columns that it
//! wants and no others. The columns themselves stand in the catalog; [`check_schema`] tells whether they can.

mod array;
mod chunk;
mod index;
mod schema;
mod types;

pub use chunk::{CHUNK_BYTES_MAX, CHUNK_ROWS_MAX, ChunkReader, EncodedChunk, encode_chunk};
pub use index::{ChunkEntry, ChunkIndex};
pub use schema::check_schema;
pub(crate) use schema::{put_schema, read_schema};

#[cfg(test)]
mod tests;
