//! A model of a cluster, to run the driver against: nodes and Raft groups as the driver sees them,
//! with orders that are lost, late and repeated, and with nodes that die, come back and lose disks.
//!
//! A group is one copy of its truth, with how far each replica is. It goes on while quorums live; it
//! panics when an entry that was committed is on no replica that can be elected, or when a replica
//! forgets what it acknowledged while the membership still counts on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand::{Rng as _, rngs::StdRng};

use super::*;
use crate::{
    kv::{Condition, KeyRange, Operation, Transaction},
    range::{RangeDescriptor, Space},
};

/// Model time of a step.
pub(super) const STEP_MS: u64 = 250;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) alive: bool,
    pub(super) dead_for_ever: bool,
    pub(super) incarnation: u64,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) replicas: BTreeMap<RangeId, Replica>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Replica {
    /// The membership that it knows, and that under which it was made.
    pub(super) configuration: u64,
    pub(super) made_under: u64,
    pub(super) matched: u64,
    pub(super) term: u64,
}

/// A replica as it is born with its range.
const BORN: Replica = Replica { configuration: 5, made_under: 0, matched: 5, term: 1 };

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) descriptor: RangeDescriptor,
    pub(super) voters: BTreeSet<NodeId>,
    pub(super) outgoing: BTreeSet<NodeId>,
    pub(super) learners: BTreeSet<NodeId>,
    pub(super) configuration: u64,
    pub(super) term: u64,
    pub(super) last: u64,
    pub(super) committed: u64,
    pub(super) leader: Option<NodeId>,
    pub(super) bytes: u64,
    /// What the leader knows: acknowledged up to, and when.
    progress: BTreeMap<NodeId, (u64, u64)>,
}

impl Group {
    fn members(&self) -> BTreeSet<NodeId> {
        self.voters.iter().chain(&self.outgoing).chain(&self.learners).copied().collect()
    }
}

/// A message on its way.
#[derive(Debug)]
enum Mail {
    Report(Box<NodeReport>),
    Order(NodeId, Order),
    Saved { driver: u64, change: Change },
}

pub(super) struct Model {
    pub(super) rng: StdRng,
    pub(super) now: u64,
    pub(super) faults: bool,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    pub(super) groups: BTreeMap<RangeId, Group>,
    pub(super) store: BTreeMap<Key, Value>,
    pub(super) driver: Driver,
    driver_term: u64,
    /// Counts drivers, to know whose change it was.
    driver_number: u64,
    mail: BTreeMap<(u64, u64), Mail>,
    sent: u64,
    sequence: u64,
    /// Replicas that come with a split their node has not applied yet.
    unborn: Vec<(u64, NodeId, RangeId)>,
}

pub(super) fn descriptor(id: RangeId, space: Space) -> RangeDescriptor {
    RangeDescriptor { id, space, keys: KeyRange::all(), version: 1 }
}

impl Model {
    pub(super) fn new(rng: StdRng, settings: &Settings, labels: BTreeMap<String, String>) -> Self {
        let one = NodeId(1);
        let record = NodeRecord {
            id: one,
            address: "node-1".into(),
            labels: labels.clone(),
            state: NodeState::Active,
            incarnation: 1,
        };
        let ranges = [(RangeId::PLACEMENT, Space::Placement), (RangeId::FIRST_USER, Space::User)];
        let group = |(id, space)| Group {
            descriptor: descriptor(id, space),
            voters: BTreeSet::from([one]),
            outgoing: BTreeSet::new(),
            learners: BTreeSet::new(),
            configuration: 5,
            term: 1,
            last: 5,
            committed: 5,
            leader: Some(one),
            bytes: 0,
            progress: BTreeMap::new(),
        };
        let groups: BTreeMap<RangeId, Group> =
            ranges.into_iter().map(|range| (range.0, group(range))).collect();
        let records: Vec<RangeRecord> = groups
            .values()
            .map(|group| RangeRecord {
                descriptor: group.descriptor.clone(),
                voters: group.voters.clone(),
                learners: BTreeSet::new(),
                configuration: 5,
                term: 1,
                leader: group.leader,
            })
            .collect();
        let store: BTreeMap<Key, Value> =
            Driver::first(ClusterId(7), settings, &record, &records).into_iter().collect();
        let replica = BORN;
        let node = Node {
            alive: true,
            dead_for_ever: false,
            incarnation: 1,
            labels,
            replicas: groups.keys().map(|id| (*id, replica)).collect(),
        };
        let driver = Driver::load(store.clone(), 1, Timestamp(0)).unwrap();
        Self {
            rng,
            now: 0,
            faults: true,
            nodes: BTreeMap::from([(one, node)]),
            groups,
            store,
            driver,
            driver_term: 1,
            driver_number: 1,
            mail: BTreeMap::new(),
            sent: 0,
            sequence: 0,
            unborn: Vec::new(),
        }
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.now)
    }

    /// With this probability, while there are faults.
    pub(super) fn fault(&mut self, probability: f64) -> bool {
        self.faults && self.rng.random_bool(probability)
    }

    fn send(&mut self, mail: Mail, delay_max: u64) {
        let delay = self.rng.random_range(0..=delay_max);
        self.sent += 1;
        self.mail.insert((self.now + delay, self.sent), mail);
    }

    /// Another node becomes the leader of range 1: memory is gone, and what was on its way may be.
    pub(super) fn change_driver(&mut self) {
        self.driver_term += u64::from(self.rng.random_bool(0.7));
        self.load_driver();
    }

    fn load_driver(&mut self) {
        self.driver_number += 1;
        self.driver = Driver::load(self.store.clone(), self.driver_term, self.time()).unwrap();
    }

    /// Whether so many voters live that have what is committed that the group can go on.
    pub(super) fn has_quorum(&self, group: &Group) -> bool {
        let id = group.descriptor.id;
        let can = |node: &&NodeId| {
            self.nodes.get(node).is_some_and(|node| {
                node.alive && node.replicas.get(&id).is_some_and(|replica| replica.matched >= group.committed)
            })
        };
        [&group.voters, &group.outgoing]
            .into_iter()
            .all(|voters| voters.is_empty() || voters.iter().filter(can).count() >= quorum(voters.len()))
    }

    /// What must hold after every step.
    pub(super) fn check(&self, after: &str) {
        for group in self.groups.values() {
            assert!(self.has_quorum(group), "at {} after {after}: no quorum of {group:?}", self.now);
        }
        let settings = self.driver.settings();
        let operators = &self.driver.operators;
        let transfers = operators.values().filter(|operator| matches!(operator.task, Task::Leader { .. }));
        // One more by hand is allowed.
        assert!(transfers.count() <= settings.transfers_max + 1, "too many transfers");
        for (node, load) in self.driver.loads() {
            let limit = settings.snapshots_per_node_max;
            assert!(load.incoming <= limit, "node {node} builds {} replicas", load.incoming);
        }
        let minute = self.driver.moves.iter().filter(|moved| moved.0 + 60_000 > self.now).count();
        assert!(minute <= settings.moves_per_minute_max, "{minute} moves in a minute");
    }

    /// One step of time.
    pub(super) fn step(&mut self) {
        self.now += STEP_MS;
        let ids: Vec<RangeId> = self.groups.keys().copied().collect();
        ids.into_iter().for_each(|id| self.run_group(id));
        self.bear();
        if self.now.is_multiple_of(1_000) {
            let nodes: Vec<NodeId> = self.nodes.keys().copied().collect();
            nodes.into_iter().for_each(|node| self.send_report(node));
            self.driver.tick(self.time());
        }
        if let Some(change) = self.driver.change() {
            let mail = Mail::Saved { driver: self.driver_number, change };
            self.send(mail, 500);
        }
        while let Some(entry) = self.mail.first_entry()
            && entry.key().0 <= self.now
        {
            let mail = entry.remove();
            let after = format!("{mail:?}");
            self.deliver(mail);
            self.check(&after);
        }
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Report(report) => {
                let node = report.node;
                let Ok(orders) = self.driver.report(*report, self.time()) else { return };
                for order in orders {
                    if self.fault(0.15) {
                        self.send(Mail::Order(node, order.clone()), 30_000);
                    }
                    if !self.fault(0.1) {
                        let delay = if self.faults { 3_000 } else { 100 };
                        self.send(Mail::Order(node, order), delay);
                    }
                }
            }
            Mail::Order(node, order) => self.obey(node, order),
            Mail::Saved { driver, change } => {
                let written = write(&mut self.store, &change.transaction);
                if driver != self.driver_number {
                    // It was on its way when its driver was replaced. If it still comes before the
                    // first change of the next driver, that one has read too early and reads again.
                    return;
                }
                if written {
                    self.driver.saved(change.number);
                } else {
                    self.load_driver();
                }
            }
        }
    }

    fn send_report(&mut self, id: NodeId) {
        if self.fault(0.1) || !self.nodes.get(&id).is_some_and(|node| node.alive) {
            return;
        }
        self.sequence += 1;
        let node = &self.nodes[&id];
        let led = self.groups.values().filter(|group| group.leader == Some(id));
        let report = NodeReport {
            node: id,
            incarnation: node.incarnation,
            sequence: self.sequence,
            address: format!("node-{id}"),
            labels: node.labels.clone(),
            capacity_bytes: 1 << 40,
            free_bytes: 1 << 39,
            replicas: node
                .replicas
                .iter()
                .map(|(id, replica)| {
                    let phase = if replica.matched == 0 { ReplicaPhase::Empty } else { ReplicaPhase::Live };
                    let configuration =
                        if replica.matched == 0 { replica.made_under } else { replica.configuration };
                    (*id, ReplicaReport { configuration, term: replica.term, phase })
                })
                .collect(),
            led: led.map(|group| self.range_report(group)).collect(),
        };
        let delay = if self.faults { 1_500 } else { 100 };
        self.send(Mail::Report(Box::new(report)), delay);
    }

    fn range_report(&self, group: &Group) -> RangeReport {
        let followers = group.members().into_iter().filter(|node| Some(*node) != group.leader);
        RangeReport {
            descriptor: group.descriptor.clone(),
            voters: group.voters.clone(),
            outgoing: group.outgoing.clone(),
            learners: group.learners.clone(),
            configuration: group.configuration,
            changing: false,
            term: group.term,
            established: true,
            last_index: group.last,
            bytes: group.bytes,
            writes_per_second: 10,
            reads_per_second: 10,
            followers: followers
                .map(|node| {
                    let (matched, when) = group.progress.get(&node).copied().unwrap_or((0, self.now));
                    (node, Follower { matched, silent: Duration::from_millis(self.now - when) })
                })
                .collect(),
        }
    }

    /// Elects, writes, replicates.
    fn run_group(&mut self, id: RangeId) {
        let Some(mut group) = self.groups.remove(&id) else { return };
        let is_up = |node: &NodeId, nodes: &BTreeMap<NodeId, Node>| {
            nodes.get(node).is_some_and(|node| node.alive && node.replicas.contains_key(&id))
        };
        if group.leader.is_none_or(|leader| !is_up(&leader, &self.nodes)) {
            group.leader = None;
            let voters = group.voters.iter().filter(|node| is_up(node, &self.nodes));
            let best = voters.max_by_key(|node| (self.nodes[node].replicas[&id].matched, **node)).copied();
            if self.rng.random_bool(0.2)
                && let Some(best) = best
            {
                let matched = self.nodes[&best].replicas[&id].matched;
                assert!(matched >= group.committed, "committed entries of {group:?} are lost");
                (group.leader, group.term, group.last) = (Some(best), group.term + 1, matched);
                let members = group.members();
                group.progress = members.into_iter().map(|node| (node, (0, self.now))).collect();
            }
        }
        if let Some(leader) = group.leader {
            group.last += self.rng.random_range(0..3);
            self.set_matched(leader, id, &group);
            for node in group.members() {
                let voter = !group.learners.contains(&node);
                if is_up(&node, &self.nodes) {
                    // Learners get a snapshot, which takes a while; some voters lag.
                    if self.rng.random_bool(if voter { 0.7 } else { 0.1 }) {
                        self.set_matched(node, id, &group);
                    }
                    let matched = self.nodes[&node].replicas[&id].matched;
                    let before = group.progress.insert(node, (matched, self.now));
                    let before = before.map_or(0, |(matched, _)| matched);
                    assert!(before <= matched, "node {node} forgot entries of {group:?}");
                }
            }
            group.committed = group.committed.max(self.committed(&group));
        }
        self.groups.insert(id, group);
    }

    fn set_matched(&mut self, node: NodeId, id: RangeId, group: &Group) {
        if let Some(replica) = self.nodes.get_mut(&node).and_then(|node| node.replicas.get_mut(&id)) {
            (replica.configuration, replica.matched) = (group.configuration, group.last);
            replica.term = group.term;
        }
    }

    /// The last entry that a quorum acknowledges now.
    fn committed(&self, group: &Group) -> u64 {
        let halves = [&group.voters, &group.outgoing].into_iter().filter(|voters| !voters.is_empty());
        let of_half = |voters: &BTreeSet<NodeId>| {
            let replica = |node: &NodeId| {
                let node = self.nodes.get(node).filter(|node| node.alive)?;
                node.replicas.get(&group.descriptor.id)
            };
            let mut matched: Vec<u64> =
                voters.iter().map(|node| replica(node).map_or(0, |replica| replica.matched)).collect();
            matched.sort_unstable_by_key(|matched| std::cmp::Reverse(*matched));
            matched[quorum(voters.len()) - 1]
        };
        halves.map(of_half).min().unwrap()
    }

    /// Children of splits appear where the parent's log is applied.
    fn bear(&mut self) {
        let (due, later) = std::mem::take(&mut self.unborn).into_iter().partition(|(when, node, _)| {
            *when <= self.now && self.nodes.get(node).is_some_and(|node| node.alive)
        });
        self.unborn = later;
        let due: Vec<(u64, NodeId, RangeId)> = due;
        for (_, node, range) in due {
            let replica = BORN;
            self.nodes.get_mut(&node).unwrap().replicas.entry(range).or_insert(replica);
        }
    }

    /// The node's disk is gone, with what it had not applied yet.
    pub(super) fn lose_disk(&mut self, id: NodeId) {
        self.unborn.retain(|(_, node, _)| *node != id);
        let node = self.nodes.get_mut(&id).unwrap();
        node.replicas.clear();
        node.incarnation = self.now;
    }
}

/// Writes to the registry, if the conditions hold.
pub(super) fn write(store: &mut BTreeMap<Key, Value>, transaction: &Transaction) -> bool {
    let holds = transaction.conditions.iter().all(|condition| match condition {
        Condition::Absent(key) => !store.contains_key(key),
        Condition::Present(key) => store.contains_key(key),
        Condition::Equals(key, value) => store.get(key) == Some(value),
    });
    for operation in transaction.batch.operations().iter().filter(|_| holds) {
        match operation {
            Operation::Put(key, value) => drop(store.insert(key.clone(), value.clone())),
            Operation::Delete(key) => drop(store.remove(key)),
            other => panic!("the registry has no use for {other:?}"),
        }
    }
    holds
}

mod orders;
