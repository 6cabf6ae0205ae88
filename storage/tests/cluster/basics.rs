//! What callers can do with a cluster of three, whichever nodes die.

use std::time::{Duration, SystemTime};

use genomdb_storage::{
    Condition, Config, End, Freshness, KeyRange, OperationResult, Outcome, ScanLimit, Storage, StorageError,
    Timestamp, Transaction, WatchEvent, WriteBatch,
};

use super::{
    node::client_config,
    testbed::{Testbed, until, wait},
};

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Every operation, under keys that begin with `prefix`.
pub(crate) async fn every_operation(storage: &Storage, prefix: &str) {
    let key = |name: &str| format!("{prefix}/{name}");
    storage.put(key("a"), "1").await.unwrap();
    assert_eq!(storage.get(key("a")).await.unwrap(), Some("1".into()));
    storage.delete(key("a")).await.unwrap();
    assert_eq!(storage.get(key("a")).await.unwrap(), None);

    let mut batch = WriteBatch::new();
    for number in 0..100 {
        batch.put(key(&format!("scan/{number:03}")), format!("v{number}"));
    }
    storage.write(batch).await.unwrap();
    let limit = ScanLimit { entries: 30, ..ScanLimit::default() };
    let mut rest = Some(KeyRange::prefix(key("scan/")));
    let mut found = Vec::new();
    while let Some(range) = rest.take() {
        let page = storage.scan(range, limit).await.unwrap();
        found.extend(page.entries);
        rest = page.next;
    }
    assert_eq!(found.len(), 100);
    assert!(found.is_sorted());

    assert!(storage.compare_and_set(key("cas"), None, "1").await.unwrap());
    assert!(!storage.compare_and_set(key("cas"), None, "2").await.unwrap());
    assert!(storage.compare_and_set(key("cas"), Some("1".into()), "2").await.unwrap());
    assert_eq!(storage.get(key("cas")).await.unwrap(), Some("2".into()));

    assert_eq!(storage.add(key("counter"), 5).await.unwrap(), 5);
    assert_eq!(storage.add(key("counter"), -7).await.unwrap(), -2);
    assert_eq!(storage.get(key("counter")).await.unwrap(), Some("-2".into()));

    assert_eq!(storage.push(key("deque"), End::Back, "b").await.unwrap(), 1);
    assert_eq!(storage.push(key("deque"), End::Front, "a").await.unwrap(), 2);
    assert_eq!(storage.push(key("deque"), End::Back, "c").await.unwrap(), 3);
    let (length, elements) = storage.deque(key("deque"), 0, ScanLimit::default()).await.unwrap();
    assert_eq!((length, elements), (3, vec!["a".into(), "b".into(), "c".into()]));
    assert_eq!(storage.pop(key("deque"), End::Back).await.unwrap(), Some("c".into()));
    assert_eq!(storage.pop(key("deque"), End::Front).await.unwrap(), Some("a".into()));
    assert_eq!(storage.pop(key("deque"), End::Front).await.unwrap(), Some("b".into()));
    assert_eq!(storage.pop(key("deque"), End::Front).await.unwrap(), None);

    let until = Timestamp(now() + 600);
    storage.put_until(key("short"), "x", until).await.unwrap();
    storage.put_until(key("long"), "x", Timestamp(now() + 3_600_000)).await.unwrap();
    assert_eq!(storage.expires(key("short")).await.unwrap(), Some(until));
    let seen = storage.get(key("short")).await.unwrap();
    assert!(seen.is_some() || now() >= until.0);

    let transaction = Transaction {
        conditions: vec![
            Condition::Equals(key("cas").into(), "2".into()),
            Condition::Absent(key("a").into()),
        ],
        batch: {
            let mut batch = WriteBatch::new();
            batch.put(key("t1"), "t").delete(key("cas"));
            batch
        },
    };
    assert_eq!(storage.transact(transaction.clone()).await.unwrap(), Outcome::Committed);
    assert_eq!(
        storage.transact(transaction).await.unwrap(),
        Outcome::ConditionFailed { condition: 0, found: None }
    );
    assert_eq!(storage.get(key("t1")).await.unwrap(), Some("t".into()));

    let mut batch = WriteBatch::new();
    batch.add(key("once"), 3);
    let once = Transaction { conditions: Vec::new(), batch };
    // The sender is a random number; here, one for each prefix.
    let sender = prefix
        .bytes()
        .fold(u64::from(std::process::id()), |sum, byte| sum.wrapping_mul(257) + u64::from(byte));
    for _ in 0..3 {
        let (outcome, results) = storage.transact_once(sender, once.clone()).await.unwrap();
        assert_eq!((outcome, results), (Outcome::Committed, vec![OperationResult::Counter(3)]));
    }
    assert_eq!(storage.get(key("once")).await.unwrap(), Some("3".into()));

    let stale = storage.with_freshness(Freshness::Stale(Duration::from_secs(60)));
    assert!(stale.get(key("t1")).await.unwrap().is_some());
    super::testbed::until("the value's time is over", || match now() > until.0 {
        true => Ok(()),
        false => Err("not yet".to_owned()),
    });
    assert_eq!(storage.get(key("short")).await.unwrap(), None);
    assert!(storage.get(key("long")).await.unwrap().is_some());
}

/// Reads changes until there are so many.
async fn watched(storage: &Storage, keys: KeyRange, act: impl AsyncFnOnce()) -> Vec<WatchEvent> {
    let mut positions = storage.watch_from_now(keys).await.unwrap();
    act().await;
    let mut events = Vec::new();
    while events.len() < 3 {
        let page = storage.watch(positions, Duration::from_secs(5)).await.unwrap();
        events.extend(page.events);
        positions = page.positions;
    }
    events
}

async fn a_watch(storage: &Storage, prefix: &str) {
    let key = |name: &str| bytes::Bytes::from(format!("{prefix}/{name}"));
    let events = watched(storage, KeyRange::prefix(key("")), async || {
        storage.put(key("w"), "1").await.unwrap();
        storage.delete(key("w")).await.unwrap();
        storage.push(key("d"), End::Front, "e").await.unwrap();
    })
    .await;
    let expected = [
        WatchEvent::Put { key: key("w"), value: Some("1".into()) },
        WatchEvent::Deleted { key: key("w") },
        WatchEvent::Pushed { key: key("d"), end: End::Front, value: Some("e".into()) },
    ];
    assert_eq!(events, expected);
}

#[test]
fn three_nodes_answer_and_lose_one_after_the_other() {
    let mut testbed = Testbed::start(3, |_| {});
    let storage = testbed.storage();
    wait(every_operation(&storage, "healthy"));
    wait(a_watch(&storage, "watch"));

    let leader = testbed.leader_of("k");
    testbed.kill(leader);
    wait(every_operation(&storage, "without-the-leader"));
    testbed.restart(leader);
    testbed.settled();

    let leader = testbed.leader_of("k");
    let follower = (1..=3).find(|node| *node != leader).unwrap();
    testbed.kill(follower);
    wait(every_operation(&storage, "without-a-follower"));
    testbed.restart(follower);
    testbed.settled();

    // All of them at once: what was acknowledged is on their disks.
    wait(storage.put("before", "all died")).unwrap();
    (1..=3).for_each(|node| testbed.kill(node));
    (1..=3).for_each(|node| testbed.restart(node));
    assert_eq!(wait(storage.get("before")).unwrap(), Some("all died".into()));
    wait(every_operation(&storage, "again"));
    testbed.replicas_are_equal();
    testbed.folder_of_a_member_is_refused();
}

impl Testbed {
    fn folder_of_a_member_is_refused(&mut self) {
        self.stop(3);
        match Storage::open(self.folder(3), Config::default()) {
            Err(StorageError::Member { node, .. }) => assert_eq!(node.0, 3),
            other => panic!("{other:?}"),
        }
        self.restart(3);
        self.settled();
    }
}

#[test]
fn a_folder_grows_into_a_cluster() {
    let mut testbed = Testbed::empty(|_| {});
    let folder = testbed.folder(1);
    let embedded = Storage::open(&folder, client_config()).unwrap();
    wait(every_operation(&embedded, "embedded"));
    let written = embedded.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap().entries;
    assert!(written.len() > 100);
    embedded.close_blocking().unwrap();

    testbed.add(1);
    let storage = testbed.storage();
    let found = storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap().entries;
    assert_eq!(found, written);
    testbed.add(2);
    testbed.add(3);
    testbed.settled();
    testbed.replicas_are_equal();
    // The door that was told of node 1 alone asks now and then who else there is.
    let begun = std::time::Instant::now();
    until("the door has asked", || match begun.elapsed() > Duration::from_secs(6) {
        true => Ok(()),
        false => Err("not yet".to_owned()),
    });
    testbed.kill(1);
    let found = until("the others answer", || {
        storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).map_err(|error| error.to_string())
    });
    assert_eq!(found.entries, written);
    wait(every_operation(&storage, "cluster"));
    testbed.restart(1);
    testbed.settled();
}
