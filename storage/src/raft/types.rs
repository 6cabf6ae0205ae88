//! openraft's types, as this store fills them in, and the way between them and our own.

use std::fmt;

use bytes::Bytes;
use openraft::{EmptyNode, impls::leader_id_std, vote::leader_id_std::CommittedLeaderId};

use crate::{action::Response, log, log_id::LogId, range::NodeId, runtime::Runtime};

openraft::declare_raft_types!(
    /// The types of every group.
    pub(crate) TypeConfig:
        D = Command,
        R = Applied,
        NodeId = u64,
        Node = EmptyNode,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = Runtime,
);

/// A leader or candidate: term and node.
pub(crate) type RaftLeaderId = leader_id_std::LeaderId<u64, u64>;
/// The place of an entry, as openraft says it; a committed leader is its term.
pub(crate) type RaftLogId = openraft::LogId<CommittedLeaderId<u64>>;
/// A vote.
pub(crate) type RaftVote = openraft::Vote<RaftLeaderId>;
/// Who belongs to a group.
pub(crate) type RaftMembership = openraft::Membership<u64, EmptyNode>;
/// Who belongs to a group, and which entry said so.
pub(crate) type RaftStoredMembership = openraft::StoredMembership<CommittedLeaderId<u64>, u64, EmptyNode>;
/// Up to where a snapshot reaches.
pub(crate) type RaftSnapshotMeta = openraft::storage::SnapshotMeta<CommittedLeaderId<u64>, u64, EmptyNode>;
/// A snapshot.
pub(crate) type RaftSnapshot =
    openraft::storage::Snapshot<CommittedLeaderId<u64>, u64, EmptyNode, super::snapshot::SnapshotData>;
/// What an entry holds.
pub(crate) type RaftPayload = openraft::EntryPayload<Command, u64, EmptyNode>;
/// An entry.
pub(crate) type RaftEntry = openraft::Entry<CommittedLeaderId<u64>, RaftPayload>;

/// An encoded [`Proposal`](crate::action::Proposal): Raft copies it, it does not look inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command(pub(crate) Bytes);

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "command of {} bytes", self.0.len())
    }
}

/// What became of an entry; `None` for one that holds no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Applied(pub(crate) Option<Response>);

/// Our log id for openraft's.
pub(crate) fn from_raft_log_id(id: &RaftLogId) -> LogId {
    LogId { term: id.committed_leader_id().term, index: id.index() }
}

/// openraft's log id for ours.
pub(crate) fn to_raft_log_id(id: LogId) -> RaftLogId {
    RaftLogId::new(CommittedLeaderId::new(id.term), id.index)
}

/// The vote as the log keeps it.
pub(crate) fn from_raft_vote(vote: &RaftVote) -> log::Vote {
    let RaftVote { leader_id, committed } = *vote;
    log::Vote { term: leader_id.term, node: NodeId(leader_id.voted_for), committed }
}

/// The vote as openraft wants it.
pub(crate) fn to_raft_vote(vote: log::Vote) -> RaftVote {
    let log::Vote { term, node, committed } = vote;
    RaftVote { leader_id: RaftLeaderId { term, voted_for: node.0 }, committed }
}

/// About how many bytes an entry takes in the log and in a message.
pub(crate) fn entry_bytes(entry: &RaftEntry) -> u64 {
    const OVERHEAD: u64 = 64;
    OVERHEAD
        + match &entry.payload {
            openraft::EntryPayload::Normal(Command(bytes)) => bytes.len() as u64,
            openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => 0,
        }
}
