//! What ranges cost that nobody asks anything of.

use std::{path::Path, thread, time::Duration};

use genomdb_storage::{Admin, Config, RangeId, Space, Storage, WriteBatch, placement::Status};

use crate::cluster::Cluster;

/// What a process has used.
struct Usage {
    cpu_seconds: f64,
    memory_bytes: u64,
    threads: u64,
}

/// Makes so many ranges of three replicas each, leaves them alone, and prints what the nodes do.
pub(crate) fn run(ranges: usize, seconds: u64, folder: &Path) {
    let cluster = Cluster::genomdb(folder);
    let storage = Storage::connect(&cluster.endpoints, Config::default()).unwrap();
    let admin = Admin::connect(&cluster.endpoints).unwrap();
    let mut batch = WriteBatch::new();
    batch.put("k000000", "v");
    storage.write_blocking(batch).unwrap();
    thread::sleep(Duration::from_secs(3));
    let few = measure(&cluster, seconds);
    print("2 ranges", &few);
    let mut made = user_ranges(&admin.status().unwrap()).len();
    while made < ranges {
        let status = admin.status().unwrap();
        // Each in two, so that the number doubles.
        for (number, (range, start)) in user_ranges(&status).into_iter().enumerate() {
            if made + number >= ranges {
                break;
            }
            let at = middle(&start, ranges, &status, range);
            if let Some(at) = at {
                let _again = admin.split(range, Some(at.into()));
            }
        }
        thread::sleep(Duration::from_millis(1500));
        made = user_ranges(&admin.status().unwrap()).len();
        eprintln!("{made} ranges");
    }
    cluster.settle();
    thread::sleep(Duration::from_secs(5));
    let many = measure(&cluster, seconds);
    print(&format!("{made} ranges"), &many);
    for (few, many) in few.iter().zip(&many) {
        println!(
            "an idle replica: {:.1} KiB, {:.4} % of a core",
            many.memory_bytes.saturating_sub(few.memory_bytes) as f64 / 1024.0 / made as f64,
            (many.cpu_seconds - few.cpu_seconds) / seconds as f64 * 100.0 / made as f64,
        );
    }
}

/// The key in the middle between the beginnings of a range and of the next one.
fn middle(start: &[u8], ranges: usize, status: &Status, range: RangeId) -> Option<String> {
    let number =
        |key: &[u8]| String::from_utf8_lossy(key).trim_start_matches('k').parse::<u64>().unwrap_or(0);
    let descriptor = &status.ranges.iter().find(|found| found.descriptor.id == range)?.descriptor;
    let first = number(start);
    let last = descriptor.keys.end.as_ref().map_or(1024 * ranges as u64, |end| number(end));
    let at = first.midpoint(last);
    (first < at).then(|| format!("k{at:06}"))
}

fn user_ranges(status: &Status) -> Vec<(RangeId, Vec<u8>)> {
    let user = status.ranges.iter().filter(|range| range.descriptor.space == Space::User);
    user.map(|range| (range.descriptor.id, range.descriptor.keys.start.to_vec())).collect()
}

/// CPU time within the seconds; memory and threads at their end.
fn measure(cluster: &Cluster, seconds: u64) -> Vec<Usage> {
    let before: Vec<Usage> = cluster.processes().into_iter().map(usage).collect();
    thread::sleep(Duration::from_secs(seconds));
    let after = cluster.processes().into_iter().map(usage);
    after
        .zip(before)
        .map(|(after, before)| Usage { cpu_seconds: after.cpu_seconds - before.cpu_seconds, ..after })
        .map(|mut usage| {
            usage.cpu_seconds = usage.cpu_seconds.max(0.0);
            usage
        })
        .collect()
}

fn print(what: &str, usages: &[Usage]) {
    for (number, usage) in usages.iter().enumerate() {
        println!(
            "{what}, node {}: {:.2} s of CPU, {:.1} MiB, {} threads",
            number + 1,
            usage.cpu_seconds,
            usage.memory_bytes as f64 / (1 << 20) as f64,
            usage.threads,
        );
    }
}

fn usage(process: u32) -> Usage {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap();
    let stat = read("stat");
    // Behind the name, which may hold anything: state, …, utime and stime as the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    let status = read("status");
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    // Ticks are hundredths on every Linux that matters here.
    Usage { cpu_seconds: ticks / 100.0, memory_bytes: number("VmRSS:") * 1024, threads: number("Threads:") }
}
