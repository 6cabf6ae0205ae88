//! What the operator types: the parts that the binaries `genomdb` and `gql` share.

// Whether a statement can move between threads is found out through all that Raft is made of.
#![recursion_limit = "256"]
#![allow(clippy::print_stdout, reason = "a command's result belongs on standard output")]

pub mod args;
pub mod command;
pub mod connection;
pub mod exit;
pub mod last_result;
pub mod logging;
pub mod pager;
pub mod printer;
pub mod progress;
pub mod progress_line;
pub mod script;
pub mod shell;
