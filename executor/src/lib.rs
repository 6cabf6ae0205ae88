//! From plans to streams of record batches: scans, the interval join, the session in which queries run.

mod dataset;
mod error;
mod executor;
mod explain;
mod genome_order;
mod index_cache;
mod interval_join;
mod scan;
mod session;
mod snapshot;
mod table;
mod yielding;

pub use error::{ExecutorError, HexKey};
pub use executor::{Executor, ExplainRequest, Prepared, Running};
pub use genome_order::GenomeOrderRule;
pub use interval_join::{IntervalJoinExec, IntervalJoinRule};
pub use scan::AlignmentScanExec;
pub use session::{Config, GenomdbOptions};
