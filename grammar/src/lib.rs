//! GQL: query text to an abstract syntax tree with spans.
//!
//! ```
//! let statement = genomdb_grammar::parse("select qname from reads where interval intersects 'chr1'")?;
//! assert_eq!(statement.to_string(), "SELECT qname FROM reads WHERE interval INTERSECTS 'chr1'");
//! # Ok::<(), genomdb_grammar::ParseError>(())
//! ```
//!
//! Text is hostile: its length, its depth and the parser's work are bounded ([`Limits`]), and whatever the
//! bytes, the answer is a tree or an error.

pub mod ast;
mod build;
mod display;
mod error;
mod keyword;
mod limits;
mod parser;
mod scan;
mod span;
mod suggest;
mod token;

pub use error::{ParseError, ParseErrorKind};
pub use keyword::{KEYWORDS, is_reserved};
pub use limits::Limits;
pub use scan::{is_complete, split_statements};
pub use span::{At, LineColumn, LineIndex, Span, line_column, render_caret};
pub use suggest::suggest;
pub use token::{Token, TokenKind, tokens};

use ast::{Expr, Statement};

/// Parses one statement; a `;` may follow it.
pub fn parse(text: &str) -> Result<Statement, ParseError> {
    parse_with(text, &Limits::default())
}

/// Parses one statement within other limits than the usual ones.
pub fn parse_with(text: &str, limits: &Limits) -> Result<Statement, ParseError> {
    limits.check_length(text)?;
    scan::check(text, limits)?;
    build::statement(text, Span::new(0, text.len()), limits)
}

/// Parses the statements of a script, separated by `;`. Nothing between two of them is no statement.
pub fn parse_script(text: &str) -> Result<Vec<Statement>, ParseError> {
    parse_script_with(text, &Limits::default())
}

/// Parses a script within other limits; the limit of length holds for each statement.
pub fn parse_script_with(text: &str, limits: &Limits) -> Result<Vec<Statement>, ParseError> {
    scan::check(text, limits)?;
    let statements = split_statements(text);
    statements.into_iter().map(|span| build::statement(text, span, limits)).collect()
}

/// Parses an expression on its own.
pub fn parse_expression(text: &str) -> Result<Expr, ParseError> {
    let limits = Limits::default();
    limits.check_length(text)?;
    scan::check(text, &limits)?;
    build::expression(text, &limits)
}
