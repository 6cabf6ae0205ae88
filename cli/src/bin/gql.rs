//! The binary `gql`: statements from the command line, from files, from a pipe, or from a prompt.

use std::process::ExitCode;

use clap::Parser;
use genomdb_cli::{args::Gql, shell};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    shell::run(&Gql::parse())
}
