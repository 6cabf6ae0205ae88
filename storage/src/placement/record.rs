//! What the registry remembers of nodes and ranges.

use std::collections::{BTreeMap, BTreeSet};

use crate::range::{NodeId, RangeDescriptor};

/// Number of a cluster: random, the same for all of its nodes and for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub u128);

/// A node that joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its number.
    pub id: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// Where it stands, such as `zone=a`.
    pub labels: BTreeMap<String, String>,
    /// What it is used for.
    pub state: NodeState,
    /// Which data folder it has; see [`NodeReport::incarnation`](super::NodeReport::incarnation).
    pub incarnation: u64,
}

/// What a node is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It holds replicas.
    Active,
    /// Its replicas are moved away; it gets no new ones.
    Draining,
    /// It is not part of the cluster any more, and its number is never used again.
    Removed,
}

/// A range, as its leader last reported it; a hint for routing, as its Raft group is the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeRecord {
    /// What it holds. The keys end before those of a newer range that overlaps them.
    pub descriptor: RangeDescriptor,
    /// Who votes, by both halves of a joint membership.
    pub voters: BTreeSet<NodeId>,
    /// Who receives the log.
    pub learners: BTreeSet<NodeId>,
    /// Index of the entry of that membership.
    pub configuration: u64,
    /// Term of the leader.
    pub term: u64,
    /// Who led it.
    pub leader: Option<NodeId>,
}
