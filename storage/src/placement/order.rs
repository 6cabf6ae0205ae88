//! What the driver tells nodes to do: small steps, safe to lose, to delay and to repeat.

use std::{collections::BTreeSet, time::Duration};

use super::report::RangeReport;
use crate::{
    kv::Key,
    range::{NodeId, RangeDescriptor, RangeId},
};

/// One step, given to a node as part of the answer to its report; done is what a later report shows.
///
/// An order is never answered and may be dropped for any reason; it is given again while it is needed.
/// Its guards (`incarnation`, `configuration`, `term`, `version`) name what the driver knew: a node
/// that knows otherwise must refuse. So an order that comes late does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// To the node: make an empty replica that has no membership, never votes for itself, and waits
    /// for a leader's snapshot; remember `configuration` with it. If there is an empty replica already,
    /// raise what it remembers; nothing if there is one that is not empty.
    ///
    /// Must be refused under another incarnation: a node that lost its disk may still be a voter, and
    /// an empty replica must not vote for it. For the same reason a message of Raft never makes one.
    CreateReplica {
        /// The range, as its leader knows it.
        descriptor: RangeDescriptor,
        /// The node's incarnation.
        incarnation: u64,
        /// Index of the entry of the membership, which does not name the node yet.
        configuration: u64,
    },
    /// To the node: remove the replica, as a committed membership does not name the node. See
    /// [`may_drop`] for when it must be refused.
    DropReplica {
        /// The range.
        range: RangeId,
        /// The node's incarnation.
        incarnation: u64,
        /// Index of the entry of the membership without the node.
        configuration: u64,
        /// See [`RangeReport::settled_term`].
        settled_term: u64,
    },
    /// To the leader: send the log to a node that does not vote.
    AddLearner {
        /// The range.
        range: RangeId,
        /// The membership to change; refused if the committed one is another, or another is pending.
        configuration: u64,
        /// Whom to add.
        node: NodeId,
        /// Where it is.
        address: String,
    },
    /// To the leader: send the log no more to a node that does not vote.
    RemoveLearner {
        /// The range.
        range: RangeId,
        /// The membership to change.
        configuration: u64,
        /// Whom to remove.
        node: NodeId,
    },
    /// To the leader: make these nodes, and no others, the voters, by a joint membership; voters that
    /// are not among them leave altogether, not as learners. Also finishes a joint membership.
    ///
    /// The leader must ask [`voters_are_safe`] with what it knows at that moment, and refuse if not:
    /// a node may have died since the driver decided.
    ChangeVoters {
        /// The range.
        range: RangeId,
        /// The membership to change.
        configuration: u64,
        /// The new voters; each is a voter or a learner now.
        voters: BTreeSet<NodeId>,
    },
    /// To the leader: let another voter lead. Nothing in another term.
    TransferLeader {
        /// The range.
        range: RangeId,
        /// Term of the leader.
        term: u64,
        /// Who shall lead.
        to: NodeId,
    },
    /// To the leader: cut the range in two. Nothing at another version.
    Split {
        /// The range.
        range: RangeId,
        /// Version of the range.
        version: u64,
        /// First key of the new range; without one, the leader chooses, so that both have about half.
        at: Option<Key>,
        /// Number of the new range.
        child: RangeId,
    },
}

impl Order {
    /// The range that it is about.
    pub const fn range(&self) -> RangeId {
        match self {
            Self::CreateReplica { descriptor, .. } => descriptor.id,
            Self::DropReplica { range, .. }
            | Self::AddLearner { range, .. }
            | Self::RemoveLearner { range, .. }
            | Self::ChangeVoters { range, .. }
            | Self::TransferLeader { range, .. }
            | Self::Split { range, .. } => *range,
        }
    }
}

/// Whether a range keeps a quorum of voters that are heard and up to date, before, during and after
/// its voters become `voters`; `report` is what its leader `leader` knows at this moment.
///
/// The driver asks before it gives [`Order::ChangeVoters`], the leader before it obeys.
pub fn voters_are_safe(
    report: &RangeReport,
    leader: NodeId,
    voters: &BTreeSet<NodeId>,
    lag_max: u64,
    silent_max: Duration,
) -> bool {
    let has_quorum = |nodes: &BTreeSet<NodeId>| {
        let current = nodes.iter().filter(|node| report.is_current(leader, **node, lag_max, silent_max));
        nodes.is_empty() || current.count() >= quorum(nodes.len())
    };
    !voters.is_empty()
        && voters.iter().all(|node| report.names(*node))
        && has_quorum(voters)
        && has_quorum(&report.voters)
        && has_quorum(&report.outgoing)
}

/// The order to remove a replica that the membership does not name.
pub(crate) const fn drop_replica(report: &RangeReport, incarnation: u64) -> Order {
    let (range, configuration) = (report.descriptor.id, report.configuration);
    Order::DropReplica { range, incarnation, configuration, settled_term: report.settled_term() }
}

/// What a replica knows that may have to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knowledge {
    /// Index of the newest membership in its log or snapshot.
    pub configuration: u64,
    /// What [`Order::CreateReplica`] gave, or 0 for a replica that was born with its range.
    pub made_under: u64,
    /// Newest term in which it has voted or was told of a leader.
    pub term: u64,
    /// Whether it has nothing yet.
    pub is_empty: bool,
}

/// Whether a replica may obey a [`Order::DropReplica`] with this `configuration` and `settled_term`.
///
/// An order from before the node was added again names at most `made_under`: it may still remove an empty
/// replica, but never one that has acknowledged something.
///
/// A replica may know a newer membership that was never committed, as the leader that was adding the node
/// lost the lead in between. Then no leader of the settled term or a newer one has been in touch: if one
/// adds the node again, it is, and an order from before does nothing.
pub const fn may_drop(configuration: u64, settled_term: u64, replica: Knowledge) -> bool {
    let Knowledge { configuration: known, made_under, term, is_empty } = replica;
    let is_past = made_under < configuration || (made_under == configuration && is_empty);
    (known <= configuration && is_past) || (!is_empty && term < settled_term)
}

/// How many of `voters` must agree.
pub const fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}
