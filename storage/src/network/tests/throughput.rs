//! How many calls a second, and what each costs; see the command at the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::FutureExt;
use tokio::task::JoinSet;

use super::{LONG, PEER, Peer, handling, options, transport};
use crate::network::{Lane, Transport};

/// `GENOMDB_MEASURE=1 cargo test --release -p genomdb-storage network::tests::throughput -- --nocapture`
#[test]
fn calls_a_second_on_the_loopback() {
    let number = |name: &str, default: usize| {
        std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    let measured = std::env::var_os("GENOMDB_MEASURE").is_some();
    let callers = number("GENOMDB_CALLERS", 256);
    let bytes = number("GENOMDB_BYTES", 300);
    let workers = number("GENOMDB_WORKERS", 2);
    let duration = if measured { Duration::from_secs(5) } else { Duration::from_millis(20) };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    runtime.block_on(async {
        let handled = Arc::new(AtomicU64::new(0));
        let counter = handled.clone();
        // As one that waits for a disk; without, as one that knows the answer.
        let waiting = number("GENOMDB_WAITING", 0) == 1;
        let handler = handling(move |_, request| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move {
                if waiting {
                    tokio::task::yield_now().await;
                }
                request
            }
            .boxed()
        });
        let peer = Peer::start("127.0.0.1:0", handler, options()).await;
        let (transport, _) = transport(peer.address, options());
        transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap();
        let (begin, busy) = (Instant::now(), processor_time());
        let mut calling = JoinSet::new();
        for caller in 0..callers {
            let (transport, request) = (transport.clone(), Bytes::from(vec![caller as u8; bytes]));
            calling.spawn(async move {
                let mut calls = 0_u64;
                while begin.elapsed() < duration {
                    let answer = transport.call(PEER, Lane::Raft, request.clone(), LONG).await.unwrap();
                    // So that no figure is of calls that were not made, or not whole.
                    assert!(answer == request);
                    calls += 1;
                }
                calls
            });
        }
        let calls: u64 = calling.join_all().await.into_iter().sum();
        let (wall, busy) = (begin.elapsed(), processor_time() - busy);
        println!(
            "{callers} callers, {bytes} bytes, {workers} workers: {:.0} calls/s, {:.2} us of processor per call, {:.2} processors",
            calls as f64 / wall.as_secs_f64(),
            busy.as_secs_f64() * 1e6 / calls as f64,
            busy.as_secs_f64() / wall.as_secs_f64(),
        );
        assert_eq!(handled.load(Ordering::Relaxed), calls + 1, "all were handled, once");
    });
}

/// What this process has used of the processors, in the ticks of the kernel (10 ms).
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
