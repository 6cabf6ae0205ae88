//! Measures the store: bulk load, opening, single writes, reads.
//!
//! `measure FOLDER [MEGABYTES] [BATCH_MIB] [IN_FLIGHT] [compact]` fills a new folder and prints a line for each
//! figure. `measure FOLDER open` only opens a folder and reads one key, as a fresh process would.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measuring")]

use std::{fs, time::Instant};

use bytes::Bytes;
use genomdb_storage::{Config, Key, KeyRange, ScanLimit, Storage, WriteBatch};
use tokio::task::JoinSet;

const VALUE_BYTES: usize = 65_500;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map_or("measure-data", String::as_str).to_owned();
    if arguments.get(1).is_some_and(|word| word == "open") {
        return open_only(&folder);
    }
    let number = |at: usize, default: usize| arguments.get(at).map_or(default, |text| text.parse().unwrap());
    let (megabytes, batch_mib, in_flight) = (number(1, 350), number(2, 8), number(3, 4));
    let storage = Storage::open(&folder, Config::default()).unwrap();
    bulk_load(&storage, megabytes, batch_mib, in_flight).await;
    single_writes(&storage).await;
    println!("stats          {:?}", storage.stats().await.unwrap());
    if arguments.get(4).is_some_and(|word| word == "compact") {
        let start = Instant::now();
        storage.compact().await.unwrap();
        println!("compact        {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    }
    let start = Instant::now();
    storage.close().await.unwrap();
    println!("close          {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    open_only(&folder);
    read_all(&folder);
}

async fn bulk_load(storage: &Storage, megabytes: usize, batch_mib: usize, in_flight: usize) {
    let noise: Bytes = noise(VALUE_BYTES + (1 << 20)).into();
    let values = megabytes * 1_000_000 / VALUE_BYTES;
    let per_batch = (batch_mib << 20) / VALUE_BYTES;
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let mut writes = JoinSet::new();
    for first in (0..values).step_by(per_batch) {
        let mut batch = WriteBatch::new();
        for number in first..values.min(first + per_batch) {
            let from = number * 4099 % (1 << 20);
            batch.put(key(number), noise.slice(from..from + VALUE_BYTES));
        }
        if writes.len() >= in_flight {
            writes.join_next().await.unwrap().unwrap();
        }
        let storage = storage.clone();
        writes.spawn(async move { storage.write(batch).await.unwrap() });
    }
    while let Some(done) = writes.join_next().await {
        done.unwrap();
    }
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let written = (values * VALUE_BYTES) as f64 / 1e6;
    println!(
        "bulk load      {written:.0} MB in {seconds:.2} s: {:.0} MB/s, {:.2} core-seconds per 100 MB",
        written / seconds,
        cpu * 100.0 / written
    );
    println!("peak memory    {} MiB", peak_memory_mib());
}

async fn single_writes(storage: &Storage) {
    for writers in [1, 32] {
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        for writer in 0..writers {
            let storage = storage.clone();
            tasks.spawn(async move {
                for number in 0..2000 / writers {
                    let mut batch = WriteBatch::new();
                    batch.put(format!("small/{writer}/{number}"), vec![7; 256]);
                    storage.write(batch).await.unwrap();
                }
            });
        }
        while tasks.join_next().await.is_some() {}
        let seconds = start.elapsed().as_secs_f64();
        println!("{writers:2} writers     {:.0} writes/s of 256 bytes", 2000.0 / seconds);
    }
}

fn open_only(folder: &str) {
    let start = Instant::now();
    let storage = Storage::open(folder, Config::default()).unwrap();
    let opened = start.elapsed();
    let found = storage.batch_get_blocking(&[key(17), key(18)]).unwrap();
    assert!(found.iter().all(Option::is_some));
    let read = start.elapsed();
    storage.close_blocking().unwrap();
    println!(
        "open           {:.2} ms, with a first get {:.2} ms, with close {:.2} ms",
        opened.as_secs_f64() * 1e3,
        read.as_secs_f64() * 1e3,
        start.elapsed().as_secs_f64() * 1e3
    );
}

fn read_all(folder: &str) {
    let storage = Storage::open(folder, Config::default()).unwrap();
    for round in 0..2 {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let (mut next, mut bytes) = (Some(KeyRange::prefix("block/")), 0);
        let limit = ScanLimit { entries: 1000, bytes: 8 << 20 };
        while let Some(range) = next {
            let page = storage.scan_blocking(&range, limit).unwrap();
            bytes += page.entries.iter().map(|(_, value)| value.len()).sum::<usize>();
            next = page.next;
        }
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        println!(
            "scan {round}         {:.0} MB/s, {:.2} core-seconds per 100 MB",
            bytes as f64 / 1e6 / seconds,
            cpu * 1e8 / bytes as f64
        );
    }
    random_gets(&storage);
    println!("peak memory    {} MiB", peak_memory_mib());
}

/// Eight values at a time, from all over the store.
fn random_gets(storage: &Storage) {
    const GETS: usize = 500;
    let values = storage.scan_keys_blocking(&KeyRange::prefix("block/"), ScanLimit::default()).unwrap();
    let start = Instant::now();
    for get in 0..GETS {
        let keys: Vec<Key> =
            (0..8).map(|n| key((get * 8 + n).wrapping_mul(7_919) % values.entries.len())).collect();
        assert!(storage.batch_get_blocking(&keys).unwrap().iter().all(Option::is_some));
    }
    println!("random gets    {:.0} us for 8 values", start.elapsed().as_secs_f64() * 1e6 / GETS as f64);
}

fn key(number: usize) -> Key {
    format!("block/{number:012}").into()
}

/// Bytes that do not compress, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

/// Time on all processors so far, from `/proc`; 0 where there is none.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn peak_memory_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1024
}
