//! How a table lies in keys and values; no I/O, no async: bytes in, bytes out.
//!
//! - [`key`]: bytes whose order is genomic order.
//! - [`block`]: a few thousand records of one source and one contig, each column a page of its own.
//! - [`index`]: which blocks may hold a record that overlaps a region, and where their pages lie.
//! - [`rows`]: the chunks of tables of plain rows, whose columns are of any Arrow type.
//! - [`catalog`]: datasets, tables and sources.
//!
//! `docs/on-disk-format.md` describes the bytes; [`FORMAT_VERSION`] guards them. Bytes that are read are
//! hostile: each decoder checks each length and answers with a [`LayoutError`] that says what is damaged.

pub mod block;
pub mod catalog;
mod cursor;
mod envelope;
mod error;
#[cfg(test)]
mod fixtures;
pub mod index;
pub mod key;
mod page;
mod request;
pub mod rows;
mod version;

pub use error::LayoutError;
pub use request::{RequestEntry, RequestState};
pub use version::FORMAT_VERSION;
