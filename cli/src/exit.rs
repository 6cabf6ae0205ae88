//! What a process says when it ends.

use std::process::ExitCode;

/// Everything that was asked for was done.
pub const DONE: u8 = 0;
/// A statement or a load failed.
pub const FAILED: u8 = 1;
/// The command line is wrong (clap exits with it, too).
pub const USAGE: u8 = 2;
/// The data folder cannot be opened, or the cluster does not answer.
pub const UNREACHABLE: u8 = 3;
/// Ctrl-C: 128 plus the number of SIGINT, as shells expect.
pub const INTERRUPTED: u8 = 130;

/// Prints an error with its causes on standard error, and returns the exit code.
pub fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::from(code)
}

/// Writes an error and its causes in one line; a cause that its effect has already quoted is left out.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}
