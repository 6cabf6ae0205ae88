//! Answering the other replicas of the group.

use std::sync::Arc;

use super::Group;
use crate::{
    error::StorageError,
    kv::Timestamp,
    log_id::LogId,
    raft::{
        membership::decode_membership,
        message::{RaftReply, RaftRequest, SnapshotMeta},
        snapshot::{Incoming, SnapshotData},
        types::{
            RaftSnapshot, RaftSnapshotMeta, RaftStoredMembership, RaftVote, from_raft_log_id, to_raft_log_id,
        },
    },
    range::RangeDescriptor,
};

fn refuse(reason: &dyn std::fmt::Display) -> RaftReply {
    RaftReply::Refused(reason.to_string())
}

impl Group {
    /// Answers a message of another replica.
    pub(crate) async fn receive(&self, request: RaftRequest) -> RaftReply {
        match request {
            RaftRequest::Vote(_) | RaftRequest::PreVote(_) if self.is_empty() => {
                refuse(&"an empty replica does not vote")
            }
            RaftRequest::Append { sent, request } => self.append(sent, request).await,
            RaftRequest::Vote(request) => {
                self.raft.vote(request).await.map_or_else(|error| refuse(&error), RaftReply::Vote)
            }
            RaftRequest::PreVote(request) => {
                self.raft.pre_vote(request).await.map_or_else(|error| refuse(&error), RaftReply::Vote)
            }
            RaftRequest::Transfer(request) => match self.raft.handle_transfer_leader(request).await {
                Ok(Ok(())) => RaftReply::Transferred(Ok(())),
                Ok(Err(error)) => RaftReply::Transferred(Err(error.to_string())),
                Err(error) => refuse(&error),
            },
            RaftRequest::SnapshotBegin { transfer, descriptor, meta } => {
                self.begin(transfer, descriptor, meta)
            }
            RaftRequest::SnapshotChunk { transfer, number, chunk } => {
                self.arriving(transfer, number, |incoming| incoming.push(&chunk))
            }
            RaftRequest::SnapshotEnd { vote, transfer, chunks } => self.end(vote, transfer, chunks).await,
        }
    }

    /// Whether the replica has nothing yet, or that cannot be told.
    ///
    /// RAFT-2: such a one may have been dropped and made anew. What it had acknowledged before is gone, so
    /// it could help a node to lead that lacks what was committed.
    fn is_empty(&self) -> bool {
        !matches!(self.shared.store.group(self.range), Ok(Some(group)) if !group.is_empty())
    }

    async fn append(
        &self,
        sent: Timestamp,
        request: openraft::raft::AppendEntriesRequest<crate::raft::types::TypeConfig>,
    ) -> RaftReply {
        let bytes: u64 = request.entries.iter().map(crate::raft::types::entry_bytes).sum();
        // A full disk refuses before Raft has the entries; the leader asks again.
        if bytes > 0
            && let Err(error) = self.shared.health.check_space(bytes, &self.shared.log)
        {
            return refuse(&error);
        }
        // A new leader does not know what was committed before it, until it has committed something.
        let term = request.vote.leader_id.term;
        let committed = request.leader_commit.as_ref().map(from_raft_log_id).filter(|id| id.term == term);
        match self.raft.append_entries(request).await {
            Ok(response) => {
                if response.is_success()
                    && let Some(LogId { index: committed, .. }) = committed
                {
                    self.freshness.contact(committed, sent, self.shared.config.clock.as_ref());
                }
                RaftReply::Append(response)
            }
            Err(error) => refuse(&error),
        }
    }

    /// A snapshot begins to arrive; one that did not finish is forgotten.
    fn begin(&self, transfer: u64, descriptor: RangeDescriptor, meta: SnapshotMeta) -> RaftReply {
        if let Err(error) = self.shared.health.check_space(0, &self.shared.log) {
            return refuse(&error);
        }
        if let Err(error) = self.shared.store.check_installable(&descriptor) {
            return refuse(&error);
        }
        match self.shared.store.group(self.range) {
            // RAFT-2: with it, the replica would know less than when it was made, and would vote.
            Ok(Some(group)) if meta.applied.index < group.made_under() => {
                return refuse(&"the snapshot is older than the replica");
            }
            Ok(_) => {}
            Err(error) => return refuse(&error),
        }
        let mut arriving = self.arriving.lock();
        // Its file is removed before the new one takes the name.
        drop(arriving.take());
        let path = self.shared.incoming.join(format!("{}.snapshot", self.range));
        let disk = Arc::clone(&self.shared.config.disk);
        match Incoming::create(disk, path, transfer, descriptor, meta) {
            Ok(incoming) => {
                *arriving = Some(incoming);
                RaftReply::More
            }
            Err(error) => refuse(&error),
        }
    }

    fn arriving(
        &self,
        transfer: u64,
        number: u64,
        keep: impl FnOnce(&mut Incoming) -> Result<(), StorageError>,
    ) -> RaftReply {
        let mut arriving = self.arriving.lock();
        match arriving.as_mut() {
            Some(incoming) if incoming.transfer == transfer && incoming.chunks == number => {
                match keep(incoming) {
                    Ok(()) => RaftReply::More,
                    Err(error) => {
                        *arriving = None;
                        refuse(&error)
                    }
                }
            }
            _ => refuse(&"another piece of the snapshot was expected"),
        }
    }

    async fn end(&self, vote: RaftVote, transfer: u64, chunks: u64) -> RaftReply {
        let incoming = match self.arriving.lock().take() {
            Some(incoming) if incoming.transfer == transfer && incoming.chunks == chunks => incoming,
            _ => return refuse(&"the snapshot did not arrive whole"),
        };
        let membership = match decode_membership(&incoming.meta.membership) {
            Ok(membership) => membership,
            Err(reason) => return refuse(&reason),
        };
        let meta = RaftSnapshotMeta {
            last_log_id: Some(to_raft_log_id(incoming.meta.applied)),
            last_membership: RaftStoredMembership::new(
                incoming.meta.membership_id.map(to_raft_log_id),
                membership,
            ),
        };
        let applied = meta.last_log_id.as_ref().map(from_raft_log_id);
        let snapshot = RaftSnapshot { meta, snapshot: SnapshotData::Incoming(Box::new(incoming)) };
        match self.raft.install_full_snapshot(vote, snapshot).await {
            Ok(response) => {
                tracing::info!(range = %self.range, ?applied, "a snapshot was installed");
                RaftReply::Snapshot(response)
            }
            Err(error) => refuse(&error),
        }
    }
}
