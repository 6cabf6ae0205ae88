//! Queries around their SELECT.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use genomdb_grammar::ast::{
    Cte, Limit, OrderBy, OrderItem, OrderOptions, Query, QueryBody, SetOperator, SetOperatorKind, Values,
};

use super::{Lower, LowerError, Result};

/// A query that is nothing but its body.
pub(super) fn plain_query(body: sql::SetExpr) -> sql::Query {
    sql::Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

impl Lower<'_> {
    pub(super) fn query(&self, query: &Query) -> Result<sql::Query> {
        super::with_stack(|| self.query_parts(query))
    }

    fn query_parts(&self, query: &Query) -> Result<sql::Query> {
        let mut lowered = plain_query(self.body(&query.body)?);
        if !query.ctes.is_empty() {
            lowered.with = Some(sql::With {
                with_token: AttachedToken::empty(),
                recursive: query.recursive,
                cte_tables: query.ctes.iter().map(|cte| self.cte(cte)).collect::<Result<_>>()?,
            });
        }
        lowered.order_by = query.order_by.as_ref().map(|order_by| self.order_by(order_by)).transpose()?;
        lowered.limit_clause = self.limit(&query.limit)?;
        if let Some((quantity, percent, with_ties)) = &query.limit.fetch {
            let quantity = quantity.as_ref().map(|quantity| self.expr(quantity)).transpose()?;
            lowered.fetch = Some(sql::Fetch { with_ties: *with_ties, percent: *percent, quantity });
        }
        Ok(lowered)
    }

    fn cte(&self, cte: &Cte) -> Result<sql::Cte> {
        let columns = cte.columns.iter();
        let columns =
            columns.map(|name| sql::TableAliasColumnDef { name: self.ident(name), data_type: None });
        Ok(sql::Cte {
            alias: sql::TableAlias {
                explicit: false,
                name: self.ident(&cte.name),
                columns: columns.collect(),
                at: None,
            },
            query: Box::new(self.query(&cte.query)?),
            from: None,
            materialized: cte.materialized.map(|materialized| {
                if materialized {
                    sql::CteAsMaterialized::Materialized
                } else {
                    sql::CteAsMaterialized::NotMaterialized
                }
            }),
            closing_paren_token: AttachedToken::empty(),
        })
    }

    fn body(&self, body: &QueryBody) -> Result<sql::SetExpr> {
        Ok(match body {
            QueryBody::Select(select) => sql::SetExpr::Select(Box::new(self.select(select)?)),
            QueryBody::Values(values) => sql::SetExpr::Values(self.values(values)?),
            QueryBody::Nested(query) => sql::SetExpr::Query(Box::new(self.query(query)?)),
            QueryBody::Table(name) => {
                let mut parts = name.parts.iter().rev();
                let table = parts.next().map(|part| part.folded());
                let schema = parts.next().map(|part| part.folded());
                if parts.next().is_some() {
                    return Err(LowerError::unsupported("TABLE with a name of three parts", name.at.0));
                }
                sql::SetExpr::Table(Box::new(sql::Table { table_name: table, schema_name: schema }))
            }
            QueryBody::Set { first, rest } => {
                let mut left = self.body(first)?;
                for (operator, body) in rest {
                    left = sql::SetExpr::SetOperation {
                        left: Box::new(left),
                        op: set_operator(operator.kind),
                        set_quantifier: set_quantifier(operator),
                        right: Box::new(self.body(body)?),
                    };
                }
                left
            }
        })
    }

    fn values(&self, values: &Values) -> Result<sql::Values> {
        let rows = values.rows.iter().map(|row| Ok(sql::Parens::with_empty_span(self.exprs(row)?)));
        Ok(sql::Values {
            explicit_row: values.row_word,
            value_keyword: false,
            rows: rows.collect::<Result<_>>()?,
        })
    }

    fn order_by(&self, order_by: &OrderBy) -> Result<sql::OrderBy> {
        let kind = match order_by {
            OrderBy::All(options) => sql::OrderByKind::All(order_options(*options)),
            OrderBy::Items(items) => sql::OrderByKind::Expressions(
                items.iter().map(|item| self.order_item(item)).collect::<Result<_>>()?,
            ),
        };
        Ok(sql::OrderBy { kind, interpolate: None })
    }

    pub(super) fn order_item(&self, item: &OrderItem) -> Result<sql::OrderByExpr> {
        Ok(sql::OrderByExpr {
            expr: self.expr(&item.expr)?,
            options: order_options(item.options),
            with_fill: None,
        })
    }

    fn limit(&self, limit: &Limit) -> Result<Option<sql::LimitClause>> {
        let number = limit.limit.as_ref().map(|limit| self.expr(limit)).transpose()?;
        let offset = limit.offset.as_ref().map(|offset| self.expr(offset)).transpose()?;
        Ok(match (number, offset) {
            (None, None) => None,
            (Some(number), Some(offset)) if limit.comma => {
                Some(sql::LimitClause::OffsetCommaLimit { offset, limit: number })
            }
            (number, offset) => Some(sql::LimitClause::LimitOffset {
                limit: number,
                offset: offset.map(|value| sql::Offset {
                    value,
                    rows: match limit.offset_rows {
                        Some(true) => sql::OffsetRows::Rows,
                        Some(false) => sql::OffsetRows::Row,
                        None => sql::OffsetRows::None,
                    },
                }),
                limit_by: Vec::new(),
            }),
        })
    }
}

fn order_options(options: OrderOptions) -> sql::OrderByOptions {
    sql::OrderByOptions { asc: options.ascending, nulls_first: options.nulls_first }
}

fn set_operator(kind: SetOperatorKind) -> sql::SetOperator {
    match kind {
        SetOperatorKind::Union => sql::SetOperator::Union,
        SetOperatorKind::Except => sql::SetOperator::Except,
        SetOperatorKind::Minus => sql::SetOperator::Minus,
        SetOperatorKind::Intersect => sql::SetOperator::Intersect,
    }
}

fn set_quantifier(operator: &SetOperator) -> sql::SetQuantifier {
    match (operator.all, operator.by_name) {
        (None, false) => sql::SetQuantifier::None,
        (Some(true), false) => sql::SetQuantifier::All,
        (Some(false), false) => sql::SetQuantifier::Distinct,
        (None, true) => sql::SetQuantifier::ByName,
        (Some(true), true) => sql::SetQuantifier::AllByName,
        (Some(false), true) => sql::SetQuantifier::DistinctByName,
    }
}
