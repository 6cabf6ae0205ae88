//! `cargo xtask simulate-cluster`: runs the store's simulation, many seeds or one.

use std::{
    env,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{TaskError, say, verify::workspace_root};

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct SimulateClusterArgs {
    /// Seeds "a..b", the last left out.
    #[arg(long, default_value = "0..10000", conflicts_with = "seed")]
    seeds: String,
    /// One seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Begins no further seed after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// Seeds that may fail before a process ends.
    #[arg(long, default_value_t = 1)]
    failures: u64,
    /// Prints every event.
    #[arg(long)]
    print: bool,
}

/// How many processes run seeds at a time, each every so many-th.
const PROCESSES: u64 = 2;
/// Seeds after which a process makes way for another: what was simulated is not all given back before its end.
const SEEDS: u64 = 400;

/// Builds the store as a simulation, and runs it.
pub(crate) fn run(args: &SimulateClusterArgs) -> Result<(), TaskError> {
    let root = workspace_root()?;
    let target = target_folder(&root);
    let (first, end) = match args.seed {
        Some(seed) => (seed, seed.saturating_add(1)),
        None => parse(&args.seeds)?,
    };
    say(&format!("-- simulation of seeds {first}..{end}, built in {}", target.display()))?;
    let built = finish(start(test(&root, &target).args(["--lib", "--no-run"]))?)?;
    if !built {
        return Err(TaskError::Input("the simulation does not build".to_owned()));
    }
    let until = args.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let lane = |process| lane(&root, &target, args, first.saturating_add(process)..end, until);
    let passed: Vec<_> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..PROCESSES).map(|process| scope.spawn(move || lane(process))).collect();
        lanes.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    for passed in passed {
        if !passed.map_err(|_| TaskError::Input("a process was lost sight of".to_owned()))?? {
            return Err(TaskError::Input("a seed fails".to_owned()));
        }
    }
    say("   ok")
}

/// Runs every so many-th of these seeds, in one process after the other; false if one fails.
fn lane(
    root: &Path,
    target: &Path,
    args: &SimulateClusterArgs,
    seeds: Range<u64>,
    until: Option<Instant>,
) -> Result<bool, TaskError> {
    let mut passed = true;
    let mut begin = seeds.start;
    while begin < seeds.end && (passed || args.failures > 1) {
        let end = begin.saturating_add(SEEDS).min(seeds.end);
        let mut command = test(root, target);
        command.args(["--lib", "--", "--exact", "simulation::tests::seeds", "--nocapture"]);
        command.env("GENOMDB_SIM_SEEDS", format!("{begin}..{end}"));
        command.env("GENOMDB_SIM_STEP", PROCESSES.to_string());
        command.env("GENOMDB_SIM_FAILURES", args.failures.to_string());
        if let Some(until) = until {
            let left = until.saturating_duration_since(Instant::now()).as_secs();
            if left == 0 {
                break;
            }
            command.env("GENOMDB_SIM_SECONDS", left.to_string());
        }
        if args.print {
            command.env("GENOMDB_SIM_PRINT", "1");
        }
        passed &= finish(start(&mut command)?)?;
        begin = end;
    }
    Ok(passed)
}

fn parse(seeds: &str) -> Result<(u64, u64), TaskError> {
    let wrong = || TaskError::Input(format!("`{seeds}` is not of the form a..b"));
    let (first, end) = seeds.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    Ok((number(first)?, number(end)?))
}

/// A folder of its own: what is compiled for the simulation is of no use for anything else.
fn target_folder(root: &Path) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    root.join(target).join("simulation")
}

fn test(root: &Path, target: &Path) -> Command {
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--quiet", "--release", "--package", "genomdb-storage"]);
    command.current_dir(root).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", target).env("RUSTFLAGS", format!("{flags} --cfg simulation").trim());
    command
}

fn start(command: &mut Command) -> Result<Child, TaskError> {
    command.spawn().map_err(|source| TaskError::Start { program: "cargo".to_owned(), source })
}

fn finish(mut child: Child) -> Result<bool, TaskError> {
    let status = child.wait().map_err(|source| TaskError::Start { program: "cargo".to_owned(), source })?;
    Ok(status.success())
}
