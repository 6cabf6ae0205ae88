//! What is wrong with a text, where, and what may have been meant.

use std::fmt;

use pest::error::{ErrorVariant, InputLocation};

use crate::keyword::KEYWORDS;
use crate::parser::Rule;
use crate::span::{LineColumn, Span, line_column, render_caret};
use crate::suggest::suggest;

/// An error in a text, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where.
    pub span: Span,
    /// The line of its first character, from 1.
    pub line: u32,
    /// The column of its first character, from 1, in characters.
    pub column: u32,
    /// What may help.
    pub hint: Option<String>,
}

/// What is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Something stands where it cannot.
    #[error("{}", unexpected(.found, .expected))]
    Unexpected {
        /// What stands there; nothing at the end of the text.
        found: Option<String>,
        /// What could stand there, in words; the most likely first.
        expected: Vec<String>,
    },
    /// A quote, bracket or comment is never closed.
    #[error("`{0}` is never closed")]
    Unclosed(String),
    /// A bracket is closed that was not opened.
    #[error("`{0}` closes nothing")]
    Unopened(char),
    /// A bracket is closed by one of another kind.
    #[error("`{close}` does not close `{open}`")]
    Mismatched {
        /// The opening bracket.
        open: char,
        /// The closing one.
        close: char,
        /// Where the opening one stands.
        opened: Span,
    },
    /// The text is too long.
    #[error("the statement has {bytes} bytes, the most is {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The text is nested too deeply.
    #[error("nested more than {depth_max} levels deep")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// A chain of operators, joins or set operations is too long.
    #[error("a chain of {length} {what}, the most is {length_max}")]
    TooManyInChain {
        /// Of what.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The limit.
        length_max: usize,
    },
    /// The parser used up its steps.
    #[error("the statement takes too many steps to parse")]
    TooComplex,
    /// A statement that the language does not have.
    #[error("{0} is not a statement of GQL")]
    NotAStatement(String),
    /// The text has no statement.
    #[error("there is no statement")]
    Empty,
    /// Well formed, but it cannot mean anything.
    #[error("{0}")]
    Invalid(String),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.kind)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

impl ParseError {
    /// An error at a place of `text`.
    pub fn new(kind: ParseErrorKind, text: &str, span: Span) -> ParseError {
        let LineColumn { line, column } = line_column(text, span.range().start);
        ParseError { kind, span, line, column, hint: None }
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> ParseError {
        self.hint = Some(hint.into());
        self
    }

    /// The message without its place.
    pub fn message(&self) -> String {
        self.kind.to_string()
    }

    /// The error with the line of the text that it is in, underlined.
    pub fn render(&self, text: &str) -> String {
        render_caret(text, self.span, &self.message(), self.hint.as_deref())
    }

    /// Makes pest's error ours. `base` is where pest's text begins in `text`.
    pub(crate) fn from_pest(
        error: &pest::error::Error<Rule>,
        text: &str,
        statement: Span,
        depth_max: usize,
    ) -> ParseError {
        let base = statement.range().start;
        let offset = base
            + match error.location {
                InputLocation::Pos(at) => at,
                InputLocation::Span((start, _)) => start,
            };
        match &error.variant {
            ErrorVariant::CustomError { message } if message.contains("stack") => {
                ParseError::new(ParseErrorKind::TooDeep { depth_max }, text, Span::new(base, base))
            }
            ErrorVariant::CustomError { .. } => {
                ParseError::new(ParseErrorKind::TooComplex, text, Span::new(base, base))
            }
            ErrorVariant::ParsingError { positives, .. } => {
                let (found, span) = found_at(text, offset, statement.range().end);
                if offset == base {
                    return not_a_statement(text, found, span);
                }
                let expected = expectations(positives);
                let error_hint = hint(text, statement, span, found.as_deref(), positives);
                let mut error = ParseError::new(ParseErrorKind::Unexpected { found, expected }, text, span);
                error.hint = error_hint;
                error
            }
        }
    }
}

/// What stands at an offset: a word, a number or a symbol, with its span.
fn found_at(text: &str, offset: usize, end: usize) -> (Option<String>, Span) {
    let rest = text.get(offset..end).unwrap_or_default();
    let Some(first) = rest.chars().next() else { return (None, Span::new(offset, offset)) };
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let length = if is_word(first) {
        rest.find(|c: char| !is_word(c)).unwrap_or(rest.len())
    } else if first == '\'' {
        rest.get(1..).and_then(|inner| inner.find('\'')).map_or(1, |at| at + 2)
    } else {
        first.len_utf8()
    };
    let found: String = rest.get(..length).unwrap_or_default().chars().take(40).collect();
    (Some(found), Span::new(offset, offset + length))
}

/// Statements of other databases, and what to write instead.
const FOREIGN: &[(&str, &str)] = &[
    ("UPDATE", "loaded rows are never changed; drop the source and load it anew"),
    ("DELETE", "rows go with their source: DROP SOURCE 'file' FROM table"),
    ("MERGE", "rows come in by COPY table FROM 'file', or INSERT INTO table"),
    ("TRUNCATE", "use DROP SOURCE or DROP TABLE"),
    ("ALTER", "tables take their columns from what is loaded"),
    ("BEGIN", "every statement is a transaction of its own"),
    ("START", "every statement is a transaction of its own"),
    ("COMMIT", "every statement is a transaction of its own"),
    ("ROLLBACK", "every statement is a transaction of its own"),
    ("PREPARE", "prepare through the client, with $1 or $name in the text"),
    ("EXECUTE", "prepare through the client, with $1 or $name in the text"),
    ("GRANT", "there are no grants yet"),
    ("LOAD", "write COPY table FROM 'file'"),
    ("USE", "name the dataset: dataset.table"),
    ("LIST", "write SHOW TABLES"),
];

const STATEMENTS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "FROM", "TABLE", "CREATE", "DROP", "INSERT", "COPY", "SHOW", "DESCRIBE",
    "EXPLAIN", "SET", "RESET", "KILL",
];

fn not_a_statement(text: &str, found: Option<String>, span: Span) -> ParseError {
    let Some(found) = found else { return ParseError::new(ParseErrorKind::Empty, text, span) };
    let word = found.to_uppercase();
    if let Some((_, hint)) = FOREIGN.iter().find(|(name, _)| *name == word) {
        return ParseError::new(ParseErrorKind::NotAStatement(word), text, span).with_hint(*hint);
    }
    let meant = suggest(&found, STATEMENTS.iter().copied());
    let kind = ParseErrorKind::Unexpected { found: Some(found), expected: vec!["a statement".to_owned()] };
    let error = ParseError::new(kind, text, span);
    match meant {
        Some(meant) => error.with_hint(format!("did you mean {meant}?")),
        None => error.with_hint(
            "a statement begins with SELECT, WITH, COPY, SHOW, DESCRIBE, EXPLAIN, CREATE, DROP or SET",
        ),
    }
}

/// "did you mean", for the word found and for the one before it, which may have been taken for an alias.
fn hint(text: &str, statement: Span, span: Span, found: Option<&str>, positives: &[Rule]) -> Option<String> {
    let keywords: Vec<String> =
        positives.iter().filter(|rule| rule.is_keyword()).map(|&rule| words(rule)).collect();
    let mean = |word: &str| {
        let nearest = suggest(word, keywords.iter().map(String::as_str))
            .or_else(|| if word.len() > 3 { suggest(word, KEYWORDS.iter().copied()) } else { None })?;
        (!nearest.eq_ignore_ascii_case(word)).then(|| format!("did you mean {nearest}?"))
    };
    if let Some(meant) = found.and_then(mean) {
        return Some(meant);
    }
    // `SELECT a FORM t WHERE`: FORM was read as an alias, the error stands at `t`.
    let whole = statement.text(text);
    let before = text.get(statement.range().start..span.range().start)?.trim_end();
    let word = before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    let known = KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word));
    let shows = whole.get(..4).is_some_and(|first| first.eq_ignore_ascii_case("show"));
    let candidates = if shows { SHOWN } else { CLAUSES };
    if word.len() > 2
        && !known
        && let Some(meant) = suggest(word, candidates.iter().copied())
    {
        return Some(format!("did you mean {meant} instead of `{word}`?"));
    }
    if crate::scan::unclosed_case(whole).is_some() {
        return Some("CASE is closed by END".to_owned());
    }
    let names =
        |rule: &Rule| matches!(words(*rule).as_str(), "a name" | "a table" | "a column" | "an expression");
    (found.is_some_and(crate::keyword::is_reserved) && positives.iter().any(names))
        .then(|| "a reserved word is a name only in double quotes".to_owned())
}

/// What SHOW shows.
const SHOWN: &[&str] = &[
    "TABLES",
    "SOURCES",
    "SAMPLES",
    "CONTIGS",
    "HEADER",
    "COLUMNS",
    "FUNCTIONS",
    "DATASETS",
    "QUERIES",
    "REFERENCES",
    "FROM",
];

/// Words that, misspelt, read as a name.
const CLAUSES: &[&str] = &[
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "UNION",
    "WINDOW",
    "QUALIFY",
    "INTERSECTS",
    "BETWEEN",
    "LIKE",
    "INTERSECT",
    "EXCEPT",
];

/// More than these are not listed.
const EXPECTED_MAX: usize = 6;

/// What could have stood there, in words.
fn expectations(positives: &[Rule]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let plain = positives.iter().filter(|&&rule| !rule.is_keyword() && rule != Rule::EOI);
    let keywords = positives.iter().filter(|rule| rule.is_keyword());
    for &rule in plain.chain(keywords).chain(positives.iter().filter(|&&rule| rule == Rule::EOI)) {
        let name = words(rule);
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > EXPECTED_MAX {
        names.truncate(EXPECTED_MAX);
        names.push("…".to_owned());
    }
    names
}

fn unexpected(found: &Option<String>, expected: &[String]) -> String {
    let found = match found {
        Some(found) => format!("unexpected `{found}`"),
        None => "unexpected end of text".to_owned(),
    };
    match expected {
        [] => found,
        [one] => format!("{found}, expected {one}"),
        [many @ .., last] if last == "…" => format!("{found}, expected {} or others", many.join(", ")),
        [many @ .., last] => format!("{found}, expected {} or {last}", many.join(", ")),
    }
}

/// A rule in the reader's words; nothing for one that would not help.
fn words(rule: Rule) -> String {
    if rule.is_keyword() {
        return format!("{rule:?}").trim_start_matches("kw_").to_uppercase();
    }
    let name = match rule {
        Rule::expr | Rule::operand | Rule::number | Rule::paren | Rule::name_led | Rule::quoted_led => {
            "an expression"
        }
        Rule::symbol => "an operator",
        Rule::word | Rule::quoted | Rule::name | Rule::setting_name => "a name",
        Rule::string | Rule::escape_string | Rule::dollar_string | Rule::unicode_string => "a quoted text",
        Rule::query | Rule::select | Rule::query_body | Rule::query_tail => "a query",
        Rule::table_factor | Rule::joined_table | Rule::paren_table | Rule::table_name => "a table",
        Rule::data_type | Rule::type_named | Rule::type_word => "a data type",
        Rule::alias | Rule::table_alias => "AS",
        Rule::select_item | Rule::projection => "a column",
        Rule::order_item => "an expression",
        Rule::where_clause => "WHERE",
        Rule::group_by => "GROUP BY",
        Rule::order_by => "ORDER BY",
        Rule::having => "HAVING",
        Rule::limit => "LIMIT",
        Rule::offset => "OFFSET",
        Rule::fetch => "FETCH",
        Rule::from => "FROM",
        Rule::join => "JOIN",
        Rule::when => "WHEN",
        Rule::set_operator => "UNION",
        Rule::option => "an option",
        Rule::option_value => "a value",
        Rule::options => "options in parentheses",
        Rule::EOI => "the end",
        Rule::show_what => "TABLES, SOURCES, SAMPLES, CONTIGS, HEADER, COLUMNS, FUNCTIONS",
        Rule::region => "INTERSECTS",
        Rule::between => "BETWEEN",
        Rule::like => "LIKE",
        Rule::frame_bound => "a frame bound",
        Rule::copy_from => "FROM",
        Rule::copy_to => "TO",
        _ => "",
    };
    name.to_owned()
}
