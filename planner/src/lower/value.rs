//! Literals, and the names that are not plain columns.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{Ident, Literal, LiteralKind};

use super::{Lower, Result};

/// Columns whose fields keep their case: `tags.NM` is not `tags.nm`.
const FIELD_COLUMNS: &[&str] = &["tags", "info", "attributes"];

/// Functions of SQL that are called without parentheses.
const CALLS_WITHOUT_PARENTHESES: &[&str] =
    &["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

impl Lower<'_> {
    pub(super) fn literal(&self, literal: &Literal) -> sql::ValueWithSpan {
        let value = match &literal.kind {
            LiteralKind::Number(text) => match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                Some(digits) => sql::Value::HexStringLiteral(digits.to_owned()),
                None => sql::Value::Number(text.clone(), false),
            },
            LiteralKind::String(text) => sql::Value::SingleQuotedString(text.clone()),
            LiteralKind::EscapedString(text) => sql::Value::EscapedStringLiteral(text.clone()),
            LiteralKind::UnicodeString(text) => sql::Value::UnicodeStringLiteral(text.clone()),
            LiteralKind::DollarString(tag, text) => sql::Value::DollarQuotedString(sql::DollarQuotedString {
                value: text.clone(),
                tag: tag.clone(),
            }),
            LiteralKind::HexString(digits) => sql::Value::HexStringLiteral(digits.clone()),
            LiteralKind::Boolean(value) => sql::Value::Boolean(*value),
            LiteralKind::Null => sql::Value::Null,
        };
        sql::ValueWithSpan { value, span: self.span(literal.at.0) }
    }

    pub(super) fn text_value(&self, text: &str, span: Span) -> sql::ValueWithSpan {
        sql::ValueWithSpan { value: sql::Value::SingleQuotedString(text.to_owned()), span: self.span(span) }
    }

    /// A dotted name in an expression.
    pub(super) fn column(&self, parts: &[Ident], span: Span) -> Result<sql::Expr> {
        if let Some(table) = self.pseudo_interval(parts) {
            return Ok(self.call("region", self.interval_columns(table, span), span));
        }
        let mut idents = self.column_idents(parts);
        if idents.len() > 1 {
            return Ok(sql::Expr::CompoundIdentifier(idents));
        }
        let Some(ident) = idents.pop() else {
            return Err(super::LowerError::unsupported("an empty name", span));
        };
        let called = ident.quote_style.is_none()
            && CALLS_WITHOUT_PARENTHESES.iter().any(|name| name.eq_ignore_ascii_case(&ident.value));
        if called {
            return Ok(sql::Expr::Function(sql::Function {
                name: sql::ObjectName::from(vec![ident]),
                uses_odbc_syntax: false,
                parameters: sql::FunctionArguments::None,
                args: sql::FunctionArguments::None,
                filter: None,
                null_treatment: None,
                over: None,
                within_group: Vec::new(),
            }));
        }
        Ok(sql::Expr::Identifier(ident))
    }

    /// The parts of a column's name: `stop` is `end`, and fields of tags keep their case.
    pub(super) fn column_idents(&self, parts: &[Ident]) -> Vec<sql::Ident> {
        let mut idents: Vec<sql::Ident> = parts.iter().map(|part| self.ident(part)).collect();
        let fields = parts.iter().enumerate().position(|(at, part)| {
            let known = FIELD_COLUMNS.iter().any(|name| part.is(name));
            // `t.info.AF`; deeper down `info` is some field of another column.
            part.quote.is_none() && known && at <= 1 && !self.names.has_table(&part.folded())
        });
        if let Some(at) = fields {
            idents.iter_mut().skip(at + 1).filter(|ident| ident.quote_style.is_none()).for_each(|ident| {
                ident.quote_style = Some('"');
            });
        } else if let (Some(last), Some(ident)) = (parts.last(), idents.last_mut())
            && last.is("stop")
            && !self.names.has_column("stop")
        {
            ident.value = "end".to_owned();
        }
        idents
    }

    /// Of the pseudo-column `interval` or `t.interval`, the parts before it.
    pub(super) fn pseudo_interval<'p>(&self, parts: &'p [Ident]) -> Option<&'p [Ident]> {
        match parts.split_last() {
            Some((last, table)) if last.is("interval") && !self.names.has_column("interval") => Some(table),
            _ => None,
        }
    }

    /// The three columns that an interval is made of.
    pub(super) fn interval_columns(&self, table: &[Ident], span: Span) -> Vec<sql::Expr> {
        ["chrom", "start", "end"]
            .into_iter()
            .map(|column| self.interval_column(table, column, span))
            .collect()
    }

    pub(super) fn interval_column(&self, table: &[Ident], column: &str, span: Span) -> sql::Expr {
        let column = self.made(column, span);
        if table.is_empty() {
            return sql::Expr::Identifier(column);
        }
        let parts = table.iter().map(|part| self.ident(part)).chain(std::iter::once(column));
        sql::Expr::CompoundIdentifier(parts.collect())
    }
}
