//! One Raft group on this node: start, propose, read barrier, answer its peers, stop.

mod freshness;
mod members;
mod receive;
#[cfg(all(test, not(simulation)))]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use openraft::{
    AsyncRuntime as _, Instant as _, Raft, ReadPolicy, ServerState, SnapshotPolicy,
    async_runtime::watch::WatchReceiver as _,
    errors::{ClientWriteError, ForwardToLeader, LinearizableReadError, RaftError},
};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use self::freshness::Freshness;
pub(crate) use self::members::{Lead, Members};
use super::{
    log_store::LogStore,
    network::Network,
    snapshot::Incoming,
    state_machine::{Event, Machine},
    types::{Command, TypeConfig},
};
use crate::{
    action::Response,
    applier::Applier,
    config::{Config, RaftConfig},
    health::Health,
    log::{GroupLog, Log},
    network::Transport,
    range::{NodeId, RangeId},
    rpc::Failure,
    runtime::Runtime,
    state::Store,
};

/// How long a write waits before it is asked whether the disk is full.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// What groups of a node share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) log: Log,
    pub(crate) applier: Applier,
    pub(crate) health: Arc<Health>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) events: mpsc::UnboundedSender<Event>,
    /// Where snapshots arrive.
    pub(crate) incoming: std::path::PathBuf,
}

/// A running group.
pub(crate) struct Group {
    pub(crate) range: RangeId,
    raft: Raft<TypeConfig, Machine>,
    log: GroupLog,
    shared: Shared,
    freshness: Freshness,
    /// The snapshot that is arriving.
    arriving: Mutex<Option<Incoming>>,
    /// Reads and writes since the last report.
    pub(crate) load: Load,
}

/// Counts requests between two reports.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) reads: std::sync::atomic::AtomicU64,
    pub(crate) writes: std::sync::atomic::AtomicU64,
}

fn raft_config(range: RangeId, config: &RaftConfig) -> openraft::Config {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    openraft::Config {
        cluster_name: format!("range {range}"),
        heartbeat_interval: ms(config.heartbeat_interval),
        election_timeout_min: ms(config.election_timeout),
        election_timeout_max: ms(config.election_timeout) * 2,
        install_snapshot_timeout: ms(config.snapshot_timeout),
        // Of bytes, `limited_get_log_entries` sends less.
        max_payload_entries: 4096,
        // A short lag is made up from the log, not by a snapshot.
        replication_lag_threshold: 50_000,
        // The node decides, by the bytes of the log.
        snapshot_policy: SnapshotPolicy::Never,
        // The node purges, by bytes.
        max_in_snapshot_log_to_keep: u64::MAX,
        purge_batch_size: 1,
        enable_pre_vote: Some(true),
        // With an asynchronous state a restored leader could be stale.
        enable_leader_restore: Some(false),
        quorum_loss_probe_interval: Some(ms(config.election_timeout) * 4),
        ..openraft::Config::default()
    }
}

impl Group {
    /// Starts the replica of a range, whose group is in the state.
    pub(crate) async fn start(range: RangeId, log: GroupLog, shared: Shared) -> Result<Arc<Self>, Failure> {
        let config = raft_config(range, &shared.config.raft);
        let config = config.validate().map_err(|error| Failure::Invalid(error.to_string()))?;
        let machine = Machine {
            range,
            store: Arc::clone(&shared.store),
            applier: shared.applier.clone(),
            events: shared.events.clone(),
            built: false,
            transfers: 0,
        };
        let clock = Arc::clone(&shared.config.clock);
        let network = Network { range, transport: Arc::clone(&shared.transport), clock };
        let log_store = LogStore::new(log.clone());
        let raft = Raft::new(shared.node.0, Arc::new(config), network, log_store, machine)
            .await
            .map_err(|error| Failure::Broken(error.to_string()))?;
        Ok(Arc::new(Self {
            range,
            raft,
            log,
            freshness: Freshness::default(),
            shared,
            arriving: Mutex::new(None),
            load: Load::default(),
        }))
    }

    /// Asks to lead now, without waiting for a timeout.
    pub(crate) async fn elect(&self, pre_vote: bool) {
        // A group that stopped does not lead.
        let _stopped = self.raft.trigger().elect(pre_vote).await;
    }

    /// Proposes an encoded proposal and waits until it is applied here.
    pub(crate) async fn propose(&self, proposal: Bytes) -> Result<(u64, Response), Failure> {
        let mut write = std::pin::pin!(self.raft.client_write(Command(proposal)));
        let written = loop {
            match Runtime::timeout(STALL_TIMEOUT, &mut write).await {
                Ok(Ok(written)) => break written,
                Ok(Err(RaftError::APIError(error))) => return Err(self.refused(error)),
                Ok(Err(RaftError::Fatal(error))) => return Err(self.stopped(&error)),
                // It is in the log that waits for space: it may still be written, by then or never.
                Err(_) if self.shared.log.full().is_some() => return Err(Failure::Stalled),
                Err(_) => {}
            }
        };
        let index = written.log_id.index();
        let response =
            written.data.0.ok_or_else(|| Failure::Broken("a command without a response".into()))?;
        Ok((index, response))
    }

    fn refused(&self, error: ClientWriteError<TypeConfig>) -> Failure {
        let range = self.range;
        let leader = |to: &ForwardToLeader<TypeConfig>| to.leader_id.map(NodeId);
        match error {
            ClientWriteError::ForwardToLeader(to) => Failure::NotLeader { range, leader: leader(&to) },
            ClientWriteError::LogEntryDiscarded(to) => Failure::LeaderChanged { range, leader: leader(&to) },
            ClientWriteError::ChangeMembershipError(error) => Failure::Invalid(error.to_string()),
            ClientWriteError::PreconditionFailed(error) => Failure::Busy(error.to_string()),
        }
    }

    /// What it means that Raft does not run any more.
    fn stopped(&self, error: &dyn std::fmt::Display) -> Failure {
        match self.shared.health.stopped(&self.shared.log) {
            Some(error) => Failure::Broken(error.to_string()),
            None => Failure::Broken(format!("range {}: {error}", self.range)),
        }
    }

    /// Returns when everything acknowledged before the call is applied here; only on the leader.
    pub(crate) async fn barrier(&self) -> Result<(), Failure> {
        if self.shared.config.sabotage.no_read_barrier {
            return Ok(());
        }
        match self.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.not_linearizable(error)),
        }
    }

    /// Up to which index a replica must have applied, to answer a read that begins now.
    pub(crate) async fn read_index(&self) -> Result<u64, Failure> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(error) => Err(self.not_linearizable(error)),
        }
    }

    fn not_linearizable(&self, error: RaftError<TypeConfig, LinearizableReadError<TypeConfig>>) -> Failure {
        let range = self.range;
        match error {
            RaftError::APIError(LinearizableReadError::ForwardToLeader(to)) => {
                Failure::NotLeader { range, leader: to.leader_id.map(NodeId) }
            }
            // Whoever leads now, it is not known here.
            RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => {
                Failure::NotLeader { range, leader: None }
            }
            RaftError::Fatal(error) => self.stopped(&error),
        }
    }

    /// Waits until this replica has applied `index`.
    pub(crate) async fn wait_applied(&self, index: u64, timeout: Duration) -> Result<(), Failure> {
        let applied = self.raft.wait(Some(timeout)).applied_index_at_least(Some(index), "a read").await;
        applied.map(drop).map_err(|error| Failure::Busy(error.to_string()))
    }

    /// Whether what is applied here was all that was acknowledged at some moment within `bound`.
    pub(crate) fn is_fresh(&self, bound: Duration) -> bool {
        let clock = self.shared.config.clock.as_ref();
        self.freshness.age(self.applied(), clock).is_some_and(|age| age <= bound)
    }

    /// Whether this replica led for certain at some moment within `bound`: a quorum said so.
    pub(crate) fn led_within(&self, bound: Duration) -> bool {
        let metrics = self.raft.metrics();
        let acknowledged = metrics.borrow_watched().last_quorum_acked;
        acknowledged.is_some_and(|at| at.into_inner().elapsed() <= bound)
    }

    /// Index of the last applied entry.
    pub(crate) fn applied(&self) -> u64 {
        let metrics = self.raft.data_metrics();
        let metrics = metrics.borrow_watched();
        metrics.last_applied.as_ref().map_or(0, |id| id.index())
    }

    /// Who leads, as far as it is known here.
    pub(crate) fn leader(&self) -> Option<NodeId> {
        self.raft.metrics().borrow_watched().current_leader.map(NodeId)
    }

    /// Whether this replica leads.
    pub(crate) fn leads(&self) -> bool {
        self.raft.metrics().borrow_watched().state == ServerState::Leader
    }

    /// Whether this replica leads and has applied an entry of its own term: with it, whatever was
    /// acknowledged before it led.
    pub(crate) fn is_leading(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let applied = metrics.last_applied.as_ref().map(|id| id.committed_leader_id().term);
        metrics.state == ServerState::Leader && applied == Some(metrics.current_term)
    }

    /// Whether this replica's group has no other voter: then what the log has durably is committed.
    pub(crate) fn is_alone(&self) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        metrics.membership_config.voter_ids().eq([self.shared.node.0])
    }

    /// Waits until this replica leads, if it is going to.
    pub(crate) async fn wait_leads(&self, timeout: Duration) -> bool {
        self.raft.wait(Some(timeout)).state(ServerState::Leader, "to lead").await.is_ok()
    }

    /// Shortens the log, if it is too long or `pinned`, by entries that are durable in the state.
    ///
    /// What a follower that answers has not got yet stays as long as it can: it would need a snapshot.
    pub(crate) async fn shorten_log(&self, pinned: bool) {
        /// A follower may hold the log to so many times its length, no longer.
        const PATIENCE: u64 = 4;
        let max = self.shared.config.raft.log_bytes_max;
        let bytes = self.log.bytes();
        if bytes == 0 || (bytes <= max && !pinned) {
            return;
        }
        let metrics = self.raft.data_metrics();
        let durable = metrics.borrow_watched().snapshot.as_ref().map_or(0, |id| id.index());
        let surplus = self.log.surplus(if pinned { 0 } else { max / 2 });
        let mut upto = surplus.min(durable);
        if let Some(lead) = self.lead()
            && bytes <= max.saturating_mul(PATIENCE)
        {
            let silent_max = self.shared.config.raft.election_timeout * 4;
            let heard = lead
                .followers
                .iter()
                .filter(|(_, progress)| progress.silent.is_some_and(|silent| silent < silent_max));
            upto = heard.map(|(_, progress)| progress.matched).fold(upto, u64::min);
        }
        if upto > 0 {
            let _stopped = self.raft.trigger().purge_log(upto).await;
        }
        if durable < surplus {
            // The next look purges up to it.
            let _stopped = self.raft.trigger().snapshot().await;
        }
    }

    /// Stops the replica; its peers find it silent.
    pub(crate) async fn stop(&self) {
        let _panicked = self.raft.shutdown().await;
    }
}
