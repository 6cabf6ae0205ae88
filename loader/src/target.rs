//! Where one load writes.

use bytes::Bytes;
use genomdb_layout::key::{SourceId, TableId};
use genomdb_storage::Storage;

/// The storage, the numbers of table and source, and what of the source is known before its records.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// What messages call the file.
    pub(crate) file: String,
    pub(crate) storage: Storage,
    pub(crate) table: TableId,
    pub(crate) source: SourceId,
    /// The stored form of the source's `SourceEntry`.
    pub(crate) entry: Bytes,
}
