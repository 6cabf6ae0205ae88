//! Why there is no answer, in the words that the user sees.

use std::time::Duration;

use genomdb_client::Error;
use genomdb_server::{
    QueryError,
    grammar::{Span, render_caret},
};

use crate::exit;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    is_unreachable: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Something is wrong, in one line.
    pub fn new(message: impl std::fmt::Display) -> Self {
        Self { text: format!("error: {message}"), is_unreachable: false }
    }

    /// It took too long.
    pub fn of_timeout(timeout: Duration) -> Self {
        Self::new(format_args!("the query took longer than its timeout of {} ms", timeout.as_millis()))
    }

    /// A statement is wrong or failed.
    pub fn of_statement(error: &QueryError) -> Self {
        Self { text: error.render(), is_unreachable: false }
    }

    /// A server did not answer, or refused what stands in `script` from byte `begin` on.
    pub fn of_server(error: &Error, script: &str, begin: u32) -> Self {
        let text = match error {
            Error::Refused(problem) => {
                let hint = problem.hint.as_deref();
                match (problem.offset, problem.end) {
                    (Some(offset), end) => {
                        let start = begin.saturating_add(offset);
                        let end = begin.saturating_add(end.unwrap_or(offset)).max(start);
                        let text = render_caret(script, Span { start, end }, &problem.detail, hint);
                        text.trim_end().to_owned()
                    }
                    _ => match hint {
                        Some(hint) => format!("error: {} ({hint})", problem.detail),
                        None => format!("error: {}", problem.detail),
                    },
                }
            }
            error => format!("error: {}", exit::chain(error)),
        };
        Self { text, is_unreachable: error.is_unreachable() }
    }

    /// The exit code that it deserves.
    pub const fn code(&self) -> u8 {
        if self.is_unreachable { exit::UNREACHABLE } else { exit::FAILED }
    }
}

#[cfg(test)]
mod tests {
    use genomdb_client::Problem;
    use genomdb_server::Statement;

    use super::*;

    #[test]
    fn a_server_points_as_this_process_does() {
        let script = "SHOW TABLES;\nSELECT 1 +";
        let here = Failure::of_statement(&Statement::parse(script.split_at(13).1).unwrap_err());
        let problem = Problem {
            detail: "unexpected end of text, expected an expression".to_owned(),
            offset: Some(10),
            end: Some(10),
            ..Problem::default()
        };
        let there = Failure::of_server(&Error::Refused(Box::new(problem)), script, 13);
        let caret = |failure: &Failure| failure.to_string().lines().last().unwrap().to_owned();
        assert_eq!(caret(&there).find('^'), caret(&here).find('^'), "{there}\n{here}");
        assert!(there.to_string().contains("line 2, column 11"), "{there}");
        assert_eq!(there.code(), exit::FAILED);
        assert_eq!(Failure::of_server(&Error::Truncated("x"), "", 0).code(), exit::FAILED);
        let gone = Error::Unexpected { status: 500, detail: String::new() };
        assert_eq!(Failure::of_server(&gone, "", 0).code(), exit::UNREACHABLE);
    }
}
