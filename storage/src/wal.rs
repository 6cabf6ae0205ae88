//! The log: what every acknowledged write lies in before anything else holds it.
//!
//! One log per node, cut into segments. Entries are appended by one thread; one fsync serves all
//! that were waiting. A segment goes when the state store holds all of it durably.
//!
//! Opening never continues an old segment, so a tail cut by a crash is never written over.

mod append;
mod entry;
mod replay;
mod segment;

pub(crate) use append::{AppendError, Appended, Log, LogOptions};
pub(crate) use replay::{ReplayedEntry, replay};
pub(crate) use segment::{list_segments, remove_segments};

/// A place in the log: just behind an entry, or the start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogPosition {
    /// Number of the segment, from 1.
    pub(crate) segment: u64,
    /// Offset in it; 0 for a segment that may not exist yet.
    pub(crate) offset: u64,
}

impl LogPosition {
    /// Where the log of a new folder begins.
    pub(crate) const FIRST: Self = Self { segment: 1, offset: 0 };
}
