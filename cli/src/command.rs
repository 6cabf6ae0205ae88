//! The commands, one file each.

pub mod load;
pub mod query;

use std::process::ExitCode;

use genomdb_server::{Config, Node};

use crate::{args::Data, exit};

/// Opens the data folder.
///
/// # Errors
///
/// With the exit code, when the folder cannot be opened; the reason has been printed.
pub fn open(data: &Data, config: &Config) -> Result<Node, ExitCode> {
    Node::open(&data.data, config).map_err(|error| exit::fail(exit::UNREACHABLE, &error))
}

/// Builds the runtime that everything runs on.
///
/// # Errors
///
/// With the exit code, when the system refuses threads; the reason has been printed.
pub fn runtime() -> Result<tokio::runtime::Runtime, ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| exit::fail(exit::FAILED, &error))
}
