//! Where a piece of text lies, and how to show it to the reader.

use std::fmt;
use std::ops::Range;

/// A piece of the query text: byte offsets, the end not included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Byte offset of the first character.
    pub start: u32,
    /// Byte offset after the last character.
    pub end: u32,
}

impl Span {
    /// The span from `start` up to `end`, in bytes; offsets beyond 4 GiB are cut to it.
    pub fn new(start: usize, end: usize) -> Span {
        let cut = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Span { start: cut(start), end: cut(end) }
    }

    /// The same as a range of bytes.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The text under the span, or nothing where the span does not fit `text`.
    pub fn text(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// The span of a syntax tree node.
///
/// Equal to every other: two trees are equal when they say the same thing, wherever they stand.
#[derive(Clone, Copy, Default)]
pub struct At(pub Span);

impl PartialEq for At {
    fn eq(&self, _: &At) -> bool {
        true
    }
}

impl Eq for At {}

impl From<Span> for At {
    fn from(span: Span) -> At {
        At(span)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// The line and column of a byte offset; one past the end for an offset beyond the text.
pub fn line_column(text: &str, offset: usize) -> LineColumn {
    LineIndex::new(text).line_column(text, offset)
}

/// The line starts of a text, for many look-ups.
#[derive(Clone, Debug)]
pub struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Finds the lines of `text`.
    pub fn new(text: &str) -> LineIndex {
        let ends = text.bytes().enumerate().filter(|&(_, byte)| byte == b'\n').map(|(i, _)| i + 1);
        LineIndex { starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The line and column of a byte offset into the text that the index was made from.
    pub fn line_column(&self, text: &str, offset: usize) -> LineColumn {
        let line = self.starts.partition_point(|&start| start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let column = text.get(start..end).map_or(0, |before| before.chars().count()) + 1;
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        LineColumn { line: small(line), column: small(column) }
    }
}

/// The longest piece of a line that is printed under an error; longer ones are cut around the span.
const CONTEXT_CHARACTERS: usize = 100;

/// Renders a message with its place in the text:
///
/// ```text
/// error: unknown column `mapp`
///  --> line 1, column 8
///   |
/// 1 | SELECT mapp FROM reads
///   |        ^^^^ did you mean `mapq`?
/// ```
pub fn render_caret(text: &str, span: Span, message: &str, hint: Option<&str>) -> String {
    let LineColumn { line, column } = line_column(text, span.range().start);
    let mut out = format!("error: {message}\n --> line {line}, column {column}\n");
    let Some(source) = text.split('\n').nth(line as usize - 1) else { return out };
    let source = source.trim_end_matches('\r');
    let skip = (column as usize - 1).saturating_sub(CONTEXT_CHARACTERS * 2 / 3);
    let length = source.chars().count();
    let mut shown: String = source.chars().skip(skip).take(CONTEXT_CHARACTERS).collect();
    // A tab has no width of its own; printed as one space, the caret stands right.
    shown = shown.replace(|c: char| c.is_control(), " ");
    let lead = if skip > 0 { "…" } else { "" };
    let tail = if skip + CONTEXT_CHARACTERS < length { "…" } else { "" };
    let before = column as usize - 1 - skip + lead.chars().count();
    let under = span.text(text).split('\n').next().unwrap_or_default().chars().count();
    let under = under.clamp(1, (CONTEXT_CHARACTERS + 1).saturating_sub(before).max(1));
    let gutter = line.to_string();
    let margin = " ".repeat(gutter.len());
    out.push_str(&format!("{margin} |\n{gutter} | {lead}{shown}{tail}\n"));
    out.push_str(&format!("{margin} | {}{}", " ".repeat(before), "^".repeat(under)));
    if let Some(hint) = hint {
        out.push(' ');
        out.push_str(hint);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_line_and_a_column_in_characters() {
        let text = "é\nab\n";
        let check = |offset, line, column| assert_eq!(line_column(text, offset), LineColumn { line, column });
        check(0, 1, 1);
        check(2, 1, 2);
        check(3, 2, 1);
        check(5, 2, 3);
        check(6, 3, 1);
        check(99, 3, 1);
    }

    #[test]
    fn the_caret_stands_under_the_span() {
        expect_test::expect![[r#"
            error: unknown column `mapp`
             --> line 2, column 3
              |
            2 |   mapp,
              |   ^^^^ did you mean `mapq`?
        "#]]
        .assert_eq(&render_caret(
            "SELECT\n  mapp,\n",
            Span::new(9, 13),
            "unknown column `mapp`",
            Some("did you mean `mapq`?"),
        ));
    }

    #[test]
    fn a_long_line_is_cut_around_the_span() {
        let text = format!("{}x{}", "a".repeat(1000), "b".repeat(1000));
        let shown = render_caret(&text, Span::new(1000, 1001), "m", None);
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines[4].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[3].chars().nth(at), Some('x'), "{shown}");
    }
}
