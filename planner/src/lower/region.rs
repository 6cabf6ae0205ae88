//! INTERSECTS, CONTAINS and WITHIN.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{Expr, ExprKind, Ident, Quantifier, Query, RegionOperator, RegionTarget};

use super::{Lower, LowerError, Result};

/// The subquery's table and column of regions.
const REGIONS: (&str, &str) = ("__regions", "region");

/// A region predicate without its right side.
struct Predicate<'a> {
    operator: RegionOperator,
    distance: Option<&'a Expr>,
    /// What stands before `.interval` on the left.
    table: &'a [Ident],
    span: Span,
}

impl Lower<'_> {
    /// A region predicate, NOT aside.
    pub(super) fn region(
        &self,
        operand: &Expr,
        operator: RegionOperator,
        distance: Option<&Expr>,
        target: &RegionTarget,
        span: Span,
    ) -> Result<sql::Expr> {
        let Some(table) = self.interval_of(operand) else {
            let operator = match operator {
                RegionOperator::Intersects => "INTERSECTS",
                RegionOperator::Contains => "CONTAINS",
                RegionOperator::Within => "WITHIN",
            };
            return Err(LowerError::NotAnInterval { operator, span: operand.at.0 });
        };
        let predicate = Predicate { operator, distance, table, span };
        match target {
            RegionTarget::One(expr) => self.one(&predicate, expr),
            RegionTarget::List(quantifier, list) => self.list(&predicate, *quantifier, list),
            RegionTarget::Query(quantifier, query) => self.any_of_query(&predicate, *quantifier, query),
        }
    }

    /// Of an expression that is an `interval`, the parts before it; parentheses do not matter.
    pub(super) fn interval_of<'e>(&self, mut expr: &'e Expr) -> Option<&'e [Ident]> {
        while let ExprKind::Nested(inner) = &expr.kind {
            expr = inner;
        }
        match &expr.kind {
            ExprKind::Column(parts) => self.pseudo_interval(parts),
            _ => None,
        }
    }

    fn one(&self, predicate: &Predicate<'_>, target: &Expr) -> Result<sql::Expr> {
        match self.interval_of(target) {
            Some(other) => self.two_intervals(predicate, other),
            None => self.region_call(predicate, vec![self.expr(target)?]),
        }
    }

    /// Two columns of intervals: plain comparisons, which the interval join recognises.
    fn two_intervals(&self, predicate: &Predicate<'_>, other: &[Ident]) -> Result<sql::Expr> {
        let span = predicate.span;
        let left = |column| self.interval_column(predicate.table, column, span);
        let right = |column| self.interval_column(other, column, span);
        let compare = |a, operator, b| binary(a, operator, b);
        let (lower, upper) = match (predicate.operator, predicate.distance) {
            (RegionOperator::Intersects, _) => (
                compare(left("start"), sql::BinaryOperator::Lt, right("end")),
                compare(right("start"), sql::BinaryOperator::Lt, left("end")),
            ),
            (RegionOperator::Contains, _) => (
                compare(left("start"), sql::BinaryOperator::LtEq, right("start")),
                compare(right("end"), sql::BinaryOperator::LtEq, left("end")),
            ),
            (RegionOperator::Within, None) => (
                compare(right("start"), sql::BinaryOperator::LtEq, left("start")),
                compare(left("end"), sql::BinaryOperator::LtEq, right("end")),
            ),
            (RegionOperator::Within, Some(distance)) => {
                let far = |end| Ok(binary(end, sql::BinaryOperator::Plus, nested(self.expr(distance)?)));
                (
                    compare(left("start"), sql::BinaryOperator::LtEq, far(right("end"))?),
                    compare(right("start"), sql::BinaryOperator::LtEq, far(left("end"))?),
                )
            }
        };
        let same = compare(left("chrom"), sql::BinaryOperator::Eq, right("chrom"));
        let and = sql::BinaryOperator::And;
        Ok(nested(binary(binary(same, and.clone(), lower), and, upper)))
    }

    /// A call with the regions as its last arguments.
    fn region_call(&self, predicate: &Predicate<'_>, regions: Vec<sql::Expr>) -> Result<sql::Expr> {
        let mut arguments = self.interval_columns(predicate.table, predicate.span);
        let function = match (predicate.operator, predicate.distance) {
            (RegionOperator::Intersects, _) => "intersects",
            (RegionOperator::Contains, _) => "contains_region",
            (RegionOperator::Within, None) => "within_region",
            (RegionOperator::Within, Some(distance)) => {
                arguments.push(self.expr(distance)?);
                "within_distance"
            }
        };
        arguments.extend(regions);
        Ok(self.call(function, arguments, predicate.span))
    }

    fn list(&self, predicate: &Predicate<'_>, quantifier: Quantifier, list: &[Expr]) -> Result<sql::Expr> {
        let texts_only = list.iter().all(|expr| self.interval_of(expr).is_none());
        if list.is_empty() {
            return Err(LowerError::unsupported("an empty list of regions", predicate.span));
        }
        if predicate.operator == RegionOperator::Intersects && quantifier != Quantifier::All && texts_only {
            return self.region_call(predicate, self.exprs(list)?);
        }
        let operator =
            if quantifier == Quantifier::All { sql::BinaryOperator::And } else { sql::BinaryOperator::Or };
        let terms = list.iter().map(|expr| self.one(predicate, expr)).collect::<Result<Vec<_>>>()?;
        Ok(nested(super::operator::balanced(terms, &operator)))
    }

    /// `EXISTS (SELECT 1 FROM (query) AS __regions (region) WHERE …)`; ALL is NOT EXISTS … NOT.
    fn any_of_query(
        &self,
        predicate: &Predicate<'_>,
        quantifier: Quantifier,
        query: &Query,
    ) -> Result<sql::Expr> {
        let span = predicate.span;
        let (table, column) = (self.made(REGIONS.0, span), self.made(REGIONS.1, span));
        let region = sql::Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
        let mut condition = self.region_call(predicate, vec![region])?;
        let negated = quantifier == Quantifier::All;
        if negated {
            condition = sql::Expr::UnaryOp { op: sql::UnaryOperator::Not, expr: Box::new(condition) };
        }
        let alias = sql::TableAlias {
            explicit: true,
            name: table,
            columns: vec![sql::TableAliasColumnDef { name: column, data_type: None }],
            at: None,
        };
        let relation = sql::TableFactor::Derived {
            lateral: false,
            subquery: Box::new(self.query(query)?),
            alias: Some(alias),
            sample: None,
        };
        let mut select = super::select::empty_select();
        let one = sql::Value::Number("1".to_owned(), false);
        select.projection = vec![sql::SelectItem::UnnamedExpr(sql::Expr::Value(one.into()))];
        select.from = vec![sql::TableWithJoins { relation, joins: Vec::new() }];
        select.selection = Some(condition);
        let subquery = super::query::plain_query(sql::SetExpr::Select(Box::new(select)));
        Ok(sql::Expr::Exists { subquery: Box::new(subquery), negated })
    }
}

pub(super) fn nested(expr: sql::Expr) -> sql::Expr {
    sql::Expr::Nested(Box::new(expr))
}

fn binary(left: sql::Expr, op: sql::BinaryOperator, right: sql::Expr) -> sql::Expr {
    sql::Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}
