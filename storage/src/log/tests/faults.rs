//! One fault at a time.

use std::path::PathBuf;

use super::{
    super::{Entry, LogOptions, Vote},
    FOLDER, Running, answer, entry, id, names, options,
};
use crate::{
    error::StorageError,
    log_id::LogId,
    range::{NodeId, RangeId},
    testing::{Fault, SimulatedDisk},
};

const RANGE: RangeId = RangeId(7);
const FLOOR: Option<LogId> = Some(LogId::BIRTH);

fn entries(from: u64, to: u64) -> Vec<Entry> {
    (from..to).map(|index| entry(1, index, 100)).collect()
}

/// Appends entries, and has them made durable.
fn append(running: &mut Running, range: RangeId, from: u64, to: u64) {
    for index in from..to {
        let (answer, done) = answer();
        running.log.group(range, FLOOR).append(entries(index, index + 1), done);
        assert!(running.work().is_pending());
        assert!(matches!(*answer.lock(), Some(Ok(()))));
    }
}

#[test]
fn opening_writes_nothing_and_a_closed_log_is_small() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 300);
    let group = running.log.group(RANGE, None);
    let vote = Vote { term: 3, node: NodeId(2), committed: true };
    let (saved, done) = answer();
    group.save_vote(vote, done);
    group.save_committed(id(1, 299));
    assert_eq!(running.log.pinned(), [RANGE]);
    group.purge(id(1, 299)).unwrap();
    assert_eq!(running.log.pinned(), []);
    let state = group.state();
    drop(group);
    running.close().unwrap();
    assert!(matches!(*saved.lock(), Some(Ok(()))));
    let files = disk.files();
    assert!(files.len() == 1 && files[0].1 < 1024, "{files:?}");

    let before = disk.operations();
    let running = Running::open(&disk, 2).unwrap();
    assert_eq!(running.log.group(RANGE, None).state(), state);
    assert_eq!((running.log.groups(), disk.operations()), (vec![RANGE], before));
    let read_only = running.close();
    assert!(read_only.is_ok() && disk.operations() == before);
}

#[test]
fn segments_go_when_nothing_lives_in_them() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 7);
    append(&mut running, RangeId(8), 6, 500);
    assert!(names(&disk).len() > 5);
    running.log.group(RangeId(8), None).purge(id(1, 499)).unwrap();
    append(&mut running, RangeId(8), 500, 501);
    assert_eq!(running.log.pinned(), [RANGE]);
    running.log.group(RANGE, None).purge(id(1, 6)).unwrap();
    append(&mut running, RangeId(8), 501, 502);
    let left = names(&disk);
    assert!(left.len() <= 3, "{left:?}");
    assert!(left.iter().any(|name| name.ends_with(".spare")), "{left:?}");
}

#[test]
fn a_group_born_again_has_nothing_of_its_earlier_life() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 20);
    let old = running.log.group(RANGE, None);
    let (_removed, done) = answer();
    old.remove(done);
    let (refused, done) = answer();
    old.append(entries(20, 21), done);
    assert!(matches!(*refused.lock(), Some(Err(StorageError::Closed))));
    append(&mut running, RANGE, 6, 8);
    assert!(old.entries(0, 100, 100).is_err());
    for salt in 2..4 {
        let running = Running::open(&disk, salt).unwrap();
        assert_eq!(running.log.group(RANGE, None).entries(0, 100, u64::MAX).unwrap(), entries(6, 8));
    }
}

#[test]
fn a_failed_fsync_stops_the_log() {
    for number in 0..2 {
        let disk = SimulatedDisk::new();
        let mut running = Running::open(&disk, 1).unwrap();
        if number == 1 {
            append(&mut running, RANGE, 6, 7);
        }
        disk.inject(Fault::FailSync(0));
        let group = running.log.group(RANGE, FLOOR);
        let (first, done) = answer();
        group.append(entries(6 + number, 7 + number), done);
        assert!(running.work().is_pending());
        assert!(matches!(*first.lock(), Some(Err(StorageError::Io { .. }))));
        let (later, done) = answer();
        group.save_vote(Vote { term: 1, node: NodeId(1), committed: false }, done);
        assert!(matches!(*later.lock(), Some(Err(StorageError::Poisoned { .. }))));
        assert!(group.purge(id(1, 6)).is_err());
        assert!(running.close().is_err());
    }
}

#[test]
fn a_full_disk_keeps_everything_and_loses_nothing() {
    for honest in [false, true] {
        // The space ends at each block in turn.
        for blocks in 0..9 {
            let disk = SimulatedDisk::new();
            disk.set_capacity(blocks * 4096, honest);
            let mut running = Running::open(&disk, 1).unwrap();
            let group = running.log.group(RANGE, FLOOR);
            let mut answers = Vec::new();
            for index in 6..200 {
                let (answer, done) = answer();
                group.append(entries(index, index + 1), done);
                answers.push(answer);
                assert!(running.work().is_pending());
                let given = answers.iter().all(|answer| matches!(*answer.lock(), Some(Ok(()))));
                assert_eq!(given, running.log.full().is_none(), "{blocks}, {index}");
            }
            assert!(running.log.full().is_some());
            assert_eq!(group.entries(0, 300, u64::MAX).unwrap(), entries(6, 200));
            // What was acknowledged is there even if the power goes now.
            let acknowledged = answers.iter().filter(|answer| answer.lock().is_some()).count();
            let cut = Running::open(&disk.after_power_cut(blocks), 2).unwrap();
            let found = cut.log.group(RANGE, FLOOR).entries(0, 300, u64::MAX).unwrap();
            assert!(found.len() >= acknowledged && entries(6, 200).starts_with(&found));
            disk.set_capacity(1 << 40, true);
            running.log.retry();
            assert!(running.work().is_pending());
            assert!(answers.iter().all(|answer| matches!(*answer.lock(), Some(Ok(())))));
            assert_eq!(running.log.full(), None);
            let again = Running::open(&disk.after_power_cut(blocks), 3).unwrap();
            let found = again.log.group(RANGE, FLOOR).entries(0, 300, u64::MAX).unwrap();
            assert_eq!(found, entries(6, 200));
        }
    }
}

#[test]
fn a_purge_frees_a_full_disk_though_it_waits_behind_what_does_not_fit() {
    let disk = SimulatedDisk::new();
    disk.set_capacity(10 * 4096, true);
    let mut running = Running::open(&disk, 1).unwrap();
    let group = running.log.group(RANGE, FLOOR);
    let mut index = 6;
    let mut appended = Vec::new();
    while running.log.full().is_none() {
        let (answer, done) = answer();
        // So large that there is room for a purge behind the last that fitted.
        group.append(vec![entry(1, index, 900)], done);
        appended.push(answer);
        assert!(running.work().is_pending());
        index += 1;
    }
    group.purge(id(1, index - 3)).unwrap();
    assert!(running.work().is_pending());
    assert_eq!(running.log.full(), None);
    assert!(appended.iter().all(|answer| matches!(*answer.lock(), Some(Ok(())))));
    let again = Running::open(&disk.after_power_cut(5), 2).unwrap();
    let found = again.log.group(RANGE, FLOOR).entries(0, 300, u64::MAX).unwrap();
    assert_eq!(found, [entry(1, index - 2, 900), entry(1, index - 1, 900)]);
}

#[test]
fn every_flipped_bit_is_named_or_without_effect() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 120);
    let files = disk.files();
    assert!(files.len() >= 3);
    let mut named = 0;
    for (path, length) in files {
        for offset in (0..length).step_by(13) {
            let damaged = disk.after_kill();
            assert!(damaged.flip(&path, offset, 1 << (offset % 8)));
            match Running::open(&damaged, 2) {
                Ok(opened) => {
                    let found = opened.log.group(RANGE, FLOOR).entries(0, 300, u64::MAX);
                    assert_eq!(found.unwrap(), entries(6, 120), "{} {offset}", path.display());
                }
                Err(StorageError::Corrupt { path: named_path, offset: named_offset, .. }) => {
                    assert!(named_path == path && named_offset <= offset, "{} {offset}", path.display());
                    named += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(named > 1000, "{named}");
}

#[test]
fn damage_under_an_open_log_is_named_when_it_is_read() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 120);
    let first = PathBuf::from(FOLDER).join(&names(&disk)[0]);
    assert!(disk.flip(&first, 2000, 4));
    let group = running.log.group(RANGE, None);
    let error = group.entries(6, 120, u64::MAX).unwrap_err();
    assert!(matches!(error, StorageError::Corrupt { path, .. } if path == first));
    // The newest are in memory.
    assert_eq!(group.entries(115, 120, u64::MAX).unwrap(), entries(115, 120));
}

#[test]
fn a_missing_segment_is_named() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 120);
    let files = names(&disk);
    for name in &files[..files.len() - 1] {
        let less = disk.after_kill();
        let path = PathBuf::from(FOLDER).join(name);
        crate::disk::Disk::remove(&less, &path).unwrap();
        let opened = Running::open(&less, 2);
        assert!(matches!(opened.err(), Some(StorageError::Corrupt { .. })), "{name}");
    }
}

#[test]
fn a_purge_beyond_what_the_state_holds_is_refused() {
    let disk = SimulatedDisk::new();
    let mut running = Running::open(&disk, 1).unwrap();
    append(&mut running, RANGE, 6, 10);
    running.log.group(RANGE, None).purge(id(1, 8)).unwrap();
    running.close().unwrap();
    let open = |applied| {
        let options: LogOptions = options(&disk, 2);
        super::super::Log::open(options, &[(RANGE, applied)].into()).map(|_| ())
    };
    assert!(open(id(1, 8)).is_ok());
    assert!(matches!(open(id(1, 7)), Err(StorageError::Corrupt { .. })));
}
