//! Why a script stopped, and what is said of it.

use std::{io, process::ExitCode};

use genomdb_server::output::OutputError;

use crate::{connection::Failure, exit};

/// Why a script stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A statement is wrong or failed.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The result could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The result cannot be written so.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::Output(error.into())
    }
}

impl RunError {
    /// Whether standard output is gone, so that nobody will read what follows.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.is_broken_pipe())
    }

    /// The exit code that it deserves.
    pub fn code(&self) -> u8 {
        match self {
            error if error.is_broken_pipe() => exit::DONE,
            Self::Failed(failure) => failure.code(),
            Self::Interrupted => exit::INTERRUPTED,
            Self::Usage(_) => exit::USAGE,
            Self::Output(_) => exit::FAILED,
        }
    }

    /// Reports the error on standard error, and returns the exit code that it deserves.
    pub fn report(&self) -> ExitCode {
        match self {
            error if error.is_broken_pipe() => {}
            Self::Failed(_) | Self::Interrupted => eprintln!("{self}"),
            Self::Usage(_) | Self::Output(_) => eprintln!("error: {}", exit::chain(self)),
        }
        ExitCode::from(self.code())
    }
}
