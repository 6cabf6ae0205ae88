//! Literals.

use super::{Build, Result};
use crate::ast::{Literal, LiteralKind, Text};
use crate::parser::{Node, Rule};
use crate::span::At;

/// What stands between quotes, doubled quotes made single.
pub(super) fn unquote(text: &str, quote: char) -> String {
    let inner = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)).unwrap_or(text);
    if !inner.contains(quote) {
        return inner.to_owned();
    }
    let doubled: String = [quote, quote].iter().collect();
    inner.replace(&doubled, quote.encode_utf8(&mut [0; 4]))
}

impl Build<'_> {
    /// Any literal but TRUE, FALSE and NULL.
    pub(super) fn literal(&self, node: &Node<'_>) -> Result<Literal> {
        let text = node.as_str();
        let at = self.at(node);
        let kind = match node.as_rule() {
            Rule::number | Rule::signed_number => LiteralKind::Number(text.to_owned()),
            Rule::string => LiteralKind::String(unquote(text, '\'')),
            Rule::escape_string => {
                LiteralKind::EscapedString(self.escaped(text.get(1..).unwrap_or_default(), at)?)
            }
            Rule::unicode_string => {
                LiteralKind::UnicodeString(self.unicode(text.get(2..).unwrap_or_default(), at)?)
            }
            Rule::hex_string => LiteralKind::HexString(unquote(text.get(1..).unwrap_or_default(), '\'')),
            Rule::dollar_string => dollar(text),
            _ => return self.confused(node),
        };
        Ok(Literal { kind, at })
    }

    /// A string literal, as plain text.
    pub(super) fn text(&self, node: &Node<'_>) -> Result<Text> {
        let literal = self.literal(node)?;
        match literal.kind {
            LiteralKind::String(value)
            | LiteralKind::EscapedString(value)
            | LiteralKind::UnicodeString(value)
            | LiteralKind::DollarString(_, value) => Ok(Text { value, at: literal.at }),
            _ => self.confused(node),
        }
    }

    /// `'a\n'` of `E'a\n'`.
    fn escaped(&self, text: &str, at: At) -> Result<String> {
        let inner = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(text);
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    chars.next_if_eq(&'\'');
                    out.push('\'');
                }
                '\\' => match chars.next() {
                    Some('b') => out.push('\u{8}'),
                    Some('f') => out.push('\u{c}'),
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some('x') => out.push(self.code(&mut chars, 16, 1, 2, None, at)?),
                    Some('u') => out.push(self.code(&mut chars, 16, 4, 4, None, at)?),
                    Some('U') => out.push(self.code(&mut chars, 16, 8, 8, None, at)?),
                    Some(digit @ '0'..='7') => out.push(self.code(&mut chars, 8, 0, 2, Some(digit), at)?),
                    Some(other) => out.push(other),
                    None => return self.invalid(at.0, "a backslash at the end of the text"),
                },
                c => out.push(c),
            }
        }
        Ok(out)
    }

    /// `'\0061'` of `U&'\0061'`.
    fn unicode(&self, text: &str, at: At) -> Result<String> {
        let inner = unquote(text, '\'');
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
            } else if chars.next_if_eq(&'\\').is_some() {
                out.push('\\');
            } else if chars.next_if_eq(&'+').is_some() {
                out.push(self.code(&mut chars, 16, 6, 6, None, at)?);
            } else {
                out.push(self.code(&mut chars, 16, 4, 4, None, at)?);
            }
        }
        Ok(out)
    }

    /// A character by its number, of `least` to `most` further digits.
    fn code(
        &self,
        chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
        radix: u32,
        least: usize,
        most: usize,
        first: Option<char>,
        at: At,
    ) -> Result<char> {
        let mut value = first.and_then(|c| c.to_digit(radix)).unwrap_or(0);
        let mut digits = 0;
        while digits < most {
            let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix)) else { break };
            // At most eight hexadecimal digits: this cannot overflow.
            value = value.wrapping_mul(radix).wrapping_add(digit);
            digits += 1;
            chars.next();
        }
        match char::from_u32(value).filter(|&c| digits >= least && c != '\0') {
            Some(c) => Ok(c),
            None => self.invalid(at.0, "an escape that is not a character"),
        }
    }
}

/// `$tag$text$tag$`
fn dollar(text: &str) -> LiteralKind {
    let mut parts = text.splitn(3, '$');
    let tag = parts.nth(1).unwrap_or_default();
    let inner = parts.next().unwrap_or_default();
    let inner = inner.get(..inner.len().saturating_sub(tag.len() + 2)).unwrap_or_default();
    LiteralKind::DollarString((!tag.is_empty()).then(|| tag.to_owned()), inner.to_owned())
}
