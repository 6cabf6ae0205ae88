//! The prompt: lines are gathered until `;`, edited and remembered by reedline.

use std::{borrow::Cow, path::PathBuf, process::ExitCode, time::Instant};

use genomdb_server::{Node, Principal, Statement, output::Format};
use reedline::{
    FileBackedHistory, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal, ValidationResult,
    Validator,
};
use tokio::runtime::Runtime;

use super::meta::{self, Meta};
use crate::{
    command::query::{Printer, RunError},
    exit,
};

/// Lines that the history keeps.
const HISTORY_LINES_MAX: usize = 10_000;

/// Asks, answers, and asks again, until Ctrl-D or `\q`.
pub(super) fn run(runtime: &Runtime, node: &Node, format: Option<Format>) -> ExitCode {
    let mut printer = match Printer::new(format, None) {
        Ok(printer) => printer,
        Err(error) => return error.report(),
    };
    let mut editor = Reedline::create().with_validator(Box::new(UntilSemicolon));
    match history() {
        Some(Ok(history)) => editor = editor.with_history(Box::new(history)),
        Some(Err(error)) => eprintln!("note: this session is not remembered: {error}"),
        None => {}
    }
    println!("GenomDB {}. Statements end in `;`, \\? helps, \\q leaves.", env!("CARGO_PKG_VERSION"));
    let session = node.session(Principal::local());
    let mut timing = true;
    loop {
        let text = match editor.read_line(&GqlPrompt) {
            Ok(Signal::Success(text)) => text,
            Ok(Signal::CtrlD) => return ExitCode::from(exit::DONE),
            Ok(_) => continue,
            Err(error) => return exit::fail(exit::FAILED, &error),
        };
        let text = match command(text, &mut printer, &mut timing) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(Leave) => return ExitCode::from(exit::DONE),
        };
        let begin = Instant::now();
        match runtime.block_on(printer.run(node, &session, &text)) {
            Ok(()) if timing => eprintln!("{:.1} ms", begin.elapsed().as_secs_f64() * 1_000.0),
            Ok(()) => {}
            Err(error @ RunError::Output(_)) => return error.report(),
            Err(error) => {
                error.report();
            }
        }
    }
}

/// The user wants to leave.
struct Leave;

/// Obeys a line that begins with `\`; returns the statements to run, if any.
fn command(text: String, printer: &mut Printer, timing: &mut bool) -> Result<Option<String>, Leave> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    if !text.trim_start().starts_with('\\') {
        return Ok(Some(text));
    }
    match meta::parse(&text) {
        Ok(Meta::Quit) => return Err(Leave),
        Ok(Meta::Help) => println!("{}", meta::HELP),
        Ok(Meta::Timing) => {
            *timing = !*timing;
            println!("Timing is {}.", if *timing { "on" } else { "off" });
        }
        Ok(Meta::Format(format)) => printer.set_format(format),
        Ok(Meta::Statement(text)) => return Ok(Some(text)),
        Ok(Meta::Include(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(text)),
            Err(error) => eprintln!("error: cannot read {path}: {error}"),
        },
        Err(message) => eprintln!("error: {message}"),
    }
    Ok(None)
}

/// Where earlier lines are remembered: `$XDG_STATE_HOME/genomdb/history`, or `~/.local/state/…`.
fn history() -> Option<reedline::Result<FileBackedHistory>> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(FileBackedHistory::with_file(HISTORY_LINES_MAX, state.join("genomdb/history")))
}

/// Lets Enter run a text only when its last statement is ended by `;`, or it is a `\` command.
struct UntilSemicolon;

impl Validator for UntilSemicolon {
    fn validate(&self, text: &str) -> ValidationResult {
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('\\') || Statement::is_complete(text) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

struct GqlPrompt;

impl Prompt for GqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("gql")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  -> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}
