//! What is being done to a range: a goal, from which and from the last report follows the next step.
//!
//! An operator remembers no progress. So nothing is lost when a step is lost, repeated or seen late,
//! and a new driver goes on where the ranges are.

use std::{collections::BTreeSet, time::Duration};

use super::{
    memory::{Health, Memory, RangeMemory, since},
    order::{Order, drop_replica, voters_are_safe},
    record::NodeState,
    registry::Registry,
    report::ReplicaPhase,
    settings::Settings,
    status::Reason,
};
use crate::{
    kv::{Key, Timestamp},
    range::{NodeId, RangeId},
};

/// What is being done to a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) task: Task,
    pub(crate) reason: Reason,
    pub(crate) started: Timestamp,
}

/// What a range shall become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// These are its voters.
    Voters(BTreeSet<NodeId>),
    /// This node receives nothing any more.
    Tidy(NodeId),
    /// This node leads, in place of that one.
    Leader { from: NodeId, to: NodeId },
    /// It is cut in two; the id is known once its reservation is durable.
    Split { version: u64, at: Option<Key>, child: Option<RangeId> },
}

/// Where an operator stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    UnderWay,
    Done,
    /// The range does not have what it needs any more.
    Void,
    TimedOut,
}

impl Operator {
    /// After how long it is given up.
    pub(crate) const fn timeout(&self, settings: &Settings) -> Duration {
        match self.task {
            Task::Voters(_) => settings.move_timeout,
            Task::Tidy(_) | Task::Leader { .. } | Task::Split { .. } => settings.step_timeout,
        }
    }

    /// Whether the replica of this node is wanted.
    pub(crate) fn wants(&self, node: NodeId) -> bool {
        matches!(&self.task, Task::Voters(goal) if goal.contains(&node))
    }

    /// What it does, in words.
    pub(crate) fn describe(&self) -> String {
        match &self.task {
            Task::Voters(goal) => {
                let goal: Vec<String> = goal.iter().map(ToString::to_string).collect();
                format!("voters become {}", goal.join(", "))
            }
            Task::Tidy(node) => format!("node {node} receives nothing any more"),
            Task::Leader { from, to } => format!("node {to} leads in place of node {from}"),
            Task::Split { at: Some(at), .. } => format!("split at `{}`", at.escape_ascii()),
            Task::Split { at: None, .. } => "split in half".to_owned(),
        }
    }

    /// Where it stands by the last report of its range.
    pub(crate) fn progress(
        &self,
        range: Option<&RangeMemory>,
        memory: &Memory,
        registry: &Registry,
        now: Timestamp,
    ) -> Progress {
        let late = since(now, self.started) >= self.timeout(&registry.settings);
        let otherwise = if late { Progress::TimedOut } else { Progress::UnderWay };
        let Some(range) = range else { return otherwise };
        let report = &range.report;
        let done = match &self.task {
            Task::Voters(goal) => !report.is_joint() && !report.changing && report.voters == *goal,
            Task::Tidy(node) => !report.learners.contains(node),
            Task::Leader { from, .. } => range.leader != *from,
            Task::Split { version, .. } => report.descriptor.version != *version,
        };
        if done {
            return Progress::Done;
        }
        let void = match &self.task {
            // A joint membership is finished first, whatever became of its nodes. A node may pause for
            // a while: what was built there is not thrown away at once.
            Task::Voters(goal) => {
                !report.is_joint()
                    && goal.difference(&report.voters).any(|node| {
                        registry.state(*node) != NodeState::Active
                            || memory.silent(*node, now) > registry.settings.suspect_after * 4
                    })
            }
            Task::Leader { to, .. } => memory.health(range, *to, registry, now) != Health::Current,
            Task::Tidy(_) | Task::Split { .. } => false,
        };
        if void { Progress::Void } else { otherwise }
    }

    /// The next steps, each with the node that is to do it.
    pub(crate) fn steps(
        &self,
        range: &RangeMemory,
        memory: &Memory,
        registry: &Registry,
        now: Timestamp,
    ) -> Vec<(NodeId, Order)> {
        let (report, leader) = (&range.report, range.leader);
        let (id, configuration) = (report.descriptor.id, report.configuration);
        if report.changing {
            return Vec::new();
        }
        if report.is_joint() {
            return finish_joint(range, &registry.settings).into_iter().collect();
        }
        match &self.task {
            Task::Voters(goal) => {
                let building = build(goal, range, memory, registry);
                if building.is_empty() { change(goal, range, memory, registry, now) } else { building }
            }
            Task::Tidy(node) => {
                vec![(leader, Order::RemoveLearner { range: id, configuration, node: *node })]
            }
            Task::Leader { from, to } if leader == *from => {
                vec![(leader, Order::TransferLeader { range: id, term: report.term, to: *to })]
            }
            Task::Split { version, at, child: Some(child) } => {
                let (version, at, child) = (*version, at.clone(), *child);
                vec![(leader, Order::Split { range: id, version, at, child })]
            }
            Task::Leader { .. } | Task::Split { child: None, .. } => Vec::new(),
        }
    }
}

/// Finishes a joint membership, towards its newer half.
///
/// Whoever began it may have failed in the middle; a range must not stay so, as it needs both halves.
pub(crate) fn finish_joint(range: &RangeMemory, settings: &Settings) -> Option<(NodeId, Order)> {
    let report = &range.report;
    let voters = report.voters.clone();
    let safe = voters_are_safe(report, range.leader, &voters, settings.lag_max, settings.suspect_after);
    safe.then(|| {
        let (range_id, configuration) = (report.descriptor.id, report.configuration);
        (range.leader, Order::ChangeVoters { range: range_id, configuration, voters })
    })
}

/// Steps that give the nodes of `goal` a replica each that receives the log.
fn build(
    goal: &BTreeSet<NodeId>,
    range: &RangeMemory,
    memory: &Memory,
    registry: &Registry,
) -> Vec<(NodeId, Order)> {
    let report = &range.report;
    let (id, configuration) = (report.descriptor.id, report.configuration);
    let mut steps = Vec::new();
    for node in goal.difference(&report.voters).copied() {
        let Some(record) = registry.nodes.get(&node) else { continue };
        let is_learner = report.learners.contains(&node);
        let incarnation = record.incarnation;
        steps.extend(match memory.replica(node, id) {
            Some(_) if is_learner => None,
            // The leader still counts on what the replica acknowledged before it went.
            None if is_learner => {
                Some((range.leader, Order::RemoveLearner { range: id, configuration, node }))
            }
            // Made under this very membership, no order to drop it that is still on its way can hurt.
            Some(replica)
                if replica.phase == ReplicaPhase::Empty && replica.configuration == configuration =>
            {
                let address = record.address.clone();
                Some((range.leader, Order::AddLearner { range: id, configuration, node, address }))
            }
            // What was left of an earlier membership is made anew.
            Some(replica) if replica.phase == ReplicaPhase::Live => {
                Some((node, drop_replica(report, incarnation)))
            }
            // Never while the membership names the node: see `Order::CreateReplica`.
            _ => {
                let descriptor = report.descriptor.clone();
                Some((node, Order::CreateReplica { descriptor, incarnation, configuration }))
            }
        });
    }
    steps
}

/// The step that makes the nodes of `goal`, which all receive the log, the voters.
fn change(
    goal: &BTreeSet<NodeId>,
    range: &RangeMemory,
    memory: &Memory,
    registry: &Registry,
    now: Timestamp,
) -> Vec<(NodeId, Order)> {
    let (report, leader) = (&range.report, range.leader);
    let (id, configuration) = (report.descriptor.id, report.configuration);
    let current = |node: &&NodeId| memory.health(range, **node, registry, now) == Health::Current;
    if !goal.difference(&report.voters).all(|node| current(&node)) {
        return Vec::new();
    }
    let mut voters = goal.clone();
    if !goal.contains(&leader) {
        // A leader that removes itself leaves its range without one for a while: it hands over first.
        if let Some(to) = goal.intersection(&report.voters).find(current) {
            return vec![(leader, Order::TransferLeader { range: id, term: report.term, to: *to })];
        }
        voters.insert(leader);
        if voters == report.voters {
            return Vec::new();
        }
    }
    let settings = &registry.settings;
    // The leader knows best who is heard; the driver adds what it knows of lost replicas.
    let enough = voters.iter().filter(current).count() >= super::quorum(voters.len());
    if enough && voters_are_safe(report, leader, &voters, settings.lag_max, settings.suspect_after) {
        return vec![(leader, Order::ChangeVoters { range: id, configuration, voters })];
    }
    Vec::new()
}
