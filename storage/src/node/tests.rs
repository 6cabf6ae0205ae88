//! What a crash leaves of a replica that is being removed.

#![cfg(not(simulation))]

use std::{path::Path, sync::Arc};

use super::{Node, NodeIdentity, Opened};
use crate::{
    config::Config,
    data_folder::DataFolder,
    kv::KeyRange,
    log_id::LogId,
    network::NoTransport,
    raft::{membership::encode_membership, types::RaftMembership},
    range::{NodeId, RangeDescriptor, RangeId, Space},
    state::{Group, Membership, Phase},
    testing::{Fault, SimulatedDisk},
};

const RANGE: RangeId = RangeId(7);

async fn start(disk: &SimulatedDisk) -> Arc<Node> {
    let folder = DataFolder::open(Path::new("/data"), disk).unwrap();
    let config = Config { cache_bytes: 1 << 20, disk: Arc::new(disk.clone()), ..Config::default() };
    let who = NodeIdentity { node: NodeId(4), cluster: 9, incarnation: 1 };
    let opened = Opened::open(folder, config, who, false).unwrap();
    Node::start(opened, Arc::new(NoTransport)).await.unwrap()
}

fn descriptor() -> RangeDescriptor {
    RangeDescriptor { id: RANGE, space: Space::User, keys: KeyRange::all(), version: 3 }
}

async fn make(node: &Arc<Node>, group: Group) {
    node.shared.applier.run(move |store| store.create_group(&group)).await.unwrap();
    node.start_group(RANGE).await.unwrap();
}

/// A node with a replica that has applied what its log does not have any more.
async fn with_replica(disk: &SimulatedDisk) -> Arc<Node> {
    let node = start(disk).await;
    let applied = LogId { term: 2, index: 11 };
    let members = RaftMembership::new_with_defaults(vec![[2, 3, 4].into()], []);
    let membership = Membership { id: applied, bytes: encode_membership(&members) };
    make(&node, Group { descriptor: descriptor(), applied, membership, phase: Phase::Live }).await;
    node
}

/// The state and the log forget a replica together: a range that one alone knows could neither be had
/// again nor, if it is in the log, be opened.
#[tokio::test]
async fn a_range_can_be_had_again_wherever_a_crash_comes_while_it_is_removed() {
    let disk = SimulatedDisk::new();
    let node = with_replica(&disk).await;
    let before = disk.operations();
    node.forget(RANGE).await.unwrap();
    let operations = disk.operations() - before;
    assert!(operations > 4, "{operations}");
    node.stop().await.unwrap();
    // How many there are differs a little, as checkpoints come when it is time.
    for number in 0.. {
        let disk = SimulatedDisk::new();
        let node = with_replica(&disk).await;
        disk.inject(Fault::Crash(number));
        let forgotten = node.forget(RANGE).await;
        let left = disk.after_power_cut(number);
        let _crashed = node.stop().await;

        let node = start(&left).await;
        if node.group(RANGE).is_ok() {
            assert!(forgotten.is_err(), "crash at {number}");
            node.forget(RANGE).await.unwrap();
        }
        assert_eq!(node.store().group(RANGE).unwrap(), None, "crash at {number}");
        make(&node, Group::empty(&descriptor(), 12)).await;
        node.stop().await.unwrap();
        start(&left).await.stop().await.unwrap();
        if forgotten.is_ok() && number >= operations {
            break;
        }
    }
}
