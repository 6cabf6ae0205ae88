//! `cargo xtask bench-serve`: what a served node answers in a second over HTTP and Flight SQL, how long a
//! region takes beside the same query without a server, and how fast a large result comes.

use std::{path::PathBuf, process::Command};

use clap::Args;

use crate::{TaskError, verify::workspace_root};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchServeArgs {
    /// A data folder with a table `reads` that is sorted.
    #[arg(long)]
    data: PathBuf,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

/// Builds the server and what asks it, and runs them.
pub(crate) fn run(args: &BenchServeArgs) -> Result<(), TaskError> {
    let root = workspace_root()?;
    let build = ["build", "--release", "--workspace", "--bin", "genomdb", "--bin", "bench_serve"];
    run_to_end(Command::new(env!("CARGO")).args(build).current_dir(&root))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let release = root.join(target).join("release");
    let mut command = Command::new(release.join("bench_serve"));
    command.arg(release.join("genomdb")).arg(&args.data).arg(args.seconds.to_string());
    run_to_end(&mut command)
}

fn run_to_end(command: &mut Command) -> Result<(), TaskError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|source| TaskError::Start { program: program.clone(), source })?;
    if status.success() { Ok(()) } else { Err(TaskError::Input(format!("{program}: {status}"))) }
}
