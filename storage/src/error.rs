//! What can go wrong, in the words of the caller; where it is logged is decided above.

use std::{io, path::PathBuf, sync::Arc};

use crate::range::{NodeId, RangeId};

/// An error of the store.
///
/// Cloneable, since one failed fsync answers every writer that waited for it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// Another process holds the data folder.
    #[error("the data folder `{}` is in use by process {pid} (`{program}`, since {since})", path.display())]
    InUse {
        /// The data folder.
        path: PathBuf,
        /// The process that holds it; 0 if it did not write its number yet.
        pid: u32,
        /// The program that it runs.
        program: String,
        /// When it opened the folder, as seconds since 1970.
        since: String,
    },
    /// The folder was written by a version that this one does not know.
    #[error("`{}` says format version {found}; this program reads version {known}", path.display())]
    UnknownFormat {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What this program writes and reads.
        known: u32,
    },
    /// A field of the configuration is out of bounds.
    #[error("configuration field `{field}` is {value}; it must be within {bounds}")]
    InvalidConfig {
        /// Name of the field.
        field: &'static str,
        /// What it was set to.
        value: u64,
        /// What it may be.
        bounds: &'static str,
    },
    /// A key is empty or too long.
    #[error("a key of {length} bytes; a key has 1 to {max} bytes")]
    KeyLength {
        /// Length of the key.
        length: usize,
        /// Longest key.
        max: usize,
    },
    /// A value is too long.
    #[error("a value of {length} bytes for key {}; at most {max} bytes", key.escape_ascii())]
    ValueLength {
        /// The key that it was meant for.
        key: bytes::Bytes,
        /// Length of the value.
        length: usize,
        /// Longest value.
        max: usize,
    },
    /// A batch is too large.
    #[error(
        "a batch of {bytes} bytes and {operations} operations; at most {bytes_max} bytes and {operations_max} operations"
    )]
    BatchSize {
        /// Size of the batch as it would lie in the log.
        bytes: u64,
        /// Puts, deletes and conditions in it.
        operations: usize,
        /// Largest batch in bytes.
        bytes_max: u64,
        /// Largest batch in operations.
        operations_max: usize,
    },
    /// The disk is full; nothing of the write is or will be visible. Reads go on; writes work again
    /// when there is space.
    #[error("the disk of `{}` is full: {available} bytes are free, {needed} are needed to go on safely", path.display())]
    DiskFull {
        /// The data folder.
        path: PathBuf,
        /// Bytes free.
        available: u64,
        /// Bytes that the write could take, with the reserve.
        needed: u64,
    },
    /// An earlier write or fsync failed, so nothing more is written until the folder is opened again.
    /// Reads go on. Whether this write took effect is known only after opening again.
    #[error("writing has stopped until the folder is opened again, after: {reason}")]
    Poisoned {
        /// The failure that stopped it.
        reason: Arc<str>,
    },
    /// Stored bytes are not what was written.
    #[error("`{}` is corrupt at byte {offset}: {reason}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        reason: Arc<str>,
    },
    /// The operating system refused.
    #[error("cannot {operation} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The state store refused.
    #[error("state store `{}`: {source}", path.display())]
    State {
        /// Its file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Arc<redb::Error>,
    },
    /// This node does not have the range, or not all of it yet.
    #[error("range {range} is not on this node")]
    RangeAbsent {
        /// The range.
        range: RangeId,
    },
    /// A snapshot that would take keys from another range of this node.
    #[error("range {range} overlaps range {other}, which this node has")]
    RangeOverlap {
        /// The range of the snapshot.
        range: RangeId,
        /// The other one.
        other: RangeId,
    },
    /// A part of a snapshot that is not what was sent.
    #[error("the snapshot of range {range} cannot be installed: {reason}")]
    Snapshot {
        /// The range.
        range: RangeId,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The folder was not closed by the older version that wrote it.
    #[error("`{}` was written by an older version and not closed; open and close it with that version first", path.display())]
    NotClosed {
        /// The state file.
        path: PathBuf,
    },
    /// The folder belongs to a node of a cluster of several: alone it cannot decide anything.
    #[error(
        "`{}` is node {node} of a cluster: start it with `genomdb serve`, or connect to the cluster",
        path.display()
    )]
    Member {
        /// The data folder.
        path: PathBuf,
        /// Which node.
        node: NodeId,
    },
    /// The cluster did not answer in time; nothing was done.
    #[error("the cluster does not answer: {reason}")]
    Unavailable {
        /// What was the matter the last time.
        reason: Arc<str>,
    },
    /// The answer to a write was lost: it may have taken effect, or may still.
    #[error("it is not known whether the write took effect: {reason}")]
    Unknown {
        /// What became of the answer.
        reason: Arc<str>,
    },
    /// A node that leads a range has a full disk: it takes no writes until there is space; reads go on.
    #[error(
        "the disk of node {node} is full: {available} bytes are free, {needed} are needed to go on safely"
    )]
    NodeFull {
        /// Which node.
        node: NodeId,
        /// Bytes free.
        available: u64,
        /// Bytes that the write could take, with the reserve.
        needed: u64,
    },
    /// The request can never succeed as it is.
    #[error("refused: {reason}")]
    Refused {
        /// Why.
        reason: Arc<str>,
    },
    /// What is watched changed too much since: the oldest change that is still known is another one.
    #[error(
        "changes of range {range} before entry {oldest} are no longer known: read it, and watch from now on"
    )]
    Compacted {
        /// The range.
        range: RangeId,
        /// The first place from which changes are known.
        oldest: u64,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StorageError {
    /// Wraps an I/O error with what was tried on what.
    pub(crate) fn io(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Io { operation, path: path.into(), source: Arc::new(source) }
    }

    /// Whoever was asked answered a question that nobody asked.
    pub(crate) fn other_answer() -> Self {
        Self::Refused { reason: "an answer to something else".into() }
    }

    /// Whether the disk is full: the same may work when there is space.
    pub(crate) fn is_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. } => is_disk_full(source),
            _ => false,
        }
    }

    /// Whether stored bytes are damaged, so that what they were must come from elsewhere.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } => true,
            Self::State { source, .. } => matches!(**source, redb::Error::Corrupted(_)),
            _ => false,
        }
    }

    /// Names stored bytes that are wrong.
    pub(crate) fn corrupt(path: impl Into<PathBuf>, offset: u64, reason: impl Into<Arc<str>>) -> Self {
        Self::Corrupt { path: path.into(), offset, reason: reason.into() }
    }
}

/// Whether the system said that there is no space left (or a quota is used up).
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
