//! The words and symbols of a text, for those who colour, complete or cut it: editors, not the parser.

use crate::keyword::{KEYWORDS, is_reserved};
use crate::scan::{Piece, Scanner};
use crate::span::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A word of the language; most of them can be names, too.
    Keyword,
    /// A name.
    Identifier,
    /// A name in double quotes or backticks.
    QuotedIdentifier,
    /// A number.
    Number,
    /// A string, of any spelling.
    String,
    /// `$1`, `$name` or `?`.
    Parameter,
    /// `=`, `<=`, `||`, `::` and the like.
    Operator,
    /// A bracket, a comma, a dot or a semicolon.
    Punctuation,
    /// A comment.
    Comment,
}

/// A word or symbol of a text. Between two of them stands nothing but blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
    /// False if its quote or comment is never closed; it then goes to the end of the text.
    pub is_closed: bool,
}

/// Cuts a text into its words and symbols, also a text that is not finished or not GQL.
///
/// ```
/// use genomdb_grammar::{TokenKind, tokens};
///
/// let text = "SELECT 'chr1:1-";
/// let kinds: Vec<_> = tokens(text).iter().map(|token| (token.kind, token.is_closed)).collect();
/// assert_eq!(kinds, [(TokenKind::Keyword, true), (TokenKind::String, false)]);
/// ```
pub fn tokens(text: &str) -> Vec<Token> {
    let mut scanner = Scanner::new(text);
    let mut tokens: Vec<Token> = Vec::new();
    loop {
        let token = match number_end(text.as_bytes(), scanner.offset) {
            Some(end) => {
                let span = Span::new(scanner.offset, end);
                scanner.offset = end;
                Token { kind: TokenKind::Number, span, is_closed: true }
            }
            None => {
                let Some((piece, span)) = scanner.next() else { return tokens };
                let is_closed = !matches!(piece, Piece::Unclosed(_));
                let Some(kind) = kind(span.text(text)) else { continue };
                Token { kind, span, is_closed }
            }
        };
        join(text, &mut tokens, token);
    }
}

/// Adds a token, as a part of the one before it if they are one: `<` and `=`, `x` and `'1F'`.
fn join(text: &str, tokens: &mut Vec<Token>, token: Token) {
    let begun = match tokens.as_slice() {
        [.., last] if last.kind == TokenKind::Operator && token.kind == TokenKind::Operator => Some(1),
        [.., last] if token.kind == TokenKind::String && last.span.text(text).eq_ignore_ascii_case("x") => {
            Some(1)
        }
        [.., word, last] if token.kind == TokenKind::String && last.span.text(text) == "&" => {
            let touches = word.span.end == last.span.start;
            (touches && word.span.text(text).eq_ignore_ascii_case("u")).then_some(2)
        }
        _ => None,
    };
    let at = begun.and_then(|begun| tokens.len().checked_sub(begun));
    match at.and_then(|at| Some((at, tokens.get(at)?.span, tokens.last()?.span.end))) {
        Some((at, first, end)) if end == token.span.start => {
            tokens.truncate(at);
            tokens.push(Token { span: first.to(token.span), ..token });
        }
        _ => tokens.push(token),
    }
}

/// What a piece of text is; nothing for a blank.
fn kind(text: &str) -> Option<TokenKind> {
    let mut bytes = text.bytes();
    let first = bytes.next()?;
    Some(match first {
        b'\'' => TokenKind::String,
        b'e' | b'E' if bytes.next() == Some(b'\'') => TokenKind::String,
        b'"' | b'`' => TokenKind::QuotedIdentifier,
        b'-' if text.starts_with("--") => TokenKind::Comment,
        b'/' if text.starts_with("/*") => TokenKind::Comment,
        b'$' if text.get(1..).is_some_and(|rest| rest.contains('$')) => TokenKind::String,
        b'$' | b'?' => TokenKind::Parameter,
        b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b'.' | b';' => TokenKind::Punctuation,
        _ if first.is_ascii_whitespace() || text == "\u{a0}" => return None,
        _ if first.is_ascii_alphanumeric() || first == b'_' || first == b'@' || first >= 0x80 => word(text),
        _ => TokenKind::Operator,
    })
}

fn word(text: &str) -> TokenKind {
    // The list of keywords is sorted.
    let upper = text.to_ascii_uppercase();
    match KEYWORDS.binary_search(&upper.as_str()).is_ok() || is_reserved(text) {
        true => TokenKind::Keyword,
        false => TokenKind::Identifier,
    }
}

/// Where the number that begins at `start` ends, if one does.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = |offset: usize| bytes.get(offset).copied().unwrap_or_default();
    let digits = |mut offset: usize| {
        while at(offset).is_ascii_digit() {
            offset += 1;
        }
        offset
    };
    if at(start) == b'0' && matches!(at(start + 1), b'x' | b'X') && at(start + 2).is_ascii_hexdigit() {
        let mut end = start + 2;
        while at(end).is_ascii_hexdigit() {
            end += 1;
        }
        return Some(end);
    }
    let begins = at(start).is_ascii_digit() || (at(start) == b'.' && at(start + 1).is_ascii_digit());
    if !begins {
        return None;
    }
    let mut end = digits(start);
    if at(end) == b'.' {
        end = digits(end + 1);
    }
    if matches!(at(end), b'e' | b'E') {
        let sign = usize::from(matches!(at(end + 1), b'+' | b'-'));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(TokenKind, &str)]) {
        let tokens = tokens(text);
        let got: Vec<_> = tokens.iter().map(|token| (token.kind, token.span.text(text))).collect();
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn words_and_symbols() {
        use TokenKind::*;
        check(
            "SELECT tags['NM'] AS nm, x.\"a b\" <= 1.5e-3 -- why\nFROM reads;",
            &[
                (Keyword, "SELECT"),
                (Identifier, "tags"),
                (Punctuation, "["),
                (String, "'NM'"),
                (Punctuation, "]"),
                (Keyword, "AS"),
                (Identifier, "nm"),
                (Punctuation, ","),
                (Identifier, "x"),
                (Punctuation, "."),
                (QuotedIdentifier, "\"a b\""),
                (Operator, "<="),
                (Number, "1.5e-3"),
                (Comment, "-- why"),
                (Keyword, "FROM"),
                (Identifier, "reads"),
                (Punctuation, ";"),
            ],
        );
        check(
            "E'\\'' x'1F' u&'a' $$b$$ $1 $name 0x1F .5 1..2 a::b /* c /* d */ */ é",
            &[
                (String, "E'\\''"),
                (String, "x'1F'"),
                (String, "u&'a'"),
                (String, "$$b$$"),
                (Parameter, "$1"),
                (Parameter, "$name"),
                (Number, "0x1F"),
                (Number, ".5"),
                (Number, "1."),
                (Number, ".2"),
                (Identifier, "a"),
                (Operator, "::"),
                (Identifier, "b"),
                (Comment, "/* c /* d */ */"),
                (Identifier, "é"),
            ],
        );
    }

    #[test]
    fn what_is_not_closed_goes_to_the_end() {
        let last = |text: &str| tokens(text).pop().map(|token| (token.kind, token.is_closed));
        assert_eq!(last("select 'a; b"), Some((TokenKind::String, false)));
        assert_eq!(last("select /* a"), Some((TokenKind::Comment, false)));
        assert_eq!(last("select \"a"), Some((TokenKind::QuotedIdentifier, false)));
        assert_eq!(last("select 'a'"), Some((TokenKind::String, true)));
    }

    #[test]
    fn every_byte_is_in_a_token_or_blank() {
        for text in ["a\\b$c'", "\u{a0}x", "1e 1e+ $a$b", "\0\u{7}ß¬", "&'u&", "x 'a' u & 'b'"] {
            let mut rest = text.to_owned();
            for token in tokens(text).iter().rev() {
                rest.replace_range(token.span.range(), "");
            }
            assert!(rest.chars().all(char::is_whitespace), "{text:?}: {rest:?}");
        }
    }

    #[test]
    fn keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted());
    }
}
