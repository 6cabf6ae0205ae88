//! Errors as gRPC tells them.

use genomdb_grammar::{LineColumn, line_column};
use tonic::{Code, Status};

use crate::{Interruption, QueryError, Statement, error::ErrorClass};

/// A message travels in a header, and clients refuse long ones.
const MESSAGE_BYTES_MAX: usize = 3000;
/// After how many milliseconds a client of gRPC tries again.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What is wrong with a statement, and where.
pub(super) fn of_statement(error: &QueryError, statement: &Statement) -> Status {
    of_text(error, &statement.text)
}

/// What is wrong with the statement `text`.
pub(super) fn of_text(error: &QueryError, text: &str) -> Status {
    let mut message = error.to_string();
    if let Some(span) = error.span() {
        let LineColumn { line, column } = line_column(text, span.range().start);
        message.push_str(&format!(" (line {line}, column {column})"));
    }
    if let Some(hint) = error.hint() {
        message.push_str(&format!("; {hint}"));
    }
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    let mut status = Status::new(code(error.class()), message);
    if let Some(Interruption::Busy(busy)) = Interruption::of_query(error) {
        let milliseconds = busy.retry_after.as_millis().to_string();
        if let Ok(value) = milliseconds.parse() {
            status.metadata_mut().insert(PUSHBACK, value);
        }
    }
    status
}

/// An error that has nothing to do with the text of a statement.
pub(super) fn of(error: impl Into<QueryError>) -> Status {
    of_text(&error.into(), "")
}

const fn code(class: ErrorClass) -> Code {
    match class {
        ErrorClass::Syntax | ErrorClass::Invalid | ErrorClass::Failed | ErrorClass::Load => {
            Code::InvalidArgument
        }
        ErrorClass::NotFound => Code::NotFound,
        ErrorClass::Exists => Code::AlreadyExists,
        ErrorClass::NotImplemented => Code::Unimplemented,
        ErrorClass::Forbidden => Code::PermissionDenied,
        ErrorClass::Cancelled => Code::Cancelled,
        ErrorClass::Timeout => Code::DeadlineExceeded,
        ErrorClass::Busy | ErrorClass::Limit | ErrorClass::Resources | ErrorClass::DiskFull => {
            Code::ResourceExhausted
        }
        ErrorClass::Unavailable => Code::Unavailable,
        ErrorClass::Corrupt => Code::DataLoss,
        ErrorClass::Storage | ErrorClass::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_hint_are_told() {
        let error = Statement::parse("SELECT 1\nFORM reads").unwrap_err();
        let status = of_text(&error, "SELECT 1\nFORM reads");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("(line 2, column"), "{status}");
    }

    #[test]
    fn a_long_message_is_cut() {
        let error = QueryError::invalid("ä".repeat(10_000));
        let status = of_text(&error, "");
        assert!((MESSAGE_BYTES_MAX - 4..=MESSAGE_BYTES_MAX + 3).contains(&status.message().len()));
    }
}
