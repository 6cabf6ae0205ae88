//! The placement driver: where the replicas of ranges are, who leads them, and when ranges split.
//!
//! ```text
//! node, each second → NodeReport ─▶ Driver::report ─▶ orders for that node, in the answer
//! clock, each second ─────────────▶ Driver::tick   ─▶ what to do next
//! registry, Space::Placement ◀── Driver::change, a transaction; Driver::saved when it is committed
//! ```
//! Pure: no I/O, no clock, no randomness. It runs where range 1 is led; what must survive is in the
//! registry, what is reported is in memory and comes back with the next reports. Nothing here is the
//! truth about a range: that is its Raft group, and every order names what the driver knew, so that the
//! group can refuse. What holds at every step:
//!
//! - A replica is made only on a node that the range's committed membership does not name, and votes
//!   only after it has caught up with the membership that made it a learner.
//! - Voters change only if a quorum of the old and of the new ones is heard and up to date.
//! - A range has at most one operator, and at most one change of membership on its way.

mod admin;
mod balance;
mod choice;
mod codec;
mod error;
mod memory;
mod operator;
mod order;
mod record;
mod registry;
mod report;
mod schedule;
mod settings;
mod status;

use std::collections::{BTreeMap, VecDeque};

pub use admin::Join;
pub(crate) use codec::{decode_range_record, range_keys};
pub use error::PlacementError;
pub use order::{Knowledge, Order, may_drop, quorum, voters_are_safe};
pub use record::{ClusterId, NodeRecord, NodeState, RangeRecord};
pub use registry::Change;
pub use report::{Follower, NodeReport, RangeReport, ReplicaPhase, ReplicaReport};
pub use settings::Settings;
pub use status::{NodeStatus, OperatorStatus, RangeStatus, Reason, Status};

use self::{
    memory::{Memory, since},
    operator::{Operator, Progress, Task, finish_joint},
    order::drop_replica,
    registry::Registry,
};
use crate::{
    kv::{Key, Timestamp, Value},
    range::{NodeId, RangeId},
};

/// The placement driver, while its node leads range 1.
#[derive(Debug)]
pub struct Driver {
    registry: Registry,
    memory: Memory,
    operators: BTreeMap<RangeId, Operator>,
    /// When replicas of the last minute began to be built.
    moves: VecDeque<Timestamp>,
    /// When something was last given up.
    failed: BTreeMap<(RangeId, Reason), Timestamp>,
    /// When a node was last in vain made to hold a replica.
    failed_builds: BTreeMap<(RangeId, NodeId), Timestamp>,
}

impl Driver {
    /// The keys of the registry of a new cluster, for [`Space::Placement`](crate::Space::Placement).
    pub fn first(
        cluster: ClusterId,
        settings: &Settings,
        node: &NodeRecord,
        ranges: &[RangeRecord],
    ) -> Vec<(Key, Value)> {
        Registry::first(cluster, settings, node, ranges)
    }

    /// Begins with every key of [`Space::Placement`](crate::Space::Placement), read linearizably after
    /// this node became the leader of range 1 in `term`.
    ///
    /// It decides and orders nothing before its first [`Self::change`] is committed, which shuts out the
    /// driver before: that one can write nothing any more.
    ///
    /// # Errors
    ///
    /// Names the key that is missing or not what a driver writes.
    pub fn load(
        entries: impl IntoIterator<Item = (Key, Value)>,
        term: u64,
        now: Timestamp,
    ) -> Result<Self, PlacementError> {
        Ok(Self {
            registry: Registry::load(entries, term)?,
            memory: Memory::new(now),
            operators: BTreeMap::new(),
            moves: VecDeque::new(),
            failed: BTreeMap::new(),
            failed_builds: BTreeMap::new(),
        })
    }

    /// Takes a node's report; returns what the node is to do now.
    ///
    /// # Errors
    ///
    /// If the node is no member, comes with an older data folder, or the report is older than the last.
    pub fn report(&mut self, report: NodeReport, now: Timestamp) -> Result<Vec<Order>, PlacementError> {
        let node = report.node;
        let known = self.registry.nodes.get(&node).ok_or(PlacementError::UnknownNode { node })?;
        if known.state == NodeState::Removed {
            return Err(PlacementError::NodeRemoved { node });
        }
        if report.incarnation < known.incarnation {
            return Err(PlacementError::OldIncarnation { node });
        }
        let emptied = report.incarnation > known.incarnation;
        let last = self.memory.nodes.get(&node).map(|memory| &memory.report);
        if last.is_some_and(|last| !emptied && report.sequence <= last.sequence) {
            return Err(PlacementError::LateReport { node });
        }
        admin::check_fields(&report.address, &report.labels)?;
        let (address, labels) = (report.address.clone(), report.labels.clone());
        let record = NodeRecord { address, labels, incarnation: report.incarnation, ..known.clone() };
        self.registry.set_node(record);
        let mut led = Vec::new();
        for range in &report.led {
            if self.registry.observe(node, range) {
                led.push(range.descriptor.id);
                self.memory.observe_range(node, range.clone(), &self.registry.settings, now);
            }
        }
        self.memory.observe_node(report, emptied, &self.registry, now);
        self.settle(now);
        Ok(self.orders(node, &led, now))
    }

    /// Finishes what is done or has taken too long, and decides what to do next; about each second.
    pub fn tick(&mut self, now: Timestamp) {
        self.settle(now);
        while self.moves.front().is_some_and(|moved| since(now, *moved).as_secs() >= 60) {
            self.moves.pop_front();
        }
        let settings = &self.registry.settings;
        let forgotten = settings.move_timeout.max(settings.step_timeout);
        self.failed.retain(|_, failed| since(now, *failed) < forgotten);
        self.failed_builds.retain(|_, failed| since(now, *failed) < forgotten);
        for operator in self.operators.values_mut() {
            if let Task::Split { child: child @ None, .. } = &mut operator.task {
                *child = self.registry.allocate();
            }
        }
        if self.saved_number() > 0 && self.is_warm(now) {
            self.schedule(now);
        }
    }

    /// The next change of the registry, if there is one and none is on its way.
    pub fn change(&mut self) -> Option<Change> {
        self.registry.change()
    }

    /// A change is committed.
    pub fn saved(&mut self, number: u64) {
        self.registry.saved(number);
    }

    /// Number of the last change that is committed.
    pub fn saved_number(&self) -> u64 {
        self.registry.saved_number()
    }

    /// Which cluster.
    pub fn cluster(&self) -> ClusterId {
        self.registry.cluster
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.registry.settings
    }

    /// Every node that ever joined.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.registry.nodes.values()
    }

    /// The range map, by space and first key.
    pub fn ranges(&self) -> Vec<&RangeRecord> {
        self.registry.by_keys()
    }

    /// Whether every node had time to report: before, an absent one says nothing.
    fn is_warm(&self, now: Timestamp) -> bool {
        let mut members = self.registry.nodes.values().filter(|node| node.state != NodeState::Removed);
        since(now, self.memory.started) > self.registry.settings.suspect_after
            || members.all(|node| self.memory.nodes.contains_key(&node.id))
    }

    /// Ends operators that are done, void or late.
    fn settle(&mut self, now: Timestamp) {
        let (memory, registry) = (&self.memory, &self.registry);
        let ended: Vec<(RangeId, Progress)> = self
            .operators
            .iter()
            .map(|(id, operator)| (*id, operator.progress(memory.ranges.get(id), memory, registry, now)))
            .filter(|(_, progress)| *progress != Progress::UnderWay)
            .collect();
        for (id, progress) in ended {
            let Some(operator) = self.operators.remove(&id) else { continue };
            if progress != Progress::TimedOut {
                continue;
            }
            self.failed.insert((id, operator.reason), now);
            if let (Task::Voters(goal), Some(range)) = (&operator.task, self.memory.ranges.get(&id)) {
                let unbuilt = goal.difference(&range.report.voters);
                self.failed_builds.extend(unbuilt.map(|node| ((id, *node), now)));
            }
        }
    }

    /// What `node` is to do, having just reported `led`.
    fn orders(&self, node: NodeId, led: &[RangeId], now: Timestamp) -> Vec<Order> {
        let settings = &self.registry.settings;
        let mut orders = Vec::new();
        if self.saved_number() == 0 {
            return orders;
        }
        for (id, operator) in &self.operators {
            let Some(range) = self.memory.fresh(*id, settings, now) else { continue };
            let steps = operator.steps(range, &self.memory, &self.registry, now);
            orders.extend(steps.into_iter().filter(|(to, _)| *to == node).map(|(_, order)| order));
        }
        for id in led.iter().filter(|id| !self.operators.contains_key(id)) {
            let joint = self.memory.ranges.get(id);
            let joint = joint.filter(|range| range.report.is_joint() && !range.report.changing);
            orders.extend(joint.and_then(|range| finish_joint(range, settings)).map(|(_, order)| order));
        }
        let memory = self.memory.nodes.get(&node);
        for (id, replica) in memory.into_iter().flat_map(|memory| &memory.report.replicas) {
            let Some(range) = self.memory.fresh(*id, settings, now) else { continue };
            let report = &range.report;
            let wanted = self.operators.get(id).is_some_and(|operator| operator.wants(node));
            if !wanted
                && !report.changing
                && !report.names(node)
                && (replica.configuration <= report.configuration || replica.term < report.settled_term())
            {
                let incarnation = memory.map_or(0, |memory| memory.report.incarnation);
                orders.push(drop_replica(report, incarnation));
            }
        }
        orders
    }
}

#[cfg(test)]
mod model_cluster;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod simulation_tests;
