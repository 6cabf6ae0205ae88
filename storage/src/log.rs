//! The log of a node: what every acknowledged write of every group lies in before anything else
//! holds it.

use bytes::Bytes;

use crate::{log_id::LogId, range::NodeId};

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
