//! The text of queries.

use std::fmt::{self, Display, Formatter};

use super::{Quoted, list, parenthesised};
use crate::ast::{
    Cte, Distinct, GroupBy, Grouping, Join, JoinConstraint, JoinKind, Limit, NamedWindow, OrderBy, OrderItem,
    OrderOptions, Query, QueryBody, Select, SelectItem, SetOperator, SetOperatorKind, StarOptions,
    TableAlias, TableFactor, TableKind, TableWithJoins, Values,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.ctes.is_empty() {
            f.write_str(if self.recursive { "WITH RECURSIVE " } else { "WITH " })?;
            list(f, &self.ctes, ", ")?;
            f.write_str(" ")?;
        }
        self.body.fmt(f)?;
        self.order_by.iter().try_for_each(|order_by| write!(f, " {order_by}"))?;
        self.limit.fmt(f)
    }
}

impl Display for Cte {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if !self.columns.is_empty() {
            f.write_str(" ")?;
            parenthesised(f, &self.columns)?;
        }
        let materialized = match self.materialized {
            Some(true) => "MATERIALIZED ",
            Some(false) => "NOT MATERIALIZED ",
            None => "",
        };
        write!(f, " AS {materialized}({})", self.query)
    }
}

impl Display for QueryBody {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            QueryBody::Select(select) => select.fmt(f),
            QueryBody::Values(values) => values.fmt(f),
            QueryBody::Table(name) => write!(f, "TABLE {name}"),
            QueryBody::Nested(query) => write!(f, "({query})"),
            QueryBody::Set { first, rest } => {
                first.fmt(f)?;
                rest.iter().try_for_each(|(operator, body)| write!(f, " {operator} {body}"))
            }
        }
    }
}

impl Display for SetOperator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SetOperatorKind::Union => "UNION",
            SetOperatorKind::Except => "EXCEPT",
            SetOperatorKind::Minus => "MINUS",
            SetOperatorKind::Intersect => "INTERSECT",
        })?;
        f.write_str(match self.all {
            Some(true) => " ALL",
            Some(false) => " DISTINCT",
            None => "",
        })?;
        f.write_str(if self.by_name { " BY NAME" } else { "" })
    }
}

impl Display for Values {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("VALUES ")?;
        for (i, row) in self.rows.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            f.write_str(if self.row_word { "ROW" } else { "" })?;
            parenthesised(f, row)?;
        }
        Ok(())
    }
}

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let from = |f: &mut Formatter<'_>| {
            f.write_str("FROM ")?;
            list(f, &self.from, ", ")
        };
        let mut begun = false;
        if self.from_first {
            from(f)?;
            begun = true;
        }
        if self.select_word {
            f.write_str(if begun { " SELECT" } else { "SELECT" })?;
            match &self.distinct {
                Some(Distinct::All) => f.write_str(" ALL")?,
                Some(Distinct::Distinct) => f.write_str(" DISTINCT")?,
                Some(Distinct::On(keys)) => {
                    f.write_str(" DISTINCT ON ")?;
                    parenthesised(f, keys)?;
                }
                None => {}
            }
            if !self.items.is_empty() {
                f.write_str(" ")?;
                list(f, &self.items, ", ")?;
            }
        }
        if !self.from_first && !self.from.is_empty() {
            f.write_str(" ")?;
            from(f)?;
        }
        self.predicate.iter().try_for_each(|predicate| write!(f, " WHERE {predicate}"))?;
        self.group_by.iter().try_for_each(|group_by| write!(f, " {group_by}"))?;
        self.having.iter().try_for_each(|having| write!(f, " HAVING {having}"))?;
        let qualify = |f: &mut Formatter<'_>| {
            self.qualify.iter().try_for_each(|qualify| write!(f, " QUALIFY {qualify}"))
        };
        if !self.windows_first {
            qualify(f)?;
        }
        if !self.windows.is_empty() {
            f.write_str(" WINDOW ")?;
            list(f, &self.windows, ", ")?;
        }
        if self.windows_first { qualify(f) } else { Ok(()) }
    }
}

impl Display for SelectItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            SelectItem::Expr(expr, alias) => {
                expr.fmt(f)?;
                alias.iter().try_for_each(|alias| write!(f, " AS {alias}"))
            }
            SelectItem::Star(options, _) => write!(f, "*{options}"),
            SelectItem::QualifiedStar(name, options) => write!(f, "{name}.*{options}"),
        }
    }
}

impl Display for StarOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.ilike.iter().try_for_each(|pattern| write!(f, " ILIKE {}", Quoted(pattern, '\'')))?;
        match &self.exclude {
            Some((names, true)) => {
                f.write_str(" EXCLUDE ")?;
                parenthesised(f, names)?;
            }
            Some((names, false)) => {
                f.write_str(" EXCLUDE ")?;
                list(f, names, ", ")?;
            }
            None => {}
        }
        if let Some(names) = &self.except {
            f.write_str(" EXCEPT ")?;
            parenthesised(f, names)?;
        }
        if let Some(items) = &self.replace {
            let word = |explicit: &bool| if *explicit { "AS " } else { "" };
            let items: Vec<String> =
                items.iter().map(|(x, name, explicit)| format!("{x} {}{name}", word(explicit))).collect();
            f.write_str(" REPLACE ")?;
            parenthesised(f, &items)?;
        }
        if let Some((items, in_parentheses)) = &self.rename {
            let items: Vec<String> = items.iter().map(|(from, to)| format!("{from} AS {to}")).collect();
            f.write_str(" RENAME ")?;
            if *in_parentheses { parenthesised(f, &items)? } else { list(f, &items, ", ")? }
        }
        Ok(())
    }
}

impl Display for TableWithJoins {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)?;
        self.joins.iter().try_for_each(|join| write!(f, " {join}"))
    }
}

impl Display for Join {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let natural = if self.constraint == JoinConstraint::Natural { "NATURAL " } else { "" };
        write!(f, "{natural}{} {}", self.kind, self.table)?;
        match &self.constraint {
            JoinConstraint::On(expr) => write!(f, " ON {expr}"),
            JoinConstraint::Using(names) => {
                f.write_str(" USING ")?;
                parenthesised(f, names)
            }
            JoinConstraint::None | JoinConstraint::Natural => Ok(()),
        }
    }
}

impl Display for JoinKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            JoinKind::Plain => "JOIN",
            JoinKind::Inner => "INNER JOIN",
            JoinKind::Left => "LEFT JOIN",
            JoinKind::LeftOuter => "LEFT OUTER JOIN",
            JoinKind::LeftSemi => "LEFT SEMI JOIN",
            JoinKind::LeftAnti => "LEFT ANTI JOIN",
            JoinKind::Right => "RIGHT JOIN",
            JoinKind::RightOuter => "RIGHT OUTER JOIN",
            JoinKind::RightSemi => "RIGHT SEMI JOIN",
            JoinKind::RightAnti => "RIGHT ANTI JOIN",
            JoinKind::Full => "FULL JOIN",
            JoinKind::Cross => "CROSS JOIN",
            JoinKind::Semi => "SEMI JOIN",
            JoinKind::Anti => "ANTI JOIN",
        })
    }
}

impl Display for TableFactor {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.lateral { "LATERAL " } else { "" })?;
        let ordinality = |on: bool| if on { " WITH ORDINALITY" } else { "" };
        match &self.kind {
            TableKind::Table(name, on) => write!(f, "{name}{}", ordinality(*on))?,
            TableKind::Function(name, arguments, on) => {
                name.fmt(f)?;
                parenthesised(f, arguments)?;
                f.write_str(ordinality(*on))?;
            }
            TableKind::Query(query) => write!(f, "({query})")?,
            TableKind::Unnest(arrays, on) => {
                f.write_str("UNNEST")?;
                parenthesised(f, arrays)?;
                f.write_str(ordinality(*on))?;
            }
            TableKind::Nested(table) => write!(f, "({table})")?,
        }
        self.alias.iter().try_for_each(|alias| write!(f, " {alias}"))
    }
}

impl Display for TableAlias {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.explicit { "AS " } else { "" }, self.name)?;
        if self.columns.is_empty() {
            return Ok(());
        }
        let column = |(name, data_type): &(crate::ast::Ident, Option<crate::ast::DataType>)| match data_type {
            Some(data_type) => format!("{name} {data_type}"),
            None => name.to_string(),
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        f.write_str(" ")?;
        parenthesised(f, &columns)
    }
}

impl Display for GroupBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("GROUP BY ")?;
        match self {
            GroupBy::All => f.write_str("ALL"),
            GroupBy::Items(items) => list(f, items, ", "),
        }
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Grouping::Expr(expr) => expr.fmt(f),
            Grouping::Sets(sets) => {
                f.write_str("GROUPING SETS ")?;
                parenthesised(f, sets)
            }
            Grouping::Rollup(items) => {
                f.write_str("ROLLUP ")?;
                parenthesised(f, items)
            }
            Grouping::Cube(items) => {
                f.write_str("CUBE ")?;
                parenthesised(f, items)
            }
        }
    }
}

impl Display for NamedWindow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} AS {}", self.name, self.window)
    }
}

impl Display for OrderBy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("ORDER BY ")?;
        match self {
            OrderBy::All(options) => write!(f, "ALL{options}"),
            OrderBy::Items(items) => list(f, items, ", "),
        }
    }
}

impl Display for OrderItem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expr, self.options)
    }
}

impl Display for OrderOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self.ascending {
            Some(true) => " ASC",
            Some(false) => " DESC",
            None => "",
        })?;
        f.write_str(match self.nulls_first {
            Some(true) => " NULLS FIRST",
            Some(false) => " NULLS LAST",
            None => "",
        })
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let (true, Some(offset), Some(limit)) = (self.comma, &self.offset, &self.limit) {
            return write!(f, " LIMIT {offset}, {limit}");
        }
        if self.limit_all {
            f.write_str(" LIMIT ALL")?;
        }
        self.limit.iter().try_for_each(|limit| write!(f, " LIMIT {limit}"))?;
        let rows = match self.offset_rows {
            Some(true) => " ROWS",
            Some(false) => " ROW",
            None => "",
        };
        self.offset.iter().try_for_each(|offset| write!(f, " OFFSET {offset}{rows}"))?;
        if let Some((quantity, percent, with_ties)) = &self.fetch {
            f.write_str(" FETCH FIRST")?;
            quantity.iter().try_for_each(|quantity| write!(f, " {quantity}"))?;
            f.write_str(if *percent { " PERCENT" } else { "" })?;
            f.write_str(if *with_ties { " ROWS WITH TIES" } else { " ROWS ONLY" })?;
        }
        Ok(())
    }
}
