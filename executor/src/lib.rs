//! From plans to streams of record batches: scans, the interval join, the session in which queries run.

mod dataset;
mod error;
mod executor;
mod explain;
mod genome_order;
mod index_cache;
mod interval_join;
mod query_options;
mod row_scan;
mod row_table;
mod scan;
mod session;
mod snapshot;
mod system;
mod table;
mod usage;
mod yielding;

pub use error::{ExecutorError, HexKey};
pub use executor::{Executor, ExplainRequest, Planned, Prepared, Running};
pub use genome_order::GenomeOrderRule;
pub use interval_join::{IntervalJoinExec, IntervalJoinRule};
pub use query_options::{ByteCount, Priority, QueryOptions, Timeout};
pub use row_scan::RowScanExec;
pub use scan::AlignmentScanExec;
pub use session::{Config, GenomdbOptions, Setting, settings};
pub use system::{SYSTEM_DATASET, SystemTable};
pub use usage::{Usage, Used};
