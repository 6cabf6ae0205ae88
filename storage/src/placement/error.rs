//! Why the driver refuses.

use bytes::Bytes;

use crate::range::{NodeId, RangeId};

/// What the placement driver does not accept; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// A setting is out of its bounds.
    #[error("placement setting `{field}` is out of bounds")]
    Setting {
        /// Which.
        field: &'static str,
    },
    /// A stored key of the registry is not what a driver writes.
    #[error("the registry is corrupt at key `{}`: {reason}", key.escape_ascii())]
    Corrupt {
        /// The key.
        key: Bytes,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The registry lacks a key that it always has.
    #[error("the registry has no key `{key}`")]
    Incomplete {
        /// The key.
        key: &'static str,
    },
    /// The node never joined.
    #[error("node {node} is not a member of this cluster")]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// The node was removed; its number is never used again.
    #[error("node {node} was removed from this cluster")]
    NodeRemoved {
        /// The node.
        node: NodeId,
    },
    /// Another live node has this number.
    #[error("node {node} is alive at {address}")]
    NodeInUse {
        /// The number.
        node: NodeId,
        /// Where its node is.
        address: String,
    },
    /// Another live node has this address.
    #[error("address {address} is that of node {node}, which is alive")]
    AddressInUse {
        /// The node.
        node: NodeId,
        /// The address.
        address: String,
    },
    /// The data folder is older than the one that the node last came with.
    #[error("node {node} comes with a data folder older than its last one")]
    OldIncarnation {
        /// The node.
        node: NodeId,
    },
    /// A report that was sent before the last one received.
    #[error("a report of node {node} came late")]
    LateReport {
        /// The node.
        node: NodeId,
    },
    /// The node still holds replicas.
    #[error("node {node} still holds {replicas} replicas; drain it first")]
    HoldsReplicas {
        /// The node.
        node: NodeId,
        /// How many.
        replicas: usize,
    },
    /// No other node is left to hold the data.
    #[error("node {node} is the only active node")]
    LastNode {
        /// The node.
        node: NodeId,
    },
    /// No such range.
    #[error("range {range} is not known")]
    UnknownRange {
        /// The range.
        range: RangeId,
    },
    /// Something is being done to the range; one thing at a time.
    #[error("range {range} is being changed; try again")]
    RangeBusy {
        /// The range.
        range: RangeId,
    },
    /// Nobody leads the range now, or its leader has not reported.
    #[error("range {range} has no leader now; try again")]
    NoLeader {
        /// The range.
        range: RangeId,
    },
    /// The range of the placement driver never splits.
    #[error("range {range} never splits")]
    NeverSplits {
        /// The range.
        range: RangeId,
    },
    /// The key where to split is not inside the range.
    #[error("key `{}` is not inside range {range}", key.escape_ascii())]
    NotInside {
        /// The range.
        range: RangeId,
        /// The key.
        key: Bytes,
    },
    /// The node is no healthy voter of the range, so it cannot lead it.
    #[error("node {node} is no healthy voter of range {range}")]
    NotAVoter {
        /// The range.
        range: RangeId,
        /// The node.
        node: NodeId,
    },
    /// An address is empty or too long, or labels are too many or too long.
    #[error("the {field} of a node must have {bounds}")]
    NodeField {
        /// Which field.
        field: &'static str,
        /// What it may be.
        bounds: &'static str,
    },
}
