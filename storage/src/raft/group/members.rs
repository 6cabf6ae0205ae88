//! Who belongs to a group, how far each is, and changing that.

use std::{collections::BTreeSet, time::Duration};

use openraft::{
    AsyncRuntime as _, ChangeMembers, EmptyNode, Instant as _,
    async_runtime::watch::WatchReceiver as _,
    errors::{ClientWriteError, RaftError},
};

use super::Group;
use crate::{
    raft::types::{RaftStoredMembership, TypeConfig},
    range::NodeId,
    rpc::Failure,
    runtime::Runtime,
};

/// How long a change of members may take, before it is asked for anew.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Who belongs to a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Members {
    pub(crate) voters: BTreeSet<NodeId>,
    /// While voters are exchanged, those of before.
    pub(crate) outgoing: BTreeSet<NodeId>,
    pub(crate) learners: BTreeSet<NodeId>,
    /// Index of the entry that said so.
    pub(crate) configuration: u64,
}

fn members(stored: &RaftStoredMembership) -> Members {
    let sets = stored.get_joint_config();
    let nodes =
        |set: Option<&BTreeSet<u64>>| set.into_iter().flatten().copied().map(NodeId).collect::<BTreeSet<_>>();
    Members {
        voters: nodes(sets.last()),
        outgoing: nodes(sets.first().filter(|_| sets.len() > 1)),
        learners: stored.membership().learner_ids().map(NodeId).collect(),
        configuration: stored.log_id().as_ref().map_or(0, |id| id.index()),
    }
}

/// How far another replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Index up to which its log is the leader's.
    pub(crate) matched: u64,
    /// Since when it has not answered, if it ever did.
    pub(crate) silent: Option<Duration>,
}

/// What a leader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    pub(crate) term: u64,
    /// Whether an entry of this term is committed.
    pub(crate) established: bool,
    pub(crate) last_index: u64,
    /// The other replicas.
    pub(crate) followers: Vec<(NodeId, Progress)>,
}

impl Group {
    /// Who belongs to the group, as far as this replica knows.
    pub(crate) fn members(&self) -> Members {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        members(&metrics.membership_config)
    }

    /// Who belongs to the group by the newest membership that is committed.
    pub(crate) fn committed_members(&self) -> Members {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        members(&metrics.committed_membership_config)
    }

    /// Refuses if the membership is another one, or is being changed.
    pub(crate) fn expect(&self, configuration: u64) -> Result<(), Failure> {
        let same = self.committed_members().configuration == configuration
            && self.members().configuration == configuration;
        if same { Ok(()) } else { Err(Failure::Busy("the membership is another one".into())) }
    }

    /// What this replica knows as the leader; `None` unless it leads.
    pub(crate) fn lead(&self) -> Option<Lead> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref()?;
        let heartbeat = metrics.heartbeat.as_ref();
        let followers = replication
            .iter()
            .filter(|(node, _)| **node != self.shared.node.0)
            .map(|(node, matched)| {
                let answered = heartbeat.and_then(|heartbeat| heartbeat.get(node).cloned().flatten());
                let progress = Progress {
                    matched: matched.as_ref().map_or(0, |id| id.index()),
                    silent: answered.map(|at| at.into_inner().elapsed()),
                };
                (NodeId(*node), progress)
            })
            .collect();
        let committed = metrics.local_committed.as_ref().map(|id| id.committed_leader_id().term);
        Some(Lead {
            term: metrics.current_term,
            established: committed == Some(metrics.current_term),
            last_index: metrics.last_log_index.unwrap_or(0),
            followers,
        })
    }

    /// Newest term in which this replica has voted or was told of a leader.
    pub(crate) fn term(&self) -> u64 {
        self.raft.metrics().borrow_watched().current_term
    }

    async fn change(&self, change: ChangeMembers<u64, EmptyNode>) -> Result<(), Failure> {
        self.changed(self.raft.change_membership(change, false)).await
    }

    /// Waits for a change of members, for a while: a leader that takes itself out of the group never hears
    /// that this is done.
    async fn changed<T>(
        &self,
        change: impl Future<Output = Result<T, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>> + Send,
    ) -> Result<(), Failure> {
        match Runtime::timeout(CHANGE_TIMEOUT, change).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(error))) => Err(self.refused(error)),
            Ok(Err(RaftError::Fatal(error))) => Err(self.stopped(&error)),
            Err(_) => Err(Failure::Busy("the change of members is not done in time".into())),
        }
    }

    /// Makes a node receive the group's log without voting.
    pub(crate) async fn add_learner(&self, node: NodeId) -> Result<(), Failure> {
        self.changed(self.raft.add_learner(node.0, EmptyNode {}, false)).await
    }

    /// Makes exactly these nodes the voters; a voter that is none of them leaves the group.
    pub(crate) async fn set_voters(&self, voters: &BTreeSet<NodeId>) -> Result<(), Failure> {
        let voters: BTreeSet<u64> = voters.iter().map(|node| node.0).collect();
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// Makes a learner leave the group.
    pub(crate) async fn remove_learner(&self, node: NodeId) -> Result<(), Failure> {
        self.change(ChangeMembers::RemoveNodes(BTreeSet::from([node.0]))).await
    }

    /// Asks another voter to lead.
    pub(crate) async fn transfer(&self, to: NodeId) -> Result<(), Failure> {
        self.raft.trigger().transfer_leader(to.0).await.map_err(|error| self.stopped(&error))
    }
}
