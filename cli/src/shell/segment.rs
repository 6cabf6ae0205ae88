//! What was typed, cut into statements and commands that begin with `\`.

use genomdb_server::{
    Statement,
    grammar::{TokenKind, tokens},
};

/// A piece of what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Statements; the last may lack its `;`.
    Statements(String),
    /// A command from its `\` to the end of its line, and the statement before it that has no `;`, if the
    /// command is of those that take one.
    Command {
        /// The command.
        text: String,
        /// The statement before it.
        statement: Option<String>,
    },
}

/// Commands that run, or edit, the statement that stands before them.
const TAKE_STATEMENT: [&str; 5] = ["g", "gx", "watch", "e", "plot"];

/// Cuts a text. Blank lines stand for what was before a piece, so that its errors name the lines of the text.
pub(super) fn segments(text: &str) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut rest = 0;
    // Text without an end, from before commands that do not take it.
    let mut open = String::new();
    while let Some(begin) = command_at(text, rest) {
        let end = text.get(begin..).and_then(|line| line.find('\n')).map_or(text.len(), |line| begin + line);
        let command = text.get(begin..end).unwrap_or_default().trim_end();
        let before = text.get(rest..begin).unwrap_or_default();
        let (finished, unfinished) = before.split_at(finished_length(before));
        push_statements(&mut segments, text, rest, &std::mem::take(&mut open), finished);
        let takes = TAKE_STATEMENT.contains(&name(command));
        let statement = unfinished.trim();
        let statement = (takes && !statement.is_empty()).then(|| statement.to_owned());
        if statement.is_none() {
            open.push_str(unfinished);
        }
        segments.push(Segment::Command { text: command.to_owned(), statement });
        rest = end;
    }
    let last = text.get(rest..).unwrap_or_default();
    push_statements(&mut segments, text, rest, &open, last);
    segments
}

/// Whether Enter should run the text, instead of beginning another line of it.
pub(super) fn is_finished(text: &str) -> bool {
    let mut rest = 0;
    while let Some(begin) = command_at(text, rest) {
        match text.get(begin..).and_then(|line| line.find('\n')) {
            Some(line) => rest = begin + line,
            None => return true,
        }
    }
    Statement::is_complete(text.get(rest..).unwrap_or_default())
}

/// Where the next command begins: a `\` outside of quotes and comments.
pub(super) fn command_at(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    // Most texts have none, and need no second look.
    if !rest.contains('\\') {
        return None;
    }
    let operators = tokens(rest).into_iter().filter(|token| token.kind == TokenKind::Operator);
    let mut places = operators.filter_map(|token| {
        let within = token.span.text(rest).find('\\')?;
        Some(from + token.span.range().start + within)
    });
    places.next()
}

/// The name of a command, without its `\`.
pub(super) fn name(command: &str) -> &str {
    let name = command.strip_prefix('\\').unwrap_or(command);
    name.split(|character: char| character.is_whitespace() || character == ';').next().unwrap_or_default()
}

/// Where the last finished statement of a text ends.
fn finished_length(text: &str) -> usize {
    let is_end = |kind, word: &str| kind == TokenKind::Punctuation && word == ";";
    let mut ends = tokens(text).into_iter().filter(|token| is_end(token.kind, token.span.text(text)));
    ends.next_back().map_or(0, |token| token.span.range().end)
}

fn push_statements(segments: &mut Vec<Segment>, text: &str, from: usize, open: &str, statements: &str) {
    if open.trim().is_empty() && statements.trim().is_empty() {
        return;
    }
    let lines = text.get(..from).unwrap_or_default().matches('\n').count();
    let open_lines = open.matches('\n').count();
    let before = "\n".repeat(lines.saturating_sub(open_lines));
    segments.push(Segment::Statements(format!("{before}{open}{statements}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let got: Vec<_> = segments(text)
            .into_iter()
            .map(|segment| match segment {
                Segment::Statements(text) => (text, None),
                Segment::Command { text, statement } => (text, Some(statement.unwrap_or_default())),
            })
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(text, before)| ((*text).to_owned(), before.map(str::to_owned))).collect();
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn statements_and_commands() {
        check("", &[]);
        check("SELECT 1; SELECT 2", &[("SELECT 1; SELECT 2", None)]);
        check("\\dt", &[("\\dt", Some(""))]);
        check("SELECT 1 \\gx", &[("\\gx", Some("SELECT 1"))]);
        check("SELECT 1; SELECT 2\\g x", &[("SELECT 1;", None), ("\\g x", Some("SELECT 2"))]);
        check("SELECT *\\gx\nSELECT 3;", &[("\\gx", Some("SELECT *")), ("\nSELECT 3;", None)]);
        check(
            "\\timing\nSELECT 1;\n\\x\nSELECT 2",
            &[("\\timing", Some("")), ("\nSELECT 1;", None), ("\\x", Some("")), ("\n\n\nSELECT 2", None)],
        );
        // A command that takes no statement leaves it for what follows.
        check("SELECT 1\n\\dt\n+ 1;", &[("\\dt", Some("")), ("SELECT 1\n\n+ 1;", None)]);
        check("\\echo it's\nSELECT ';\\d';", &[("\\echo it's", Some("")), ("\nSELECT ';\\d';", None)]);
        check("-- \\d\nSELECT E'\\n' /* \\d */;", &[("-- \\d\nSELECT E'\\n' /* \\d */;", None)]);
    }

    #[test]
    fn what_enter_runs() {
        for (text, expected) in [
            ("", true),
            ("SELECT 1", false),
            ("SELECT 1;", true),
            ("\\d", true),
            ("SELECT 1 \\g", true),
            ("SELECT '\\g", false),
            ("SELECT (1;", true),
            ("\\d\nSELECT 1", false),
            ("\\d\nSELECT 1;", true),
        ] {
            assert_eq!(is_finished(text), expected, "{text:?}");
        }
    }
}
