//! The log of a node: what every acknowledged write of every group lies in before anything else
//! holds it.
//!
//! One log for all groups, cut into segments. One worker appends; one fsync serves all that waited.
//! What lies where, and the newest entries themselves, are in memory: appended entries can be read
//! at once, and are answered for when they are durable.
//!
//! ```text
//! GroupLog::append → memory (readable) and inbox → Worker: one write, one fsync → `done`
//! ```
//! - Each segment begins with the hard state of every group, so that only entries pin old segments;
//!   the oldest segments go when no group has a live entry in them.
//! - Each segment says where the records of the one before it end. What lies behind that was never
//!   acknowledged; everything before it was, so what does not match its checksum there is damage.
//! - In the last segment a tail that a crash cut off is told from damage by what stands behind it: a
//!   record that was written when the damaged bytes were already durable.
//! - Opening writes nothing and never continues an old segment.

mod handle;
mod hard_state;
mod memory;
mod open;
mod read;
mod record;
mod segment;
#[cfg(test)]
mod tests;
mod worker;
mod writer;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;

pub(crate) use self::{
    handle::{GroupLog, Log},
    worker::Worker,
};
use crate::{disk::Disk, error::StorageError, log_id::LogId, range::NodeId};

/// An entry of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) id: LogId,
    /// What kind of payload it is; the log only keeps it.
    pub(crate) tag: u8,
    /// The payload; the log only keeps it.
    pub(crate) payload: Bytes,
}

/// Whom a node voted for, in the latest term that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vote {
    /// The term.
    pub(crate) term: u64,
    /// The candidate.
    pub(crate) node: NodeId,
    /// Whether the candidate is known to lead.
    pub(crate) committed: bool,
}

/// What the log knows of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogState {
    /// Entries up to this one are gone; `None` if none is.
    pub(crate) purged: Option<LogId>,
    /// The last entry, or what was purged if there is none.
    pub(crate) last: Option<LogId>,
    /// The last vote.
    pub(crate) vote: Option<Vote>,
    /// The last entry known to be committed; it may lag behind.
    pub(crate) committed: Option<LogId>,
}

/// What the log needs to know.
#[derive(Clone, Debug)]
pub(crate) struct LogOptions {
    /// Folder of the segments; it exists.
    pub(crate) folder: PathBuf,
    /// Where it lies.
    pub(crate) disk: Arc<dyn Disk>,
    /// Size at which a segment is full.
    pub(crate) segment_bytes: u64,
    /// Finished segments kept for use again; their blocks are already allocated.
    pub(crate) spare_segments_max: usize,
    /// Bytes that one fsync makes durable at most (one append may be larger).
    pub(crate) batch_bytes_max: u64,
    /// Bytes of the newest entries kept in memory. Those not yet durable are always kept.
    pub(crate) cache_bytes_max: u64,
    /// The newest segments that [`Log::pinned`] does not complain about.
    pub(crate) segments_kept: u64,
    /// Free space below which no new segment is begun.
    pub(crate) reserve_bytes: u64,
    /// A random number: what an earlier life of a file left in it is none of this one's records.
    pub(crate) salt: u64,
    /// Says that things are durable without asking the disk: for tests that must notice.
    pub(crate) no_fsync: bool,
}

/// What is called when something is durable, or when it is known that it will not be; by the worker,
/// in order for each group. It must neither block nor wait.
pub(crate) type Done = Box<dyn FnOnce(Result<(), StorageError>) + Send>;
