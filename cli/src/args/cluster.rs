//! What can be typed after `genomdb cluster`.

use clap::{Args, Subcommand};

/// `genomdb cluster`.
#[derive(Args, Clone, Debug)]
pub struct Cluster {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
    /// Nodes of the cluster; any of them will do.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "GENOMDB_CONNECT",
        value_delimiter = ',',
        value_parser = super::node_address,
        default_value = "127.0.0.1:7400",
        global = true
    )]
    pub connect: Vec<String>,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands of `genomdb cluster`.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Shows nodes, what is missing, and what is being done.
    Status(Status),
    /// Shows ranges: their keys, where their copies are, how large and how busy they are.
    Ranges,
    /// Waits until a node is a member and holds copies; tells how to start it.
    #[command(after_help = JOIN)]
    Join(Join),
    /// Ends the membership of a node that was drained, or that is gone for good.
    Remove(Remove),
    /// Moves leaders and copies off a node; it stays a member.
    Drain(Drain),
    /// Uses a node again that was drained.
    Undrain(Node),
    /// Cuts a range in two.
    Split(Split),
    /// Lets another node lead a range.
    TransferLeader(TransferLeader),
    /// Compares the copies of ranges; code 1 says that they differ.
    Check(Check),
}

/// `genomdb cluster status`.
#[derive(Args, Clone, Debug)]
pub struct Status {
    /// Wait until every range has all its copies and nothing is under way, for so many seconds at most.
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
    /// End with code 1 unless every range has all its copies.
    #[arg(long)]
    pub healthy: bool,
}

/// A command about one node.
#[derive(Args, Clone, Debug)]
pub struct Node {
    /// The number of the node.
    pub node: u64,
}

/// `genomdb cluster join`.
#[derive(Args, Clone, Debug)]
pub struct Join {
    /// The number of the node.
    pub node: u64,
    /// How many seconds to wait for it.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub timeout: u64,
}

/// `genomdb cluster remove`.
#[derive(Args, Clone, Debug)]
pub struct Remove {
    /// The number of the node; it is never used again.
    pub node: u64,
    /// The node is gone with its disk: what it held is built anew elsewhere.
    #[arg(long)]
    pub force: bool,
}

/// `genomdb cluster drain`.
#[derive(Args, Clone, Debug)]
pub struct Drain {
    /// The number of the node.
    pub node: u64,
    /// Wait until it holds nothing, for so many seconds at most.
    #[arg(long, value_name = "SECONDS")]
    pub wait: Option<u64>,
}

/// `genomdb cluster split`.
#[derive(Args, Clone, Debug)]
pub struct Split {
    /// The number of the range.
    pub range: u64,
    /// The first key of the second part, as `ranges` writes keys; the middle otherwise.
    #[arg(long, value_name = "KEY")]
    pub at: Option<String>,
}

/// `genomdb cluster transfer-leader`.
#[derive(Args, Clone, Debug)]
pub struct TransferLeader {
    /// The number of the range.
    pub range: u64,
    /// The number of the node that shall lead it.
    pub node: u64,
}

/// `genomdb cluster check`.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The number of the range.
    #[arg(required_unless_present = "all")]
    pub range: Option<u64>,
    /// Every range.
    #[arg(long, conflicts_with = "range")]
    pub all: bool,
}

const JOIN: &str = "\
A node joins by itself when it is started:
  genomdb serve --data DIR --node-id 4 --listen HOST:PORT --join 127.0.0.1:7400
This command waits until that has happened, so that a script can go on.";

pub(crate) const EXAMPLES: &str = "\
Examples:
  genomdb cluster status
  genomdb cluster status --connect node1:7400,node2:7400 --json
  genomdb cluster ranges
  genomdb cluster join 4                 waits until node 4 is a member and holds copies
  genomdb cluster drain 2 --wait 600 && genomdb cluster remove 2
  genomdb cluster split 2 --at '\\x06\\x00\\x00\\x00\\x02'
  genomdb cluster transfer-leader 2 3
  genomdb cluster check --all

Exit codes: 0 done, 1 refused, not in time, or copies differ, 2 wrong usage, 3 the cluster does not answer,
130 interrupted.";
