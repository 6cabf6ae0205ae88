//! Many writers at once: compare-and-set loses no update, and what was acknowledged is read.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bytes::Bytes;
use genomdb_storage::{
    Condition, Config, KeyRange, Outcome, Storage, StorageError, Transaction, WriteBatch,
    testing::SimulatedDisk,
};
use tokio::task::JoinSet;

const TASKS: u64 = 8;
const INCREMENTS: u64 = 40;

fn number(value: Option<&Bytes>) -> u64 {
    value.map_or(0, |bytes| u64::from_le_bytes(*bytes.first_chunk().unwrap()))
}

/// Adds one to a counter, however often another comes first.
async fn increment(storage: &Storage) -> u64 {
    let key = Bytes::from("counter");
    let mut found = storage.batch_get(vec![key.clone()]).await.unwrap().remove(0);
    loop {
        let next = number(found.as_ref()) + 1;
        let condition = match found {
            Some(value) => Condition::Equals(key.clone(), value),
            None => Condition::Absent(key.clone()),
        };
        let mut batch = WriteBatch::new();
        batch.put(key.clone(), next.to_le_bytes().to_vec());
        let transaction = Transaction { conditions: vec![condition], batch };
        match storage.transact(transaction).await.unwrap() {
            Outcome::Committed => return next,
            Outcome::ConditionFailed { found: other, .. } => found = other,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost() {
    let config = Config { disk: Arc::new(SimulatedDisk::new()), ..Config::default() };
    let storage = Storage::open("/data", config).unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let storage = storage.clone();
        tasks.spawn(async move {
            for _ in 0..INCREMENTS {
                let written = increment(&storage).await;
                let read = storage.batch_get(vec!["counter".into()]).await.unwrap();
                assert!(number(read[0].as_ref()) >= written, "an acknowledged write was not seen");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let read = storage.batch_get(vec!["counter".into()]).await.unwrap();
    assert_eq!(number(read[0].as_ref()), TASKS * INCREMENTS);
    // Conditions are judged again, with the same outcomes, when the log is replayed.
    storage.close().await.unwrap();
    assert!(matches!(storage.batch_get(vec!["counter".into()]).await, Err(StorageError::Closed)));
}

#[tokio::test]
async fn limits_are_named() {
    let disk = Arc::new(SimulatedDisk::new());
    let config = Config {
        value_bytes_max: 100,
        batch_bytes_max: 4096,
        batch_operations_max: 50,
        disk,
        ..Config::default()
    };
    let storage = Storage::open("/data", config).unwrap();
    let write = async |fill: &dyn Fn(&mut WriteBatch)| {
        let mut batch = WriteBatch::new();
        fill(&mut batch);
        storage.write(batch).await.map_err(|error| error.to_string())
    };
    let check = |result: Result<(), String>, text: &str| assert_eq!(result.unwrap_err(), text);
    check(write(&|batch| _ = batch.put("", "v")).await, "a key of 0 bytes; a key has 1 to 1024 bytes");
    check(
        write(&|batch| _ = batch.delete(vec![1; 1025])).await,
        "a key of 1025 bytes; a key has 1 to 1024 bytes",
    );
    check(
        write(&|batch| _ = batch.put(vec![b'k', 0], vec![0; 101])).await,
        "a value of 101 bytes for key k\\x00; at most 100 bytes",
    );
    check(
        write(&|batch| (0..51_u8).for_each(|n| _ = batch.put(vec![n, n], "v"))).await,
        "a batch of 153 bytes and 51 operations; at most 4096 bytes and 50 operations",
    );
    check(
        write(&|batch| (0..45_u8).for_each(|n| _ = batch.put(vec![n, n], vec![0; 100]))).await,
        "a batch of 4590 bytes and 45 operations; at most 4096 bytes and 50 operations",
    );
    assert_eq!(write(&|_| ()).await, Ok(()));
    assert_eq!(storage.stats().await.unwrap().keys, 0);
    assert!(storage.scan_keys(KeyRange::all(), Default::default()).await.unwrap().entries.is_empty());
    let config = Config { cache_bytes: 5, ..Config::default() };
    let error = Storage::open("/data", config).map(drop).unwrap_err().to_string();
    assert_eq!(error, "configuration field `cache_bytes` is 5; it must be within 1 MiB..=64 GiB");
}

#[test]
fn a_folder_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (text, found) in [("genomdb data folder, format 99\n", "99"), ("hello", "hello")] {
        std::fs::write(folder.path().join("FORMAT"), text).unwrap();
        let error = Storage::open(folder.path(), Config::default()).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("says format version {found};")), "{error}");
    }
}
