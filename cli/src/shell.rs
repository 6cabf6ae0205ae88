//! `gql`: statements from `-c`, from files, from standard input, or from a prompt.

mod arguments;
mod complete;
mod execute;
mod external_editor;
mod highlight;
mod meta;
mod names;
mod options;
mod plot;
mod prompt;
mod segment;
mod settings_file;
mod statement_help;
mod variables;

use std::{
    io::{IsTerminal as _, Read as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::runtime::Runtime;

use self::{
    execute::{Mode, Shell, Stop},
    prompt::Looks,
    settings_file::SettingsFile,
};
use crate::{
    args::Gql,
    connection::{self, Connection},
    exit,
    printer::{Printer, RunError, Style},
    script::Context,
};

/// How long the prompt waits for a server to say that it is there.
const READY_WITHIN: Duration = Duration::from_millis(50);

/// Runs `gql`.
pub fn run(arguments: &Gql) -> ExitCode {
    match prepared(arguments) {
        Ok(code) | Err(code) => code,
    }
}

fn prepared(arguments: &Gql) -> Result<ExitCode, ExitCode> {
    let usage = |reason: String| {
        eprintln!("error: {reason}");
        ExitCode::from(exit::USAGE)
    };
    let file = SettingsFile::read(arguments.config.as_deref()).map_err(usage)?;
    let style = file.style().map_err(usage)?;
    let timeout = file.timeout().map_err(usage)?;
    let place = arguments.reach.place(&file.place()).map_err(|error| exit::fail(exit::USAGE, &error))?;
    let texts = texts(arguments)?;
    let (runtime, connection) = connection::open(&place)?;
    let connection = Arc::new(connection);
    let mode = if texts.is_some() { Mode::Script { bail: arguments.bail } } else { Mode::Prompt };
    let style = Style {
        format: arguments.format.or(style.format),
        has_pager: style.has_pager && mode == Mode::Prompt,
        quiet: arguments.quiet,
        ..style
    };
    let mut context = Context::from(&arguments.asking);
    context.timeout = context.timeout.or(timeout);
    let mut printer = Printer::new(style, arguments.output.as_deref()).map_err(|error| error.report())?;
    printer.keep_last();
    let mut shell = Shell::new(&runtime, Arc::clone(&connection), place.to_string(), printer, context, mode);
    shell.timing = mode == Mode::Prompt && file.timing.unwrap_or(true);
    let code = match texts {
        Some(texts) => run_texts(&mut shell, &texts),
        None => {
            let has_color = !arguments.no_color && wants_color() && file.color.unwrap_or(true);
            answers(&runtime, &connection)?;
            prompt::run(&mut shell, Looks { has_color, edit_mode: file.edit_mode })
        }
    };
    let flushed = shell.printer.flush();
    drop(shell);
    match (flushed, runtime.block_on(connection.close())) {
        (Err(error), _) if !error.is_broken_pipe() => Ok(error.report()),
        (_, Err(error)) => Ok(exit::fail(exit::FAILED, &error)),
        (_, Ok(())) => Ok(code),
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

fn run_texts(shell: &mut Shell<'_>, texts: &[String]) -> ExitCode {
    for text in texts {
        match shell.run(text) {
            Ok(()) => {}
            Err(Stop::Quit) => break,
            Err(Stop::Failed(error)) => return report(&error),
        }
    }
    ExitCode::from(shell.code())
}

fn report(error: &RunError) -> ExitCode {
    error.report()
}

/// `NO_COLOR`, as <https://no-color.org> has it.
fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Leaves before the prompt if it is clear that nobody answers; whoever needs longer to say so is met later.
fn answers(runtime: &Runtime, connection: &Connection) -> Result<(), ExitCode> {
    let Some(client) = connection.client() else { return Ok(()) };
    let ready = async { tokio::time::timeout(READY_WITHIN, client.ready()).await };
    match runtime.block_on(ready) {
        Ok(Err(error)) if error.is_unreachable() => Err(exit::fail(exit::UNREACHABLE, &error)),
        _ => Ok(()),
    }
}
