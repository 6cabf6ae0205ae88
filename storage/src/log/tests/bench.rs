//! How fast the log is, on this machine's disk; run by hand, in release:
//! `GENOMDB_LOG_BENCH=<folder> cargo test --release -p genomdb-storage --lib log::tests::bench -- --nocapture`

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    super::{Entry, Log, LogOptions},
    id,
};
use crate::{block_on::block_on, disk::LocalDisk, range::RangeId};

/// Entries per second of so many groups that each wait for one answer at a time.
fn run(folder: PathBuf, groups: u64, bytes: usize) -> f64 {
    std::fs::create_dir_all(&folder).unwrap();
    let options = LogOptions {
        folder,
        disk: Arc::new(LocalDisk),
        segment_bytes: 32 << 20,
        spare_segments_max: 2,
        batch_bytes_max: 16 << 20,
        cache_bytes_max: 32 << 20,
        segments_kept: 2,
        reserve_bytes: 0,
        salt: 1,
        no_fsync: false,
    };
    let (log, worker) = Log::open(options, &BTreeMap::new()).unwrap();
    let worker = thread::spawn(move || block_on(worker.run()));
    let handles: Vec<_> = (1..=groups).map(|range| log.group(RangeId(range), Some(id(1, 5)))).collect();
    let (sender, answers) = mpsc::channel();
    let payload = Bytes::from(vec![7; bytes]);
    let append = |group: u64, index: u64| {
        let sender = sender.clone();
        let done = Box::new(move |result: Result<(), _>| {
            result.unwrap();
            sender.send((group, index)).unwrap();
        });
        let entry = Entry { id: id(1, index), tag: 1, payload: payload.clone() };
        handles[group as usize].append(vec![entry], done);
    };
    let (start, mut count) = (Instant::now(), 0);
    (0..groups).for_each(|group| append(group, 6));
    while start.elapsed() < Duration::from_secs(2) {
        let (group, index) = answers.recv().unwrap();
        count += 1;
        if index.is_multiple_of(1000) {
            handles[group as usize].purge(id(1, index - 10)).unwrap();
        }
        append(group, index + 1);
    }
    let seconds = start.elapsed().as_secs_f64();
    log.close();
    worker.join().unwrap().unwrap();
    f64::from(count) / seconds
}

#[test]
fn entries_per_second() {
    let Ok(folder) = std::env::var("GENOMDB_LOG_BENCH") else { return };
    for (groups, bytes) in [(1, 256), (16, 256), (256, 256), (256, 4096)] {
        let folder = PathBuf::from(&folder).join(format!("{groups}-{bytes}"));
        println!("{groups} groups, {bytes} bytes: {:.0} entries/s", run(folder, groups, bytes));
    }
}
