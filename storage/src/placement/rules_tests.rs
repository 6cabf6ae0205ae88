//! One test for each rule, on a cluster whose reports are made up.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    model_cluster::{descriptor, write},
    *,
};
use crate::range::Space;

/// A cluster in which nothing happens except what a test says; nodes report when [`Bench::run`] says.
struct Bench {
    driver: Driver,
    now: u64,
    nodes: BTreeMap<NodeId, NodeReport>,
    ranges: BTreeMap<RangeId, (NodeId, RangeReport)>,
}

const R: RangeId = RangeId(2);

fn nodes(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<NodeId> {
    numbers.into_iter().map(NodeId).collect()
}

fn range(id: u64, voters: &[u64]) -> RangeReport {
    let follower = Follower { matched: 10, silent: Duration::ZERO };
    RangeReport {
        descriptor: descriptor(RangeId(id), Space::User),
        voters: nodes(voters.iter().copied()),
        outgoing: BTreeSet::new(),
        learners: BTreeSet::new(),
        configuration: 5,
        changing: false,
        established: true,
        term: 1,
        last_index: 10,
        bytes: 0,
        writes_per_second: 0,
        reads_per_second: 0,
        followers: nodes(voters.iter().copied()).into_iter().map(|node| (node, follower)).collect(),
    }
}

impl Bench {
    /// Nodes 1 to `count`, and ranges led by the first of their voters.
    fn new(settings: Settings, count: u64, ranges: Vec<RangeReport>) -> Self {
        let node = |id: u64| NodeRecord {
            id: NodeId(id),
            address: format!("node-{id}"),
            labels: BTreeMap::new(),
            state: NodeState::Active,
            incarnation: 1,
        };
        let mut store: BTreeMap<Key, Value> =
            Driver::first(ClusterId(1), &settings, &node(1), &[]).into_iter().collect();
        let mut driver = Driver::load(store.clone(), 1, Timestamp(0)).unwrap();
        for id in 2..=count {
            driver.registry.set_node(node(id));
        }
        let change = driver.change().unwrap();
        assert!(write(&mut store, &change.transaction));
        driver.saved(change.number);
        let report = |id: u64| NodeReport {
            node: NodeId(id),
            incarnation: 1,
            sequence: 0,
            address: format!("node-{id}"),
            labels: BTreeMap::new(),
            capacity_bytes: 100,
            free_bytes: 90,
            replicas: BTreeMap::new(),
            led: Vec::new(),
        };
        let mut bench = Self {
            driver,
            now: 0,
            nodes: (1..=count).map(|id| (NodeId(id), report(id))).collect(),
            ranges: BTreeMap::new(),
        };
        for range in ranges {
            let leader = *range.voters.first().unwrap();
            for node in &range.voters {
                bench.hold(node.0, range.descriptor.id, 5, ReplicaPhase::Live);
            }
            bench.ranges.insert(range.descriptor.id, (leader, range));
        }
        bench
    }

    fn hold(&mut self, node: u64, range: RangeId, configuration: u64, phase: ReplicaPhase) {
        let replicas = &mut self.nodes.get_mut(&NodeId(node)).unwrap().replicas;
        replicas.insert(range, ReplicaReport { configuration, term: 1, phase });
    }

    fn range(&mut self, id: RangeId) -> &mut RangeReport {
        &mut self.ranges.get_mut(&id).unwrap().1
    }

    /// All nodes but `silent` report, time passes, and what is new is saved; the orders of the last second.
    fn run(&mut self, seconds: u64, silent: &[u64]) -> Vec<(u64, Order)> {
        let mut orders = Vec::new();
        for _ in 0..seconds {
            self.now += 1_000;
            orders.clear();
            for (id, report) in &mut self.nodes {
                if silent.contains(&id.0) {
                    continue;
                }
                report.sequence += 1;
                let led = self.ranges.values().filter(|(leader, _)| leader == id);
                report.led = led.map(|(_, range)| range.clone()).collect();
                let given = self.driver.report(report.clone(), Timestamp(self.now)).unwrap();
                orders.extend(given.into_iter().map(|order| (id.0, order)));
            }
            if let Some(change) = self.driver.change() {
                self.driver.saved(change.number);
            }
            self.driver.tick(Timestamp(self.now));
        }
        orders
    }

    fn task(&self, id: RangeId) -> Option<&Task> {
        self.driver.operators.get(&id).map(|operator| &operator.task)
    }

    fn goal(&self) -> Option<BTreeSet<NodeId>> {
        match self.task(R) {
            Some(Task::Voters(goal)) => Some(goal.clone()),
            _ => None,
        }
    }
}

fn three(ranges: Vec<RangeReport>) -> Bench {
    Bench::new(Settings::default(), 3, ranges)
}

#[test]
fn a_range_grows_to_odd_numbers_of_voters() {
    for (count, expected) in [(1, None), (2, None), (3, Some(3)), (5, Some(3))] {
        let mut bench = Bench::new(Settings::default(), count, vec![range(2, &[1])]);
        bench.run(2, &[]);
        assert_eq!(bench.goal().map(|goal| goal.len()), expected, "{count} nodes");
    }
    // Two copies that are there are kept.
    let mut bench = Bench::new(Settings::default(), 2, vec![range(2, &[1, 2])]);
    bench.run(2, &[]);
    assert_eq!(bench.goal(), None);
}

#[test]
fn a_replica_is_made_then_learns_then_votes() {
    let mut bench = three(vec![range(2, &[1])]);
    let create = |node: u64| {
        let descriptor = descriptor(R, Space::User);
        (node, Order::CreateReplica { descriptor, incarnation: 1, configuration: 5 })
    };
    assert_eq!(bench.run(3, &[]), [create(2), create(3)]);
    bench.hold(2, R, 5, ReplicaPhase::Empty);
    bench.hold(3, R, 4, ReplicaPhase::Empty);
    let add = |node: u64, configuration| {
        let address = format!("node-{node}");
        (1, Order::AddLearner { range: R, configuration, node: NodeId(node), address })
    };
    bench.run(1, &[]);
    assert_eq!(bench.run(1, &[]), [add(2, 5), create(3)], "made under an older membership");
    bench.range(R).learners = nodes([2, 3]);
    bench.range(R).configuration = 9;
    assert_eq!(bench.run(2, &[]), [], "they have not caught up");
    let follower = Follower { matched: 8, silent: Duration::ZERO };
    bench.range(R).followers = nodes([2, 3]).into_iter().map(|node| (node, follower)).collect();
    assert_eq!(bench.run(2, &[]), [], "they do not know the membership that made them learners");
    bench.range(R).followers.values_mut().for_each(|follower| follower.matched = 9);
    let change = Order::ChangeVoters { range: R, configuration: 9, voters: nodes([1, 2, 3]) };
    assert_eq!(bench.run(2, &[]), [(1, change)]);
    bench.range(R).voters = nodes([1, 2, 3]);
    bench.range(R).learners.clear();
    assert_eq!(bench.run(1, &[]), []);
    assert_eq!(bench.goal(), None, "done");
}

#[test]
fn a_voter_that_is_down_is_replaced_after_a_while() {
    let settings = Settings { down_after: Duration::from_secs(20), ..Settings::default() };
    let mut bench = Bench::new(settings.clone(), 4, vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    bench.range(R).followers.get_mut(&NodeId(3)).unwrap().silent = Duration::from_secs(10);
    bench.run(15, &[3]);
    assert_eq!(bench.goal(), None, "not yet");
    bench.run(7, &[3]);
    assert_eq!(bench.goal(), Some(nodes([1, 2, 4])));
    // With nobody to replace it, it stays: it may come back.
    let mut bench = Bench::new(settings.clone(), 3, vec![range(2, &[1, 2, 3])]);
    bench.run(30, &[3]);
    assert_eq!(bench.goal(), None);
    // Without a quorum, nothing can be done.
    let mut bench = Bench::new(settings, 5, vec![range(2, &[1, 2, 3])]);
    bench.run(30, &[2, 3]);
    assert_eq!(bench.goal(), None);
}

#[test]
fn a_node_that_lost_its_disk_is_repaired_at_once() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    let lost = bench.nodes.get_mut(&NodeId(3)).unwrap();
    lost.incarnation = 2;
    lost.replicas.clear();
    bench.run(2, &[]);
    assert_eq!(bench.goal(), Some(nodes([1, 2])), "it no longer votes");
    assert_eq!(bench.run(1, &[]).len(), 1, "and gets no replica before");
    bench.range(R).voters = nodes([1, 2]);
    bench.range(R).configuration = 11;
    bench.range(R).last_index = 11;
    bench.range(R).followers.values_mut().for_each(|follower| follower.matched = 11);
    bench.run(2, &[]);
    assert_eq!(bench.goal(), Some(nodes([1, 2, 3])), "it begins again");
}

#[test]
fn a_missing_replica_may_be_a_split_not_applied_yet() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.nodes.get_mut(&NodeId(3)).unwrap().replicas.clear();
    bench.run(50, &[]);
    assert_eq!(bench.goal(), None);
    bench.run(15, &[]);
    assert_eq!(bench.goal(), Some(nodes([1, 2])));
}

#[test]
fn surplus_voters_leave() {
    let mut bench = Bench::new(Settings::default(), 5, vec![range(2, &[1, 2, 3, 4])]);
    bench.run(2, &[]);
    assert_eq!(bench.goal().map(|goal| goal.len()), Some(3));
    assert!(bench.goal().unwrap().contains(&NodeId(1)), "the leader stays");
}

#[test]
fn a_joint_membership_is_finished_by_anybody() {
    let mut joint = range(2, &[1, 2, 3]);
    joint.outgoing = nodes([1, 2, 4]);
    joint.followers.insert(NodeId(4), Follower { matched: 10, silent: Duration::ZERO });
    let mut bench = Bench::new(Settings::default(), 4, vec![joint]);
    let finish = Order::ChangeVoters { range: R, configuration: 5, voters: nodes([1, 2, 3]) };
    assert_eq!(bench.run(2, &[]), [(1, finish)]);
    assert!(bench.driver.operators.is_empty());
}

#[test]
fn a_drained_node_hands_over_its_leaders_and_then_its_replicas() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    bench.driver.drain(NodeId(1)).unwrap();
    bench.run(1, &[]);
    assert_eq!(bench.task(R), Some(&Task::Leader { from: NodeId(1), to: NodeId(2) }));
    let transfer = Order::TransferLeader { range: R, term: 1, to: NodeId(2) };
    assert_eq!(bench.run(1, &[]), [(1, transfer)]);
    let (leader, report) = bench.ranges.get_mut(&R).unwrap();
    (*leader, report.term) = (NodeId(2), 2);
    bench.run(2, &[]);
    assert_eq!(bench.goal(), Some(nodes([2, 3, 4])));
    // With no other node, the range makes do with one voter fewer.
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    bench.driver.drain(NodeId(3)).unwrap();
    bench.run(1, &[]);
    assert_eq!(bench.goal(), Some(nodes([1, 2])));
}

#[test]
fn a_leader_alone_hands_over_before_it_leaves() {
    let mut bench = Bench::new(Settings { replicas: 1, ..Settings::default() }, 2, vec![range(2, &[1])]);
    bench.run(1, &[]);
    bench.driver.drain(NodeId(1)).unwrap();
    bench.run(1, &[]);
    assert_eq!(bench.goal(), Some(nodes([2])));
    bench.range(R).learners = nodes([2]);
    bench.hold(2, R, 5, ReplicaPhase::Live);
    let heard = Follower { matched: 10, silent: Duration::ZERO };
    bench.range(R).followers.insert(NodeId(2), heard);
    let both = Order::ChangeVoters { range: R, configuration: 5, voters: nodes([1, 2]) };
    assert_eq!(bench.run(2, &[]), [(1, both)]);
    (bench.range(R).voters, bench.range(R).learners) = (nodes([1, 2]), nodes([]));
    let transfer = Order::TransferLeader { range: R, term: 1, to: NodeId(2) };
    assert_eq!(bench.run(1, &[]), [(1, transfer)]);
}

#[test]
fn voters_spread_over_zones() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    for (id, node) in &mut bench.nodes {
        let zone = ["c", "a", "a", "b"][(id.0 % 4) as usize];
        node.labels.insert("zone".into(), zone.into());
    }
    bench.run(2, &[]);
    assert_eq!(bench.goal(), Some(nodes([1, 3, 4])), "nodes 1 and 2 are in one zone");
}

#[test]
fn leaders_even_out_also_over_others() {
    let mut bench = three((2..8).map(|id| range(id, &[1, 2, 3])).collect());
    bench.run(2, &[]);
    let transfers = |bench: &Bench| {
        let tasks = bench.driver.operators.values();
        tasks.filter(|operator| matches!(operator.task, Task::Leader { .. })).count()
    };
    assert_eq!(transfers(&bench), 4, "6, 0, 0 becomes 2, 2, 2");
    // 3, 2, 1, where the first and the last share no range.
    let voters: [&[u64]; 6] = [&[1, 2], &[1, 2], &[1, 2], &[2, 3], &[2, 3], &[3]];
    let ranges = voters.iter().enumerate();
    let ranges = ranges.map(|(index, voters)| range(index as u64 + 2, voters)).collect();
    let mut bench = three(ranges);
    bench.nodes.values_mut().for_each(|node| node.free_bytes = 1);
    bench.run(2, &[]);
    assert_eq!(transfers(&bench), 2, "{:?}", bench.driver.operators);
}

#[test]
fn replicas_even_out_within_the_limits() {
    let ranges = (2..12).map(|id| range(id, &[1, 2, 3])).collect();
    let mut bench = Bench::new(Settings { transfers_max: 1, ..Settings::default() }, 4, ranges);
    bench.run(2, &[]);
    let loads = bench.driver.loads();
    assert_eq!(loads[&NodeId(4)].incoming, 3, "snapshots_per_node_max");
    let mut full = three((2..12).map(|id| range(id, &[1])).collect());
    full.nodes.values_mut().for_each(|node| node.free_bytes = 19);
    full.run(2, &[]);
    let moves = full.driver.operators.values().filter(|operator| matches!(operator.task, Task::Voters(_)));
    assert_eq!(moves.count(), 0, "a disk that is 81 % full gets nothing");
    let settings = Settings { moves_per_minute_max: 5, snapshots_per_node_max: 100, ..Settings::default() };
    let mut slow = Bench::new(settings, 3, (2..12).map(|id| range(id, &[1])).collect());
    slow.run(10, &[]);
    assert_eq!(slow.driver.moves.len(), 4, "two for each range, five in a minute");
}

#[test]
fn large_and_busy_ranges_split_and_range_1_never() {
    let mut placement = range(1, &[1]);
    placement.descriptor.space = Space::Placement;
    let mut bench = Bench::new(Settings::default(), 1, vec![placement, range(2, &[1])]);
    bench.range(RangeId(1)).bytes = 1 << 40;
    bench.run(3, &[]);
    assert!(bench.driver.operators.is_empty());
    bench.range(R).bytes = 512 << 20;
    bench.run(1, &[]);
    let orders = bench.run(3, &[]);
    let [(1, Order::Split { range: R, version: 1, at: None, child })] = orders.as_slice() else {
        panic!("{orders:?}")
    };
    assert!(*child > R);
    (bench.range(R).bytes, bench.range(R).descriptor.version) = (0, 2);
    bench.run(1, &[]);
    bench.range(R).writes_per_second = 20_000;
    bench.run(55, &[]);
    assert!(bench.driver.operators.is_empty(), "it must last");
    bench.run(10, &[]);
    assert!(matches!(bench.task(R), Some(Task::Split { version: 2, .. })));
    // Its leader finds no key to split at: it is left alone for a while.
    bench.run(29, &[]);
    let now = Timestamp(bench.now);
    assert!(bench.task(R).is_none() && bench.driver.backs_off(R, Reason::Split, now));
}

#[test]
fn a_replica_that_is_not_named_is_dropped() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    bench.hold(4, R, 5, ReplicaPhase::Live);
    let drop = Order::DropReplica { range: R, incarnation: 1, configuration: 5, settled_term: 1 };
    assert_eq!(bench.run(1, &[]), [(4, drop)]);
    bench.hold(4, R, 6, ReplicaPhase::Live);
    assert_eq!(bench.run(1, &[]), [], "it knows a newer membership");
    bench.hold(4, RangeId(77), 5, ReplicaPhase::Live);
    assert_eq!(bench.run(1, &[]), [], "nobody has reported that range");
    let cases = [(9, 5, 0, false, true), (9, 9, 0, false, true), (9, 10, 0, false, false)];
    let anew = [(9, 5, 9, false, false), (9, 0, 9, true, true), (8, 0, 9, true, false)];
    for (order, configuration, made_under, is_empty, expected) in cases.into_iter().chain(anew) {
        let replica = Knowledge { configuration, made_under, term: 1, is_empty };
        assert_eq!(may_drop(order, 1, replica), expected);
    }
}

#[test]
fn a_learner_whose_addition_was_never_committed_is_dropped() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    bench.hold(4, R, 6, ReplicaPhase::Live);
    bench.range(R).term = 2;
    let drop = Order::DropReplica { range: R, incarnation: 1, configuration: 5, settled_term: 2 };
    assert_eq!(bench.run(1, &[]), [(4, drop)]);
    bench.range(R).established = false;
    assert_eq!(bench.run(1, &[]), [], "the new leader may yet lose to one that has the addition");
    (bench.range(R).established, bench.range(R).changing) = (true, true);
    assert_eq!(bench.run(1, &[]), [], "it may be this very node that is being added");
    for (term, expected) in [(1, true), (2, false), (3, false)] {
        let replica = Knowledge { configuration: 6, made_under: 5, term, is_empty: false };
        assert_eq!(may_drop(5, 2, replica), expected);
    }
}

#[test]
fn a_learner_that_nobody_wants_is_tidied() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    bench.range(R).learners = nodes([4]);
    bench.run(1, &[]);
    let remove = Order::RemoveLearner { range: R, configuration: 5, node: NodeId(4) };
    assert_eq!(bench.run(1, &[]), [(1, remove)]);
}

#[test]
fn voters_change_only_if_quorums_are_up_to_date() {
    let mut report = range(2, &[1, 2, 3]);
    let safe = |report: &RangeReport, voters: &[u64]| {
        voters_are_safe(report, NodeId(1), &nodes(voters.iter().copied()), 5, Duration::from_secs(1))
    };
    assert!(safe(&report, &[1, 2]));
    assert!(!safe(&report, &[1, 4]), "node 4 does not even learn");
    assert!(!safe(&report, &[]));
    report.followers.get_mut(&NodeId(2)).unwrap().silent = Duration::from_secs(2);
    assert!(safe(&report, &[1, 3]) && !safe(&report, &[1, 2]));
    report.last_index = 20;
    assert!(!safe(&report, &[1]), "the old voters have no quorum that is up to date");
}

#[test]
fn nothing_is_ordered_before_the_driver_before_is_shut_out() {
    let mut bench = three(vec![range(2, &[1])]);
    let first = Driver::first(ClusterId(1), &Settings::default(), bench.driver.nodes().next().unwrap(), &[]);
    bench.driver = Driver::load(first, 2, Timestamp(0)).unwrap();
    let report = bench.nodes[&NodeId(1)].clone();
    bench.driver.report(report, Timestamp(1)).unwrap();
    bench.driver.tick(Timestamp(9_000));
    assert!(bench.driver.operators.is_empty());
    assert!(bench.driver.change().is_some());
}

mod requests;
