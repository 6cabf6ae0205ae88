//! Nodes come, go, and lose their disks; ranges split, and spread over whoever is there.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use genomdb_storage::{
    KeyRange, NodeId, ScanLimit, Space, Storage, StorageError, WriteBatch, placement::NodeState,
};

use super::testbed::{Testbed, until, wait};

fn put_many(storage: &Storage, count: u32, value_bytes: usize) {
    for first in (0..count).step_by(50) {
        let mut batch = WriteBatch::new();
        for number in first..count.min(first + 50) {
            batch.put(format!("k{number:06}"), vec![b'v'; value_bytes]);
        }
        storage.write_blocking(batch).unwrap();
    }
}

#[track_caller]
fn count(storage: &Storage) -> usize {
    let mut rest = Some(KeyRange::prefix("k"));
    let mut found = 0;
    while let Some(range) = rest.take() {
        let page = storage.scan_keys_blocking(&range, ScanLimit::default()).unwrap();
        found += page.entries.len();
        rest = page.next;
    }
    found
}

#[test]
fn a_node_that_lost_its_disk_comes_back_empty_and_is_repaired() {
    let mut testbed = Testbed::start(3, |_| {});
    let storage = testbed.storage();
    put_many(&storage, 2000, 500);
    for node in [testbed.leader_of("k"), 1] {
        testbed.kill(node);
        testbed.wipe(node);
        testbed.restart(node);
        testbed.settled();
        testbed.replicas_are_equal();
        assert_eq!(count(&storage), 2000);
    }
    // What one node has now came from the others; now it has to do without one of those.
    testbed.kill(2);
    assert_eq!(count(&storage), 2000);
    testbed.restart(2);
    testbed.settled();
}

#[test]
fn five_nodes_share_ranges_and_one_of_them_leaves() {
    let mut testbed = Testbed::start(3, |options| options.range_bytes_max = 256 << 10);
    let storage = testbed.storage();
    put_many(&storage, 3000, 600);
    // 1.8 MB in ranges of at most a quarter of a megabyte.
    let status = testbed.stands("ranges split by their size", |status| {
        status.ranges.iter().filter(|range| range.descriptor.space == Space::User).count() >= 6
            && status.operators.is_empty()
    });
    assert_eq!(count(&storage), 3000);
    assert!(status.ranges.len() < 40, "{} ranges", status.ranges.len());

    testbed.add(4);
    testbed.add(5);
    testbed.stands("ranges and leaders spread over five nodes", |status| {
        let most = |number: fn(&genomdb_storage::placement::NodeStatus) -> usize| {
            let of: Vec<usize> = status.nodes.iter().map(number).collect();
            of.iter().max().unwrap() - of.iter().min().unwrap()
        };
        status.nodes.len() == 5
            && status.nodes.iter().all(|node| node.replicas > 0 && node.leaders > 0)
            && most(|node| node.replicas) <= 3
            && most(|node| node.leaders) <= 2
            && status.operators.is_empty()
    });
    assert_eq!(count(&storage), 3000);
    testbed.replicas_are_equal();

    let refused = testbed.admin().remove(NodeId(2), false);
    assert!(matches!(refused, Err(StorageError::Refused { .. })), "{refused:?}");
    testbed.order("node 2 is drained", |admin| admin.drain(NodeId(2), true));
    testbed.stands("node 2 holds nothing", |status| {
        let node = status.nodes.iter().find(|node| node.id.0 == 2).unwrap();
        node.replicas == 0 && node.leaders == 0 && node.state == NodeState::Draining
    });
    testbed.order("node 2 is removed", |admin| admin.remove(NodeId(2), false));
    testbed.stands("node 2 is no member", |status| status.nodes.iter().all(|node| node.id.0 != 2));
    testbed.stop(2);
    testbed.options.remove(&2);
    testbed.replicas_are_equal();
    assert_eq!(count(&storage), 3000);
    assert_eq!(count(&testbed.storage()), 3000);
}

#[test]
fn ranges_split_and_change_leaders_by_command() {
    let mut testbed = Testbed::start(3, |_| {});
    let storage = testbed.storage();
    put_many(&storage, 300, 20);
    let other = testbed.storage();
    assert_eq!(count(&other), 300);
    testbed.split_at("k000100");
    testbed.split_at("k000200");
    // The second store still thinks that there is one range.
    assert_eq!(count(&other), 300);
    wait(other.put("k000250", "new")).unwrap();
    assert_eq!(wait(storage.get("k000250")).unwrap(), Some("new".into()));
    super::testbed::wait(super::basics::every_operation(&storage, "k000150"));

    let range = testbed.range_of("k000150");
    let to = (1..=3).map(NodeId).find(|node| Some(*node) != range.leader).unwrap();
    let id = range.descriptor.id;
    testbed.order("a leader is changed", |admin| admin.transfer_leader(id, to));
    testbed.stands("the new leader leads", |status| {
        status.ranges.iter().any(|range| range.descriptor.id == id && range.leader == Some(to))
    });
    // Of the other operations, a hundred keys and four more are left.
    assert_eq!(count(&other), 300 + 100 + 4);
    testbed.replicas_are_equal();
}

/// Callers that write and read all the time until told to stop.
struct Callers {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<BTreeMap<String, u64>>>,
}

impl Callers {
    fn start(testbed: &Testbed, count: u64) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let threads = (0..count).map(|caller| {
            let (storage, stop, done) = (testbed.storage(), Arc::clone(&stop), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut acknowledged = BTreeMap::new();
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let key = format!("k{caller}/{}", number % 50);
                    wait(async {
                        storage.put(key.clone(), number.to_string()).await.unwrap();
                        let found = storage.get(key.clone()).await.unwrap();
                        assert_eq!(found, Some(number.to_string().into()));
                    });
                    acknowledged.insert(key, number);
                    done.fetch_add(1, Ordering::Relaxed);
                }
                acknowledged
            })
        });
        let threads = threads.collect();
        Self { stop, done, threads }
    }

    /// Waits until they did some more.
    #[track_caller]
    fn go_on(&self) {
        let before = self.done.load(Ordering::Relaxed);
        until("callers go on", || match self.done.load(Ordering::Relaxed) > before + 20 {
            true => Ok(()),
            false => Err("they wait".to_owned()),
        });
    }

    /// What they wrote, by key.
    #[track_caller]
    fn stop(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

#[test]
fn a_rolling_restart_is_no_error_to_callers() {
    let mut testbed = Testbed::start(3, |_| {});
    testbed.split_at("k2");
    let callers = Callers::start(&testbed, 4);
    callers.go_on();
    for node in [2, 3, 1] {
        testbed.stop(node);
        callers.go_on();
        testbed.restart(node);
        testbed.settled();
        callers.go_on();
    }
    let written = callers.stop();
    assert_eq!(written.len(), 200);
    let storage = testbed.storage();
    for (key, number) in written {
        assert_eq!(wait(storage.get(key)).unwrap(), Some(number.to_string().into()));
    }
    testbed.replicas_are_equal();
}
