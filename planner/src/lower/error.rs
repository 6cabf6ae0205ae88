//! What a query says that cannot be planned.

use genomdb_grammar::{Span, render_caret};

/// A construct that cannot be lowered, with its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// The grammar has it, the planner does not.
    #[error("{what} is not supported")]
    Unsupported {
        /// The construct.
        what: String,
        /// Where.
        span: Span,
    },
    /// A region predicate whose left side is no interval.
    #[error("{operator} needs an interval on its left side, such as `interval` or `t.interval`")]
    NotAnInterval {
        /// The operator.
        operator: &'static str,
        /// The left side.
        span: Span,
    },
    /// A data type that is not known.
    #[error("unknown data type {name}")]
    UnknownDataType {
        /// The type.
        name: String,
        /// Where.
        span: Span,
    },
    /// A number that a data type or a sample cannot have.
    #[error("`{text}` is not a whole number that fits here")]
    NotANumber {
        /// What was written.
        text: String,
        /// Where.
        span: Span,
    },
}

impl LowerError {
    /// Where the construct stands.
    pub fn span(&self) -> Span {
        match self {
            LowerError::Unsupported { span, .. }
            | LowerError::NotAnInterval { span, .. }
            | LowerError::UnknownDataType { span, .. }
            | LowerError::NotANumber { span, .. } => *span,
        }
    }

    /// The error with the line of the text that it is in, underlined.
    pub fn render(&self, text: &str) -> String {
        render_caret(text, self.span(), &self.to_string(), None)
    }
}

impl LowerError {
    pub(super) fn unsupported(what: impl Into<String>, span: Span) -> LowerError {
        LowerError::Unsupported { what: what.into(), span }
    }
}
