//! Which report is newer, how the map is kept whole, and who may write.

use super::*;
use crate::{
    kv::KeyRange,
    placement::model_cluster::{descriptor, write},
    range::{RangeDescriptor, Space},
};

fn loaded(store: &BTreeMap<Key, Value>, term: u64) -> Registry {
    Registry::load(store.clone(), term).unwrap()
}

fn first() -> BTreeMap<Key, Value> {
    let node = NodeRecord {
        id: NodeId(1),
        address: "n1".into(),
        labels: BTreeMap::new(),
        state: NodeState::Active,
        incarnation: 1,
    };
    let range = RangeRecord {
        descriptor: descriptor(RangeId::FIRST_USER, Space::User),
        voters: BTreeSet::from([NodeId(1)]),
        learners: BTreeSet::new(),
        configuration: 5,
        term: 1,
        leader: None,
    };
    Registry::first(ClusterId(9), &Settings::default(), &node, &[range]).into_iter().collect()
}

fn report(id: u64, start: &'static str, end: Option<&'static str>, at: (u64, u64, u64)) -> RangeReport {
    let (version, configuration, term) = at;
    RangeReport {
        descriptor: RangeDescriptor {
            id: RangeId(id),
            space: Space::User,
            keys: KeyRange { start: start.into(), end: end.map(Into::into) },
            version,
        },
        voters: BTreeSet::from([NodeId(1)]),
        outgoing: BTreeSet::new(),
        learners: BTreeSet::new(),
        configuration,
        changing: false,
        established: true,
        term,
        last_index: 9,
        bytes: 0,
        writes_per_second: 0,
        reads_per_second: 0,
        followers: BTreeMap::new(),
    }
}

fn map(registry: &Registry) -> Vec<(u64, &str, Option<&str>)> {
    let text = |key: &'_ Key| std::str::from_utf8(key).unwrap().to_owned().leak() as &str;
    let ranges = registry.by_keys().into_iter();
    ranges
        .map(|range| {
            let keys = &range.descriptor.keys;
            (range.descriptor.id.0, text(&keys.start), keys.end.as_ref().map(text))
        })
        .collect()
}

#[test]
fn an_older_report_changes_nothing() {
    let mut registry = loaded(&first(), 1);
    assert!(registry.observe(NodeId(1), &report(2, "", None, (3, 30, 4))));
    for older in [(2, 30, 4), (3, 29, 4), (3, 30, 3), (9, 99, 3)] {
        assert!(!registry.observe(NodeId(2), &report(2, "", None, older)), "{older:?}");
    }
    assert_eq!(registry.ranges[&RangeId(2)].leader, Some(NodeId(1)));
    assert!(registry.observe(NodeId(2), &report(2, "", None, (3, 30, 5))));
    assert_eq!(registry.ranges[&RangeId(2)].leader, Some(NodeId(2)));
}

#[test]
fn the_parent_shrinks_whoever_reports_first() {
    let mut registry = loaded(&first(), 1);
    registry.observe(NodeId(1), &report(2, "", None, (1, 5, 1)));
    registry.observe(NodeId(2), &report(3, "m", None, (2, 5, 1)));
    assert_eq!(map(&registry), [(2, "", Some("m")), (3, "m", None)]);
    // The parent's leader has not applied the split.
    registry.observe(NodeId(1), &report(2, "", None, (1, 5, 1)));
    assert_eq!(map(&registry), [(2, "", Some("m")), (3, "m", None)]);
    // A child of the child, while the child itself is reported as it was.
    registry.observe(NodeId(3), &report(4, "t", None, (3, 5, 1)));
    registry.observe(NodeId(2), &report(3, "m", None, (2, 5, 1)));
    registry.observe(NodeId(1), &report(2, "", Some("m"), (2, 5, 1)));
    let whole = [(2, "", Some("m")), (3, "m", Some("t")), (4, "t", None)];
    assert_eq!(map(&registry), whole);
    registry.observe(NodeId(2), &report(3, "m", Some("t"), (3, 5, 1)));
    assert_eq!(map(&registry), whole);
}

#[test]
fn what_was_written_is_loaded() {
    let mut store = first();
    let mut registry = loaded(&store, 4);
    registry.observe(NodeId(1), &report(3, "m", None, (2, 5, 1)));
    let node = NodeRecord { state: NodeState::Draining, ..registry.nodes[&NodeId(1)].clone() };
    registry.set_node(node);
    registry.set_settings(Settings { replicas: 5, ..Settings::default() });
    let change = registry.change().unwrap();
    assert_eq!(registry.change(), None, "one at a time");
    assert!(write(&mut store, &change.transaction));
    registry.saved(change.number);
    assert_eq!(registry.change(), None, "nothing more to write");
    let again = loaded(&store, 5);
    assert_eq!((&again.nodes, &again.ranges), (&registry.nodes, &registry.ranges));
    assert_eq!((again.settings.replicas, again.cluster), (5, ClusterId(9)));
}

#[test]
fn a_driver_that_was_replaced_writes_nothing() {
    for terms in [(1, 2), (3, 3)] {
        let mut store = first();
        let mut old = loaded(&store, terms.0);
        let change = old.change().unwrap();
        assert!(write(&mut store, &change.transaction));
        old.saved(change.number);
        let mut new = loaded(&store, terms.1);
        assert!(write(&mut store, &new.change().unwrap().transaction));
        old.set_settings(Settings::default());
        assert!(!write(&mut store, &old.change().unwrap().transaction), "{terms:?}");
    }
}

#[test]
fn an_id_is_given_once_through_any_change_of_driver() {
    let mut store = first();
    let mut given = BTreeSet::new();
    for term in 1..5 {
        let mut registry = loaded(&store, term);
        assert_eq!(registry.allocate(), None, "nothing is reserved yet");
        let change = registry.change().unwrap();
        assert_eq!(registry.allocate(), None, "nor durably");
        assert!(write(&mut store, &change.transaction));
        registry.saved(change.number);
        for _ in 0..40 {
            assert!(given.insert(registry.allocate().unwrap()), "given twice");
        }
    }
    assert!(given.iter().all(|id| *id > RangeId::FIRST_USER));
}

#[test]
fn a_registry_that_is_not_one_is_refused() {
    let mut store = first();
    store.insert("node/1".into(), Value::new());
    assert!(matches!(Registry::load(store, 1), Err(PlacementError::Corrupt { .. })));
    let mut store = first();
    store.remove(&codec::ids_key());
    assert!(matches!(Registry::load(store, 1), Err(PlacementError::Incomplete { key: "ids" })));
    let mut store = first();
    store.insert(codec::cluster_key(), Value::new());
    assert!(matches!(Registry::load(store, 1), Err(PlacementError::Corrupt { .. })));
}

#[test]
fn what_changes_nothing_waits_for_nothing() {
    let store = first();
    let mut registry = loaded(&store, 1);
    // The driver's own mark is always written first.
    assert_eq!(registry.next_number(), 1);
    assert_eq!(registry.change().unwrap().number, 1);
    registry.saved(1);
    let known = registry.nodes[&NodeId(1)].clone();
    registry.set_node(known.clone());
    assert_eq!(registry.next_number(), registry.saved_number());
    registry.set_node(NodeRecord { address: "elsewhere".into(), ..known });
    assert_eq!(registry.next_number(), 2);
}
