//! Both stores under the same loads, in turn: what else the machine does meets both alike.

use std::{path::PathBuf, time::Duration};

use crate::{
    cluster::Cluster,
    etcd::Etcd,
    genomdb::Genomdb,
    load::{Load, Mode, Outcome},
};

/// What is compared.
pub(crate) struct Options {
    /// Seconds that one run takes.
    pub(crate) seconds: u64,
    /// Runs of each.
    pub(crate) rounds: usize,
    /// Numbers of clients.
    pub(crate) clients: Vec<u64>,
    /// Where the data lies.
    pub(crate) folder: PathBuf,
}

/// A middle run of each.
#[derive(Clone, Copy)]
struct Middle {
    operations: f64,
    p50_us: f64,
    p99_us: f64,
}

/// Compares, and prints.
pub(crate) fn run(options: &Options) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (etcd, genomdb) = (Cluster::etcd(&options.folder), Cluster::genomdb(&options.folder));
    let load = |mode, clients, seconds, fill| Load {
        mode,
        clients,
        duration: Duration::from_secs(seconds),
        value_bytes: 256,
        keys: 10_000,
        fill,
    };
    let on_etcd =
        |load: Load| runtime.block_on(async { load.run(Etcd::connect(&etcd.endpoints).await).await });
    let on_genomdb = |load: Load| runtime.block_on(load.run(Genomdb::connect(&genomdb.endpoints)));
    // Files grow, connections open, every key has a value.
    on_etcd(load(Mode::Get, 16, 1, true));
    on_genomdb(load(Mode::Get, 16, 1, true));
    println!(
        "| what | clients | ours, ops/s | etcd, ops/s | ratio | ours, p50/p99 | etcd, p50/p99 | ratio of p99 |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut lines = Vec::new();
    for mode in [Mode::Put, Mode::Get] {
        for clients in &options.clients {
            let load = load(mode, *clients, options.seconds, false);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..options.rounds {
                theirs.push(on_etcd(load));
                ours.push(on_genomdb(load));
            }
            lines.extend(ours.iter().map(|outcome| outcome.json("genomdb", &load)));
            lines.extend(theirs.iter().map(|outcome| outcome.json("etcd", &load)));
            let (a, b) = (middle(&ours), middle(&theirs));
            println!(
                "| {} | {clients} | {:.0} | {:.0} | {:.2} | {} | {} | {:.2} |",
                mode.name(),
                a.operations,
                b.operations,
                a.operations / b.operations,
                times(a),
                times(b),
                a.p99_us / b.p99_us,
            );
        }
    }
    println!();
    lines.iter().for_each(|line| println!("{line}"));
}

fn times(middle: Middle) -> String {
    format!("{:.2} / {:.2} ms", middle.p50_us / 1e3, middle.p99_us / 1e3)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn middle(outcomes: &[Outcome]) -> Middle {
    for outcome in outcomes {
        outcome.assert_no_errors();
    }
    let of = |measure: fn(&Outcome) -> f64| median(outcomes.iter().map(measure).collect());
    Middle {
        operations: of(Outcome::operations_per_second),
        p50_us: of(|outcome| outcome.quantile_us(0.5)),
        p99_us: of(|outcome| outcome.quantile_us(0.99)),
    }
}
