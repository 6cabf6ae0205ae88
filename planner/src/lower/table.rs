//! What stands in FROM.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::ast::{
    Join, JoinConstraint, JoinKind, TableAlias, TableFactor, TableKind, TableWithJoins,
};

use super::{Lower, LowerError, Result};

impl Lower<'_> {
    pub(super) fn joined(&self, table: &TableWithJoins) -> Result<sql::TableWithJoins> {
        Ok(sql::TableWithJoins {
            relation: self.factor(&table.table)?,
            joins: table.joins.iter().map(|join| self.join(join)).collect::<Result<_>>()?,
        })
    }

    fn join(&self, join: &Join) -> Result<sql::Join> {
        use sql::JoinOperator as Op;
        let constraint = match &join.constraint {
            JoinConstraint::None => sql::JoinConstraint::None,
            JoinConstraint::On(expr) => sql::JoinConstraint::On(self.expr(expr)?),
            JoinConstraint::Using(names) => sql::JoinConstraint::Using(self.using(names)),
            JoinConstraint::Natural => sql::JoinConstraint::Natural,
        };
        let operator = match join.kind {
            JoinKind::Plain => Op::Join,
            JoinKind::Inner => Op::Inner,
            JoinKind::Left => Op::Left,
            JoinKind::LeftOuter => Op::LeftOuter,
            JoinKind::LeftSemi => Op::LeftSemi,
            JoinKind::LeftAnti => Op::LeftAnti,
            JoinKind::Right => Op::Right,
            JoinKind::RightOuter => Op::RightOuter,
            JoinKind::RightSemi => Op::RightSemi,
            JoinKind::RightAnti => Op::RightAnti,
            JoinKind::Full => Op::FullOuter,
            JoinKind::Cross => Op::CrossJoin,
            // In GQL the rows of the left table are what is asked about.
            JoinKind::Semi => Op::LeftSemi,
            JoinKind::Anti => Op::LeftAnti,
        };
        Ok(sql::Join {
            relation: self.factor(&join.table)?,
            global: false,
            join_operator: operator(constraint),
        })
    }

    fn factor(&self, factor: &TableFactor) -> Result<sql::TableFactor> {
        let alias = factor.alias.as_ref().map(|alias| self.alias(alias)).transpose()?;
        let lateral = factor.lateral;
        Ok(match &factor.kind {
            TableKind::Table(name, ordinality) if !lateral => sql::TableFactor::Table {
                name: self.object_name(name),
                alias,
                args: None,
                with_hints: Vec::new(),
                version: None,
                with_ordinality: *ordinality,
                partitions: Vec::new(),
                json_path: None,
                sample: None,
                index_hints: Vec::new(),
            },
            TableKind::Function(name, arguments, ordinality) => {
                let args = arguments.iter().map(|argument| self.argument(argument)).collect::<Result<_>>()?;
                let (name, with_ordinality) = (self.object_name(name), *ordinality);
                if lateral {
                    return Ok(sql::TableFactor::Function { lateral, name, args, with_ordinality, alias });
                }
                sql::TableFactor::Table {
                    name,
                    alias,
                    args: Some(sql::TableFunctionArgs { args, settings: None }),
                    with_hints: Vec::new(),
                    version: None,
                    with_ordinality,
                    partitions: Vec::new(),
                    json_path: None,
                    sample: None,
                    index_hints: Vec::new(),
                }
            }
            TableKind::Query(query) => sql::TableFactor::Derived {
                lateral,
                subquery: Box::new(self.query(query)?),
                alias,
                sample: None,
            },
            TableKind::Unnest(arrays, ordinality) if !lateral => sql::TableFactor::UNNEST {
                alias,
                array_exprs: self.exprs(arrays)?,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality: *ordinality,
            },
            TableKind::Unnest(arrays, ordinality) => sql::TableFactor::Function {
                lateral,
                name: sql::ObjectName::from(vec![sql::Ident::new("UNNEST")]),
                args: self.exprs(arrays)?.into_iter().map(unnamed).collect(),
                with_ordinality: *ordinality,
                alias,
            },
            TableKind::Nested(table) if !lateral => self.parenthesised(table, alias, factor)?,
            TableKind::Table(..) | TableKind::Nested(_) => {
                return Err(LowerError::unsupported(
                    "LATERAL before anything but a query or a function",
                    factor.at.0,
                ));
            }
        })
    }

    /// `(a JOIN b)`, and `(a)`, which is `a`.
    fn parenthesised(
        &self,
        table: &TableWithJoins,
        outer: Option<sql::TableAlias>,
        factor: &TableFactor,
    ) -> Result<sql::TableFactor> {
        if !table.joins.is_empty() || matches!(table.table.kind, TableKind::Nested(_)) {
            let table_with_joins = Box::new(self.joined(table)?);
            return Ok(sql::TableFactor::NestedJoin { table_with_joins, alias: outer });
        }
        let mut inner = self.factor(&table.table)?;
        let slot = match &mut inner {
            sql::TableFactor::Table { alias, .. }
            | sql::TableFactor::Derived { alias, .. }
            | sql::TableFactor::Function { alias, .. }
            | sql::TableFactor::UNNEST { alias, .. }
            | sql::TableFactor::NestedJoin { alias, .. } => alias,
            _ => return Err(LowerError::unsupported("this table in parentheses", factor.at.0)),
        };
        if outer.is_some() {
            if slot.is_some() {
                return Err(LowerError::unsupported("a second alias", factor.at.0));
            }
            *slot = outer;
        }
        Ok(inner)
    }

    fn alias(&self, alias: &TableAlias) -> Result<sql::TableAlias> {
        let columns = alias.columns.iter().map(|(name, data_type)| {
            let data_type = data_type.as_ref().map(|data_type| self.data_type(data_type)).transpose()?;
            Ok(sql::TableAliasColumnDef { name: self.ident(name), data_type })
        });
        Ok(sql::TableAlias {
            explicit: alias.explicit,
            name: self.ident(&alias.name),
            columns: columns.collect::<Result<_>>()?,
            at: None,
        })
    }
}

fn unnamed(expr: sql::Expr) -> sql::FunctionArg {
    sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expr))
}
