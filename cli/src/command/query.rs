//! `genomdb query`: statements in, results out.

use std::{
    fs::File,
    io::{BufWriter, IsTerminal, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use futures::StreamExt;
use genomdb_server::{
    Answer, Node, Observer, Principal, QueryError, Session, Statement,
    output::{Format, OutputError, writer},
};

use crate::{
    args::Query,
    command, exit,
    interrupt::{Interrupted, until_interrupted},
    progress::LoadBar,
};

/// Bytes gathered before they are written, so that a million short rows are not a million system calls.
const BUFFER_BYTES: usize = 256 * 1024;

/// Why a script stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A statement is wrong or failed; rendered with the place in its text.
    #[error("{0}")]
    Query(#[from] Box<QueryError>),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Several results do not fit one file of this format.
    #[error(
        "a file of this format holds one result; ask one question at a time, or choose csv, tsv, ndjson or table"
    )]
    SecondResult,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl From<Interrupted> for RunError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl RunError {
    /// Reports the error on standard error, and returns the exit code that it deserves.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Output(error) if error.is_broken_pipe() => ExitCode::from(exit::DONE),
            Self::Interrupted => {
                eprintln!("interrupted");
                ExitCode::from(exit::INTERRUPTED)
            }
            Self::Query(error) => {
                eprintln!("{}", error.render());
                ExitCode::from(exit::FAILED)
            }
            Self::SecondResult => exit::fail(exit::USAGE, self),
            Self::Output(_) => exit::fail(exit::FAILED, self),
        }
    }
}

/// Runs `genomdb query`.
pub fn run(arguments: &Query) -> ExitCode {
    let (runtime, node) = match command::open(&arguments.data) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let result = runtime.block_on(async {
        let mut printer = Printer::new(arguments.format, arguments.output.as_deref())?;
        printer.run(&node, &node.session(Principal::local()), &arguments.text).await?;
        printer.finish()
    });
    let closed = runtime.block_on(node.close());
    match (result, closed) {
        (Err(error), _) => error.report(),
        (Ok(()), Err(error)) => exit::fail(exit::FAILED, &error),
        (Ok(()), Ok(())) => ExitCode::from(exit::DONE),
    }
}

/// Runs statements and writes what they return.
pub struct Printer {
    format: Format,
    output: Box<dyn Write + Send>,
    results: usize,
}

impl Printer {
    /// Writes into a file, or on standard output; the format is a table on a terminal and TSV elsewhere.
    ///
    /// # Errors
    ///
    /// If the file cannot be created.
    pub fn new(format: Option<Format>, path: Option<&Path>) -> Result<Self, RunError> {
        let on_terminal = path.is_none() && std::io::stdout().is_terminal();
        let default = if on_terminal { Format::Table } else { Format::Tsv };
        let output: Box<dyn Write + Send> = match path {
            Some(path) => Box::new(File::create(path).map_err(OutputError::from)?),
            None => Box::new(std::io::stdout()),
        };
        let output = Box::new(BufWriter::with_capacity(BUFFER_BYTES, output));
        Ok(Self { format: format.unwrap_or(default), output, results: 0 })
    }

    /// Changes the format of the results that follow.
    pub fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    /// Runs every statement of a text in turn, and stops at the first that fails.
    ///
    /// # Errors
    ///
    /// If the text cannot be parsed (then nothing runs), or a statement fails.
    pub async fn run(&mut self, node: &Node, session: &Session, text: &str) -> Result<(), RunError> {
        for statement in Statement::parse_script(text).map_err(Box::new)? {
            self.run_statement(node, session, &statement).await?;
        }
        Ok(())
    }

    async fn run_statement(
        &mut self,
        node: &Node,
        session: &Session,
        statement: &Statement,
    ) -> Result<(), RunError> {
        let bar: Arc<dyn Observer> = Arc::new(LoadBar::new(false));
        let answer = until_interrupted(node.query(session, statement, &bar)).await?;
        drop(bar);
        match answer.map_err(Box::new)? {
            Answer::Done(message) => {
                if self.format == Format::Table {
                    writeln!(self.output, "{message}").map_err(OutputError::from)?;
                    self.output.flush().map_err(OutputError::from)?;
                } else {
                    eprintln!("{message}");
                }
            }
            Answer::Rows(mut stream) => {
                self.begin_result()?;
                let mut writer = writer(self.format, stream.schema(), &mut self.output)?;
                while let Some(batch) = until_interrupted(stream.next()).await? {
                    writer.write(&batch.map_err(|error| Box::new(statement.error(error)))?)?;
                }
                writer.finish()?;
            }
        }
        Ok(())
    }

    fn begin_result(&mut self) -> Result<(), RunError> {
        let one_only = matches!(self.format, Format::Json | Format::Arrow | Format::Parquet);
        if self.results > 0 && one_only {
            return Err(RunError::SecondResult);
        }
        if self.results > 0 && self.format == Format::Table {
            writeln!(self.output).map_err(OutputError::from)?;
        }
        self.results += 1;
        Ok(())
    }

    /// Flushes what is left.
    ///
    /// # Errors
    ///
    /// If the output refuses the bytes.
    pub fn finish(mut self) -> Result<(), RunError> {
        Ok(self.output.flush().map_err(OutputError::from)?)
    }
}
