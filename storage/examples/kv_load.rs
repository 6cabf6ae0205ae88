//! Loads etcd and this store with the same closed loops of clients, and prints what came of it.
//!
//! ```text
//! kv_load run etcd|genomdb ENDPOINTS put|get CLIENTS SECONDS [VALUE_BYTES] [KEYS]
//!     loads a cluster that runs, at endpoints as "127.0.0.1:2379,127.0.0.1:3379"; one line of JSON
//! kv_load compare [SECONDS] [ROUNDS] [CLIENTS,CLIENTS,…] [FOLDER]
//!     starts three processes of each on loopback, loads them in turn, prints a table and JSON
//! kv_load idle [RANGES] [SECONDS] [FOLDER]
//!     starts three nodes, splits until there are so many ranges, prints what idle nodes cost
//! ```
//! `compare` and `idle` start the example `node`, which must be built and lie beside this program.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a tool for measuring"
)]

#[path = "kv_load/cluster.rs"]
mod cluster;
#[path = "kv_load/compare.rs"]
mod compare;
#[path = "kv_load/etcd.rs"]
mod etcd;
#[path = "kv_load/genomdb.rs"]
mod genomdb;
#[path = "kv_load/idle.rs"]
mod idle;
#[path = "kv_load/latency.rs"]
mod latency;
#[path = "kv_load/load.rs"]
mod load;

use std::{path::PathBuf, str::FromStr, time::Duration};

use load::{Load, Mode};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("run") => run(rest),
        Some("compare") => {
            let clients = word(rest, 2).unwrap_or("1,16,256").split(',').map(|text| parse(text)).collect();
            compare::run(&compare::Options {
                seconds: number(rest, 0).unwrap_or(4),
                rounds: number(rest, 1).unwrap_or(3),
                clients,
                folder: folder(rest, 3),
            });
        }
        Some("idle") => {
            idle::run(number(rest, 0).unwrap_or(300), number(rest, 1).unwrap_or(10), &folder(rest, 2));
        }
        _ => usage(),
    }
}

fn run(arguments: &[String]) {
    let endpoints: Vec<String> =
        word(arguments, 1).unwrap_or_else(|| usage()).split(',').map(str::to_owned).collect();
    let mode = match word(arguments, 2) {
        Some("put") => Mode::Put,
        Some("get") => Mode::Get,
        _ => usage(),
    };
    let load = Load {
        mode,
        clients: number(arguments, 3).unwrap_or_else(|| usage()),
        duration: Duration::from_secs(number(arguments, 4).unwrap_or_else(|| usage())),
        value_bytes: number(arguments, 5).unwrap_or(256),
        keys: number(arguments, 6).unwrap_or(10_000),
        fill: mode == Mode::Get,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (name, outcome) = match word(arguments, 0) {
        Some("etcd") => {
            ("etcd", runtime.block_on(async { load.run(etcd::Etcd::connect(&endpoints).await).await }))
        }
        Some("genomdb") => ("genomdb", runtime.block_on(load.run(genomdb::Genomdb::connect(&endpoints)))),
        _ => usage(),
    };
    println!("{}", outcome.json(name, &load));
}

fn word(arguments: &[String], at: usize) -> Option<&str> {
    arguments.get(at).map(String::as_str)
}

fn parse<T: FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| usage())
}

fn number<T: FromStr>(arguments: &[String], at: usize) -> Option<T> {
    word(arguments, at).map(parse)
}

/// Where the clusters keep their data: a real disk, as both are to wait for it.
fn folder(arguments: &[String], at: usize) -> PathBuf {
    word(arguments, at).map_or_else(std::env::temp_dir, PathBuf::from)
}

fn usage() -> ! {
    eprintln!("kv_load run|compare|idle …: see the head of kv_load.rs");
    std::process::exit(2)
}
