//! What stands in FROM.

use super::{Build, Result, has};
use crate::ast::{
    Join, JoinConstraint, JoinKind, Limit, Query, QueryBody, TableAlias, TableFactor, TableKind,
    TableWithJoins,
};
use crate::parser::{Node, Rule};
use crate::span::{At, Span};

impl Build<'_> {
    /// The rule `joined_table`.
    pub(super) fn joined_table(&self, node: Node<'_>) -> Result<TableWithJoins> {
        let span = self.span(&node);
        let mut table = None;
        let mut joins = Vec::new();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::table_factor => table = Some(self.table_factor(kid)?),
                _ => joins.push(self.join(kid)?),
            }
        }
        self.check_chain("joins", joins.len(), span)?;
        match table {
            Some(table) => Ok(TableWithJoins { table, joins }),
            None => Err(self.missing(span, "a table")),
        }
    }

    fn join(&self, node: Node<'_>) -> Result<Join> {
        let at = self.at(&node);
        let (mut kind, mut table, mut constraint) = (JoinKind::Plain, None, JoinConstraint::None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_natural => constraint = JoinConstraint::Natural,
                Rule::join_kind => kind = join_kind(kid),
                Rule::table_factor => table = Some(self.table_factor(kid)?),
                Rule::on_clause | Rule::using_clause if constraint == JoinConstraint::Natural => {
                    return self.invalid(self.span(&kid), "a NATURAL JOIN takes neither ON nor USING");
                }
                Rule::on_clause => constraint = JoinConstraint::On(self.only_expr(kid)?),
                Rule::using_clause => {
                    let names = kid.into_inner().filter(|kid| kid.as_rule() == Rule::name);
                    constraint = JoinConstraint::Using(names.map(|kid| self.name(kid)).collect());
                }
                _ => {}
            }
        }
        match table {
            Some(table) => Ok(Join { kind, table, constraint, at }),
            None => Err(self.missing(at.0, "a table")),
        }
    }

    fn table_factor(&self, node: Node<'_>) -> Result<TableFactor> {
        let at = self.at(&node);
        let (mut lateral, mut kind, mut alias) = (false, None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_lateral => lateral = true,
                Rule::paren_table => kind = Some(self.paren_table(kid)?),
                Rule::unnest => {
                    let ordinality = has(&kid.clone().into_inner(), Rule::with_ordinality);
                    kind = Some(TableKind::Unnest(self.exprs(kid)?, ordinality));
                }
                Rule::values_table => kind = Some(self.values_table(kid)?),
                Rule::table_name => kind = Some(self.table_name(kid)?),
                Rule::table_alias => alias = Some(self.table_alias(kid)?),
                _ => return self.confused(&kid),
            }
        }
        match kind {
            Some(kind) => Ok(TableFactor { lateral, kind, alias, at }),
            None => Err(self.missing(at.0, "a table")),
        }
    }

    fn table_name(&self, node: Node<'_>) -> Result<TableKind> {
        let (mut name, mut arguments, mut ordinality) = (None, None, false);
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::name => name = Some(self.name(kid)),
                Rule::table_arguments => {
                    let list = kid.into_inner().map(|kid| self.argument(kid)).collect::<Result<_>>()?;
                    arguments = Some(list);
                }
                _ => ordinality = true,
            }
        }
        match (name, arguments) {
            (Some(name), None) => Ok(TableKind::Table(name, ordinality)),
            (Some(name), Some(arguments)) => Ok(TableKind::Function(name, arguments, ordinality)),
            _ => self.confused(&node),
        }
    }

    fn values_table(&self, node: Node<'_>) -> Result<TableKind> {
        let span = self.span(&node);
        match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::values) {
            Some(values) => {
                Ok(TableKind::Query(Box::new(plain(QueryBody::Values(self.values(values)?), span))))
            }
            None => self.confused(&node),
        }
    }

    /// `(query)`, `(a JOIN b)`, `((query) UNION …)`.
    fn paren_table(&self, node: Node<'_>) -> Result<TableKind> {
        let span = self.span(&node);
        let inner = Span::new(span.range().start + 1, span.range().end.saturating_sub(1));
        let (mut table, mut tail) = (None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::query => return Ok(TableKind::Query(Box::new(self.query(kid)?))),
                Rule::joined_table => table = Some(self.nest(span, || self.joined_table(kid))?),
                Rule::query_tail => tail = Some(kid),
                _ => return self.confused(&kid),
            }
        }
        let Some(table) = table else { return Err(self.missing(inner, "a table")) };
        let bare = table.joins.is_empty() && table.table.alias.is_none() && !table.table.lateral;
        match (table.table.kind, tail) {
            (TableKind::Query(query), Some(tail)) if bare => {
                Ok(TableKind::Query(Box::new(self.query_with_tail(QueryBody::Nested(query), tail, inner)?)))
            }
            (_, Some(tail)) => {
                self.invalid(self.span(&tail), "a set operation needs a query on its left side")
            }
            (TableKind::Query(query), None) if bare => {
                Ok(TableKind::Query(Box::new(plain(QueryBody::Nested(query), inner))))
            }
            (kind, None) => {
                let table = TableWithJoins { table: TableFactor { kind, ..table.table }, joins: table.joins };
                Ok(TableKind::Nested(Box::new(table)))
            }
        }
    }

    fn table_alias(&self, node: Node<'_>) -> Result<TableAlias> {
        let explicit = has(&node.clone().into_inner(), Rule::kw_as);
        let name = self.first_ident(&node)?;
        let columns = node.into_inner().find(|kid| kid.as_rule() == Rule::alias_columns);
        let columns = columns.map(|kid| kid.into_inner().map(|kid| self.alias_column(kid)).collect());
        Ok(TableAlias { name, explicit, columns: columns.transpose()?.unwrap_or_default() })
    }

    fn alias_column(&self, node: Node<'_>) -> Result<(crate::ast::Ident, Option<crate::ast::DataType>)> {
        let name = self.first_ident(&node)?;
        let data_type = node.into_inner().find(|kid| kid.as_rule() == Rule::data_type);
        Ok((name, data_type.map(|kid| self.data_type(kid)).transpose()?))
    }
}

/// A query that is nothing but its body.
pub(super) fn plain(body: QueryBody, span: Span) -> Query {
    Query { recursive: false, ctes: Vec::new(), body, order_by: None, limit: Limit::default(), at: At(span) }
}

fn join_kind(node: Node<'_>) -> JoinKind {
    let words = node.into_inner();
    let is = |rule| has(&words, rule);
    let (outer, semi, anti) = (is(Rule::kw_outer), is(Rule::kw_semi), is(Rule::kw_anti));
    if is(Rule::kw_left) {
        match (outer, semi, anti) {
            (true, ..) => JoinKind::LeftOuter,
            (_, true, _) => JoinKind::LeftSemi,
            (.., true) => JoinKind::LeftAnti,
            _ => JoinKind::Left,
        }
    } else if is(Rule::kw_right) {
        match (outer, semi, anti) {
            (true, ..) => JoinKind::RightOuter,
            (_, true, _) => JoinKind::RightSemi,
            (.., true) => JoinKind::RightAnti,
            _ => JoinKind::Right,
        }
    } else if is(Rule::kw_full) {
        JoinKind::Full
    } else if is(Rule::kw_cross) {
        JoinKind::Cross
    } else if semi {
        JoinKind::Semi
    } else if anti {
        JoinKind::Anti
    } else {
        JoinKind::Inner
    }
}
