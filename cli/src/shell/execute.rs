//! Runs what was typed: statements one after the other, and commands between them.

mod commands;
mod copy;
mod listing;
mod watch;

use std::{sync::Arc, time::Instant};

use genomdb_server::{
    Statement,
    grammar::{TokenKind, tokens},
};
use tokio::runtime::Runtime;

use super::{
    names::Names,
    segment::{self, Segment},
    variables::Variables,
};
use crate::{
    connection::{Connection, Failure, Question},
    exit,
    printer::{Printer, RunError},
    script::{self, Context},
};

/// Files that run files that run files.
const INCLUDE_DEPTH_MAX: usize = 16;

/// Who says what is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Somebody at a prompt.
    Prompt,
    /// A file, a pipe or a flag; stops at the first error if `bail`.
    Script {
        /// Stop at the first error.
        bail: bool,
    },
}

/// Why a text is not run further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The user wants to leave.
    Quit,
    /// Something failed.
    Failed(RunError),
}

impl<E: Into<RunError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// What statements and commands work on.
pub(super) struct Shell<'r> {
    pub(super) runtime: &'r Runtime,
    pub(super) connection: Arc<Connection>,
    /// Where the data is, in words.
    pub(super) place: String,
    pub(super) printer: Printer,
    pub(super) context: Context,
    pub(super) timing: bool,
    pub(super) names: Arc<Names>,
    pub(super) mode: Mode,
    /// What the prompt shall show as if it were typed.
    pub(super) prefill: Option<String>,
    variables: Variables,
    /// The last statement.
    last: Option<String>,
    depth: usize,
    /// The exit code of the first error of a script that goes on.
    failed: Option<u8>,
}

impl<'r> Shell<'r> {
    pub(super) fn new(
        runtime: &'r Runtime,
        connection: Arc<Connection>,
        place: String,
        printer: Printer,
        context: Context,
        mode: Mode,
    ) -> Self {
        let names = Arc::new(Names::new(Arc::clone(&connection), runtime.handle().clone()));
        Self {
            runtime,
            connection,
            place,
            printer,
            context,
            timing: mode == Mode::Prompt,
            names,
            mode,
            prefill: None,
            variables: Variables::default(),
            last: None,
            depth: 0,
            failed: None,
        }
    }

    /// The exit code of a script that came to its end.
    pub(super) fn code(&self) -> u8 {
        self.failed.unwrap_or(exit::DONE)
    }

    /// Runs a text.
    pub(super) fn run(&mut self, text: &str) -> Result<(), Stop> {
        for segment in segment::segments(text) {
            let done = match segment {
                Segment::Statements(text) if self.is_unfinished(&text) => {
                    self.prefill = Some(text.trim().to_owned());
                    Ok(())
                }
                Segment::Statements(text) => self.run_statements(&text),
                Segment::Command { text, statement } => self.run_command(&text, statement),
            };
            match (done, self.mode) {
                (Err(Stop::Failed(error)), Mode::Script { bail: false }) if goes_on(&error) => {
                    // Its code is that of the script, in the end.
                    let _code = error.report();
                    self.failed.get_or_insert(error.code());
                }
                (done, _) => done?,
            }
        }
        Ok(())
    }

    /// A statement without its `;`, which a command at the prompt has left over.
    fn is_unfinished(&self, text: &str) -> bool {
        self.mode == Mode::Prompt && self.depth == 0 && !Statement::is_complete(text)
    }

    /// Runs statements as the user wrote them.
    fn run_statements(&mut self, text: &str) -> Result<(), Stop> {
        let text = self.variables.fill(text);
        for question in script::questions(&text, &self.context)? {
            let own = question.statement.span().text(&text).to_owned();
            let changes = changes_names(&own);
            self.last = Some(own);
            self.run_question(question)?;
            if changes {
                self.names.forget();
            }
        }
        Ok(())
    }

    fn run_question(&mut self, question: Question) -> Result<(), Stop> {
        let question = Question { quiet: self.printer.style.quiet, ..question };
        let began = Instant::now();
        let (connection, printer) = (&self.connection, &mut self.printer);
        self.runtime.block_on(async { printer.print(connection.ask(question)).await })?;
        if self.timing && !self.printer.style.quiet {
            eprintln!("{:.1} ms", began.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok(())
    }

    /// Runs a statement that a command stands for.
    fn run_own(&mut self, text: &str) -> Result<(), Stop> {
        let statement = Statement::parse(text).map_err(|error| Failure::of_statement(&error))?;
        self.run_question(Question::new(statement))
    }

    /// The statement before a command, or the last one that was run.
    fn statement_for(&self, statement: Option<String>) -> Result<String, Failure> {
        let last = || self.last.clone();
        statement.or_else(last).ok_or_else(|| Failure::new("there is no statement yet"))
    }
}

/// Whether a script can go on behind an error: not if nobody reads it, or wants it.
fn goes_on(error: &RunError) -> bool {
    !error.is_broken_pipe() && !matches!(error, RunError::Interrupted)
}

/// Whether tables, columns or settings may be others after a statement.
fn changes_names(statement: &str) -> bool {
    let tokens = tokens(statement);
    let first = tokens.iter().find(|token| token.kind != TokenKind::Comment);
    let word = first.map(|token| token.span.text(statement).to_ascii_uppercase()).unwrap_or_default();
    ["CREATE", "DROP", "COPY"].contains(&word.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_names() {
        assert!(changes_names("-- a\n create view v as select 1"));
        assert!(changes_names("COPY reads FROM 'x'"));
        assert!(!changes_names("SELECT 'create'"));
        assert!(!changes_names(""));
    }
}
