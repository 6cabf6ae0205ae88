//! Answering requests of clients and of other nodes.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use openraft::AsyncRuntime as _;

use super::Node;
use crate::{
    action::{Proposal, Refusal, Response},
    error::StorageError,
    network::{Handler, Lane},
    raft::message::{RaftReply, RaftRequest},
    range::RangeId,
    rpc::{Answer, Failure, Identity, ReadMode, Request, encode_result},
    runtime::Runtime,
};

/// How long a replica waits to have applied what a read must see.
const APPLY_TIMEOUT: Duration = Duration::from_secs(5);

/// A node that answers: what the network calls.
pub(crate) struct NodeHandler(pub(crate) std::sync::Weak<Node>);

impl Handler for NodeHandler {
    fn handle(&self, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        let node = self.0.upgrade();
        Box::pin(async move {
            match (node, lane) {
                (Some(node), Lane::Client) => encode_result(&node.answer_bytes(request).await),
                (Some(node), Lane::Raft | Lane::Snapshot) => node.receive(request).await.encode(),
                (None, Lane::Client) => encode_result(&Err(Failure::Busy("the node is stopping".into()))),
                (None, Lane::Raft | Lane::Snapshot) => {
                    RaftReply::Refused("the node is stopping".into()).encode()
                }
            }
        })
    }
}

impl Node {
    async fn receive(&self, request: Bytes) -> RaftReply {
        match RaftRequest::decode(request) {
            Err(reason) => RaftReply::Refused(format!("a malformed message: {reason}")),
            Ok((range, request)) => match self.group(range) {
                Ok(group) => group.receive(request).await,
                Err(_) => RaftReply::Refused(format!("range {range} is not here")),
            },
        }
    }

    async fn answer_bytes(&self, request: Bytes) -> Result<Answer, Failure> {
        let request = Request::decode(request)
            .map_err(|reason| Failure::Invalid(format!("a malformed request: {reason}")))?;
        self.answer(request).await
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, request: Request) -> Result<Answer, Failure> {
        match request {
            Request::Identify => Ok(Answer::Identity(self.identify())),
            Request::Propose { range, proposal } => {
                let (index, response) = self.propose(range, proposal).await?;
                Ok(Answer::Response { index, response: response.encode() })
            }
            Request::Read { range, version, mode, query } => {
                let group = self.group(range)?;
                group.load.reads.fetch_add(1, Ordering::Relaxed);
                self.wait_for(range, mode).await?;
                self.query(range, version, query).await
            }
            Request::ReadIndex { range } => {
                let group = self.group(range)?;
                Ok(Answer::Index(group.read_index().await?))
            }
            Request::Watch { range, keys, after, wait } => self.watch(range, &keys, after, wait).await,
            Request::Checksum { range, index } => {
                self.group(range)?.wait_applied(index, APPLY_TIMEOUT).await?;
                self.checksum(range, index).await
            }
            Request::Report(_) | Request::Join(_) | Request::Admin(_) => {
                let placement = self.placement.read().clone();
                match placement {
                    Some(placement) => placement.answer(request).await,
                    None => Err(Failure::Invalid("this node is not part of a cluster".into())),
                }
            }
        }
    }

    /// The checksum that this replica computed when it applied `index`.
    async fn checksum(&self, range: RangeId, index: u64) -> Result<Answer, Failure> {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        // It is computed beside everything else, which takes as long as reading the range.
        while waited < self.shared.config.attempt_timeout {
            waited += LOOK_EVERY;
            match self.checksums.lock().get(&range) {
                Some((at, checksum)) if *at == index => return Ok(Answer::Index(*checksum)),
                Some((at, _)) if *at > index => break,
                _ => {}
            }
            Runtime::sleep(LOOK_EVERY).await;
        }
        Err(Failure::Busy(format!("no checksum as of entry {index} of range {range}")))
    }

    /// Who this node is and whom it knows.
    fn identify(&self) -> Identity {
        let placement = self.group(RangeId::PLACEMENT).ok();
        Identity {
            cluster: self.identity.cluster,
            node: self.id(),
            peers: self.transport().peers(),
            placement_leader: placement.as_ref().and_then(|group| group.leader()),
            placement_nodes: placement
                .map_or_else(Vec::new, |group| group.members().voters.into_iter().collect()),
            ranges: self.groups.read().keys().copied().collect(),
        }
    }

    /// Proposes an encoded proposal to a range that this node leads.
    pub(crate) async fn propose(&self, range: RangeId, proposal: Bytes) -> Result<(u64, Response), Failure> {
        let group = self.group(range)?;
        let bytes = proposal.len() as u64;
        group.load.writes.fetch_add(1, Ordering::Relaxed);
        if self.shared.log.full().is_some() {
            // There may be space by now; a later write then finds the log going on.
            self.shared.log.retry();
        }
        if let Some(error) = self.shared.health.stopped(&self.shared.log) {
            return Err(self.failure(error));
        }
        self.shared.health.check_space(bytes, &self.shared.log).map_err(|error| self.failure(error))?;
        let proposal = Proposal::stamp(proposal, self.shared.config.clock.wall());
        let (index, response) = group.propose(proposal).await?;
        match response {
            Response::Refused(Refusal::Version(_) | Refusal::NotInRange { .. }) => {
                Err(self.other_version(range))
            }
            response => Ok((index, response)),
        }
    }

    /// An error of this node's storage, as others are told.
    pub(crate) fn failure(&self, error: StorageError) -> Failure {
        match error {
            StorageError::DiskFull { available, needed, .. } => {
                Failure::DiskFull { node: self.id(), available, needed }
            }
            error => Failure::Broken(format!("node {}: {error}", self.id())),
        }
    }

    /// Returns when a read of this mode may look at the state.
    async fn wait_for(&self, range: RangeId, mode: ReadMode) -> Result<(), Failure> {
        let group = self.group(range)?;
        match mode {
            ReadMode::Linearizable => group.barrier().await,
            // One that was cut off thinks for a while that it still leads.
            ReadMode::Stale(bound) if group.is_leading() && !group.led_within(bound) => group.barrier().await,
            ReadMode::Stale(bound) if group.is_leading() || group.is_fresh(bound) => Ok(()),
            ReadMode::Stale(_) => Err(Failure::TooStale { range }),
            ReadMode::Follower => {
                let leader = group.leader().ok_or(Failure::NotLeader { range, leader: None })?;
                if leader == self.id() {
                    return group.barrier().await;
                }
                let request = Request::ReadIndex { range }.encode();
                let answer = self.transport().call(leader, Lane::Client, request, APPLY_TIMEOUT).await;
                let answer = answer.map_err(|error| Failure::Busy(error.to_string()))?;
                match crate::rpc::decode_result(answer) {
                    Ok(Ok(Answer::Index(index))) => group.wait_applied(index, APPLY_TIMEOUT).await,
                    Ok(Err(failure)) => Err(failure),
                    Ok(Ok(_)) | Err(_) => Err(Failure::Broken("an answer to something else".into())),
                }
            }
        }
    }
}
