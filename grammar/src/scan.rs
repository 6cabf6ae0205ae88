//! A look at the text before it is parsed: what is not closed, what is too deep, where statements end.

use crate::error::{ParseError, ParseErrorKind};
use crate::limits::Limits;
use crate::span::Span;

/// A piece of text that matters here.
pub(crate) enum Piece {
    Open(u8),
    Close(u8),
    Case,
    End,
    Semicolon,
    Other,
    Blank,
    Unclosed(&'static str),
}

/// Reads a text piece by piece; never goes back.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    pub(crate) offset: usize,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str) -> Scanner<'t> {
        Scanner { text, bytes: text.as_bytes(), offset: 0 }
    }

    fn at(&self, offset: usize) -> Option<u8> {
        self.bytes.get(offset).copied()
    }

    /// The next piece, with where it stands.
    pub(crate) fn next(&mut self) -> Option<(Piece, Span)> {
        let start = self.offset;
        let byte = self.at(start)?;
        let piece = match byte {
            b'\'' => self.quoted(b'\'', "'", false),
            b'"' => self.quoted(b'"', "\"", false),
            b'`' => self.quoted(b'`', "`", false),
            b'$' => self.dollar(),
            b'-' if self.at(start + 1) == Some(b'-') => {
                self.offset = self.find(b'\n', start).unwrap_or(self.bytes.len());
                Piece::Blank
            }
            b'/' if self.at(start + 1) == Some(b'*') => self.comment(),
            b'(' | b'[' | b'{' => self.one(Piece::Open(byte)),
            b')' | b']' | b'}' => self.one(Piece::Close(byte)),
            b';' => self.one(Piece::Semicolon),
            _ if byte.is_ascii_whitespace() => self.one(Piece::Blank),
            _ if is_word_byte(byte) => self.word(),
            _ => self.one(Piece::Other),
        };
        Some((piece, Span::new(start, self.offset)))
    }

    fn one(&mut self, piece: Piece) -> Piece {
        self.offset += 1;
        piece
    }

    fn find(&self, byte: u8, from: usize) -> Option<usize> {
        self.bytes.get(from..)?.iter().position(|&b| b == byte).map(|at| from + at)
    }

    /// A quoted text; the quote doubled stands for itself.
    fn quoted(&mut self, quote: u8, name: &'static str, escapes: bool) -> Piece {
        self.offset += 1;
        while let Some(byte) = self.at(self.offset) {
            self.offset += 1;
            if escapes && byte == b'\\' {
                self.offset += 1;
            } else if byte == quote {
                if self.at(self.offset) != Some(quote) {
                    return Piece::Other;
                }
                self.offset += 1;
            }
        }
        self.offset = self.bytes.len();
        Piece::Unclosed(name)
    }

    /// `$tag$…$tag$`, or a placeholder.
    fn dollar(&mut self) -> Piece {
        let start = self.offset;
        let mut end = start + 1;
        while self.at(end).is_some_and(|b| is_word_byte(b) && b != b'$') {
            end += 1;
        }
        if self.at(end) != Some(b'$') || self.at(start + 1).is_some_and(|b| b.is_ascii_digit()) {
            self.offset = end;
            return Piece::Other;
        }
        let tag = self.text.get(start..=end).unwrap_or_default();
        match self.text.get(end + 1..).and_then(|rest| rest.find(tag)) {
            Some(at) => {
                self.offset = end + 1 + at + tag.len();
                Piece::Other
            }
            None => {
                self.offset = self.bytes.len();
                Piece::Unclosed("$…$")
            }
        }
    }

    /// A comment, which may hold comments.
    fn comment(&mut self) -> Piece {
        let mut depth = 0_usize;
        loop {
            match (self.at(self.offset), self.at(self.offset + 1)) {
                (Some(b'/'), Some(b'*')) => {
                    depth += 1;
                    self.offset += 2;
                    // pest reads nested comments by recursion; nobody nests so many.
                    if depth > COMMENT_DEPTH_MAX {
                        return Piece::Unclosed("/*");
                    }
                }
                (Some(b'*'), Some(b'/')) => {
                    depth -= 1;
                    self.offset += 2;
                    if depth == 0 {
                        return Piece::Blank;
                    }
                }
                (Some(_), _) => self.offset += 1,
                (None, _) => return Piece::Unclosed("/*"),
            }
        }
    }

    fn word(&mut self) -> Piece {
        let start = self.offset;
        while self.at(self.offset).is_some_and(is_word_byte) {
            self.offset += 1;
        }
        let word = self.bytes.get(start..self.offset).unwrap_or_default();
        if word.eq_ignore_ascii_case(b"e") && self.at(self.offset) == Some(b'\'') {
            return self.quoted(b'\'', "'", true);
        }
        match word {
            _ if word.eq_ignore_ascii_case(b"case") => Piece::Case,
            _ if word.eq_ignore_ascii_case(b"end") => Piece::End,
            _ => Piece::Other,
        }
    }
}

/// Comments within comments that are read.
const COMMENT_DEPTH_MAX: usize = 32;

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@' | b'#') || byte >= 0x80
}

/// Refuses a text with an unclosed quote or bracket, one closed that was not open, and one nested too deeply.
pub(crate) fn check(text: &str, limits: &Limits) -> Result<(), ParseError> {
    let mut scanner = Scanner::new(text);
    let mut open: Vec<(u8, Span)> = Vec::new();
    let fail = |kind, span| Err(ParseError::new(kind, text, span));
    while let Some((piece, span)) = scanner.next() {
        match piece {
            Piece::Open(byte) => open.push((byte, span)),
            Piece::Case => open.push((b'c', span)),
            Piece::End => {
                // `end` is also a column: it closes a CASE only if one is open.
                if open.last().is_some_and(|&(byte, _)| byte == b'c') {
                    open.pop();
                }
            }
            Piece::Close(byte) => {
                while open.last().is_some_and(|&(top, _)| top == b'c') {
                    open.pop();
                }
                match open.pop() {
                    Some((top, _)) if closes(top, byte) => {}
                    Some((top, opened)) => {
                        return fail(
                            ParseErrorKind::Mismatched {
                                open: char::from(top),
                                close: char::from(byte),
                                opened,
                            },
                            span,
                        );
                    }
                    None => return fail(ParseErrorKind::Unopened(char::from(byte)), span),
                }
            }
            Piece::Semicolon => {
                if let Some(&(byte, opened)) = open.iter().find(|(byte, _)| *byte != b'c') {
                    return fail(ParseErrorKind::Unclosed(char::from(byte).to_string()), opened);
                }
                open.clear();
            }
            Piece::Unclosed(quote) => {
                return fail(
                    ParseErrorKind::Unclosed(quote.to_owned()),
                    Span::new(span.range().start, span.range().start + 1),
                );
            }
            Piece::Other | Piece::Blank => {}
        }
        if open.len() > limits.depth_max {
            return fail(ParseErrorKind::TooDeep { depth_max: limits.depth_max }, span);
        }
    }
    match open.iter().rev().find(|(byte, _)| *byte != b'c') {
        Some(&(byte, opened)) => fail(ParseErrorKind::Unclosed(char::from(byte).to_string()), opened),
        None => Ok(()),
    }
}

/// The last CASE that no END closes, if there are fewer of these.
pub(crate) fn unclosed_case(text: &str) -> Option<Span> {
    let mut scanner = Scanner::new(text);
    let mut open = Vec::new();
    while let Some((piece, span)) = scanner.next() {
        match piece {
            Piece::Case => open.push(span),
            Piece::End => drop(open.pop()),
            _ => {}
        }
    }
    open.pop()
}

fn closes(open: u8, close: u8) -> bool {
    matches!((open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}'))
}

/// The statements of a script, without their semicolons; those of nothing but blanks and comments left out.
pub fn split_statements(text: &str) -> Vec<Span> {
    let mut scanner = Scanner::new(text);
    let mut statements = Vec::new();
    let mut current: Option<Span> = None;
    while let Some((piece, span)) = scanner.next() {
        match piece {
            Piece::Semicolon => statements.extend(current.take()),
            Piece::Blank => {}
            _ => current = Some(current.map_or(span, |begun| begun.to(span))),
        }
    }
    statements.extend(current);
    statements
}

/// Whether the text ends outside of quotes and comments, and its last statement with a `;`: what a shell
/// asks before it sends. Blank text is complete.
pub fn is_complete(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    let mut complete = true;
    while let Some((piece, _)) = scanner.next() {
        match piece {
            Piece::Semicolon => complete = true,
            Piece::Blank => {}
            Piece::Unclosed(_) => return false,
            _ => complete = false,
        }
    }
    complete
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_cut_at_its_semicolons() {
        let check = |text: &str, want: &[&str]| {
            let got: Vec<&str> = split_statements(text).into_iter().map(|span| span.text(text)).collect();
            assert_eq!(got, want, "{text}");
        };
        check("", &[]);
        check(" ; ;; -- nothing\n", &[]);
        check("a; b ;", &["a", "b"]);
        check(
            "a ';' b; \"x;\"\";\"; $$;$$; $t$;$$;$t$; E'\\';'",
            &["a ';' b", "\"x;\"\";\"", "$$;$$", "$t$;$$;$t$", "E'\\';'"],
        );
        check("/* ; /* ; */ ; */ a -- ;\n b", &["a -- ;\n b"]);
        check("$1;x", &["$1", "x"]);
    }

    #[test]
    fn what_a_shell_sends() {
        let check = |text: &str, want: bool| assert_eq!(is_complete(text), want, "{text}");
        check("", true);
        check("select 1", false);
        check("select 1;", true);
        check("select 1; -- done", true);
        check("select ';", false);
        check("select 1; /* ;", false);
        check("select 1; select", false);
    }
}
