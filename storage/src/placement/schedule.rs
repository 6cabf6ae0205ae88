//! What to do next, the most urgent first: each rule looks at one range and answers with a task.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Driver,
    choice::{Load, with, without},
    memory::{Health, RangeMemory, since},
    operator::{Operator, Task},
    order::quorum,
    record::NodeState,
    status::Reason,
};
use crate::{
    kv::Timestamp,
    range::{NodeId, RangeId},
};

/// A rule for one range.
type Rule = fn(&Driver, &RangeMemory, &BTreeMap<NodeId, Load>, Timestamp) -> Option<Task>;

impl Driver {
    /// Starts what is to be done, as far as the limits allow.
    pub(crate) fn schedule(&mut self, now: Timestamp) {
        let rules: [(Reason, Rule); 6] = [
            (Reason::Repair, Self::repair),
            (Reason::Drain, Self::drain_leader),
            (Reason::Drain, Self::drain_replica),
            (Reason::Repair, Self::tidy),
            (Reason::Domains, Self::spread),
            (Reason::Split, Self::split_by_need),
        ];
        for (reason, rule) in rules {
            let ranges: Vec<RangeId> = self.memory.ranges.keys().copied().collect();
            let mut loads = self.loads();
            for id in ranges {
                let Some(range) = self.idle(id, now) else { continue };
                if self.backs_off(id, reason, now) {
                    continue;
                }
                if let Some(task) = rule(self, range, &loads, now) {
                    self.start(id, Operator { task, reason, started: now });
                    loads = self.loads();
                }
            }
        }
        self.balance(now);
    }

    /// The report of the range, if it is new and nothing is being done to it.
    pub(crate) fn idle(&self, id: RangeId, now: Timestamp) -> Option<&RangeMemory> {
        let range = self.memory.fresh(id, &self.registry.settings, now)?;
        let busy = self.operators.contains_key(&id) || range.report.changing || range.report.is_joint();
        (!busy).then_some(range)
    }

    /// Whether it was tried in vain a short while ago.
    pub(crate) fn backs_off(&self, range: RangeId, reason: Reason, now: Timestamp) -> bool {
        let timeout = self.registry.settings.step_timeout;
        self.failed.get(&(range, reason)).is_some_and(|failed| since(now, *failed) < timeout)
    }

    pub(crate) fn start(&mut self, range: RangeId, mut operator: Operator) {
        if let Task::Split { child, .. } = &mut operator.task {
            *child = self.registry.allocate();
        }
        if let (Task::Voters(goal), Some(memory)) = (&operator.task, self.memory.ranges.get(&range)) {
            let added = goal.difference(&memory.report.voters).count();
            self.moves.extend(std::iter::repeat_n(operator.started, added));
        }
        debug_assert!(!self.operators.contains_key(&range), "one operator at a time");
        self.operators.insert(range, operator);
    }

    pub(crate) fn health(&self, range: &RangeMemory, node: NodeId, now: Timestamp) -> Health {
        self.memory.health(range, node, &self.registry, now)
    }

    /// Whether so many of `voters` are heard and up to date that they can decide.
    fn has_quorum(&self, range: &RangeMemory, voters: &BTreeSet<NodeId>, now: Timestamp) -> bool {
        self.memory.healthy(range, voters, &self.registry, now) >= quorum(voters.len())
    }

    /// Whether all of `voters` are heard and up to date.
    pub(crate) fn all_healthy(&self, range: &RangeMemory, voters: &BTreeSet<NodeId>, now: Timestamp) -> bool {
        self.memory.healthy(range, voters, &self.registry, now) == voters.len()
    }

    /// Voters that are lost or down are replaced; missing ones are added, surplus ones removed.
    fn repair(&self, range: &RangeMemory, loads: &BTreeMap<NodeId, Load>, now: Timestamp) -> Option<Task> {
        let (voters, settings) = (&range.report.voters, &self.registry.settings);
        if !self.has_quorum(range, voters, now) {
            return None;
        }
        let health = |node: &NodeId| self.health(range, *node, now);
        // A lost voter only weakens its range: without it, fewer must agree, and the same ones can.
        let stays =
            |node: &NodeId| health(node) != Health::Lost && self.registry.state(*node) != NodeState::Removed;
        let kept: BTreeSet<NodeId> = voters.iter().copied().filter(stays).collect();
        if kept.len() < voters.len() {
            return self.has_quorum(range, &kept, now).then_some(Task::Voters(kept));
        }
        if voters.len() > settings.replicas {
            return self.remove_surplus(range, loads, now);
        }
        let is_down =
            |node: &&NodeId| matches!(health(node), Health::Silent(silent) if silent >= settings.down_after);
        // A voter that is only down stays until another is ready: it may come back.
        if let Some(down) = voters.iter().find(is_down)
            && let Some(goal) = self.choose(range, &without(voters, *down), 1, loads, now)
        {
            return Some(Task::Voters(goal));
        }
        // An even number of voters survives no more failures than one fewer, so a range grows to odd
        // numbers only, at once: with two nodes it stays at one voter. It is never shrunk for this:
        // two copies that are there are kept.
        let possible = settings.replicas.min(voters.len() + self.candidates(range, now).len());
        let target = if possible % 2 == 0 { possible.saturating_sub(1) } else { possible };
        let missing = target.checked_sub(voters.len()).filter(|missing| *missing > 0)?;
        self.choose(range, voters, missing, loads, now).map(Task::Voters)
    }

    /// One voter fewer: the least healthy, then the one whose absence spreads the others best.
    fn remove_surplus(
        &self,
        range: &RangeMemory,
        loads: &BTreeMap<NodeId, Load>,
        now: Timestamp,
    ) -> Option<Task> {
        let voters = &range.report.voters;
        let worst = voters.iter().copied().min_by_key(|node| {
            let is_current = self.health(range, *node, now) == Health::Current;
            let is_active = self.registry.state(*node) == NodeState::Active;
            let weight = loads.get(node).map_or(0, |load| load.weight);
            let conflicts = self.conflicts(without(voters, *node));
            (is_current, is_active, *node == range.leader, conflicts, std::cmp::Reverse(weight), *node)
        })?;
        let goal = without(voters, worst);
        self.has_quorum(range, &goal, now).then_some(Task::Voters(goal))
    }

    /// The leader leaves a node that is drained before its replicas do: that is quick.
    fn drain_leader(
        &self,
        range: &RangeMemory,
        loads: &BTreeMap<NodeId, Load>,
        now: Timestamp,
    ) -> Option<Task> {
        if self.registry.state(range.leader) != NodeState::Draining || self.transfers_free() == 0 {
            return None;
        }
        let to = self
            .heirs(range, now)
            .into_iter()
            .min_by_key(|node| (loads.get(node).map_or(0, |load| load.leaders), *node))?;
        Some(Task::Leader { from: range.leader, to })
    }

    /// Voters that could lead as well as the leader does.
    pub(crate) fn heirs(&self, range: &RangeMemory, now: Timestamp) -> Vec<NodeId> {
        let voters = range.report.voters.iter().copied().filter(|node| *node != range.leader);
        voters
            .filter(|node| self.registry.state(*node) == NodeState::Active)
            // A node that has no space for a write would refuse all of them.
            .filter(|node| self.memory.nodes.get(node).is_some_and(|memory| memory.report.free_bytes > 0))
            .filter(|node| self.health(range, *node, now) == Health::Current)
            .collect()
    }

    /// How many more leaders may change now.
    pub(crate) fn transfers_free(&self) -> usize {
        let transfers =
            self.operators.values().filter(|operator| matches!(operator.task, Task::Leader { .. }));
        self.registry.settings.transfers_max.saturating_sub(transfers.count())
    }

    /// Replicas leave a node that is drained.
    fn drain_replica(
        &self,
        range: &RangeMemory,
        loads: &BTreeMap<NodeId, Load>,
        now: Timestamp,
    ) -> Option<Task> {
        let voters = &range.report.voters;
        let drained = *voters.iter().find(|node| self.registry.state(**node) == NodeState::Draining)?;
        let rest = without(voters, drained);
        if let Some(goal) = self.choose(range, &rest, 1, loads, now) {
            return self.has_quorum(range, voters, now).then_some(Task::Voters(goal));
        }
        // Only if there is no other node for it, and none will come back: with one voter fewer.
        let down_after = self.registry.settings.down_after;
        let has_other = self.registry.nodes.values().any(|record| {
            record.state == NodeState::Active
                && !voters.contains(&record.id)
                && self.memory.silent(record.id, now) < down_after
        });
        let is_enough = !rest.is_empty() && self.all_healthy(range, &rest, now);
        (!has_other && is_enough).then_some(Task::Voters(rest))
    }

    /// A learner that nobody is making a voter of receives nothing any more.
    fn tidy(&self, range: &RangeMemory, _: &BTreeMap<NodeId, Load>, _: Timestamp) -> Option<Task> {
        range.report.learners.first().copied().map(Task::Tidy)
    }

    /// A voter moves if that spreads the range over more failure domains.
    fn spread(&self, range: &RangeMemory, loads: &BTreeMap<NodeId, Load>, now: Timestamp) -> Option<Task> {
        let voters = &range.report.voters;
        let conflicts = self.conflicts(voters.iter().copied());
        if conflicts.iter().all(|pairs| *pairs == 0) || !self.all_healthy(range, voters, now) {
            return None;
        }
        let best = |voter: &NodeId| {
            let rest = without(voters, *voter);
            let nodes = self.candidates(range, now);
            nodes.into_iter().map(|node| self.conflicts(with(&rest, node))).min()
        };
        let moved = *voters.iter().min_by_key(|voter| {
            // Without a candidate there is none for the others either.
            (best(voter).unwrap_or_else(|| conflicts.clone()), **voter == range.leader, **voter)
        })?;
        if best(&moved)? >= conflicts {
            return None;
        }
        let goal = self.choose(range, &without(voters, moved), 1, loads, now)?;
        (self.conflicts(goal.iter().copied()) < conflicts).then_some(Task::Voters(goal))
    }

    /// A range that is large, or has been under load for a while, is split.
    fn split_by_need(&self, range: &RangeMemory, _: &BTreeMap<NodeId, Load>, now: Timestamp) -> Option<Task> {
        let (report, settings) = (&range.report, &self.registry.settings);
        let is_hot =
            range.hot_since.is_some_and(|hot_since| since(now, hot_since) >= settings.load_split_after);
        let is_needed = report.bytes >= settings.range_bytes_max || is_hot;
        if report.descriptor.id == RangeId::PLACEMENT || !is_needed {
            return None;
        }
        Some(Task::Split { version: report.descriptor.version, at: None, child: None })
    }
}
