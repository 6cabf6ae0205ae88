//! From GQL's syntax tree to sqlparser's, which is only a carrier here: its parser is never called.
//!
//! The SQL core is carried over one to one. What GQL adds is rewritten into plain SQL and calls of the
//! functions below, which the session must provide:
//!
//! | GQL | becomes |
//! |---|---|
//! | `t.interval INTERSECTS 'r'` (also `$1`, any text expression) | `intersects(t.chrom, t.start, t."end", 'r')` |
//! | `… INTERSECTS ANY('r', 's', …)` | `intersects(t.chrom, t.start, t."end", 'r', 's', …)` |
//! | `… INTERSECTS ALL('r', 's')` | `intersects(…, 'r') AND intersects(…, 's')` |
//! | `… INTERSECTS ANY(SELECT …)` | `EXISTS (SELECT 1 FROM (SELECT …) AS __regions (region) WHERE intersects(…, __regions.region))` |
//! | `… INTERSECTS ALL(SELECT …)` | `NOT EXISTS (… WHERE NOT intersects(…, __regions.region))` |
//! | `a.interval INTERSECTS b.interval` | `a.chrom = b.chrom AND a.start < b."end" AND b.start < a."end"` |
//! | `… CONTAINS 'r'` | `contains_region(chrom, start, "end", 'r')`: the region lies inside the interval |
//! | `a.interval CONTAINS b.interval` | `a.chrom = b.chrom AND a.start <= b.start AND b."end" <= a."end"` |
//! | `… WITHIN 'r'` | `within_region(chrom, start, "end", 'r')`: the interval lies inside the region |
//! | `a.interval WITHIN b.interval` | `b.interval CONTAINS a.interval` |
//! | `… WITHIN n OF 'r'` | `within_distance(chrom, start, "end", n, 'r')`: the gap is at most `n` bases |
//! | `a.interval WITHIN n OF b.interval` | `a.chrom = b.chrom AND a.start <= b."end" + n AND b.start <= a."end" + n` |
//! | `NOT INTERSECTS` and the like | `NOT (…)` |
//! | `interval` elsewhere | `region(chrom, start, "end")`, the region as text |
//! | `overlap_bp(a.interval, b.interval)`, `intersects(interval, 'r')`, … | each interval becomes three arguments |
//! | `stop` | `"end"` |
//! | `tags.NM`, `tags['NM']`, `info.AF` | a field of that very name: `get_field(tags, 'NM')` |
//!
//! `ANY` and `ALL` work with `CONTAINS`, `WITHIN` and `WITHIN n OF` in the same way, as OR and AND of calls.
//! The functions needed are therefore `intersects(chrom, start, end, region, …)`,
//! `contains_region(chrom, start, end, region)`, `within_region(chrom, start, end, region)`,
//! `within_distance(chrom, start, end, distance, region)` and `region(chrom, start, end)`; a NULL contig
//! gives what the region `*` means for it.
//!
//! A query that itself gives the name `stop` or `interval` to a column means that column; the same holds for
//! a table named like a tag column.
//!
//! Long chains of AND and of OR become balanced trees: DataFusion walks expressions by recursion, and a chain
//! of 10,000 terms must not be 10,000 deep.

mod call;
mod data_type;
mod error;
mod expression;
mod names;
mod operator;
mod query;
mod region;
mod select;
mod table;
mod value;

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::tokenizer::{Location, Span as SqlSpan};
use genomdb_grammar::ast::{Expr, Ident, Name, Query};
use genomdb_grammar::{LineIndex, Span};

pub use error::LowerError;
use names::Names;

type Result<T> = std::result::Result<T, LowerError>;

/// Lowers a query; `text` is what it was parsed from, so that places carry over.
pub fn lower_query(query: &Query, text: &str) -> Result<sql::Statement> {
    let lower = Lower { text, lines: LineIndex::new(text), names: Names::of(query) };
    Ok(sql::Statement::Query(Box::new(lower.query(query)?)))
}

/// Lowers an expression on its own.
pub fn lower_expression(expr: &Expr, text: &str) -> Result<sql::Expr> {
    let lower = Lower { text, lines: LineIndex::new(text), names: Names::default() };
    lower.expr(expr)
}

/// Runs one level of the recursion, on a new piece of stack where the present one is nearly used up.
///
/// The grammar bounds the depth, but a level of sqlparser's tree takes tens of kilobytes of stack in a debug
/// build, and the caller's thread may be a small one.
fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(256 << 10, 2 << 20, level)
}

/// What every lowering function needs to know.
struct Lower<'t> {
    text: &'t str,
    lines: LineIndex,
    names: Names,
}

impl Lower<'_> {
    /// Our span as sqlparser's: lines and columns from 1, the end included as it means it.
    fn span(&self, span: Span) -> SqlSpan {
        let location = |offset: usize| {
            let place = self.lines.line_column(self.text, offset);
            Location::new(u64::from(place.line), u64::from(place.column))
        };
        SqlSpan::new(location(span.range().start), location(span.range().end))
    }

    fn ident(&self, ident: &Ident) -> sql::Ident {
        sql::Ident { value: ident.value.clone(), quote_style: ident.quote, span: self.span(ident.at.0) }
    }

    /// A name of ours, where the query had another construct.
    fn made(&self, value: &str, span: Span) -> sql::Ident {
        sql::Ident { value: value.to_owned(), quote_style: Some('"'), span: self.span(span) }
    }

    fn object_name(&self, name: &Name) -> sql::ObjectName {
        let parts = name.parts.iter().map(|part| sql::ObjectNamePart::Identifier(self.ident(part)));
        sql::ObjectName(parts.collect())
    }

    fn boxed(&self, expr: &Expr) -> Result<Box<sql::Expr>> {
        Ok(Box::new(self.expr(expr)?))
    }

    fn exprs(&self, list: &[Expr]) -> Result<Vec<sql::Expr>> {
        list.iter().map(|expr| self.expr(expr)).collect()
    }

    fn maybe(&self, expr: Option<&Expr>) -> Result<Option<Box<sql::Expr>>> {
        expr.map(|expr| self.boxed(expr)).transpose()
    }
}
