//! Loads etcd with closed loops of clients and prints what came of it, for comparison.
//!
//! `etcd_load ENDPOINTS MODE CLIENTS SECONDS [VALUE_BYTES] [KEYS]`, with endpoints as
//! "127.0.0.1:2379,127.0.0.1:3379", and put or get as the mode. Prints one line of JSON.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measuring")]

#[path = "etcd_load/etcd.rs"]
mod etcd;
#[path = "etcd_load/latency.rs"]
mod latency;
#[path = "etcd_load/load.rs"]
mod load;

use std::time::Duration;

use load::{Load, Mode};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| arguments.get(at).unwrap_or_else(|| usage());
    let number = |at: usize, default: Option<u64>| match arguments.get(at) {
        Some(text) => text.parse().unwrap_or_else(|_| usage()),
        None => default.unwrap_or_else(|| usage()),
    };
    let endpoints: Vec<String> = word(0).split(',').map(str::to_owned).collect();
    let mode = match word(1).as_str() {
        "put" => Mode::Put,
        "get" => Mode::Get,
        _ => usage(),
    };
    let load = Load {
        mode,
        clients: number(2, None),
        duration: Duration::from_secs(number(3, None)),
        value_bytes: usize::try_from(number(4, Some(256))).unwrap(),
        keys: number(5, Some(10_000)),
    };
    let target = etcd::Etcd::connect(&endpoints).await;
    println!("{}", load.run(target).await.json("etcd", &load));
}

fn usage() -> ! {
    eprintln!("etcd_load ENDPOINTS put|get CLIENTS SECONDS [VALUE_BYTES] [KEYS]");
    std::process::exit(2)
}
