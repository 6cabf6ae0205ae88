//! A cluster as data for programs: what `genomdb cluster --json` prints and `/v1/cluster` answers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    NodeId, NodeState, NodeStatus, OperatorStatus, RangeId, RangeStatus, Reason, ReplicaChecksum, Space,
    Status, key_text,
};

/// How a cluster stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Cluster {
    /// Which: 16 hexadecimal digits.
    pub cluster: String,
    /// Voters that each range shall have.
    pub replicas: usize,
    /// Ranges with fewer healthy voters than that.
    pub under_replicated: usize,
    /// Ranges that nobody leads, or without a quorum.
    pub unavailable: usize,
    /// Nodes that do not report.
    pub down: Vec<u64>,
    /// Every node that was not removed.
    pub nodes: Vec<Node>,
    /// How many ranges there are.
    pub ranges: usize,
    /// What is being done.
    pub operators: Vec<Operator>,
}

/// How a node stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Node {
    /// Its number.
    pub id: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// Where it stands.
    pub labels: BTreeMap<String, String>,
    /// active, draining or removed.
    pub state: &'static str,
    /// Whether it reported lately.
    pub live: bool,
    /// Time since its last report.
    pub silent_ms: u64,
    /// Size of its disk; 0 if it is not known.
    pub capacity_bytes: u64,
    /// What is free of it.
    pub free_bytes: u64,
    /// Copies of ranges that it has.
    pub replicas: usize,
    /// Ranges that it leads.
    pub leaders: usize,
}

/// What is being done to a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Operator {
    /// Which range.
    pub range: u64,
    /// Why.
    pub reason: &'static str,
    /// What, in words.
    pub what: String,
    /// For how long.
    pub age_ms: u64,
}

/// The ranges of a cluster.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Ranges {
    /// By their keys.
    pub ranges: Vec<Range>,
}

/// How a range stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Range {
    /// Its number.
    pub id: u64,
    /// data, or placement: the cluster's own.
    pub space: &'static str,
    /// Its first key: printable bytes as they are, others as `\\x1F`.
    pub start: String,
    /// The first key behind it; null for none.
    pub end: Option<String>,
    /// How often its keys changed.
    pub version: u64,
    /// Who leads it, or last did.
    pub leader: Option<u64>,
    /// Who votes.
    pub voters: Vec<u64>,
    /// Who receives the log.
    pub learners: Vec<u64>,
    /// Voters that are heard and up to date.
    pub healthy: usize,
    /// Whether it has a leader that reports, and a quorum.
    pub available: bool,
    /// Bytes of keys and values, about.
    pub bytes: u64,
    /// Writes each second.
    pub writes_per_second: u64,
    /// Reads each second.
    pub reads_per_second: u64,
}

/// Copies of ranges, compared.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checks {
    /// Those that were asked for.
    pub ranges: Vec<Check>,
}

/// The copies of a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Check {
    /// Which range.
    pub range: u64,
    /// Whether all answered, and the same.
    pub equal: bool,
    /// Each.
    pub replicas: Vec<Replica>,
}

/// One copy of a range.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Replica {
    /// Who has it.
    pub node: u64,
    /// Hexadecimal, as numbers of 64 bits are not safe in JSON; null if it did not answer.
    pub checksum: Option<String>,
}

impl From<&Status> for Cluster {
    fn from(status: &Status) -> Self {
        Self {
            cluster: format!("{:016x}", status.cluster.0),
            replicas: status.replicas,
            under_replicated: status.under_replicated,
            unavailable: status.unavailable,
            down: numbers(&status.down),
            nodes: status.nodes.iter().map(Node::from).collect(),
            ranges: status.ranges.len(),
            operators: status.operators.iter().map(Operator::from).collect(),
        }
    }
}

impl From<&NodeStatus> for Node {
    fn from(node: &NodeStatus) -> Self {
        Self {
            id: node.id.0,
            address: node.address.clone(),
            labels: node.labels.clone(),
            state: state(node.state),
            live: node.live,
            silent_ms: crate::milliseconds::of(node.silent),
            capacity_bytes: node.capacity_bytes,
            free_bytes: node.free_bytes,
            replicas: node.replicas,
            leaders: node.leaders,
        }
    }
}

impl From<&OperatorStatus> for Operator {
    fn from(operator: &OperatorStatus) -> Self {
        Self {
            range: operator.range.0,
            reason: reason(operator.reason),
            what: operator.what.clone(),
            age_ms: crate::milliseconds::of(operator.age),
        }
    }
}

impl From<&Status> for Ranges {
    fn from(status: &Status) -> Self {
        Self { ranges: status.ranges.iter().map(Range::from).collect() }
    }
}

impl From<&RangeStatus> for Range {
    fn from(range: &RangeStatus) -> Self {
        Self {
            id: range.descriptor.id.0,
            space: space(range.descriptor.space),
            start: key_text::write(&range.descriptor.keys.start),
            end: range.descriptor.keys.end.as_deref().map(key_text::write),
            version: range.descriptor.version,
            leader: range.leader.map(|leader| leader.0),
            voters: numbers(&range.voters),
            learners: numbers(&range.learners),
            healthy: range.healthy,
            available: range.available,
            bytes: range.bytes,
            writes_per_second: range.writes_per_second,
            reads_per_second: range.reads_per_second,
        }
    }
}

impl From<&[(RangeId, Vec<ReplicaChecksum>)]> for Checks {
    fn from(checked: &[(RangeId, Vec<ReplicaChecksum>)]) -> Self {
        Self { ranges: checked.iter().map(Check::from).collect() }
    }
}

impl From<&(RangeId, Vec<ReplicaChecksum>)> for Check {
    fn from((range, replicas): &(RangeId, Vec<ReplicaChecksum>)) -> Self {
        let replica = |replica: &ReplicaChecksum| Replica {
            node: replica.node.0,
            checksum: replica.checksum.map(|sum| format!("{sum:016x}")),
        };
        Self { range: range.0, equal: are_equal(replicas), replicas: replicas.iter().map(replica).collect() }
    }
}

/// Whether all replicas answered, and the same.
pub fn are_equal(replicas: &[ReplicaChecksum]) -> bool {
    let first = replicas.first().and_then(|replica| replica.checksum);
    first.is_some() && replicas.iter().all(|replica| replica.checksum == first)
}

/// Whose keys they are, in a word.
pub const fn space(space: Space) -> &'static str {
    match space {
        Space::User => "data",
        Space::Placement => "placement",
    }
}

/// What a node is used for, in a word.
pub const fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Draining => "draining",
        NodeState::Removed => "removed",
    }
}

/// Why something is done, in a word.
pub const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Manual => "asked for",
        Reason::Repair => "repair",
        Reason::Drain => "drain",
        Reason::Domains => "failure domains",
        Reason::Split => "split",
        Reason::Leaders => "balance of leaders",
        Reason::Balance => "balance",
        Reason::Hot => "load",
    }
}

fn numbers<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<u64> {
    nodes.into_iter().map(|node| node.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_equal_only_if_all_say_the_same() {
        let replicas = |checksums: &[Option<u64>]| -> Vec<ReplicaChecksum> {
            let numbered = (1..).zip(checksums);
            numbered.map(|(node, &checksum)| ReplicaChecksum { node: NodeId(node), checksum }).collect()
        };
        for (checksums, expected) in [
            (&[Some(1), Some(1), Some(1)][..], true),
            (&[Some(1)], true),
            (&[Some(1), Some(2), Some(1)], false),
            (&[Some(1), None], false),
            (&[None, None], false),
            (&[], false),
        ] {
            assert_eq!(are_equal(&replicas(checksums)), expected, "{checksums:?}");
        }
    }
}
