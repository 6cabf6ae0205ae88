//! Applying here and by the worker; checkpoints.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "the worker is a task of the test")]
#![expect(clippy::await_holding_lock, reason = "held so that the worker has to wait")]

use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::{
    disk::Disk as _,
    kv::{Key, KeyRange, Timestamp, Transaction, WriteBatch},
    log::LogOptions,
    range::{RangeDescriptor, Space},
    state::{Membership, Phase},
    testing::{Fault, SimulatedDisk},
};

const PATH: &str = "/data/state/0.redb";
const RANGE: RangeId = RangeId::FIRST_USER;

fn new(interval: Duration, checkpoint_bytes: u64) -> (SimulatedDisk, Applier, Worker) {
    let disk = SimulatedDisk::new();
    let descriptor = RangeDescriptor { id: RANGE, space: Space::User, keys: KeyRange::all(), version: 1 };
    let membership = Membership { id: LogId::BIRTH, bytes: Bytes::new() };
    let group = Group { descriptor, applied: LogId::BIRTH, membership, phase: Phase::Live };
    Store::create(Path::new(PATH), &disk, &[group]).unwrap();
    let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
    store.attach().unwrap();
    let health = Arc::new(Health::new("/data".into(), Arc::new(disk.clone()), 0));
    let wal = Path::new("/data/wal");
    disk.create_dir(wal).unwrap();
    let options = LogOptions {
        folder: wal.into(),
        disk: Arc::new(disk.clone()),
        segment_bytes: 1 << 20,
        spare_segments_max: 0,
        batch_bytes_max: 1 << 20,
        cache_bytes_max: 1 << 20,
        segments_kept: 2,
        reserve_bytes: 0,
        salt: 1,
        no_fsync: false,
    };
    let (log, _unstarted) = Log::open(options, &BTreeMap::new()).unwrap();
    let (applier, worker) = Applier::new(Arc::new(store), health, log, checkpoint_bytes, interval);
    (disk, applier, worker)
}

fn payload(batch: WriteBatch) -> Payload {
    let action = Action::Transact(Transaction { conditions: Vec::new(), batch });
    Payload::Command(Proposal { version: 1, session: None, now: Timestamp(1), action }.encode())
}

fn put(key: &'static str) -> Payload {
    let mut batch = WriteBatch::new();
    batch.put(key, "value");
    payload(batch)
}

fn next(index: u64) -> LogId {
    LogId { index: LogId::BIRTH.index + index, ..LogId::BIRTH }
}

#[test]
fn only_what_is_short_is_applied_where_it_comes_from() {
    let group = |payloads: Vec<Payload>| GroupEntries {
        range: RANGE,
        entries: payloads.into_iter().map(|payload| (LogId::BIRTH, payload)).collect(),
    };
    assert!(is_short(&group(vec![Payload::Blank, put("a")]), 100));
    assert!(!is_short(&group(vec![put("a"); DIRECT_ENTRIES + 1]), 100));
    assert!(!is_short(&group(vec![put("a")]), DIRECT_BYTES + 1));
    let (mut delete, mut span) = (WriteBatch::new(), WriteBatch::new());
    delete.delete("a");
    span.delete_range(KeyRange::all());
    for long in [payload(delete), payload(span), Payload::Command(Bytes::from_static(b"?"))] {
        assert!(!is_short(&group(vec![long]), 100));
    }
    let verify = Proposal { version: 1, session: None, now: Timestamp(1), action: Action::Verify };
    assert!(!is_short(&group(vec![Payload::Command(verify.encode())]), 100));
}

/// What is applied behind the worker's back is made durable all the same, by the clock or by its bytes.
#[tokio::test]
async fn a_checkpoint_follows_what_was_applied_directly() {
    let hour = Duration::from_secs(3600);
    for (interval, bytes) in [(Duration::from_millis(1), u64::MAX), (hour, 1)] {
        let (disk, applier, worker) = new(interval, bytes);
        // It waits without a deadline before anything is applied.
        let worker = tokio::spawn(worker.run());
        tokio::task::yield_now().await;
        applier.apply(RANGE, vec![(next(1), put("k"))]).await.unwrap();
        let durable = async {
            while applier.writer.lock().due.is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), durable).await.expect("no checkpoint came");
        let disk = disk.after_power_cut(1);
        applier.stop().await;
        worker.await.unwrap();
        let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
        let read = store.view().unwrap().batch_get(Space::User, &[Key::from("k")], Timestamp(1)).unwrap();
        assert!(read.found.first().unwrap().is_some());
    }
}

/// A thread that writes for long, as for a checkpoint, holds up nobody's reactor: the worker waits.
#[tokio::test]
async fn while_somebody_writes_the_worker_applies() {
    let (_disk, applier, worker) = new(Duration::from_secs(3600), u64::MAX);
    let writing = applier.writer.lock();
    let mut applying = Box::pin(applier.apply(RANGE, vec![(next(1), put("k"))]));
    assert!(futures_util::poll!(&mut applying).is_pending());
    drop(writing);
    let worker = tokio::spawn(worker.run());
    assert_eq!(applying.await.unwrap(), [Some(Response::Done(Vec::new()))]);
    applier.stop().await;
    worker.await.unwrap();
}

/// A disk that fails keeps no thread busy: the next try is an interval later.
#[tokio::test]
async fn a_checkpoint_that_failed_is_not_tried_again_at_once() {
    let interval = Duration::from_secs(3600);
    let (disk, applier, worker) = new(interval, u64::MAX);
    let worker = tokio::spawn(worker.run());
    applier.apply(RANGE, vec![(next(1), put("k"))]).await.unwrap();
    // Long due.
    applier.writer.lock().due = Some(<Runtime as AsyncRuntime>::Instant::now());
    disk.inject(Fault::FailSync(0));
    assert!(applier.checkpoint().await.is_err());
    let due = applier.writer.lock().due.unwrap();
    assert!(due > <Runtime as AsyncRuntime>::Instant::now() + interval / 2);
    applier.stop().await;
    worker.await.unwrap();
}
