//! `\copy`: rows of a table or query into a file, or a file of alignments into a table.

use std::path::Path;

use genomdb_server::{
    grammar::{Token, TokenKind, tokens},
    output::Format,
};

use crate::shell::arguments::words;

/// What `\copy` moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Copy {
    /// The rows of a query into a file.
    To {
        /// The query.
        query: String,
        /// The file.
        file: String,
        /// How it is written.
        format: Format,
    },
    /// A file of alignments into a table.
    From {
        /// The table, as it is written in statements.
        table: String,
        /// The file.
        file: String,
    },
}

const USAGE: &str = "it is \\copy {TABLE | (QUERY)} to FILE [FORMAT], or \\copy TABLE from FILE";

/// Reads what follows `\copy`.
pub(super) fn parse(text: &str) -> Result<Copy, String> {
    let tokens = tokens(text);
    let direction = direction(text, &tokens).ok_or(USAGE)?;
    let subject = text.get(..direction.span.range().start).unwrap_or_default().trim();
    let rest = words(text.get(direction.span.range().end..).unwrap_or_default())?;
    let is_query = subject.starts_with('(');
    if subject.is_empty() {
        return Err(USAGE.to_owned());
    }
    let is_to = direction.span.text(text).eq_ignore_ascii_case("to");
    match (is_to, rest.as_slice()) {
        (true, [file]) => to(subject, is_query, file, format_of(Path::new(file)).unwrap_or(Format::Tsv)),
        (true, [file, format]) => to(subject, is_query, file, format.parse()?),
        (false, [file]) if !is_query => Ok(Copy::From { table: subject.to_owned(), file: file.clone() }),
        (false, [_]) => Err("rows are loaded into a table, not into a query".to_owned()),
        _ => Err(USAGE.to_owned()),
    }
}

fn to(subject: &str, is_query: bool, file: &str, format: Format) -> Result<Copy, String> {
    let query = match is_query {
        true => subject
            .strip_prefix('(')
            .and_then(|query| query.strip_suffix(')'))
            .ok_or(USAGE)?
            .trim()
            .to_owned(),
        false => format!("SELECT * FROM {subject}"),
    };
    Ok(Copy::To { query, file: file.to_owned(), format })
}

/// The word `to` or `from` that stands outside of parentheses.
fn direction<'t>(text: &str, tokens: &'t [Token]) -> Option<&'t Token> {
    let mut depth = 0_usize;
    tokens.iter().find(|token| {
        let word = token.span.text(text);
        match (token.kind, word) {
            (TokenKind::Punctuation, "(") => depth += 1,
            (TokenKind::Punctuation, ")") => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
            && token.kind == TokenKind::Keyword
            && ["to", "from"].contains(&word.to_ascii_lowercase().as_str())
    })
}

/// A table's dataset and name, as statements take them: without quotes in lower case.
pub(in crate::shell) fn table_name(text: &str) -> Option<(Option<String>, String)> {
    let tokens = tokens(text);
    let name = |token: &Token| {
        let word = token.span.text(text);
        match token.kind {
            TokenKind::Keyword | TokenKind::Identifier => Some(word.to_lowercase()),
            TokenKind::QuotedIdentifier => {
                let quote = word.chars().next()?;
                let inner = word.strip_prefix(quote)?.strip_suffix(quote)?;
                Some(inner.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            _ => None,
        }
    };
    match tokens.as_slice() {
        [table] => Some((None, name(table)?)),
        [dataset, dot, table] if dot.span.text(text) == "." => Some((Some(name(dataset)?), name(table)?)),
        _ => None,
    }
}

/// The format that a file's name tells.
pub(in crate::shell) fn format_of(file: &Path) -> Option<Format> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "txt" => Some(Format::Table),
        "md" => Some(Format::Markdown),
        "jsonl" => Some(Format::Ndjson),
        "arrows" => Some(Format::Arrow),
        other => other.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(query: &str, file: &str, format: Format) -> Result<Copy, String> {
        Ok(Copy::To { query: query.to_owned(), file: file.to_owned(), format })
    }

    #[test]
    fn names_of_tables() {
        let check = |text: &str, expected: Option<(Option<&str>, &str)>| {
            let expected = expected.map(|(dataset, table)| (dataset.map(str::to_owned), table.to_owned()));
            assert_eq!(table_name(text), expected, "{text}");
        };
        check("Reads", Some((None, "reads")));
        check("trial.\"My \"\"reads\"", Some((Some("trial"), "My \"reads")));
        check("a.b.c", None);
        check("'a'", None);
        check("", None);
    }

    #[test]
    fn to_and_from() {
        assert_eq!(parse("reads to 'a b.csv'"), to("SELECT * FROM reads", "a b.csv", Format::Csv));
        assert_eq!(parse("d.reads TO x"), to("SELECT * FROM d.reads", "x", Format::Tsv));
        assert_eq!(
            parse("(SELECT 'to' FROM reads) to x.parquet"),
            to("SELECT 'to' FROM reads", "x.parquet", Format::Parquet)
        );
        assert_eq!(parse("reads to x ndjson"), to("SELECT * FROM reads", "x", Format::Ndjson));
        let from = Copy::From { table: "reads".to_owned(), file: "x.bam".to_owned() };
        assert_eq!(parse("reads from 'x.bam'"), Ok(from));
        for wrong in [
            "",
            "reads",
            "reads to",
            "to x",
            "reads to a b c",
            "reads to a gif",
            "(SELECT 1) from x",
            "(SELECT 1 to x",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
