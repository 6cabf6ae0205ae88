//! Tasks for the people who work on GenomDB: `simulate`, `simulate-cluster`, `bench`, `bench-kv`, `cluster`,
//! `verify`.
//!
//! Nothing here is part of the database, and nothing of the database is linked in: what is measured or checked
//! runs as a process of its own.

mod bench;
mod bench_kv;
mod bench_serve;
mod cluster;
mod simulate;
mod simulate_cluster;
mod verify;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use thiserror::Error;

/// Why a task failed.
#[derive(Debug, Error)]
pub(crate) enum TaskError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error("{program} could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// What the task was given cannot be worked with.
    #[error("{0}")]
    Input(String),
}

impl TaskError {
    /// Says which file an I/O error is about.
    pub(crate) fn file(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { path, source }
    }
}

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Tasks for the people who work on GenomDB", version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Write a deterministic, realistic BAM of N reads.
    Simulate(simulate::SimulateArgs),
    /// Run the simulation of a cluster under faults: many seeds, or one.
    SimulateCluster(simulate_cluster::SimulateClusterArgs),
    /// Measure against the tools found on this machine, side by side.
    Bench(bench::BenchArgs),
    /// Run a cluster of processes on this machine until Ctrl-C.
    Cluster(cluster::ClusterArgs),
    /// Measure the replicated store against etcd, and what idle ranges cost.
    BenchKv(bench_kv::BenchKvArgs),
    /// Measure a served node as its clients see it.
    BenchServe(bench_serve::BenchServeArgs),
    /// Run every check that a change must pass: format, lints, documentation, examples, tests.
    Verify(verify::VerifyArgs),
}

/// Prints a line for the person who runs the task.
pub(crate) fn say(line: &str) -> Result<(), TaskError> {
    writeln!(io::stdout().lock(), "{line}")
        .map_err(|source| TaskError::File { path: PathBuf::from("standard output"), source })
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Simulate(args) => simulate::run(&args),
        Task::SimulateCluster(args) => simulate_cluster::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Cluster(args) => cluster::run(&args),
        Task::BenchKv(args) => bench_kv::run(&args),
        Task::BenchServe(args) => bench_serve::run(&args),
        Task::Verify(args) => verify::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code says it all the same.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
