//! Files to sorted column blocks in storage, all or nothing.
//!
//! [`load()`] is the path: open a file, check its contigs, read, sort if need be, encode, write, publish.
//! Nothing is visible before the last write, and that is one change of the catalog; what a load wrote and
//! never published is named by its journal, and [`collect_leftovers`] removes it.
//!
//! [`ingest()`] does the same with record batches, for tables of rows.
//!
//! Everything here blocks: an async caller runs it on a thread that may.

mod batch;
mod cancel;
mod catalog;
mod checksum;
mod collect;
mod columns;
mod config;
mod contigs;
mod cut;
mod drop;
mod encode;
mod error;
mod ingest;
mod input;
mod intake;
mod journal;
mod lease;
mod leftovers;
mod live;
mod load;
mod pipeline;
mod progress;
mod publish;
mod read;
mod request;
mod reserve;
mod sort;
mod stored;
mod target;

pub use cancel::CancelToken;
pub use catalog::{change_catalog, read_catalog};
pub use columns::ColumnMismatch;
pub use config::Config;
pub use contigs::ContigMismatch;
pub use drop::{Garbage, drop_source, drop_table};
pub use error::{LoadError, OtherKind};
pub use ingest::{IngestMode, IngestReport, IngestRequest, ingest};
pub use leftovers::collect_leftovers;
pub use load::load;
pub use progress::{Phase, Progress};
pub use read::{SourceReader, read_source};
pub use request::{LoadReport, LoadRequest};
