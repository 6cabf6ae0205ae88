//! Which names a query gives itself: they hide GQL's own.

use std::collections::HashSet;

use genomdb_grammar::ast::{
    Ident, Query, QueryBody, Select, SelectItem, TableFactor, TableKind, TableWithJoins,
};

/// The names that a query defines, folded.
#[derive(Debug, Default)]
pub(super) struct Names {
    columns: HashSet<String>,
    tables: HashSet<String>,
}

impl Names {
    /// Collects the names of a query and of the queries in its WITH and FROM.
    pub(super) fn of(query: &Query) -> Names {
        let mut names = Names::default();
        names.query(query);
        names
    }

    /// Whether the query names a column so.
    pub(super) fn has_column(&self, name: &str) -> bool {
        self.columns.contains(name)
    }

    /// Whether the query has a table of that name.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.tables.contains(name)
    }

    fn column(&mut self, name: &Ident) {
        self.columns.insert(name.folded());
    }

    fn query(&mut self, query: &Query) {
        for cte in &query.ctes {
            self.tables.insert(cte.name.folded());
            cte.columns.iter().for_each(|name| self.column(name));
            self.query(&cte.query);
        }
        self.body(&query.body);
    }

    fn body(&mut self, body: &QueryBody) {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Nested(query) => self.query(query),
            QueryBody::Set { first, rest } => {
                self.body(first);
                rest.iter().for_each(|(_, body)| self.body(body));
            }
            QueryBody::Values(_) | QueryBody::Table(_) => {}
        }
    }

    fn select(&mut self, select: &Select) {
        for item in &select.items {
            if let SelectItem::Expr(_, Some(alias)) = item {
                self.column(alias);
            }
        }
        select.from.iter().for_each(|table| self.joined(table));
    }

    fn joined(&mut self, table: &TableWithJoins) {
        self.factor(&table.table);
        table.joins.iter().for_each(|join| self.factor(&join.table));
    }

    fn factor(&mut self, factor: &TableFactor) {
        if let Some(alias) = &factor.alias {
            self.tables.insert(alias.name.folded());
            alias.columns.iter().for_each(|(name, _)| self.column(name));
        }
        match &factor.kind {
            TableKind::Table(name, _) => self.tables.extend(name.last().map(Ident::folded)),
            TableKind::Query(query) => self.query(query),
            TableKind::Nested(table) => self.joined(table),
            TableKind::Function(..) | TableKind::Unnest(..) => {}
        }
    }
}
