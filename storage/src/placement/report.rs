//! What nodes say about themselves and about the ranges that they lead.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::range::{NodeId, RangeDescriptor, RangeId};

/// What a node says of itself, each second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// Who.
    pub node: NodeId,
    /// Which data folder: it grows when the node begins with an empty one (say, the time when the
    /// folder was made), and stays through restarts.
    pub incarnation: u64,
    /// Grows with each report, also through restarts of the process (say, milliseconds since 1970, or
    /// one more than the last if the clock stood still). A report that comes late is refused.
    pub sequence: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// Where it stands, such as `zone=a`.
    pub labels: BTreeMap<String, String>,
    /// Size of its disk.
    pub capacity_bytes: u64,
    /// What is free of it; 0 while the node refuses writes for want of space.
    pub free_bytes: u64,
    /// Every replica that it holds.
    pub replicas: BTreeMap<RangeId, ReplicaReport>,
    /// The ranges that it leads.
    pub led: Vec<RangeReport>,
}

/// One replica on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Index of the entry of the newest membership that the replica knows; of an empty one, that
    /// under which it was made.
    pub configuration: u64,
    /// Newest term in which it has voted or was told of a leader.
    pub term: u64,
    /// Whether it has the data.
    pub phase: ReplicaPhase,
}

/// Whether a replica has data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaPhase {
    /// Made by an order, and nothing received yet, or a snapshot is on its way.
    Empty,
    /// It has data and takes part.
    Live,
}

/// What the leader of a range says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReport {
    /// What the range holds, as its leader has applied it.
    pub descriptor: RangeDescriptor,
    /// Voters by the newest **committed** membership; if it is joint, those of its newer half.
    pub voters: BTreeSet<NodeId>,
    /// If that membership is joint, the voters of its older half; otherwise empty.
    pub outgoing: BTreeSet<NodeId>,
    /// Nodes that receive the log and do not vote.
    pub learners: BTreeSet<NodeId>,
    /// Index of the entry of that membership.
    pub configuration: u64,
    /// Whether a newer membership is in the log and not committed.
    pub changing: bool,
    /// Term of the leader.
    pub term: u64,
    /// Whether an entry of this term is committed: then no entry of an older term that the leader has not
    /// will ever be.
    pub established: bool,
    /// Index of the last entry of the leader's log.
    pub last_index: u64,
    /// Keys and values that the range holds, about.
    pub bytes: u64,
    /// Writes each second, over some seconds.
    pub writes_per_second: u64,
    /// Reads each second, over some seconds.
    pub reads_per_second: u64,
    /// How far the others are; voters and learners, without the leader itself.
    pub followers: BTreeMap<NodeId, Follower>,
}

impl RangeReport {
    /// Whether the range is between two sets of voters.
    pub fn is_joint(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Whether the membership has a place for `node`.
    pub fn names(&self, node: NodeId) -> bool {
        self.voters.contains(&node) || self.outgoing.contains(&node) || self.learners.contains(&node)
    }

    /// The leader's term, if nobody but whom the membership names can have anything of this term or an
    /// older one that still counts; 0 while that is open.
    pub const fn settled_term(&self) -> u64 {
        if self.established && !self.changing { self.term } else { 0 }
    }

    /// Whether `node` was heard lately and is up to date, as far as the leader `leader` knows.
    pub(crate) fn is_current(
        &self,
        leader: NodeId,
        node: NodeId,
        lag_max: u64,
        silent_max: Duration,
    ) -> bool {
        node == leader
            || self.followers.get(&node).is_some_and(|follower| {
                // Whatever a replica acknowledged must reach the membership that it is judged by: an
                // older one could still be told to drop itself.
                follower.silent <= silent_max
                    && follower.matched >= self.configuration
                    && follower.matched.saturating_add(lag_max) >= self.last_index
            })
    }
}

/// How far a follower or learner is, as the leader knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follower {
    /// The last entry that it is known to have.
    pub matched: u64,
    /// Time since its last answer.
    pub silent: Duration,
}
