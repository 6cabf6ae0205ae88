//! How the cluster stands, as data for people and their tools.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{ClusterId, NodeState};
use crate::range::{NodeId, RangeDescriptor, RangeId};

/// How the cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Voters that each range shall have.
    pub replicas: usize,
    /// Every node that was not removed, by number.
    pub nodes: Vec<NodeStatus>,
    /// Every range, by space and first key.
    pub ranges: Vec<RangeStatus>,
    /// What is being done.
    pub operators: Vec<OperatorStatus>,
    /// Ranges with fewer healthy voters than they shall have.
    pub under_replicated: usize,
    /// Ranges without a leader that reports, or without a quorum of healthy voters.
    pub unavailable: usize,
    /// Nodes that do not report now.
    pub down: Vec<NodeId>,
}

/// How a node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its number.
    pub id: NodeId,
    /// Where it is.
    pub address: String,
    /// Where it stands.
    pub labels: BTreeMap<String, String>,
    /// What it is used for.
    pub state: NodeState,
    /// Whether it reported lately.
    pub live: bool,
    /// Time since its last report, or since this driver began.
    pub silent: Duration,
    /// Size of its disk, if it reported.
    pub capacity_bytes: u64,
    /// What is free of it.
    pub free_bytes: u64,
    /// Replicas that memberships name here, or that the node still has.
    pub replicas: usize,
    /// Ranges led from here.
    pub leaders: usize,
}

/// How a range stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeStatus {
    /// What it holds.
    pub descriptor: RangeDescriptor,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who receives the log.
    pub learners: BTreeSet<NodeId>,
    /// Who leads it, or last did.
    pub leader: Option<NodeId>,
    /// Voters that are heard and up to date.
    pub healthy: usize,
    /// Whether it has a leader that reports, and a quorum of healthy voters.
    pub available: bool,
    /// Bytes of keys and values, about.
    pub bytes: u64,
    /// Writes each second.
    pub writes_per_second: u64,
    /// Reads each second.
    pub reads_per_second: u64,
}

/// What is being done to a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorStatus {
    /// The range.
    pub range: RangeId,
    /// Why.
    pub reason: Reason,
    /// What, in words.
    pub what: String,
    /// For how long.
    pub age: Duration,
}

/// Why something is done to a range, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Somebody asked.
    Manual,
    /// A voter is lost, or there are too few or too many.
    Repair,
    /// A node is to be emptied.
    Drain,
    /// Voters stand in the same failure domain.
    Domains,
    /// The range is large, or under load.
    Split,
    /// A node leads more than another.
    Leaders,
    /// A node holds more than another.
    Balance,
    /// A node serves more than another.
    Hot,
}
