//! openraft's network of one group, on the store's transport.

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt as _;
use openraft::{
    EmptyNode, OptionalSend, RaftNetworkFactory,
    errors::{ErrorSource as _, NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    impls::BoxedErrorSource,
    network::{Backoff, RPCOption, v2::RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
        TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};

use super::{
    membership::encode_membership,
    message::{RaftReply, RaftRequest, SnapshotMeta},
    snapshot::SnapshotData,
    types::{RaftSnapshot, RaftVote, TypeConfig, from_raft_log_id},
};
use crate::{
    clock::Clock,
    network::{CallError, Lane, Transport},
    range::{NodeId, RangeId},
};

/// Makes the connections of one group.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) range: RangeId,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The way to one replica.
pub(crate) struct Connection {
    range: RangeId,
    peer: NodeId,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, _: &EmptyNode) -> Connection {
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        Connection { range: self.range, peer: NodeId(target), transport, clock }
    }
}

fn unexpected(reply: &RaftReply) -> RPCError<TypeConfig> {
    let text = match reply {
        RaftReply::Refused(reason) => reason.clone(),
        other => format!("an answer to something else: {other:?}"),
    };
    RPCError::Unreachable(Unreachable::from_string(text))
}

impl Connection {
    async fn call(
        &self,
        lane: Lane,
        request: &RaftRequest,
        timeout: Duration,
    ) -> Result<RaftReply, RPCError<TypeConfig>> {
        let bytes: Bytes = request.encode(self.range);
        let answer = self.transport.call(self.peer, lane, bytes, timeout).await;
        let answer = answer.map_err(|error| match error {
            // Backing off costs less than asking a node that is down again and again.
            CallError::Unreachable { .. } => RPCError::Unreachable(Unreachable::new(&error)),
            error => RPCError::Network(NetworkError::new(&error)),
        })?;
        RaftReply::decode(answer).map_err(|reason| {
            RPCError::Network(NetworkError::from_string(format!("malformed answer: {reason}")))
        })
    }

    /// Sends a snapshot piece by piece, each waiting for the one before: a slow receiver slows the sender.
    async fn send_snapshot(
        &self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        timeout: Duration,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let RaftSnapshot { meta, snapshot } = snapshot;
        let SnapshotData::Outgoing { descriptor, mut reader, transfer } = snapshot else {
            return Err(StreamingError::Closed(ReplicationClosed::new("the snapshot is not for sending")));
        };
        let Some(applied) = meta.last_log_id.as_ref().map(from_raft_log_id) else {
            return Err(StreamingError::Closed(ReplicationClosed::new("a snapshot of nothing")));
        };
        let meta = SnapshotMeta {
            applied,
            membership_id: meta.last_membership.log_id().as_ref().map(from_raft_log_id),
            membership: encode_membership(meta.last_membership.membership()),
        };
        let begin = RaftRequest::SnapshotBegin { transfer, descriptor, meta };
        self.expect_more(self.call(Lane::Snapshot, &begin, timeout).await?)?;
        let mut number = 0;
        loop {
            let (chunk, rest) = reader.next_chunk().await.map_err(|error| {
                let error = std::io::Error::other(error);
                StreamingError::StorageError(openraft::StorageError::read_snapshot(
                    None,
                    BoxedErrorSource::from_error(&error),
                ))
            })?;
            reader = rest;
            let Some(chunk) = chunk else { break };
            let request = RaftRequest::SnapshotChunk { transfer, number, chunk };
            self.expect_more(self.call(Lane::Snapshot, &request, timeout).await?)?;
            number += 1;
        }
        let end = RaftRequest::SnapshotEnd { vote, transfer, chunks: number };
        match self.call(Lane::Snapshot, &end, timeout).await? {
            RaftReply::Snapshot(response) => Ok(response),
            other => Err(unexpected(&other).into()),
        }
    }

    fn expect_more(&self, reply: RaftReply) -> Result<(), StreamingError<TypeConfig>> {
        match reply {
            RaftReply::More => Ok(()),
            other => Err(unexpected(&other).into()),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self
            .call(
                Lane::Raft,
                &RaftRequest::Append { sent: self.clock.wall(), request: rpc },
                option.hard_ttl(),
            )
            .await?
        {
            RaftReply::Append(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Lane::Raft, &RaftRequest::Vote(rpc), option.hard_ttl()).await? {
            RaftReply::Vote(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Lane::Raft, &RaftRequest::PreVote(rpc), option.hard_ttl()).await? {
            RaftReply::Vote(response) => Ok(response),
            other => Err(unexpected(&other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let mut send = std::pin::pin!(self.send_snapshot(vote, snapshot, option.hard_ttl()).fuse());
        let mut cancel = std::pin::pin!(cancel.fuse());
        futures_util::select_biased! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        match self.call(Lane::Raft, &RaftRequest::Transfer(request), option.hard_ttl()).await? {
            RaftReply::Transferred(Ok(())) => Ok(Ok(())),
            RaftReply::Transferred(Err(reason)) => {
                // The receiver's own error names what it expected; here only that it refused matters.
                Err(RPCError::Network(NetworkError::from_string(reason)))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn backoff(&self) -> Option<Backoff> {
        None
    }
}
