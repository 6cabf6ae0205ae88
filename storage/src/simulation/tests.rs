//! Entries: many seeds, one seed, and whether the simulation finds what was switched off.

use std::time::{Duration, Instant};

use super::{Failure, Options, options::Fault, run};
use crate::config::Sabotage;

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// What is run for a seed: three nodes and five in turn.
fn options(seed: u64) -> Options {
    let nodes = if seed.is_multiple_of(2) { 3 } else { 5 };
    let print = variable("GENOMDB_SIM_PRINT").is_some();
    let usual = Options::new(nodes);
    // In half of them requests are never delivered twice: then what was turned away stays undone.
    let duplicates = if (seed / 2).is_multiple_of(2) { usual.duplicates } else { 0.0 };
    Options { print, duplicates, ..usual }
}

fn tell(failure: &Failure) -> String {
    let seed = failure.seed;
    format!("{failure}\nto see it again: cargo xtask simulate-cluster --seed {seed} --print")
}

/// Seeds `GENOMDB_SIM_SEEDS` ("a..b"), until `GENOMDB_SIM_SECONDS` are over; fails with all that failed.
#[test]
fn seeds() {
    let range = variable("GENOMDB_SIM_SEEDS").unwrap_or_else(|| "0..4".to_owned());
    let (first, end) = range.split_once("..").expect("GENOMDB_SIM_SEEDS is a..b");
    let (first, end): (u64, u64) = (first.parse().expect("a number"), end.parse().expect("a number"));
    let number = |name| variable(name).and_then(|text| text.parse::<u64>().ok());
    let seconds = number("GENOMDB_SIM_SECONDS").map(Duration::from_secs);
    let step = number("GENOMDB_SIM_STEP").unwrap_or(1).max(1) as usize;
    let failures_max = number("GENOMDB_SIM_FAILURES").unwrap_or(1);
    let began = Instant::now();
    let (mut passed, mut failed, mut virtual_time) = (0_u64, Vec::new(), Duration::ZERO);
    let (mut calls, mut all, mut undecided) = (0, 0, 0);
    let mut faults = std::collections::BTreeMap::<&str, u32>::new();
    for seed in (first..end).step_by(step) {
        if seconds.is_some_and(|seconds| began.elapsed() >= seconds) {
            break;
        }
        match run(seed, &options(seed)) {
            Ok(report) => {
                passed += 1;
                virtual_time += report.time;
                calls += report.calls.0 + report.bank.0;
                all += report.calls.1 + report.bank.1;
                undecided += report.undecided;
                report.faults.iter().for_each(|(fault, count)| *faults.entry(fault).or_default() += count);
                if variable("GENOMDB_SIM_VERBOSE").is_some() || end - first == 1 {
                    eprintln!("seed {seed}: {report:?}, {:.1} s", began.elapsed().as_secs_f64());
                }
            }
            Err(failure) => {
                eprintln!("{}", tell(&failure));
                failed.push(failure);
                if failed.len() as u64 >= failures_max {
                    break;
                }
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{passed} seeds passed, {} failed, in {seconds:.0} s ({:.2} a second), {:.0} s of virtual time; \
         {calls} of {all} calls answered, {undecided} keys undecided; faults: {faults:?}",
        failed.len(),
        passed as f64 / seconds,
        virtual_time.as_secs_f64(),
    );
    let seeds: Vec<u64> = failed.iter().map(|failure| failure.seed).collect();
    assert!(failed.is_empty(), "failing seeds: {seeds:?}");
}

/// The same seed is the same run, event by event, whatever became of it.
#[test]
fn same_seed_same_run() {
    for seed in [1, 2] {
        let once = || run(seed, &options(seed)).map_err(|failure| *failure);
        assert_eq!(once(), once(), "seed {seed}");
    }
}

/// Runs seeds until one fails, which it must.
fn must_fail(options: &Options, seeds_max: u64, because: &[&str]) {
    for seed in 0..seeds_max {
        if let Err(failure) = run(seed, options) {
            let found = because.iter().any(|because| failure.what.contains(because));
            assert!(found, "another failure than was meant: {failure}");
            println!("found by seed {seed}: {failure}");
            return;
        }
    }
    panic!("{seeds_max} seeds and nothing found");
}

fn sabotaged(sabotage: Sabotage, faults: Vec<Fault>) -> Options {
    Options { sabotage, faults, faults_for: Duration::from_secs(15), hasty: false, ..Options::new(3) }
}

#[test]
fn sabotage_no_fsync() {
    let sabotage = Sabotage { no_fsync: true, ..Sabotage::default() };
    let faults = vec![Fault::PowerCutAll, Fault::PowerCut, Fault::Kill];
    must_fail(&sabotaged(sabotage, faults), 20, &["linearizable", "bank", "once", "does not open", "watch"]);
}

#[test]
fn sabotage_no_read_barrier() {
    let sabotage = Sabotage { no_read_barrier: true, ..Sabotage::default() };
    let faults = vec![Fault::Isolate, Fault::Partition];
    must_fail(&sabotaged(sabotage, faults), 40, &["linearizable", "session", "bank", "gone"]);
}

#[test]
fn sabotage_no_version_check() {
    let sabotage = Sabotage { no_version_check: true, ..Sabotage::default() };
    let faults = vec![Fault::Split, Fault::Split, Fault::Transfer, Fault::Slow];
    must_fail(
        &sabotaged(sabotage, faults),
        40,
        &["linearizable", "once", "bank", "session", "gone", "differ"],
    );
}

#[test]
fn sabotage_no_sessions() {
    let sabotage = Sabotage { no_sessions: true, ..Sabotage::default() };
    let faults = vec![Fault::Lossy, Fault::Slow, Fault::Kill];
    must_fail(&sabotaged(sabotage, faults), 40, &["linearizable", "once", "bank", "watch"]);
}
