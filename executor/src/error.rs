//! What can go wrong while a query runs.

use std::fmt;

use datafusion::common::DataFusionError;

/// A query cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The store cannot be read.
    #[error(transparent)]
    Storage(#[from] genomdb_storage::StorageError),
    /// Stored bytes are damaged.
    #[error("key {key}: {source}")]
    Corrupt {
        /// Where they lie.
        key: HexKey,
        /// What is wrong with them.
        source: genomdb_layout::LayoutError,
    },
    /// A value that another stored value names is not there.
    #[error("key {key} is missing, which {named_by} names")]
    Missing {
        /// The key.
        key: HexKey,
        /// What names it.
        named_by: &'static str,
    },
}

/// A key as people can give it to `genomdb kv`: in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HexKey(pub Vec<u8>);

impl fmt::Display for HexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<ExecutorError> for DataFusionError {
    fn from(error: ExecutorError) -> Self {
        Self::External(Box::new(error))
    }
}
