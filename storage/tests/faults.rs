//! What the store does when the disk fails: it says so, it keeps reading, it never shows wrong data.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use genomdb_storage::{
    Config, Key, KeyRange, ScanLimit, Storage, StorageError, Value, WriteBatch,
    testing::{Fault, SimulatedDisk},
};

const FOLDER: &str = "/data";
const MIB: u64 = 1 << 20;

fn config(disk: &SimulatedDisk) -> Config {
    Config {
        cache_bytes: 1 << 20,
        segment_bytes: 256 << 10,
        checkpoint_bytes: 400 << 10,
        disk_reserve_bytes: MIB,
        disk: Arc::new(disk.clone()),
        ..Config::default()
    }
}

fn open(disk: &SimulatedDisk) -> Storage {
    Storage::open(FOLDER, config(disk)).unwrap()
}

fn key(number: u32) -> Key {
    format!("{number:06}").into()
}

fn value(number: u32) -> Value {
    let byte = |i: u32| (number.wrapping_mul(31) ^ i.wrapping_mul(7)) as u8;
    (0..20_000).map(byte).collect::<Vec<u8>>().into()
}

fn put(storage: &Storage, number: u32) -> Result<(), StorageError> {
    let mut batch = WriteBatch::new();
    batch.put(key(number), value(number));
    storage.write_blocking(batch)
}

fn expect_exactly(storage: &Storage, numbers: impl IntoIterator<Item = u32>) {
    let expected: Vec<_> = numbers.into_iter().map(|n| (key(n), value(n))).collect();
    let found = storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap();
    assert!(found.entries == expected, "{} entries", found.entries.len());
}

/// What a failed write or fsync of either file leads to: see `Poisoned`.
fn check_poisoned(fault: impl Fn(u64) -> Fault) {
    let mut met = 0;
    for at in 0..24 {
        let disk = SimulatedDisk::new();
        let storage = open(&disk);
        put(&storage, 0).unwrap();
        disk.inject(fault(at));
        let acknowledged = (1..60).take_while(|number| put(&storage, *number).is_ok()).count() as u32;
        if acknowledged == 59 {
            // It met a durable mark of the log, without which nothing is lost.
            continue;
        }
        met += 1;
        let error = put(&storage, 1000).unwrap_err();
        assert!(matches!(error, StorageError::Poisoned { .. }), "{error}");
        let keys: Vec<Key> = (0..=acknowledged).map(key).collect();
        let found = storage.batch_get_blocking(&keys).unwrap();
        assert!(found.iter().zip(0..).all(|(found, n)| *found == Some(value(n))), "fault at {at}");
        drop(storage);
        // The write that failed may be there; the ones before must be, the ones after must not.
        for disk in [disk.after_kill(), disk.after_power_cut(at)] {
            let storage = open(&disk);
            let there = u32::try_from(storage.stats_blocking().unwrap().keys).unwrap();
            assert!((acknowledged + 1..=acknowledged + 2).contains(&there), "fault at {at}");
            expect_exactly(&storage, 0..there);
            put(&storage, there).unwrap();
        }
    }
    assert!(met > 8, "{met}");
}

#[test]
fn a_failed_fsync_stops_writing_and_not_reading() {
    check_poisoned(Fault::FailSync);
}

#[test]
fn a_failed_write_stops_writing_and_not_reading() {
    check_poisoned(Fault::FailWrite);
}

/// Fills the disk; `honest` if it tells how much is free, else the store learns by failing.
fn check_full_disk(honest: bool) {
    let disk = SimulatedDisk::new();
    disk.set_capacity(8 * MIB, honest);
    let storage = open(&disk);
    let mut written = Vec::new();
    let mut next = 0;
    for round in 1..4 {
        let error = loop {
            match put(&storage, next) {
                Ok(()) => written.push(next),
                Err(error) => break error,
            }
            next += 1;
            assert!(next < 5000, "never full");
        };
        // A disk that does not tell before takes the write, and may still do it when there is space.
        let taken = matches!(error, StorageError::Unknown { .. }) && !honest;
        assert!(taken || matches!(error, StorageError::DiskFull { .. }), "{error}");
        expect_exactly(&storage, written.iter().copied());
        if taken {
            written.push(next);
        }
        next += 1;
        let sure = written.get(..written.len() - usize::from(taken)).unwrap();
        // Also a process that starts now can read everything.
        for disk in [disk.after_kill(), disk.after_power_cut(round)] {
            disk.set_capacity(disk.used_bytes(), honest);
            expect_exactly(&open(&disk), sure.iter().copied());
        }
        disk.set_capacity((8 + 8 * round) * MIB, honest);
        // It notices by itself that there is space, and does first what it had taken.
        let mut tries = 0;
        while let Err(error) = put(&storage, next) {
            assert!(matches!(error, StorageError::DiskFull { .. }), "{error}");
            (next, tries) = (next + 1, tries + 1);
            assert!(tries < 1_000_000, "still full");
        }
        written.push(next);
        next += 1;
    }
    assert!(written.len() > 100, "{}", written.len());
    put(&storage, next).unwrap();
    written.push(next);
    storage.close_blocking().unwrap();
    drop(storage);
    expect_exactly(&open(&disk), written);
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_space() {
    check_full_disk(true);
}

#[test]
fn a_disk_that_is_suddenly_full_refuses_writes_until_there_is_space() {
    check_full_disk(false);
}

/// A disk after a crash with entries in the log and in the state.
fn crashed_disk() -> (SimulatedDisk, BTreeMap<Bytes, Bytes>) {
    let disk = SimulatedDisk::new();
    let storage = open(&disk);
    for number in 0..45 {
        put(&storage, number).unwrap();
    }
    let crashed = disk.after_kill();
    drop(storage);
    (crashed, (0..45).map(|n| (key(n), value(n))).collect())
}

/// Opens a disk with one damaged byte: everything is there, or an error says what is not.
fn check_damage(path: &Path, offset: u64, disk: &SimulatedDisk, model: &BTreeMap<Bytes, Bytes>) -> bool {
    let disk = disk.after_kill();
    assert!(disk.flip(path, offset, 0x10));
    let found = Storage::open(FOLDER, config(&disk)).and_then(|storage| {
        let keys: Vec<Key> = model.keys().cloned().collect();
        storage.batch_get_blocking(&keys)
    });
    match found {
        Ok(found) => {
            let same =
                found.iter().eq(model.values().map(|value| Some(value.clone())).collect::<Vec<_>>().iter());
            assert!(same, "wrong data with {path:?} damaged at {offset}");
            true
        }
        Err(StorageError::Corrupt { path: named, .. }) => {
            assert_eq!(named.parent(), path.parent(), "damage at {offset} of {path:?}");
            false
        }
        Err(StorageError::State { path: named, .. }) => {
            assert_eq!(named, path);
            false
        }
        Err(other) => panic!("{path:?} damaged at {offset}: {other}"),
    }
}

fn files(disk: &SimulatedDisk, ending: &str) -> Vec<(PathBuf, u64)> {
    let mut files = disk.files();
    files.retain(|(path, length)| path.to_string_lossy().ends_with(ending) && *length > 0);
    assert!(!files.is_empty());
    files
}

#[test]
fn a_damaged_byte_of_the_log_is_named() {
    let (disk, model) = crashed_disk();
    let mut named = 0;
    for (path, length) in files(&disk, ".log") {
        for offset in (0..length).step_by(2503).chain(0..200) {
            named += u32::from(!check_damage(&path, offset, &disk, &model));
        }
    }
    assert!(named > 50, "{named}");
}

/// STATE-2: checksums are there for what the state holds.
#[test]
fn a_damaged_byte_of_the_state_is_named() {
    let (disk, model) = crashed_disk();
    let mut named = 0;
    for (path, length) in files(&disk, ".redb").into_iter().chain(files(&disk, ".sums")) {
        for offset in (0..length).step_by(15_013).chain(0..length.min(400)) {
            named += u32::from(!check_damage(&path, offset, &disk, &model));
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn a_missing_segment_is_named() {
    let (disk, _) = crashed_disk();
    let segments = files(&disk, ".log");
    assert!(segments.len() > 2, "{segments:?}");
    for (path, _) in &segments {
        let disk = disk.after_kill();
        genomdb_storage::Disk::remove(&disk, path).unwrap();
        let error = Storage::open(FOLDER, config(&disk)).map(drop).unwrap_err();
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    }
}
