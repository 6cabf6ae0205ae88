//! Comparing replicas, and transactions whose sender is gone.

use bytes::Bytes;

use super::*;
use crate::{
    Space, Timestamp, Transaction, TransactionId,
    action::{Action, Proposal, Response},
    block_on::block_on,
    kv::End,
    runtime::InRuntime,
};

/// Locks keys as the first step of a transaction of which nothing more comes.
fn lock(node: &ClusterNode, id: u128, key: &'static str, deadline: Timestamp) {
    let running = node.current.running().unwrap();
    let mut part = Transaction::default();
    part.batch.put(key, "locked");
    let primary = Bytes::from_static(key.as_bytes());
    let action = Action::Prepare { id: TransactionId(id), primary, deadline, part };
    let proposal = Proposal { version: 1, session: None, now: Timestamp(1), action };
    let propose = running.node.propose(RangeId(2), proposal.encode());
    let (_, response) = block_on(InRuntime::new(node.current.threads.handle(), propose)).unwrap();
    assert!(matches!(response, Response::Done(_)), "{response:?}");
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
    let leader = cluster.node(leader(&cluster));
    let storage = leader.storage();
    let mut batch = WriteBatch::new();
    batch.put_until("until", "gone some time", Timestamp(u64::MAX));
    batch.push("deque", End::Back, "1").push("deque", End::Front, "0").add("count", 7);
    storage.write_blocking(batch).unwrap();
    lock(leader, 1, "kept", Timestamp(u64::MAX));
    let soon = leader.config.clock.wall().0 + 1500;
    lock(leader, 2, "left", Timestamp(soon));
    let begun = Instant::now();
    while locks(leader, Timestamp(u64::MAX)) > 1 {
        assert!(begun.elapsed() < PATIENCE, "the lock stays");
    }
    cluster.wait_healthy();
    assert_eq!(storage.batch_get_blocking(&["left".into()]).unwrap(), [None]);
    // One of them differs from then on.
    let replicas = cluster.admin().check(RangeId(2)).unwrap();
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    assert!((1..=3).all(|number| locks(cluster.node(number), Timestamp(u64::MAX)) == 1));
}
