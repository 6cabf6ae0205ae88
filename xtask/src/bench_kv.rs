//! `cargo xtask bench-kv`: the replicated store against etcd, three processes of each on loopback, what idle
//! ranges cost, and what a load through three nodes costs beside an embedded one.

use std::{path::PathBuf, process::Command};

use clap::Args;

use crate::{TaskError, verify::workspace_root};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchKvArgs {
    /// Seconds of each run.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Runs of each load, ours and etcd's in turn; medians are told.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Numbers of clients.
    #[arg(long, default_value = "1,16,256")]
    clients: String,
    /// Measure idle ranges, so many of them, instead.
    #[arg(long)]
    idle_ranges: Option<usize>,
    /// Load this file, embedded and through three nodes in turn, instead.
    #[arg(long, conflicts_with = "idle_ranges")]
    load: Option<PathBuf>,
    /// Where the data lies: on a disk that is to be measured.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Builds the examples of `storage` that measure, and runs them.
pub(crate) fn run(args: &BenchKvArgs) -> Result<(), TaskError> {
    if let Some(file) = &args.load {
        let folder = args.folder.clone().unwrap_or_else(|| std::env::temp_dir().join("genomdb-bench-load"));
        let words = [file.display().to_string(), folder.display().to_string(), args.rounds.to_string()];
        return cargo(["run", "--release", "-p", "genomdb-loader", "--example", "load_three", "--"], &words);
    }
    // The one starts processes of the other.
    cargo(["build", "--release", "-p", "genomdb-storage", "--example", "node", "--example", "kv_load"], &[])?;
    let seconds = args.seconds.to_string();
    let mut words = match args.idle_ranges {
        Some(ranges) => vec!["idle".to_owned(), ranges.to_string(), seconds],
        None => vec!["compare".to_owned(), seconds, args.rounds.to_string(), args.clients.clone()],
    };
    words.extend(args.folder.as_ref().map(|folder| folder.display().to_string()));
    cargo(["run", "--release", "-p", "genomdb-storage", "--example", "kv_load", "--"], &words)
}

fn cargo<const N: usize>(words: [&str; N], more: &[String]) -> Result<(), TaskError> {
    let mut command = Command::new(env!("CARGO"));
    command.args(words).args(more).current_dir(workspace_root()?);
    let status =
        command.status().map_err(|source| TaskError::Start { program: "cargo".to_owned(), source })?;
    if status.success() {
        Ok(())
    } else {
        Err(TaskError::Input(format!("cargo {}: {status}", words.join(" "))))
    }
}
