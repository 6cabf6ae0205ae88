//! Evenness: leaders, replicas, and load, in this order, once nothing is broken.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Driver,
    choice::{Load, weight, with, without},
    memory::RangeMemory,
    operator::{Operator, Task},
    record::NodeState,
    status::Reason,
};
use crate::{
    kv::Timestamp,
    range::{NodeId, RangeId},
};

/// Operations each second by which two nodes must differ before load moves.
const HOT_MIN: u64 = 1_000;

impl Driver {
    /// Starts what makes nodes more even, as far as the limits allow.
    pub(crate) fn balance(&mut self, now: Timestamp) {
        loop {
            let mut moved = self.move_leaders(now);
            let (free, most) = (self.transfers_free(), self.registry.settings.transfers_max);
            if moved.len() > free {
                // A longer way than the limit allows goes from its end, where there is room.
                if free < most {
                    break;
                }
                moved.drain(..moved.len() - free);
            }
            if moved.is_empty() {
                break;
            }
            for (range, task) in moved {
                self.start(range, Operator { task, reason: Reason::Leaders, started: now });
            }
        }
        // Copies for evenness would take the bandwidth of copies for safety.
        if self.operators.values().any(|operator| operator.reason <= Reason::Domains) {
            return;
        }
        while let Some((range, task)) = self.move_replica(now) {
            self.start(range, Operator { task, reason: Reason::Balance, started: now });
        }
        if self.operators.is_empty()
            && let Some((range, task)) = self.move_load(now)
        {
            self.start(range, Operator { task, reason: Reason::Hot, started: now });
        }
    }

    /// Nodes that take part in balance.
    fn balanced(&self, now: Timestamp) -> Vec<NodeId> {
        let nodes = self.registry.nodes.values().filter(|record| record.state == NodeState::Active);
        nodes
            .map(|record| record.id)
            .filter(|node| self.memory.is_live(*node, &self.registry.settings, now))
            .collect()
    }

    fn idle_ranges(&self, reason: Reason, now: Timestamp) -> Vec<(RangeId, &RangeMemory)> {
        let ranges = self.memory.ranges.keys().copied();
        ranges
            .filter(|id| !self.backs_off(*id, reason, now))
            .filter_map(|id| self.idle(id, now).map(|range| (id, range)))
            .collect()
    }

    /// The shortest way from a node to one that leads at least two fewer, each step over a range that
    /// both ends have; often one step.
    ///
    /// All steps at once: nodes between lead as many as before, so that no way is taken back.
    fn move_leaders(&self, now: Timestamp) -> Vec<(RangeId, Task)> {
        let loads = self.loads();
        let leaders = |node: &NodeId| loads.get(node).map_or(0, |load| load.leaders);
        let mut edges = BTreeMap::<NodeId, BTreeMap<NodeId, RangeId>>::new();
        for (id, range) in self.idle_ranges(Reason::Leaders, now) {
            for heir in self.heirs(range, now) {
                edges.entry(range.leader).or_default().entry(heir).or_insert(id);
            }
        }
        let mut nodes = self.balanced(now);
        nodes.sort_by_key(|node| (std::cmp::Reverse(leaders(node)), *node));
        for from in nodes {
            // Breadth first; each node with how it was reached.
            let mut reached = BTreeMap::<NodeId, Option<(NodeId, RangeId)>>::from([(from, None)]);
            let mut queue = VecDeque::from([from]);
            while let Some(node) = queue.pop_front() {
                if leaders(&from) >= leaders(&node) + 2 {
                    return way_to(node, &reached);
                }
                for (next, range) in edges.get(&node).into_iter().flatten() {
                    reached.entry(*next).or_insert_with(|| {
                        queue.push_back(*next);
                        Some((node, *range))
                    });
                }
            }
        }
        Vec::new()
    }

    /// A replica from a node that carries more to one that carries less, so that both come closer.
    fn move_replica(&self, now: Timestamp) -> Option<(RangeId, Task)> {
        let loads = self.loads();
        let load = |node: NodeId| loads.get(&node).map_or(0, |load: &Load| load.weight);
        let nodes = self.balanced(now);
        let mut pairs: Vec<(u64, NodeId, NodeId)> = Vec::new();
        for from in &nodes {
            pairs.extend(nodes.iter().filter_map(|to| {
                let difference = load(*from).checked_sub(load(*to)).filter(|difference| *difference > 0)?;
                Some((difference, *from, *to))
            }));
        }
        pairs.sort_by_key(|(difference, from, to)| (std::cmp::Reverse(*difference), *from, *to));
        let ranges = self.idle_ranges(Reason::Balance, now);
        let limit = self.registry.settings.snapshots_per_node_max;
        for (difference, from, to) in pairs {
            let incoming = loads.get(&to).map_or(0, |load| load.incoming);
            if incoming >= limit || !self.is_eligible(to, now) || !self.may_move(1, now) {
                continue;
            }
            let moved = ranges.iter().filter(|(_, range)| {
                let voters = &range.report.voters;
                let outgoing = loads.get(&range.leader).map_or(0, |load| load.outgoing);
                // Less than two thirds of the difference: it must not soon be moved back.
                weight(range).saturating_mul(3) <= difference.saturating_mul(2)
                    && voters.contains(&from)
                    && self.candidates(range, now).contains(&to)
                    && outgoing < limit
                    && self.all_healthy(range, voters, now)
                    && self.conflicts(with(&without(voters, from), to))
                        <= self.conflicts(voters.iter().copied())
            });
            // The largest that fits; one that need not hand over its leader first is better.
            let best =
                moved.max_by_key(|(id, range)| (weight(range), range.leader != from, std::cmp::Reverse(*id)));
            if let Some((id, range)) = best {
                let goal = with(&without(&range.report.voters, from), to);
                return Some((*id, Task::Voters(goal)));
            }
        }
        None
    }

    /// The lead of a busy range to a node that serves less, if the numbers of leaders stay even.
    fn move_load(&self, now: Timestamp) -> Option<(RangeId, Task)> {
        let loads = self.loads();
        let load = |node: &NodeId| loads.get(node).cloned().unwrap_or_default();
        let nodes = self.balanced(now);
        let from = nodes.into_iter().max_by_key(|node| (load(node).operations, *node))?;
        let mut best: Option<(u64, RangeId, NodeId)> = None;
        for (id, range) in self.idle_ranges(Reason::Hot, now) {
            let operations = range.report.writes_per_second.saturating_add(range.report.reads_per_second);
            for to in self.heirs(range, now).into_iter().filter(|_| range.leader == from) {
                let difference = load(&from).operations.saturating_sub(load(&to).operations);
                let helps = difference >= HOT_MIN
                    && operations.saturating_mul(3) <= difference.saturating_mul(2)
                    && load(&from).leaders > load(&to).leaders;
                if helps && best.is_none_or(|(most, _, _)| operations > most) {
                    best = Some((operations, id, to));
                }
            }
        }
        let (operations, id, to) = best?;
        (operations > 0).then_some((id, Task::Leader { from, to }))
    }
}

/// The steps by which `node` was reached.
fn way_to(mut node: NodeId, reached: &BTreeMap<NodeId, Option<(NodeId, RangeId)>>) -> Vec<(RangeId, Task)> {
    let mut steps = Vec::new();
    while let Some(Some((from, range))) = reached.get(&node) {
        steps.push((*range, Task::Leader { from: *from, to: node }));
        node = *from;
    }
    steps.reverse();
    steps
}
