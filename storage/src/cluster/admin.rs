//! What an operator can ask of a cluster.

use std::time::Duration;

use super::{Door, door};
use crate::{
    block_on::block_on,
    config::Config,
    error::StorageError,
    kv::Key,
    placement::Status,
    range::{NodeId, RangeId},
    rpc::{self, Answer, Request, decode_status},
    runtime::InRuntime,
};

/// How long the placement driver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A door for operators. All its calls block.
#[derive(Debug)]
pub struct Admin(Door);

/// The state of a replica, as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaChecksum {
    /// The node that has the replica.
    pub node: NodeId,
    /// xxh3 over everything that the range holds, as of the same entry on each replica; `None` if it
    /// did not answer.
    pub checksum: Option<u64>,
}

impl Admin {
    /// A door to the cluster that has a node at one of `addresses` ("host:port").
    pub fn connect(addresses: &[String]) -> Result<Self, StorageError> {
        Ok(Self(door(addresses, &Config::default())?))
    }

    /// The same for a process that has a door already.
    pub(crate) const fn behind(door: Door) -> Self {
        Self(door)
    }

    fn ask(&self, admin: rpc::Admin) -> Result<Answer, StorageError> {
        let (client, runtime) = self.0.client()?;
        block_on(InRuntime::new(runtime, client.ask_placement(Request::Admin(admin), TIMEOUT)))
    }

    fn tell(&self, admin: rpc::Admin) -> Result<(), StorageError> {
        self.ask(admin).map(drop)
    }

    /// How the cluster stands.
    pub fn status(&self) -> Result<Status, StorageError> {
        match self.ask(rpc::Admin::Status)? {
            Answer::Bytes(bytes) => decode_status(bytes).map_err(|reason| StorageError::Refused {
                reason: format!("the cluster's answer is malformed: {reason}").into(),
            }),
            _ => Err(StorageError::other_answer()),
        }
    }

    /// Takes leaders and replicas off a node, or uses it again.
    pub fn drain(&self, node: NodeId, on: bool) -> Result<(), StorageError> {
        self.tell(rpc::Admin::Drain { node, on })
    }

    /// Ends the membership of a node that holds nothing, or, with `force`, of one that is gone.
    pub fn remove(&self, node: NodeId, force: bool) -> Result<(), StorageError> {
        self.tell(rpc::Admin::Remove { node, force })
    }

    /// Cuts a range in two, at a key or in the middle.
    pub fn split(&self, range: RangeId, at: Option<Key>) -> Result<(), StorageError> {
        self.tell(rpc::Admin::Split { range, at })
    }

    /// Lets another voter lead a range.
    pub fn transfer_leader(&self, range: RangeId, to: NodeId) -> Result<(), StorageError> {
        self.tell(rpc::Admin::TransferLeader { range, to })
    }

    /// Compares the replicas of a range: each computes a checksum as of the same entry of its log.
    pub fn check(&self, range: RangeId) -> Result<Vec<ReplicaChecksum>, StorageError> {
        let (client, runtime) = self.0.client()?;
        block_on(InRuntime::new(runtime, client.check(range)))
    }
}
