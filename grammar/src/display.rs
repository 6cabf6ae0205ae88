//! The canonical text of a tree: it parses to the same tree.

mod expression;
mod query;
mod statement;

use std::fmt::{self, Display, Formatter};

use crate::ast::{DataType, DataTypeKind, Ident, Literal, LiteralKind, Name, StructStyle, TimeZone};

/// Writes things with a separator between.
fn list<T: Display>(f: &mut Formatter<'_>, items: &[T], separator: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// Writes things with commas between, in parentheses.
fn parenthesised<T: Display>(f: &mut Formatter<'_>, items: &[T]) -> fmt::Result {
    f.write_str("(")?;
    list(f, items, ", ")?;
    f.write_str(")")
}

/// A text in quotes, quotes within doubled.
struct Quoted<'t>(&'t str, char);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Quoted(text, quote) = *self;
        write!(f, "{quote}")?;
        for c in text.chars() {
            if c == quote {
                write!(f, "{quote}")?;
            }
            write!(f, "{c}")?;
        }
        write!(f, "{quote}")
    }
}

impl Display for Ident {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.quote {
            Some(quote) => Quoted(&self.value, quote).fmt(f),
            None => f.write_str(&self.value),
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        list(f, &self.parts, ".")
    }
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            LiteralKind::Number(text) => f.write_str(text),
            LiteralKind::String(text) => Quoted(text, '\'').fmt(f),
            LiteralKind::EscapedString(text) => {
                f.write_str("E'")?;
                for c in text.chars() {
                    match c {
                        '\'' => f.write_str("\\'")?,
                        '\\' => f.write_str("\\\\")?,
                        c => write!(f, "{c}")?,
                    }
                }
                f.write_str("'")
            }
            LiteralKind::UnicodeString(text) => write!(f, "U&{}", Quoted(&text.replace('\\', "\\\\"), '\'')),
            LiteralKind::DollarString(tag, text) => {
                let tag = tag.as_deref().unwrap_or_default();
                write!(f, "${tag}${text}${tag}$")
            }
            LiteralKind::HexString(digits) => write!(f, "X'{digits}'"),
            LiteralKind::Boolean(true) => f.write_str("TRUE"),
            LiteralKind::Boolean(false) => f.write_str("FALSE"),
            LiteralKind::Null => f.write_str("NULL"),
        }
    }
}

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DataTypeKind::Named { name, arguments, time_zone } => named_type(f, name, arguments, *time_zone),
            DataTypeKind::Bracketed(inner, Some(size)) => write!(f, "{inner}[{size}]"),
            DataTypeKind::Bracketed(inner, None) => write!(f, "{inner}[]"),
            DataTypeKind::Array(None, _) => f.write_str("ARRAY"),
            DataTypeKind::Array(Some(inner), StructStyle::Angle) => write!(f, "ARRAY<{inner}>"),
            DataTypeKind::Array(Some(inner), StructStyle::Parenthesis) => write!(f, "ARRAY({inner})"),
            DataTypeKind::Struct(fields, style) => {
                let (open, close) = if *style == StructStyle::Angle { ('<', '>') } else { ('(', ')') };
                write!(f, "STRUCT{open}")?;
                for (i, field) in fields.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    f.write_str(comma)?;
                    field.name.iter().try_for_each(|name| write!(f, "{name} "))?;
                    field.data_type.fmt(f)?;
                }
                write!(f, "{close}")
            }
            DataTypeKind::Map(key, value) => write!(f, "MAP({key}, {value})"),
        }
    }
}

/// A named type; what stands in parentheses belongs after the first word, before UNSIGNED.
fn named_type(
    f: &mut Formatter<'_>,
    name: &str,
    arguments: &[String],
    time_zone: Option<TimeZone>,
) -> fmt::Result {
    let (head, tail) = ["UNSIGNED", "SIGNED"]
        .into_iter()
        .find_map(|word| Some((name.strip_suffix(word)?.strip_suffix(' ')?, word)))
        .unwrap_or((name, ""));
    f.write_str(head)?;
    if !arguments.is_empty() {
        parenthesised(f, arguments)?;
    }
    if !tail.is_empty() {
        write!(f, " {tail}")?;
    }
    match time_zone {
        Some(TimeZone::With) => f.write_str(" WITH TIME ZONE"),
        Some(TimeZone::Without) => f.write_str(" WITHOUT TIME ZONE"),
        None => Ok(()),
    }
}
