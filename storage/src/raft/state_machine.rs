//! openraft's state machine of one group, on the state that all groups share.

use std::{io, sync::Arc};

use futures_util::{Stream, StreamExt as _};
use openraft::{
    AsyncRuntime as _, EntryPayload, OptionalSend, RaftSnapshotBuilder,
    entry::RaftEntry as _,
    storage::{EntryResponder, RaftStateMachine},
};
use tokio::sync::mpsc;

use super::{
    membership::{decode_membership, encode_membership},
    snapshot::{Outgoing, SnapshotData},
    types::{
        Applied, RaftLogId, RaftSnapshot, RaftSnapshotMeta, RaftStoredMembership, TypeConfig,
        from_raft_log_id, to_raft_log_id,
    },
};
use crate::{
    action::{Proposal, Response},
    applier::Applier,
    error::StorageError,
    log_id::LogId,
    range::RangeId,
    runtime::{self, Runtime},
    state::{Group, Membership, Payload, Phase, Store, View},
};

/// Bytes and entries that are applied in one go.
const APPLY_BYTES: usize = 4 << 20;
const APPLY_ENTRIES: usize = 1024;

/// Something that applying did beyond the group itself.
#[derive(Debug)]
pub(crate) enum Event {
    /// A range was split: its child waits to be started.
    Born { parent: RangeId, child: RangeId },
    /// The checksum of a range as of an entry is known.
    Verified { range: RangeId, index: u64, checksum: u64 },
}

/// The state machine of a group.
pub(crate) struct Machine {
    pub(crate) range: RangeId,
    pub(crate) store: Arc<Store>,
    pub(crate) applier: Applier,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    /// Whether a snapshot is known to exist: only then is the log purged.
    pub(crate) built: bool,
    /// Numbers of the snapshots sent.
    pub(crate) transfers: u64,
}

/// Says up to where a snapshot would reach, and makes that durable.
pub(crate) struct Builder {
    range: RangeId,
    applier: Applier,
}

fn other(error: StorageError) -> io::Error {
    io::Error::other(error)
}

/// What openraft wants to know of a group; a group that has nothing yet has applied nothing.
fn applied(group: &Group) -> Result<(Option<RaftLogId>, RaftStoredMembership), io::Error> {
    if group.applied == LogId::default() {
        return Ok((None, RaftStoredMembership::default()));
    }
    let membership = decode_membership(&group.membership.bytes)
        .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))?;
    let id = Some(to_raft_log_id(group.membership.id));
    Ok((Some(to_raft_log_id(group.applied)), RaftStoredMembership::new(id, membership)))
}

impl Machine {
    async fn group(&self) -> Result<Group, io::Error> {
        let group = self.store.group(self.range).map_err(other)?;
        group.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("range {} is gone", self.range)))
    }

    async fn apply_some(&mut self, entries: &mut Vec<(LogId, Payload)>) -> Result<Vec<Applied>, io::Error> {
        let entries = std::mem::take(entries);
        let first = entries.first().map_or(0, |(id, _)| id.index);
        let responses = self.applier.apply(self.range, entries).await.map_err(other)?;
        for (response, index) in responses.iter().zip(first..) {
            if response == &Some(Response::Verified) {
                // The last of its entries that is applied, so this view is as of it.
                self.verify(index, self.store.view().map_err(other)?);
            }
            if let Some(Response::Split { parent, child }) = response {
                // Nobody to tell while the node is being opened or closed: then it starts all groups.
                let _told = self.events.send(Event::Born { parent: parent.id, child: child.id });
            }
        }
        Ok(responses.into_iter().map(Applied).collect())
    }
}

impl Machine {
    /// Computes the checksum of a view beside everything else, and tells it.
    fn verify(&self, index: u64, view: View) {
        let (range, events) = (self.range, self.events.clone());
        drop(Runtime::spawn(async move {
            match runtime::blocking(move || view.checksum(range)).await {
                // Nobody to tell while the node is being closed.
                Ok(checksum) => drop(events.send(Event::Verified { range, index, checksum })),
                Err(error) => tracing::error!(%range, %error, "the replica cannot be checked"),
            }
        }));
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, RaftStoredMembership), io::Error> {
        applied(&self.group().await?)
    }

    async fn apply<Strm>(&mut self, mut stream: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let (mut entries, mut responders, mut bytes, mut alone) = (Vec::new(), Vec::new(), 0, false);
        loop {
            let next = stream.next().await.transpose()?;
            let ended = next.is_none();
            if let Some((entry, responder)) = next {
                let id = from_raft_log_id(&entry.log_id());
                let payload = match entry.payload {
                    EntryPayload::Blank => Payload::Blank,
                    EntryPayload::Normal(command) => Payload::Command(command.0),
                    EntryPayload::Membership(membership) => {
                        Payload::Membership(encode_membership(&membership))
                    }
                };
                bytes += payload.len();
                alone = matches!(&payload, Payload::Command(command) if Proposal::is_verify(command));
                entries.push((id, payload));
                responders.push(responder);
            }
            let enough = alone || entries.len() >= APPLY_ENTRIES || bytes >= APPLY_BYTES;
            if !entries.is_empty() && (ended || enough) {
                bytes = 0;
                let responses = self.apply_some(&mut entries).await?;
                for (responder, response) in responders.drain(..).zip(responses) {
                    if let Some(responder) = responder {
                        responder.send(response);
                    }
                }
            }
            if ended {
                return Ok(());
            }
        }
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        self.built = true;
        Some(Builder { range: self.range, applier: self.applier.clone() })
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.built = true;
        Builder { range: self.range, applier: self.applier.clone() }
    }

    async fn install_snapshot(
        &mut self,
        meta: &RaftSnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let SnapshotData::Incoming(incoming) = snapshot else {
            return Err(io::Error::other("a snapshot that did not arrive cannot be installed"));
        };
        let Some(applied) = meta.last_log_id.as_ref().map(from_raft_log_id) else {
            return Err(io::Error::other("a snapshot of nothing cannot be installed"));
        };
        let membership = &meta.last_membership;
        let group = Group {
            descriptor: incoming.descriptor.clone(),
            applied,
            membership: Membership {
                id: membership.log_id().as_ref().map(from_raft_log_id).unwrap_or_default(),
                bytes: encode_membership(membership.membership()),
            },
            phase: Phase::Live,
        };
        let begun = group;
        let installer = self.applier.run_when_space(move |store| store.installer(&begun)).await;
        let mut installer = installer.map_err(other)?;
        let mut offset = 0;
        let mut incoming = incoming;
        loop {
            let (piece, rest) = runtime::blocking(move || {
                let piece = incoming.chunk_at(offset)?;
                Ok((piece, incoming))
            })
            .await
            .map_err(other)?;
            incoming = rest;
            let Some((chunk, next)) = piece else { break };
            offset = next;
            // On a full disk the rest would be held in memory.
            self.applier.run_when_space(Store::durable).await.map_err(other)?;
            installer = self
                .applier
                .run(move |store| {
                    installer.chunk(store, chunk)?;
                    Ok(installer)
                })
                .await
                .map_err(other)?;
        }
        match self.applier.run(move |store| installer.finish(store)).await {
            Err(error) if error.is_full() => {
                self.applier.run_when_space(Store::durable).await.map_err(other)?;
            }
            finished => drop(finished.map_err(other)?),
        }
        self.built = true;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        if !self.built {
            return Ok(None);
        }
        let (group, reader) = self.store.snapshot(self.range).map_err(other)?;
        let (last_log_id, last_membership) = applied(&group)?;
        self.transfers += 1;
        let reader = Box::new(Outgoing::new(reader));
        let (descriptor, transfer) = (group.descriptor, self.transfers);
        let snapshot = SnapshotData::Outgoing { descriptor, reader, transfer };
        Ok(Some(RaftSnapshot { meta: RaftSnapshotMeta { last_log_id, last_membership }, snapshot }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        // LOG-2: the log is purged up to a snapshot, so the snapshot must be durable. Any error here ends
        // the group for good.
        let mut durable = self.applier.checkpoint_when_space().await.map_err(other)?;
        let group = durable.remove(&self.range);
        let group = group.ok_or_else(|| io::Error::other(format!("range {} is gone", self.range)))?;
        let (last_log_id, last_membership) = applied(&group)?;
        let meta = RaftSnapshotMeta { last_log_id, last_membership };
        Ok(RaftSnapshot { meta, snapshot: SnapshotData::Known })
    }
}
