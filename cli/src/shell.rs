//! `gql`: statements from `-c`, from files, from standard input, or from a prompt.

mod meta;
mod prompt;

use std::{
    io::{IsTerminal, Read},
    process::ExitCode,
};

use genomdb_server::{Node, Principal};

use crate::{
    args::Gql,
    command::{
        self,
        query::{Printer, RunError},
    },
    exit,
};

/// Runs `gql`.
pub fn run(arguments: &Gql) -> ExitCode {
    let texts = match texts(arguments) {
        Ok(texts) => texts,
        Err(code) => return code,
    };
    let (runtime, node) = match command::open(&arguments.data) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let code = match texts {
        Some(texts) => match runtime.block_on(run_texts(&node, arguments, &texts)) {
            Ok(()) => ExitCode::from(exit::DONE),
            Err(error) => error.report(),
        },
        None => prompt::run(&runtime, &node, arguments.format),
    };
    match runtime.block_on(node.close()) {
        Ok(()) => code,
        Err(error) => exit::fail(exit::FAILED, &error),
    }
}

/// Collects the statements that were given without a prompt; `None` asks for one.
fn texts(arguments: &Gql) -> Result<Option<Vec<String>>, ExitCode> {
    let mut texts = arguments.command.clone();
    for path in &arguments.file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            eprintln!("error: cannot read {}: {error}", path.display());
            ExitCode::from(exit::USAGE)
        })?;
        texts.push(text);
    }
    if texts.is_empty() && !std::io::stdin().is_terminal() {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| {
            eprintln!("error: cannot read standard input: {error}");
            ExitCode::from(exit::USAGE)
        })?;
        texts.push(text);
    }
    Ok(if texts.is_empty() { None } else { Some(texts) })
}

async fn run_texts(node: &Node, arguments: &Gql, texts: &[String]) -> Result<(), RunError> {
    let mut printer = Printer::new(arguments.format, None)?;
    let session = node.session(Principal::local());
    for text in texts {
        printer.run(node, &session, text).await?;
    }
    printer.finish()
}
