//! Colours: words by what they are, and the bracket that belongs to the one at the cursor.

use genomdb_server::grammar::{Token, TokenKind, tokens};
use reedline::{Color, Highlighter, StyledText};

use super::segment;

/// Colours what is typed.
pub(super) struct GqlHighlighter;

impl Highlighter for GqlHighlighter {
    fn highlight(&self, line: &str, cursor: usize) -> StyledText {
        let mut styled = StyledText::new();
        for (text, look) in pieces(line, cursor) {
            let style = match look {
                Look::Plain => Color::Default.normal(),
                Look::Keyword => Color::Blue.bold(),
                Look::String => Color::Green.normal(),
                Look::Number => Color::Cyan.normal(),
                Look::Parameter => Color::Magenta.normal(),
                Look::Comment => Color::DarkGray.italic(),
                Look::Command => Color::Yellow.normal(),
                Look::Bracket => Color::Default.bold().underline(),
                Look::Unclosed => Color::Red.normal(),
            };
            styled.push((style, text.to_owned()));
        }
        styled
    }
}

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Plain,
    Keyword,
    String,
    Number,
    Parameter,
    Comment,
    Command,
    /// One of the two brackets at the cursor.
    Bracket,
    /// A quote that is never closed.
    Unclosed,
}

/// The text in pieces that look alike; together they are the text.
fn pieces(text: &str, cursor: usize) -> Vec<(&str, Look)> {
    let end = segment::command_at(text, 0).unwrap_or(text.len());
    let (statement, command) = text.split_at(end);
    let tokens = tokens(statement);
    let brackets = brackets(statement, &tokens, cursor);
    let mut pieces = Vec::new();
    let mut at = 0;
    for token in &tokens {
        let range = token.span.range();
        pieces.push((statement.get(at..range.start).unwrap_or_default(), Look::Plain));
        let look = match token.kind {
            _ if !token.is_closed && token.kind != TokenKind::Comment => Look::Unclosed,
            TokenKind::Keyword => Look::Keyword,
            TokenKind::String => Look::String,
            TokenKind::Number => Look::Number,
            TokenKind::Parameter => Look::Parameter,
            TokenKind::Comment => Look::Comment,
            TokenKind::Punctuation if brackets.contains(&range.start) => Look::Bracket,
            TokenKind::Identifier
            | TokenKind::QuotedIdentifier
            | TokenKind::Operator
            | TokenKind::Punctuation => Look::Plain,
        };
        pieces.push((statement.get(range.clone()).unwrap_or_default(), look));
        at = range.end;
    }
    pieces.push((statement.get(at..).unwrap_or_default(), Look::Plain));
    pieces.push((command, Look::Command));
    pieces.retain(|(piece, _)| !piece.is_empty());
    pieces
}

/// Where the bracket at the cursor, or just before it, and the one that belongs to it stand.
fn brackets(text: &str, tokens: &[Token], cursor: usize) -> Vec<usize> {
    let mut open: Vec<(usize, &str)> = Vec::new();
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Punctuation) {
        let place = token.span.range().start;
        let closes = match token.span.text(text) {
            bracket @ ("(" | "[" | "{") => {
                open.push((place, bracket));
                continue;
            }
            ")" => "(",
            "]" => "[",
            "}" => "{",
            _ => continue,
        };
        let touches = |place: usize| cursor == place || cursor == place + 1;
        match open.pop() {
            Some((opened, bracket)) if bracket == closes => {
                if touches(opened) || touches(place) {
                    return vec![opened, place];
                }
            }
            // Brackets that do not belong together are an error of their own.
            _ => return Vec::new(),
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_look_as_what_they_are() {
        use Look::*;
        let looks = |text: &'static str, cursor| {
            let pieces = pieces(text, cursor);
            assert_eq!(pieces.iter().map(|(piece, _)| *piece).collect::<Vec<_>>().concat(), text);
            pieces.into_iter().filter(|(piece, _)| !piece.trim().is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(
            looks("SELECT max(1), 'a' -- b", 0),
            [
                ("SELECT", Keyword),
                ("max", Plain),
                ("(", Plain),
                ("1", Number),
                (")", Plain),
                (",", Plain),
                ("'a'", String),
                ("-- b", Comment),
            ]
        );
        assert_eq!(
            looks("f([1])", 6),
            [("f", Plain), ("(", Bracket), ("[", Plain), ("1", Number), ("]", Plain), (")", Bracket)]
        );
        assert_eq!(looks("f(]", 2), [("f", Plain), ("(", Plain), ("]", Plain)]);
        assert_eq!(looks("$1 'a", 0), [("$1", Parameter), ("'a", Unclosed)]);
        assert_eq!(looks("a \\gx", 0), [("a", Plain), ("\\gx", Command)]);
    }
}
