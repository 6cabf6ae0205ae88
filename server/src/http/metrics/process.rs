//! What this process uses, as Linux tells it; elsewhere nothing is said.

use std::{fs, sync::atomic::AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

/// Ticks a second in which Linux tells programs times (`USER_HZ`), on all machines of today.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Usage {
    cpu_seconds: f64,
    resident_bytes: i64,
    threads: i64,
}

pub(super) fn register(registry: &mut Registry) {
    let (stat, status) = (fs::read_to_string("/proc/self/stat"), fs::read_to_string("/proc/self/status"));
    let (Ok(stat), Ok(status)) = (stat, status) else { return };
    let Some(usage) = read(&stat, &status) else { return };
    let cpu: Counter<f64, AtomicU64> = Counter::default();
    cpu.inc_by(usage.cpu_seconds);
    registry.register_with_unit(
        "process_cpu",
        "Time of all processors, of the user and the system",
        Unit::Seconds,
        cpu,
    );
    let (memory, threads): (Gauge, Gauge) = (Gauge::default(), Gauge::default());
    memory.set(usage.resident_bytes);
    registry.register_with_unit("process_resident_memory", "Memory that is resident", Unit::Bytes, memory);
    threads.set(usage.threads);
    registry.register("process_threads", "Threads", threads);
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        let open: Gauge = Gauge::default();
        open.set(i64::try_from(files.count()).unwrap_or(i64::MAX));
        registry.register("process_open_fds", "Files and connections that are open", open);
    }
}

/// Reads proc(5)'s `stat` and `status`.
fn read(stat: &str, status: &str) -> Option<Usage> {
    // The name of the program stands in parentheses and may hold anything; utime and stime are the 12th and
    // 13th fields behind it.
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let cpu_seconds = (ticks()? + ticks()?) as f64 / TICKS_PER_SECOND;
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let number = |name: &str| line(name)?.split_ascii_whitespace().next()?.parse::<i64>().ok();
    let resident_bytes = number("VmRSS:")?.checked_mul(1024)?;
    Some(Usage { cpu_seconds, resident_bytes, threads: number("Threads:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 100 1000 10";
        let status = "Name:\ta\nVmRSS:\t    2048 kB\nThreads:\t7\n";
        let usage = Usage { cpu_seconds: 2.0, resident_bytes: 2 << 20, threads: 7 };
        assert_eq!(read(stat, status), Some(usage));
        assert_eq!(read("", status), None);
        assert_eq!(read(stat, ""), None);
    }
}
