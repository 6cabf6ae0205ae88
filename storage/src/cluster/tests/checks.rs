//! Comparing replicas, and transactions whose sender is gone.

use bytes::Bytes;

use super::*;
use crate::{
    RangeId, Space, Timestamp, Transaction, TransactionId,
    action::{Action, Proposal},
    block_on::block_on,
    kv::End,
    runtime::InRuntime,
};

/// Locks keys as the first step of a transaction of which nothing more comes.
fn lock(node: &ClusterNode, id: u128, key: &'static str, deadline: Timestamp) {
    let running = node.current.running().unwrap();
    let mut part = Transaction::default();
    part.batch.put(key, "locked");
    let primary = Bytes::from_static(b"a primary");
    let action = Action::Prepare { id: TransactionId(id), primary, deadline, part };
    let proposal = Proposal { version: 1, session: None, now: Timestamp(1), action };
    let propose = running.node.propose(RangeId(2), proposal.encode());
    block_on(InRuntime::new(node.current.threads.handle(), propose)).unwrap();
}

fn locks(node: &ClusterNode, now: Timestamp) -> usize {
    let running = node.current.running().unwrap();
    let view = running.node.store().view().unwrap();
    let range = view.group(RangeId(2)).unwrap().unwrap().descriptor;
    assert_eq!(range.space, Space::User);
    view.overdue_locks(&range, now, 10).unwrap().len()
}

#[test]
fn replicas_with_everything_are_equal_and_what_is_left_is_settled() {
    let cluster = Cluster::start();
    let (admin, begun) = (cluster.admin(), Instant::now());
    while admin.transfer_leader(RangeId(2), cluster.node(1).id()).is_err()
        || !cluster.node(1).current.running().unwrap().node.group(RangeId(2)).unwrap().leads()
    {
        assert!(begun.elapsed() < PATIENCE, "node 1 never leads");
    }
    let storage = cluster.node(1).storage();
    let mut batch = WriteBatch::new();
    batch.put_until("until", "gone some time", Timestamp(u64::MAX));
    batch.push("deque", End::Back, "1").push("deque", End::Front, "0").add("count", 7);
    storage.write_blocking(batch).unwrap();
    lock(cluster.node(1), 1, "kept", Timestamp(u64::MAX));
    lock(cluster.node(1), 2, "left", Timestamp(2));
    let begun = Instant::now();
    while locks(cluster.node(1), Timestamp(u64::MAX)) > 1 {
        assert!(begun.elapsed() < PATIENCE, "the lock stays");
    }
    cluster.wait_healthy();
    assert_eq!(storage.batch_get_blocking(&["left".into()]).unwrap(), [None]);
    // One of them differs from then on.
    let replicas = admin.check(RangeId(2)).unwrap();
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    assert!((1..=3).all(|number| locks(cluster.node(number), Timestamp(u64::MAX)) == 1));
}
