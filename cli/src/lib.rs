//! What the operator types: the parts that the binaries `genomdb` and `gql` share.

#![allow(clippy::print_stdout, reason = "a command's result belongs on standard output")]

pub mod args;
pub mod command;
pub mod exit;
pub mod interrupt;
pub mod logging;
pub mod progress;
pub mod shell;
