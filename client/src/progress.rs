//! How far a query is.

use serde::Deserialize;

/// How far a query is, as its server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// `running`, or what came of it.
    pub state: String,
    /// Rows that it has returned.
    pub rows: u64,
    /// Milliseconds since it began.
    pub elapsed_ms: u64,
    /// Bytes that it has read from the store.
    pub bytes_read: u64,
    /// Blocks that it has read.
    pub blocks_read: u64,
    /// Blocks that it need not read.
    pub blocks_pruned: u64,
}
