//! Which node is best for a replica: failure domains first, then load.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Driver,
    memory::{RangeMemory, since},
    operator::Task,
    record::NodeState,
};
use crate::{
    kv::Timestamp,
    range::{NodeId, RangeId},
};

/// What a replica weighs beyond its bytes: empty ranges cost memory and heartbeats too.
const REPLICA_WEIGHT: u64 = 16 << 20;

/// What a node carries, or will when what is under way is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) replicas: usize,
    /// Bytes of its replicas, and something for each.
    pub(crate) weight: u64,
    pub(crate) leaders: usize,
    /// Operations each second at the leaders on it.
    pub(crate) operations: u64,
    /// Replicas being built here.
    pub(crate) incoming: usize,
    /// Replicas being built from the leaders here.
    pub(crate) outgoing: usize,
}

/// What a replica of the range weighs.
pub(crate) fn weight(range: &RangeMemory) -> u64 {
    range.report.bytes.saturating_add(REPLICA_WEIGHT)
}

/// A disk with room for so many of the largest ranges is not full, whatever the per cent.
const ROOM_RANGES: u64 = 4;

impl Driver {
    /// What each node carries.
    pub(crate) fn loads(&self) -> BTreeMap<NodeId, Load> {
        let mut loads: BTreeMap<NodeId, Load> =
            self.registry.nodes.keys().map(|node| (*node, Load::default())).collect();
        for (id, range) in &self.memory.ranges {
            let report = &range.report;
            let operator = self.operators.get(id);
            let goal = match operator.map(|operator| &operator.task) {
                Some(Task::Voters(goal)) => goal,
                _ => &report.voters,
            };
            let leader = match operator.map(|operator| &operator.task) {
                Some(Task::Leader { to, .. }) => *to,
                _ => range.leader,
            };
            for node in goal {
                let load = loads.entry(*node).or_default();
                load.replicas += 1;
                load.weight = load.weight.saturating_add(weight(range));
                if !report.voters.contains(node) {
                    load.incoming += 1;
                    loads.entry(range.leader).or_default().outgoing += 1;
                }
            }
            let load = loads.entry(leader).or_default();
            load.leaders += 1;
            let operations = report.writes_per_second.saturating_add(report.reads_per_second);
            load.operations = load.operations.saturating_add(operations);
        }
        loads
    }

    /// Whether the node can be given a replica, apart from limits on how many at once.
    pub(crate) fn is_eligible(&self, node: NodeId, now: Timestamp) -> bool {
        let settings = &self.registry.settings;
        let has_space = self.memory.nodes.get(&node).is_some_and(|memory| {
            let report = &memory.report;
            let used = report.capacity_bytes.saturating_sub(report.free_bytes);
            let limit = u128::from(report.capacity_bytes) * u128::from(settings.disk_used_percent_max);
            // A few per cent of a large disk are still room for many ranges.
            u128::from(used) * 100 <= limit
                || report.free_bytes >= settings.range_bytes_max.saturating_mul(ROOM_RANGES)
        });
        self.registry.state(node) == NodeState::Active
            && self.memory.is_live(node, settings, now)
            && has_space
    }

    /// Nodes that can be given a replica of the range, apart from limits on how many at once.
    pub(crate) fn candidates(&self, range: &RangeMemory, now: Timestamp) -> Vec<NodeId> {
        let id = range.report.descriptor.id;
        self.registry
            .nodes
            .keys()
            .copied()
            .filter(|node| !range.report.voters.contains(node) && self.is_eligible(*node, now))
            .filter(|node| !self.failed_lately(id, *node, now))
            .collect()
    }

    fn failed_lately(&self, range: RangeId, node: NodeId, now: Timestamp) -> bool {
        let timeout = self.registry.settings.move_timeout;
        self.failed_builds.get(&(range, node)).is_some_and(|failed| since(now, *failed) < timeout)
    }

    /// Chooses `count` of the candidates to vote beside `base`, within the limits; all or none.
    pub(crate) fn choose(
        &self,
        range: &RangeMemory,
        base: &BTreeSet<NodeId>,
        count: usize,
        loads: &BTreeMap<NodeId, Load>,
        now: Timestamp,
    ) -> Option<BTreeSet<NodeId>> {
        let limit = self.registry.settings.snapshots_per_node_max;
        let outgoing = loads.get(&range.leader).map_or(0, |load| load.outgoing);
        if outgoing + count > limit.max(count) || !self.may_move(count, now) {
            return None;
        }
        let mut candidates = self.candidates(range, now);
        candidates.retain(|node| loads.get(node).is_none_or(|load| load.incoming < limit));
        let mut chosen = base.clone();
        for _ in 0..count {
            let best = candidates.iter().copied().min_by_key(|node| {
                let load = loads.get(node).cloned().unwrap_or_default();
                let is_new = !range.report.learners.contains(node);
                (self.conflicts(with(&chosen, *node)), is_new, load.weight, load.replicas, *node)
            })?;
            candidates.retain(|node| *node != best);
            chosen.insert(best);
        }
        Some(chosen)
    }

    /// How badly `nodes` are spread: pairs in one failure domain, for each kind of domain.
    pub(crate) fn conflicts(&self, nodes: impl IntoIterator<Item = NodeId>) -> Vec<usize> {
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let domain = |node: &NodeId, key: &String| {
            self.registry.nodes.get(node).and_then(|record| record.labels.get(key)).cloned()
        };
        let pairs = |key: &String| {
            let mut count = BTreeMap::<Option<String>, usize>::new();
            nodes.iter().for_each(|node| *count.entry(domain(node, key)).or_default() += 1);
            count.values().map(|count| count * (count - 1) / 2).sum()
        };
        self.registry.settings.domains.iter().map(pairs).collect()
    }

    /// Whether `count` more replicas may begin to be built now.
    pub(crate) fn may_move(&self, count: usize, now: Timestamp) -> bool {
        let minute = std::time::Duration::from_secs(60);
        let lately = self.moves.iter().filter(|moved| since(now, **moved) < minute).count();
        let limit = self.registry.settings.moves_per_minute_max;
        // A range that grows by more at once than the limit allows must still be able to.
        lately + count <= limit.max(count)
    }
}

/// `nodes` and one more.
pub(crate) fn with(nodes: &BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    let mut nodes = nodes.clone();
    nodes.insert(node);
    nodes
}

/// `nodes` without one.
pub(crate) fn without(nodes: &BTreeSet<NodeId>, node: NodeId) -> BTreeSet<NodeId> {
    let mut nodes = nodes.clone();
    nodes.remove(&node);
    nodes
}
