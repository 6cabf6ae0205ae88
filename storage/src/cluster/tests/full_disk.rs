//! A full disk in a cluster: refused by name, and over when there is space.

use super::*;
use crate::{NodeId, RangeId};

fn leader(cluster: &Cluster) -> usize {
    let (admin, begun) = (cluster.admin(), Instant::now());
    loop {
        let status = admin.status();
        let ranges = status.iter().flat_map(|status| &status.ranges);
        let found = ranges.filter(|range| range.descriptor.id == RangeId(2)).find_map(|range| range.leader);
        if let Some(NodeId(node)) = found {
            return node as usize;
        }
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
    }
}

fn put(storage: &Storage, number: u32) -> Result<(), StorageError> {
    let mut batch = WriteBatch::new();
    batch.put(key(number), value(number));
    storage.write_blocking(batch)
}

fn fill_up(cluster: &Cluster, number: usize) {
    let disk = &cluster.disks[number - 1];
    disk.set_capacity(disk.used_bytes(), true);
}

fn make_space(cluster: &Cluster, number: usize) {
    cluster.disks[number - 1].set_capacity(1 << 40, true);
}

#[test]
fn a_follower_with_a_full_disk_makes_up_for_it_when_there_is_space() {
    let cluster = Cluster::on_simulated_disks();
    let leader = leader(&cluster);
    let storage = cluster.node(leader).storage();
    fill(&storage, 0..20);
    let follower = leader % 3 + 1;
    fill_up(&cluster, follower);
    fill(&storage, 20..150);
    make_space(&cluster, follower);
    cluster.wait_healthy();
    read_all(&cluster.node(follower).storage(), 150).unwrap();
    assert!(cluster.node(follower).damage().is_none());
}

#[test]
fn a_leader_with_a_full_disk_refuses_writes_and_lets_another_lead() {
    let cluster = Cluster::on_simulated_disks();
    let leader = leader(&cluster);
    let storage = cluster.node(leader % 3 + 1).storage();
    fill(&storage, 0..20);
    fill_up(&cluster, leader);
    let begun = Instant::now();
    let mut refused = 0;
    while let Err(error) = put(&storage, 20) {
        match error {
            StorageError::NodeFull { node, .. } => {
                assert_eq!(node, NodeId(leader as u64));
                refused += 1;
                read_all(&storage, 20).unwrap();
            }
            // While the other one begins to lead.
            StorageError::Unavailable { .. } => {}
            other => panic!("{other}"),
        }
        assert!(begun.elapsed() < PATIENCE, "still refused");
    }
    assert!(refused > 0);
    fill(&storage, 21..50);
    make_space(&cluster, leader);
    cluster.wait_healthy();
    read_all(&cluster.node(leader).storage(), 50).unwrap();
}
