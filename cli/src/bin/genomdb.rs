//! The binary `genomdb`: reads its arguments and calls one command.

use std::process::ExitCode;

use clap::Parser;
use genomdb_cli::{
    args::{Command, Genomdb},
    command,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Genomdb::parse().command {
        Command::Load(arguments) => command::load::run(&arguments),
        Command::Query(arguments) => command::query::run(&arguments),
        Command::Serve(arguments) => command::serve::run(&arguments),
        Command::Kv(arguments) => command::kv::run(&arguments),
        Command::Cluster(arguments) => command::cluster::run(&arguments),
        Command::Token(arguments) => command::token::run(&arguments),
    }
}
