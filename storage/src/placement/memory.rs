//! What was reported, and what follows from it about the health of nodes and voters.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    record::NodeState,
    registry::Registry,
    report::{NodeReport, RangeReport, ReplicaReport},
    settings::Settings,
};
use crate::{
    kv::Timestamp,
    range::{NodeId, RangeId},
};

/// What was reported since the driver began; it is empty then.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) started: Timestamp,
    pub(crate) nodes: BTreeMap<NodeId, NodeMemory>,
    pub(crate) ranges: BTreeMap<RangeId, RangeMemory>,
}

/// The last report of a node.
#[derive(Debug)]
pub(crate) struct NodeMemory {
    pub(crate) seen: Timestamp,
    pub(crate) report: NodeReport,
    /// Replicas that memberships name here and that the node does not have, since when.
    missing: BTreeMap<RangeId, Timestamp>,
    /// Those of them that went with the node's former data folder.
    lost: BTreeSet<RangeId>,
}

/// The last report of a range.
#[derive(Debug)]
pub(crate) struct RangeMemory {
    pub(crate) leader: NodeId,
    pub(crate) received: Timestamp,
    pub(crate) report: RangeReport,
    /// Since when it is under more load than it should be.
    pub(crate) hot_since: Option<Timestamp>,
}

/// How a voter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is heard and up to date.
    Current,
    /// It is heard and behind.
    Behind,
    /// It has not been heard for this long.
    Silent(Duration),
    /// It will not come back: the node was removed, or no longer has the replica.
    Lost,
}

/// Time from `then` to `now`; zero if the clock went back.
pub(crate) fn since(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_millis(now.0.saturating_sub(then.0))
}

impl Memory {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self { started, ..Self::default() }
    }

    /// Time since the node was heard; of nodes never heard, since the driver began.
    pub(crate) fn silent(&self, node: NodeId, now: Timestamp) -> Duration {
        since(now, self.nodes.get(&node).map_or(self.started, |memory| memory.seen))
    }

    /// Whether the node reported lately.
    pub(crate) fn is_live(&self, node: NodeId, settings: &Settings, now: Timestamp) -> bool {
        self.nodes.contains_key(&node) && self.silent(node, now) <= settings.suspect_after
    }

    /// The replica of the range that the node reports to have.
    pub(crate) fn replica(&self, node: NodeId, range: RangeId) -> Option<ReplicaReport> {
        self.nodes.get(&node)?.report.replicas.get(&range).copied()
    }

    /// The report of the range, if it is new enough to act on.
    pub(crate) fn fresh(&self, range: RangeId, settings: &Settings, now: Timestamp) -> Option<&RangeMemory> {
        self.ranges.get(&range).filter(|memory| since(now, memory.received) <= settings.suspect_after)
    }

    /// Takes over a node's report; `emptied` says that its data folder is another than before.
    pub(crate) fn observe_node(
        &mut self,
        report: NodeReport,
        emptied: bool,
        registry: &Registry,
        now: Timestamp,
    ) {
        let node = report.node;
        let before = self.nodes.remove(&node);
        let (mut missing, mut lost) = before.map(|memory| (memory.missing, memory.lost)).unwrap_or_default();
        let names = |range: &RangeId| match self.ranges.get(range) {
            Some(memory) => memory.report.names(node),
            None => registry
                .ranges
                .get(range)
                .is_some_and(|record| record.voters.contains(&node) || record.learners.contains(&node)),
        };
        let absent: BTreeSet<RangeId> = registry
            .ranges
            .keys()
            .filter(|range| !report.replicas.contains_key(range) && names(range))
            .copied()
            .collect();
        missing.retain(|range, _| absent.contains(range));
        lost.retain(|range| absent.contains(range));
        for range in absent {
            missing.entry(range).or_insert(now);
            if emptied {
                lost.insert(range);
            }
        }
        self.nodes.insert(node, NodeMemory { seen: now, report, missing, lost });
    }

    /// A node begins again with another data folder: its replicas are lost, unless it reports them again.
    pub(crate) fn observe_loss(&mut self, node: NodeId, registry: &Registry, now: Timestamp) {
        if let Some(memory) = self.nodes.get(&node) {
            let replicas = BTreeMap::new();
            let report = NodeReport { replicas, led: Vec::new(), ..memory.report.clone() };
            self.observe_node(report, true, registry, now);
        }
    }

    /// Takes over the report of a range from its leader; the registry found it new.
    pub(crate) fn observe_range(
        &mut self,
        leader: NodeId,
        report: RangeReport,
        settings: &Settings,
        now: Timestamp,
    ) {
        let hot = report.writes_per_second >= settings.split_writes_per_second
            || report.reads_per_second >= settings.split_reads_per_second;
        let id = report.descriptor.id;
        // Load is counted anew after a split, as half of it is gone.
        let before = self.ranges.get(&id).filter(|memory| {
            memory.report.descriptor.version == report.descriptor.version && memory.leader == leader
        });
        let since = before.and_then(|memory| memory.hot_since).unwrap_or(now);
        let hot_since = hot.then_some(since);
        self.ranges.insert(id, RangeMemory { leader, received: now, report, hot_since });
    }

    /// How a voter or learner of the range stands.
    pub(crate) fn health(
        &self,
        range: &RangeMemory,
        node: NodeId,
        registry: &Registry,
        now: Timestamp,
    ) -> Health {
        let settings = &registry.settings;
        if registry.state(node) == NodeState::Removed {
            // Its reports are refused; but while it acknowledges, its vote counts, also to leave.
            let acknowledges =
                range.report.is_current(range.leader, node, settings.lag_max, settings.suspect_after);
            return if acknowledges { Health::Current } else { Health::Lost };
        }
        let id = range.report.descriptor.id;
        if let Some(memory) = self.nodes.get(&node)
            && let Some(missing) = memory.missing.get(&id)
        {
            let gone = memory.lost.contains(&id) || since(now, *missing) >= settings.missing_after;
            return if gone { Health::Lost } else { Health::Behind };
        }
        if !self.is_live(node, settings, now) {
            return Health::Silent(self.silent(node, now));
        }
        if let Some(follower) = range.report.followers.get(&node)
            && follower.silent > settings.suspect_after
        {
            return Health::Silent(follower.silent);
        }
        if range.report.is_current(range.leader, node, settings.lag_max, settings.suspect_after) {
            Health::Current
        } else {
            Health::Behind
        }
    }

    /// How many of `nodes` are heard and up to date.
    pub(crate) fn healthy(
        &self,
        range: &RangeMemory,
        nodes: &BTreeSet<NodeId>,
        registry: &Registry,
        now: Timestamp,
    ) -> usize {
        nodes.iter().filter(|node| self.health(range, **node, registry, now) == Health::Current).count()
    }
}
