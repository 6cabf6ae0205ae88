//! The driver against a model cluster with faults, and what must be true when they are over.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

use super::{
    model_cluster::{Model, Node, STEP_MS},
    *,
};

const NODES_MAX: u64 = 8;

fn settings() -> Settings {
    let seconds = std::time::Duration::from_secs;
    Settings {
        range_bytes_max: 64 << 20,
        down_after: seconds(30),
        missing_after: seconds(15),
        lag_max: 40,
        move_timeout: seconds(90),
        step_timeout: seconds(10),
        ..Settings::default()
    }
}

/// What a cluster meets: an event each few steps.
fn disturb(model: &mut Model, zones: bool) {
    let now = model.time();
    let nodes: Vec<NodeId> = model.nodes.keys().copied().collect();
    let node = *nodes.choose(&mut model.rng).unwrap();
    let groups: Vec<RangeId> = model.groups.keys().copied().collect();
    let range = *groups.choose(&mut model.rng).unwrap();
    let usable = |model: &Model| {
        let records = model.driver.nodes().filter(|record| record.state == NodeState::Active);
        records.filter(|record| model.nodes.get(&record.id).is_some_and(|node| !node.dead_for_ever)).count()
    };
    match model.rng.random_range(0..16) {
        0 | 1 if (nodes.len() as u64) < NODES_MAX => join(model, zones),
        2..=4 => kill(model, node, false),
        5 => kill(model, node, true),
        6..=8 => {
            let node = model.nodes.get_mut(&node).unwrap();
            node.alive = !node.dead_for_ever;
        }
        9 if usable(model) > 4 => {
            let _ = model.driver.drain(node);
        }
        10 => {
            let _ = model.driver.activate(node);
        }
        11 if usable(model) > 5 => {
            kill(model, node, false);
            let dead = model.nodes.get_mut(&node).unwrap();
            dead.dead_for_ever = !dead.alive;
        }
        12 => {
            let force = model.nodes[&node].dead_for_ever;
            let _ = model.driver.remove(node, force, now);
        }
        13 => model.change_driver(),
        14 => {
            let _ = model.driver.transfer_leader(range, node, now);
        }
        _ => {
            let bytes = model.rng.random_range(0..40 << 20);
            let is_small = groups.len() < 12;
            let group = model.groups.get_mut(&range).unwrap();
            group.bytes = if is_small { group.bytes + bytes } else { bytes };
        }
    }
    model.check("a disturbance");
}

fn join(model: &mut Model, zones: bool) {
    let id = NodeId(model.nodes.keys().last().unwrap().0 + 1);
    let zone = ["a", "b", "c"][(id.0 % 3) as usize];
    let labels = if zones { BTreeMap::from([("zone".to_owned(), zone.to_owned())]) } else { BTreeMap::new() };
    let incarnation = model.now;
    let join = Join { node: Some(id), address: format!("node-{id}"), labels: labels.clone(), incarnation };
    let (given, _) = model.driver.join(join, model.time()).unwrap();
    assert_eq!(given, id);
    let node = Node { alive: true, dead_for_ever: false, incarnation, labels, replicas: BTreeMap::new() };
    model.nodes.insert(id, node);
}

/// Kills a node, perhaps with its disk, unless that is more than any group could survive.
fn kill(model: &mut Model, id: NodeId, disk: bool) {
    model.nodes.get_mut(&id).unwrap().alive = false;
    let survive = model.groups.values().all(|group| model.has_quorum(group));
    let node = model.nodes.get_mut(&id).unwrap();
    node.alive = !survive && !node.dead_for_ever;
    if survive && disk && !node.dead_for_ever {
        model.lose_disk(id);
        // It comes back at once, or later.
        let back = model.rng.random_bool(0.5);
        model.nodes.get_mut(&id).unwrap().alive = back;
    }
}

/// A node that the driver does not know, as its change was lost with a driver, joins again.
fn join_again(model: &mut Model) {
    let known: BTreeSet<NodeId> = model.driver.nodes().map(|record| record.id).collect();
    for (id, node) in &model.nodes {
        if !known.contains(id) {
            let (labels, incarnation) = (node.labels.clone(), node.incarnation);
            let join = Join { node: Some(*id), address: format!("node-{id}"), labels, incarnation };
            model.driver.join(join, Timestamp(model.now)).unwrap();
        }
    }
}

/// What is wrong with a cluster that had time to settle.
fn unsettled(model: &Model, zones: bool) -> Option<String> {
    let active: BTreeSet<NodeId> = model
        .driver
        .nodes()
        .filter(|record| record.state == NodeState::Active && model.nodes[&record.id].alive)
        .map(|record| record.id)
        .collect();
    let wanted = if active.len() >= 3 { 3 } else { 1 };
    let (mut leaders, mut weights) = (BTreeMap::<NodeId, i64>::new(), BTreeMap::<NodeId, u64>::new());
    active.iter().for_each(|node| {
        leaders.insert(*node, 0);
        weights.insert(*node, 0);
    });
    let mut heaviest = 0;
    for group in model.groups.values() {
        let settled = group.outgoing.is_empty() && group.learners.is_empty();
        if !settled || group.voters.len() < wanted || group.voters.len() > 3 {
            return Some(format!("wanted {wanted} voters: {group:?}"));
        }
        // With nobody to replace it, a voter that is down stays.
        let may_stay = |node: &NodeId| active.len() < 3 && model.nodes[node].dead_for_ever;
        if !group.voters.difference(&active).all(may_stay) {
            return Some(format!("voters elsewhere than on {active:?}: {group:?}"));
        }
        if zones && active.len() >= 6 && model.driver.conflicts(group.voters.iter().copied()) != [0] {
            let zones: BTreeSet<_> = active.iter().map(|node| node.0 % 3).collect();
            if zones.len() == 3 {
                return Some(format!("voters in one zone: {group:?}"));
            }
        }
        *leaders.entry(group.leader?).or_default() += 1;
        let weight = group.bytes + (16 << 20);
        heaviest = heaviest.max(weight);
        group.voters.iter().for_each(|node| *weights.entry(*node).or_default() += weight);
    }
    let spread = leaders.values().max()? - leaders.values().min()?;
    if !zones && spread > 1 {
        return Some(format!("leaders: {leaders:?}"));
    }
    let spread = weights.values().max()? - weights.values().min()?;
    if !zones && wanted == 3 && spread > heaviest * 3 / 2 {
        return Some(format!("weights: {weights:?}, heaviest range {heaviest}"));
    }
    for (id, node) in model.nodes.iter().filter(|(_, node)| node.alive) {
        let named = |range: &&RangeId| model.groups.get(range).is_some_and(|group| group.voters.contains(id));
        let is_removed = model.driver.registry.state(*id) == NodeState::Removed;
        if !is_removed && !node.replicas.keys().all(|range| named(&range)) {
            return Some(format!("node {id} keeps {:?}", node.replicas));
        }
    }
    let users = model.driver.ranges().into_iter().filter(|range| range.descriptor.id != RangeId::PLACEMENT);
    let mut next = Some(Key::new());
    for range in users {
        if next.as_ref() != Some(&range.descriptor.keys.start) {
            return Some(format!("the map has a gap or an overlap before {:?}", range.descriptor));
        }
        next = range.descriptor.keys.end.clone();
    }
    if next.is_some() { Some("the map ends early".into()) } else { None }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let zones = seed % 2 == 1;
    let labels = if zones { BTreeMap::from([("zone".into(), "b".into())]) } else { BTreeMap::new() };
    let mut model = Model::new(StdRng::seed_from_u64(seed), &settings(), labels);
    for _ in 0..4 {
        join(&mut model, zones);
    }
    for _ in 0..(6 * 60_000 / STEP_MS) {
        model.step();
        if model.rng.random_bool(0.1) {
            disturb(&mut model, zones);
            join_again(&mut model);
        }
    }
    model.faults = false;
    model.nodes.values_mut().for_each(|node| node.alive = !node.dead_for_ever);
    let mut reason = None;
    for _ in 0..60 {
        for _ in 0..(20_000 / STEP_MS) {
            model.step();
            join_again(&mut model);
        }
        reason = unsettled(&model, zones);
        if reason.is_none() && model.driver.operators.is_empty() {
            return;
        }
    }
    let operators = &model.driver.operators;
    panic!("seed {seed} at {} ms: {reason:?}; under way: {operators:?}", model.now);
}

#[test]
fn any_cluster_survives_and_settles() {
    // `PLACEMENT_SEEDS=100..10000` runs others.
    let seeds = std::env::var("PLACEMENT_SEEDS").unwrap_or_else(|_| "1..21".into());
    let (from, to) = seeds.split_once("..").expect("a range of seeds");
    (from.parse().unwrap()..to.parse().unwrap()).for_each(run);
}
