//! The greeting: what both sides of a connection say of themselves before anything else.
//!
//! It travels as metadata of the stream. A side that does not like what it hears refuses in words; an
//! unknown cluster (0) fits every cluster, as long as a node that joins has not learned which it is.

use tonic::Status;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::{Identity, Lane};
use crate::range::NodeId;

/// Version of the protocol between nodes; raised with every change of greeting or frames.
const PROTOCOL: u64 = 1;

const PROTOCOL_KEY: &str = "genomdb-protocol";
const CLUSTER_KEY: &str = "genomdb-cluster";
const NODE_KEY: &str = "genomdb-node";
const LANE_KEY: &str = "genomdb-lane";

/// What a side says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    cluster: u64,
    node: NodeId,
    lane: Lane,
}

impl Greeting {
    /// What we say on a connection of a lane.
    pub(super) fn ours(identity: &Identity, lane: Lane) -> Self {
        Self { cluster: identity.cluster(), node: identity.node(), lane }
    }

    /// Which lane it opens.
    pub(super) fn lane(self) -> Lane {
        self.lane
    }

    /// Puts it where the other side looks for it.
    pub(super) fn write(self, metadata: &mut MetadataMap) {
        for (key, value) in [
            (PROTOCOL_KEY, PROTOCOL),
            (CLUSTER_KEY, self.cluster),
            (NODE_KEY, self.node.0),
            (LANE_KEY, u64::from(self.lane as u8)),
        ] {
            metadata.insert(key, MetadataValue::from(value));
        }
    }

    /// Reads what the other side said; the error says what is wrong with it.
    pub(super) fn read(metadata: &MetadataMap) -> Result<Self, String> {
        let protocol = number(metadata, PROTOCOL_KEY)?;
        if protocol != PROTOCOL {
            return Err(format!("protocol {protocol} is spoken there, {PROTOCOL} here"));
        }
        let lane = match number(metadata, LANE_KEY)? {
            0 => Lane::Raft,
            1 => Lane::Snapshot,
            2 => Lane::Client,
            other => return Err(format!("lane {other} is not known")),
        };
        Ok(Self { cluster: number(metadata, CLUSTER_KEY)?, node: NodeId(number(metadata, NODE_KEY)?), lane })
    }

    /// Whether we talk to who said this.
    pub(super) fn check(self, identity: &Identity) -> Result<(), String> {
        let ours = identity.cluster();
        if self.cluster != ours && self.cluster != 0 && ours != 0 {
            return Err(format!("node {} is of cluster {:016x}, not {ours:016x}", self.node, self.cluster));
        }
        Ok(())
    }

    /// Whether it is the node that was called.
    pub(super) fn check_node(self, expected: Option<NodeId>) -> Result<(), String> {
        match expected {
            Some(expected) if expected != self.node => {
                Err(format!("node {} is there, not node {expected}", self.node))
            }
            _ => Ok(()),
        }
    }
}

/// How a refusal travels.
pub(super) fn refusal(reason: String) -> Status {
    Status::failed_precondition(reason)
}

fn number(metadata: &MetadataMap, key: &str) -> Result<u64, String> {
    metadata
        .get(key)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| format!("the greeting has no number `{key}`"))
}
