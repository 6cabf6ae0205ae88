//! Clusters of real processes: they form, grow, lose nodes, and are cut off from each other.
//!
//! A node is this very program, started again with an environment variable. `GENOMDB_LOG=1` lets nodes
//! say what they do, in `node-*.log` in their folder; `GENOMDB_KEEP=1` keeps the folders.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, reason = "a test")]

mod bank;
mod basics;
mod faults;
mod harness;
mod load;
mod members;
mod network_namespace;
mod node;
mod testbed;

/// Not a test of its own: the process of a node, which the other tests start.
#[test]
fn node_process() {
    node::run_if_asked();
}
