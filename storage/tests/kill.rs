//! A real process that writes and is killed with `kill -9`: what it said was written is there.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use bytes::Bytes;
use genomdb_storage::{Config, KeyRange, ScanLimit, Storage, StorageError, WriteBatch};

/// Set for the process that writes.
const CHILD: &str = "GENOMDB_STORAGE_TEST_FOLDER";
const KEYS_PER_BATCH: u32 = 20;

fn config() -> Config {
    Config { segment_bytes: 1 << 20, checkpoint_bytes: 2 << 20, ..Config::default() }
}

/// Every batch writes the same keys, so a half batch would show two numbers.
fn batch(number: u32) -> WriteBatch {
    let mut batch = WriteBatch::new();
    for key in 0..KEYS_PER_BATCH {
        let mut value = number.to_le_bytes().to_vec();
        value.resize(4 + (number as usize * 37 + key as usize) % 9000, key as u8);
        batch.put(format!("key{key:03}"), value);
    }
    batch.put(format!("batch{number:08}"), Bytes::new());
    batch
}

/// Not a test of its own: the process that the test below starts.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let storage = Storage::open(folder, config()).unwrap();
    let first = storage.stats_blocking().unwrap().keys.saturating_sub(u64::from(KEYS_PER_BATCH));
    for number in first as u32.. {
        storage.write_blocking(batch(number)).unwrap();
        println!("acknowledged {number}");
    }
}

fn start(folder: &Path) -> (Child, impl Iterator<Item = u32>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The harness of the child may print before it on the same line.
    let numbers = lines
        .map_while(Result::ok)
        .filter_map(|line| line.rsplit_once("acknowledged ").map(|(_, number)| number.parse().unwrap()));
    (child, numbers)
}

#[test]
fn acknowledged_batches_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut written = 0;
    for life in 0..6_u32 {
        let (mut child, mut numbers) = start(folder.path());
        let enough = 5 + life * 23;
        let mut last = numbers.by_ref().nth(enough as usize).unwrap();
        child.kill().unwrap();
        // What it said before it died counts too.
        last = numbers.last().unwrap_or(last);
        child.wait().unwrap();
        let storage = Storage::open(folder.path(), config()).unwrap();
        let page = storage.scan_blocking(&KeyRange::prefix("key"), ScanLimit::default()).unwrap();
        let found: Vec<u32> =
            page.entries.iter().map(|(_, value)| u32::from_le_bytes(*value.first_chunk().unwrap())).collect();
        assert_eq!(found.len() as u32, KEYS_PER_BATCH);
        let newest = *found.first().unwrap();
        assert!(found.iter().all(|number| *number == newest), "a half batch: {found:?}");
        assert!((last..=last + 1).contains(&newest), "acknowledged {last}, found {newest}");
        assert!(newest > written);
        written = newest;
        let batches = storage.stats_blocking().unwrap().keys - u64::from(KEYS_PER_BATCH);
        assert_eq!(batches, u64::from(newest) + 1);
    }
}

#[test]
fn a_second_process_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, mut numbers) = start(folder.path());
    numbers.next().unwrap();
    let error = Storage::open(folder.path(), config()).map(drop).unwrap_err();
    let pid = child.id();
    child.kill().unwrap();
    child.wait().unwrap();
    let text = error.to_string();
    match error {
        StorageError::InUse { pid: named, program, .. } => {
            assert_eq!(named, pid, "{text}");
            assert!(program.starts_with("kill"), "{text}");
        }
        other => panic!("{other}"),
    }
    // A dead process holds nothing.
    Storage::open(folder.path(), config()).unwrap();
}
