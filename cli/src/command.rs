//! The commands, one file each.

pub mod cluster;
pub mod kv;
pub mod load;
pub mod query;
pub mod serve;
pub mod token;

use std::process::ExitCode;

use genomdb_server::{Config, Node};
use tokio::runtime::Runtime;

use crate::{args::Data, exit};

/// Builds the runtime that everything runs on, and opens the data folder or the way to the cluster.
///
/// # Errors
///
/// With the exit code, when the system refuses threads or the folder cannot be opened; the reason has been
/// printed.
pub fn open(data: &Data) -> Result<(Runtime, Node), ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| exit::fail(exit::FAILED, &error))?;
    let entered = runtime.enter();
    let config = Config::default();
    let addresses = present(&data.connect);
    let node = match addresses.is_empty() {
        true => Node::open(&data.data, &config),
        false => Node::connect(&addresses, &config),
    };
    let node = node.map_err(|error| exit::fail(exit::UNREACHABLE, &error))?;
    drop(entered);
    Ok((runtime, node))
}

/// The addresses that say something: an empty variable of the environment is as good as none.
fn present(addresses: &[String]) -> Vec<String> {
    addresses.iter().map(|address| address.trim().to_owned()).filter(|address| !address.is_empty()).collect()
}
