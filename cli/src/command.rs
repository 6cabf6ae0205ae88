//! The commands, one file each.

pub mod load;
pub mod query;

use std::process::ExitCode;

use genomdb_server::{Config, Node};
use tokio::runtime::Runtime;

use crate::{args::Data, exit};

/// Builds the runtime that everything runs on, and opens the data folder.
///
/// # Errors
///
/// With the exit code, when the system refuses threads or the folder cannot be opened; the reason has been
/// printed.
pub fn open(data: &Data) -> Result<(Runtime, Node), ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| exit::fail(exit::FAILED, &error))?;
    let entered = runtime.enter();
    let node = Node::open(&data.data, &Config::default());
    let node = node.map_err(|error| exit::fail(exit::UNREACHABLE, &error))?;
    drop(entered);
    Ok((runtime, node))
}
