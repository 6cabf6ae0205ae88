//! What operators of a cluster may ask for, and who may report.

use super::*;

#[test]
fn joining_takes_no_number_or_address_that_is_in_use() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    let join = |node: Option<u64>, address: &str, incarnation| Join {
        node: node.map(NodeId),
        address: address.into(),
        labels: BTreeMap::new(),
        incarnation,
    };
    let now = Timestamp(bench.now);
    let driver = &mut bench.driver;
    let error = driver.join(join(Some(2), "elsewhere", 1), now).unwrap_err();
    assert_eq!(error, PlacementError::NodeInUse { node: NodeId(2), address: "node-2".into() });
    let error = driver.join(join(Some(9), "node-2", 1), now).unwrap_err();
    assert_eq!(error, PlacementError::AddressInUse { node: NodeId(2), address: "node-2".into() });
    assert!(driver.join(join(Some(9), "", 1), now).is_err());
    assert_eq!(driver.join(join(None, "node-4", 1), now).unwrap().0, NodeId(4));
    let later = Timestamp(bench.now + 60_000);
    let error = driver.join(join(Some(2), "elsewhere", 0), later).unwrap_err();
    assert_eq!(error, PlacementError::OldIncarnation { node: NodeId(2) });
    assert!(driver.join(join(Some(2), "elsewhere", 7), later).is_ok(), "it is dead there");
}

#[test]
fn what_joins_with_another_data_folder_has_lost_its_replicas() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(2, &[]);
    let now = Timestamp(bench.now);
    let healthy = |driver: &Driver| driver.status(now).ranges[0].healthy;
    for (incarnation, expected) in [(1, 3), (2, 2)] {
        let (address, labels) = ("node-3".into(), BTreeMap::new());
        let join = Join { node: Some(NodeId(3)), address, labels, incarnation };
        bench.driver.join(join, now).unwrap();
        assert_eq!(healthy(&bench.driver), expected, "before it reports");
    }
}

#[test]
fn a_node_that_holds_replicas_is_not_removed() {
    let mut bench = Bench::new(Settings::default(), 4, vec![range(2, &[1, 2, 3])]);
    bench.run(1, &[]);
    let now = Timestamp(bench.now);
    let holds = PlacementError::HoldsReplicas { node: NodeId(3), replicas: 1 };
    assert_eq!(bench.driver.remove(NodeId(3), false, now), Err(holds.clone()));
    assert_eq!(bench.driver.remove(NodeId(3), true, now), Err(holds), "it lives: drain it");
    bench.run(10, &[3]);
    let now = Timestamp(bench.now);
    bench.driver.remove(NodeId(3), true, now).unwrap();
    bench.driver.tick(now);
    assert_eq!(bench.goal(), Some(nodes([1, 2])));
    let report = bench.nodes[&NodeId(3)].clone();
    assert_eq!(bench.driver.report(report, now), Err(PlacementError::NodeRemoved { node: NodeId(3) }));
    for node in [2, 4] {
        bench.driver.drain(NodeId(node)).unwrap();
    }
    assert_eq!(bench.driver.drain(NodeId(1)), Err(PlacementError::LastNode { node: NodeId(1) }));
    bench.driver.activate(NodeId(2)).unwrap();
    let driver = &mut bench.driver;
    assert!(
        driver
            .join(
                Join { node: Some(NodeId(3)), address: "n".into(), labels: BTreeMap::new(), incarnation: 9 },
                now
            )
            .is_err(),
        "its number is gone"
    );
}

#[test]
fn late_and_foreign_reports_are_refused() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(2, &[]);
    let now = Timestamp(bench.now);
    let late = NodeReport { sequence: 1, ..bench.nodes[&NodeId(2)].clone() };
    let driver = &mut bench.driver;
    assert_eq!(driver.report(late.clone(), now), Err(PlacementError::LateReport { node: NodeId(2) }));
    let old = NodeReport { sequence: 9, incarnation: 0, ..late.clone() };
    assert_eq!(driver.report(old, now), Err(PlacementError::OldIncarnation { node: NodeId(2) }));
    let foreign = NodeReport { node: NodeId(8), ..late };
    assert_eq!(driver.report(foreign, now), Err(PlacementError::UnknownNode { node: NodeId(8) }));
}

#[test]
fn an_operator_may_split_and_choose_leaders() {
    let mut bench = three(vec![range(2, &[1, 2, 3])]);
    bench.run(2, &[]);
    let now = Timestamp(bench.now);
    let driver = &mut bench.driver;
    assert!(driver.split(RangeId(1), None, now).is_err());
    assert!(driver.split(RangeId(5), None, now).is_err());
    assert!(driver.split(R, Some(Key::new()), now).is_err(), "nothing would be left");
    assert!(driver.transfer_leader(R, NodeId(7), now).is_err());
    driver.split(R, Some("k".into()), now).unwrap();
    let busy = driver.transfer_leader(R, NodeId(2), now);
    assert_eq!(busy, Err(PlacementError::RangeBusy { range: R }));
    let status = driver.status(now);
    assert_eq!((status.under_replicated, status.unavailable, status.operators.len()), (0, 0, 1));
    let orders = bench.run(3, &[]);
    assert!(matches!(&orders[..], [(1, Order::Split { at: Some(at), .. })] if at == "k"), "{orders:?}");
    let now = Timestamp(bench.now + 60_000);
    let status = bench.driver.status(now);
    assert_eq!((status.unavailable, status.down.len()), (1, 3));
}
