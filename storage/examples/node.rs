//! A node of a cluster as a process of its own, for measuring: runs until its standard input ends.
//!
//! `node FOLDER LISTEN [JOIN]`, each "host:port"; without JOIN it founds a cluster of three replicas a range.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for measuring")]

use std::io::Read as _;

use genomdb_storage::{ClusterNode, NodeConfig};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(folder), Some(listen)) = (arguments.first(), arguments.get(1)) else {
        eprintln!("node FOLDER LISTEN [JOIN]");
        std::process::exit(2)
    };
    let mut config = NodeConfig::new(folder);
    config.listen.clone_from(listen);
    // What else is on the disk is no reason to measure fewer replicas.
    config.placement.disk_used_percent_max = 99;
    config.placement.moves_per_minute_max = 1000;
    config.join = arguments.get(2).cloned().into_iter().collect();
    let node = ClusterNode::start(config).unwrap();
    println!("node {} at {}", node.id().0, node.address());
    // Whoever started it ends it by ending, however that comes about.
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
    node.stop().unwrap();
}
