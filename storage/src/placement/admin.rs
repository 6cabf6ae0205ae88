//! What an operator of the cluster asks for.

use std::collections::BTreeMap;

use super::{
    Driver,
    error::PlacementError,
    memory::{Health, RangeMemory, since},
    operator::{Operator, Task},
    order::quorum,
    record::{NodeRecord, NodeState},
    settings::Settings,
    status::{NodeStatus, OperatorStatus, RangeStatus, Reason, Status},
};
use crate::{
    kv::{Key, Timestamp},
    range::{NodeId, RangeId},
};

const ADDRESS_BYTES_MAX: usize = 1024;
const LABELS_MAX: usize = 64;
const LABEL_BYTES_MAX: usize = 256;

/// Who asks to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Its number; without one, it gets the next that was never used.
    pub node: Option<NodeId>,
    /// Where other nodes reach it.
    pub address: String,
    /// Where it stands, such as `zone=a`.
    pub labels: BTreeMap<String, String>,
    /// See [`NodeReport::incarnation`](super::NodeReport::incarnation).
    pub incarnation: u64,
}

impl Driver {
    /// Takes up a node, or one that is known and begins again, perhaps elsewhere or with an empty disk.
    ///
    /// Returns its number, and that of the change after which it may be told so.
    ///
    /// # Errors
    ///
    /// If the number or the address is that of another node that is alive, if the node was removed,
    /// or if its data folder is older than its last one.
    pub fn join(&mut self, join: Join, now: Timestamp) -> Result<(NodeId, u64), PlacementError> {
        check_fields(&join.address, &join.labels)?;
        let next = self.registry.nodes.last_key_value().map_or(1, |(id, _)| id.0.saturating_add(1));
        let id = join.node.unwrap_or(NodeId(next));
        let settings = &self.registry.settings;
        let mut state = NodeState::Active;
        if let Some(known) = self.registry.nodes.get(&id) {
            if known.state == NodeState::Removed {
                return Err(PlacementError::NodeRemoved { node: id });
            }
            if known.address != join.address && self.memory.is_live(id, settings, now) {
                return Err(PlacementError::NodeInUse { node: id, address: known.address.clone() });
            }
            if join.incarnation < known.incarnation {
                return Err(PlacementError::OldIncarnation { node: id });
            }
            state = known.state;
        }
        let mut others = self.registry.nodes.values().filter(|other| other.id != id);
        if let Some(other) = others.find(|other| {
            other.address == join.address
                && other.state != NodeState::Removed
                && self.memory.is_live(other.id, settings, now)
        }) {
            return Err(PlacementError::AddressInUse { node: other.id, address: join.address });
        }
        let known = self.registry.nodes.get(&id).map(|known| known.incarnation);
        if known.is_some_and(|known| known < join.incarnation) {
            // What it had is gone, and must not count as healthy until the first report says so.
            self.memory.observe_loss(id, &self.registry, now);
        }
        // The incarnation is taken over with the first report, which says what is lost.
        let incarnation = known.unwrap_or(join.incarnation);
        let Join { address, labels, .. } = join;
        self.registry.set_node(NodeRecord { id, address, labels, state, incarnation });
        Ok((id, self.registry.next_number()))
    }

    /// Moves everything away from a node, which stays a member. Returns the number of the change.
    ///
    /// # Errors
    ///
    /// If it is not a member, or no other active node is.
    pub fn drain(&mut self, node: NodeId) -> Result<u64, PlacementError> {
        self.set_state(node, NodeState::Draining)
    }

    /// Uses a node again that was to be drained. Returns the number of the change.
    ///
    /// # Errors
    ///
    /// If it is not a member.
    pub fn activate(&mut self, node: NodeId) -> Result<u64, PlacementError> {
        self.set_state(node, NodeState::Active)
    }

    /// Ends the membership of a node for ever. Returns the number of the change.
    ///
    /// # Errors
    ///
    /// If no other active node is left, a range has not reported, or the node holds replicas or is to
    /// get one. With `force`, its replicas are
    /// counted as lost instead; not while the node is alive, as it can then be drained.
    pub fn remove(&mut self, node: NodeId, force: bool, now: Timestamp) -> Result<u64, PlacementError> {
        let is_live = self.memory.is_live(node, &self.registry.settings, now);
        let replicas = self.replicas_of(node, now);
        if replicas > 0 && (is_live || !force) {
            return Err(PlacementError::HoldsReplicas { node, replicas });
        }
        if !force {
            // What the registry says of a range may be older than what its last driver saw.
            let settings = &self.registry.settings;
            let mut ranges = self.registry.ranges.keys();
            if let Some(range) = ranges.find(|range| self.memory.fresh(**range, settings, now).is_none()) {
                return Err(PlacementError::NoLeader { range: *range });
            }
            let mut operators = self.operators.iter();
            if let Some((range, _)) = operators.find(|(_, operator)| operator.wants(node)) {
                return Err(PlacementError::RangeBusy { range: *range });
            }
        }
        self.set_state(node, NodeState::Removed)
    }

    fn set_state(&mut self, node: NodeId, state: NodeState) -> Result<u64, PlacementError> {
        let record = self.registry.nodes.get(&node).ok_or(PlacementError::UnknownNode { node })?;
        if record.state == NodeState::Removed {
            return Err(PlacementError::NodeRemoved { node });
        }
        let mut others = self.registry.nodes.values().filter(|other| other.id != node);
        if state != NodeState::Active && !others.any(|other| other.state == NodeState::Active) {
            return Err(PlacementError::LastNode { node });
        }
        let record = NodeRecord { state, ..record.clone() };
        self.registry.set_node(record);
        Ok(self.registry.next_number())
    }

    /// Changes the settings. Returns the number of the change.
    ///
    /// # Errors
    ///
    /// If one is out of its bounds.
    pub fn set_settings(&mut self, settings: Settings) -> Result<u64, PlacementError> {
        settings.check()?;
        self.registry.set_settings(settings);
        Ok(self.registry.next_number())
    }

    /// Cuts a range in two, at a key or where its leader finds the middle.
    ///
    /// # Errors
    ///
    /// If it is range 1, the key is not inside, or the range is not ready for it.
    pub fn split(&mut self, id: RangeId, at: Option<Key>, now: Timestamp) -> Result<(), PlacementError> {
        if id == RangeId::PLACEMENT {
            return Err(PlacementError::NeverSplits { range: id });
        }
        let descriptor = &self.ready(id, now)?.report.descriptor;
        if let Some(key) =
            at.as_ref().filter(|at| !descriptor.keys.contains(at) || **at == descriptor.keys.start)
        {
            return Err(PlacementError::NotInside { range: id, key: key.clone() });
        }
        let task = Task::Split { version: descriptor.version, at, child: None };
        self.start(id, Operator { task, reason: Reason::Manual, started: now });
        Ok(())
    }

    /// Lets another voter lead a range. What balances leaders may later move it again.
    ///
    /// # Errors
    ///
    /// If the node is no healthy voter, or the range is not ready for it.
    pub fn transfer_leader(&mut self, id: RangeId, to: NodeId, now: Timestamp) -> Result<(), PlacementError> {
        let range = self.ready(id, now)?;
        let is_healthy = self.health(range, to, now) == Health::Current;
        if !range.report.voters.contains(&to) || !is_healthy {
            return Err(PlacementError::NotAVoter { range: id, node: to });
        }
        if range.leader != to {
            let task = Task::Leader { from: range.leader, to };
            self.start(id, Operator { task, reason: Reason::Manual, started: now });
        }
        Ok(())
    }

    fn ready(&self, id: RangeId, now: Timestamp) -> Result<&RangeMemory, PlacementError> {
        if !self.registry.ranges.contains_key(&id) {
            return Err(PlacementError::UnknownRange { range: id });
        }
        let fresh = self.memory.fresh(id, &self.registry.settings, now);
        fresh.ok_or(PlacementError::NoLeader { range: id })?;
        self.idle(id, now).ok_or(PlacementError::RangeBusy { range: id })
    }

    /// How the cluster stands.
    pub fn status(&self, now: Timestamp) -> Status {
        let (registry, memory) = (&self.registry, &self.memory);
        let loads = self.loads();
        let members = registry.nodes.values().filter(|node| node.state != NodeState::Removed);
        let nodes: Vec<NodeStatus> = members
            .map(|node| {
                let report = memory.nodes.get(&node.id).map(|memory| &memory.report);
                NodeStatus {
                    id: node.id,
                    address: node.address.clone(),
                    labels: node.labels.clone(),
                    state: node.state,
                    live: memory.is_live(node.id, &registry.settings, now),
                    silent: memory.silent(node.id, now),
                    capacity_bytes: report.map_or(0, |report| report.capacity_bytes),
                    free_bytes: report.map_or(0, |report| report.free_bytes),
                    replicas: self.replicas_of(node.id, now),
                    leaders: loads.get(&node.id).map_or(0, |load| load.leaders),
                }
            })
            .collect();
        let ranges: Vec<RangeStatus> =
            registry.by_keys().into_iter().map(|record| self.range_status(record, now)).collect();
        Status {
            cluster: registry.cluster,
            replicas: registry.settings.replicas,
            under_replicated: ranges
                .iter()
                .filter(|range| range.healthy < registry.settings.replicas)
                .count(),
            unavailable: ranges.iter().filter(|range| !range.available).count(),
            down: nodes.iter().filter(|node| !node.live).map(|node| node.id).collect(),
            operators: self
                .operators
                .iter()
                .map(|(range, operator)| OperatorStatus {
                    range: *range,
                    reason: operator.reason,
                    what: operator.describe(),
                    age: since(now, operator.started),
                })
                .collect(),
            nodes,
            ranges,
        }
    }

    /// Replicas that memberships name at a node; or those that it says it has, if it lives and has more.
    fn replicas_of(&self, node: NodeId, now: Timestamp) -> usize {
        let named = self.registry.ranges.values();
        let named = named.filter(|range| range.voters.contains(&node) || range.learners.contains(&node));
        let is_live = self.memory.is_live(node, &self.registry.settings, now);
        let held = self.memory.nodes.get(&node).filter(|_| is_live);
        named.count().max(held.map_or(0, |memory| memory.report.replicas.len()))
    }

    fn range_status(&self, record: &super::RangeRecord, now: Timestamp) -> RangeStatus {
        let range = self.memory.fresh(record.descriptor.id, &self.registry.settings, now);
        let healthy = |nodes| range.map_or(0, |range| self.memory.healthy(range, nodes, &self.registry, now));
        let report = range.map(|range| &range.report);
        let available = report.is_some_and(|report| {
            [&report.voters, &report.outgoing]
                .into_iter()
                .all(|voters| voters.is_empty() || healthy(voters) >= quorum(voters.len()))
        });
        RangeStatus {
            descriptor: record.descriptor.clone(),
            voters: record.voters.clone(),
            learners: record.learners.clone(),
            leader: record.leader,
            healthy: report.map_or(0, |report| healthy(&report.voters)),
            available,
            bytes: report.map_or(0, |report| report.bytes),
            writes_per_second: report.map_or(0, |report| report.writes_per_second),
            reads_per_second: report.map_or(0, |report| report.reads_per_second),
        }
    }
}

/// Checks what a node says of itself, as it is stored.
pub(crate) fn check_fields(address: &str, labels: &BTreeMap<String, String>) -> Result<(), PlacementError> {
    if address.is_empty() || address.len() > ADDRESS_BYTES_MAX {
        return Err(PlacementError::NodeField { field: "address", bounds: "1 to 1,024 bytes" });
    }
    let is_long = |text: &String| text.len() > LABEL_BYTES_MAX;
    if labels.len() > LABELS_MAX || labels.iter().any(|(key, value)| is_long(key) || is_long(value)) {
        let bounds = "at most 64 entries, each key and value of at most 256 bytes";
        return Err(PlacementError::NodeField { field: "labels", bounds });
    }
    Ok(())
}
