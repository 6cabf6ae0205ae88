//! SELECT and its clauses.

use datafusion::sql::sqlparser::ast as sql;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{
    Distinct, Expr, ExprKind, GroupBy, Grouping, Name, NamedWindow, Select, SelectItem, StarOptions, Window,
};

use super::{Lower, LowerError, Result};

/// A SELECT of nothing.
pub(super) fn empty_select() -> sql::Select {
    sql::Select {
        select_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        distinct: None,
        select_modifiers: None,
        top: None,
        top_before_distinct: false,
        projection: Vec::new(),
        exclude: None,
        into: None,
        from: Vec::new(),
        lateral_views: Vec::new(),
        prewhere: None,
        selection: None,
        connect_by: Vec::new(),
        group_by: sql::GroupByExpr::Expressions(Vec::new(), Vec::new()),
        cluster_by: Vec::new(),
        distribute_by: Vec::new(),
        sort_by: Vec::new(),
        having: None,
        named_window: Vec::new(),
        qualify: None,
        window_before_qualify: false,
        value_table_mode: None,
        flavor: sql::SelectFlavor::Standard,
    }
}

impl Lower<'_> {
    pub(super) fn select(&self, select: &Select) -> Result<sql::Select> {
        let mut lowered = empty_select();
        lowered.flavor = match (select.from_first, select.select_word) {
            (false, _) => sql::SelectFlavor::Standard,
            (true, true) => sql::SelectFlavor::FromFirst,
            (true, false) => sql::SelectFlavor::FromFirstNoSelect,
        };
        lowered.distinct = match &select.distinct {
            None => None,
            Some(Distinct::All) => Some(sql::Distinct::All),
            Some(Distinct::Distinct) => Some(sql::Distinct::Distinct),
            Some(Distinct::On(keys)) => Some(sql::Distinct::On(self.exprs(keys)?)),
        };
        lowered.projection = select.items.iter().map(|item| self.select_item(item)).collect::<Result<_>>()?;
        lowered.from = select.from.iter().map(|table| self.joined(table)).collect::<Result<_>>()?;
        lowered.selection = select.predicate.as_ref().map(|expr| self.expr(expr)).transpose()?;
        if let Some(group_by) = &select.group_by {
            lowered.group_by = self.group_by(group_by, select.at.0)?;
        }
        lowered.having = select.having.as_ref().map(|expr| self.expr(expr)).transpose()?;
        lowered.named_window =
            select.windows.iter().map(|window| self.named_window(window)).collect::<Result<_>>()?;
        lowered.qualify = select.qualify.as_ref().map(|expr| self.expr(expr)).transpose()?;
        lowered.window_before_qualify = select.windows_first;
        Ok(lowered)
    }

    fn select_item(&self, item: &SelectItem) -> Result<sql::SelectItem> {
        Ok(match item {
            SelectItem::Expr(expr, None) => match &expr.kind {
                // A pseudo-column keeps its name.
                ExprKind::Column(parts) if self.pseudo_interval(parts).is_some() => {
                    let alias = self.made("interval", expr.at.0);
                    sql::SelectItem::ExprWithAlias { expr: self.expr(expr)?, alias }
                }
                _ => sql::SelectItem::UnnamedExpr(self.expr(expr)?),
            },
            SelectItem::Expr(expr, Some(alias)) => {
                sql::SelectItem::ExprWithAlias { expr: self.expr(expr)?, alias: self.ident(alias) }
            }
            SelectItem::Star(options, _) => sql::SelectItem::Wildcard(self.star_options(options)?),
            SelectItem::QualifiedStar(name, options) => sql::SelectItem::QualifiedWildcard(
                sql::SelectItemQualifiedWildcardKind::ObjectName(self.object_name(name)),
                self.star_options(options)?,
            ),
        })
    }

    fn star_options(&self, options: &StarOptions) -> Result<sql::WildcardAdditionalOptions> {
        let one = |ident| sql::ObjectName::from(vec![self.ident(ident)]);
        let opt_exclude = match &options.exclude {
            Some((names, false)) => names.first().map(|name| sql::ExcludeSelectItem::Single(one(name))),
            Some((names, true)) => Some(sql::ExcludeSelectItem::Multiple(names.iter().map(one).collect())),
            None => None,
        };
        let opt_except = options.except.as_ref().and_then(|names| {
            let mut names = names.iter().map(|name| self.ident(name));
            Some(sql::ExceptSelectItem { first_element: names.next()?, additional_elements: names.collect() })
        });
        let replace = options.replace.as_ref().map(|items| {
            let items = items.iter().map(|(expr, name, explicit)| {
                let (expr, column_name) = (self.expr(expr)?, self.ident(name));
                Ok(Box::new(sql::ReplaceSelectElement { expr, column_name, as_keyword: *explicit }))
            });
            Ok(sql::ReplaceSelectItem { items: items.collect::<Result<_>>()? })
        });
        let opt_rename = options.rename.as_ref().and_then(|(items, parenthesised)| {
            let mut items = items
                .iter()
                .map(|(from, to)| sql::IdentWithAlias { ident: self.ident(from), alias: self.ident(to) });
            if *parenthesised {
                return Some(sql::RenameSelectItem::Multiple(items.collect()));
            }
            items.next().map(sql::RenameSelectItem::Single)
        });
        Ok(sql::WildcardAdditionalOptions {
            opt_ilike: options.ilike.clone().map(|pattern| sql::IlikeSelectItem { pattern }),
            opt_exclude,
            opt_except,
            opt_replace: replace.transpose()?,
            opt_rename,
            ..sql::WildcardAdditionalOptions::default()
        })
    }

    fn group_by(&self, group_by: &GroupBy, span: Span) -> Result<sql::GroupByExpr> {
        match group_by {
            GroupBy::All => Ok(sql::GroupByExpr::All(Vec::new())),
            GroupBy::Items(items) => {
                let items = items.iter().map(|item| self.grouping(item, span)).collect::<Result<_>>()?;
                Ok(sql::GroupByExpr::Expressions(items, Vec::new()))
            }
        }
    }

    fn grouping(&self, grouping: &Grouping, span: Span) -> Result<sql::Expr> {
        let sets = |items: &[Expr]| items.iter().map(|item| self.grouping_set(item)).collect::<Result<_>>();
        Ok(match grouping {
            Grouping::Expr(expr) => self.expr(expr)?,
            Grouping::Rollup(items) => sql::Expr::Rollup(sets(items)?),
            Grouping::Cube(items) => sql::Expr::Cube(sets(items)?),
            Grouping::Sets(items) => {
                let items = items.iter().map(|item| match item {
                    Grouping::Expr(expr) => self.grouping_set(expr),
                    _ => Err(LowerError::unsupported(
                        "ROLLUP, CUBE or GROUPING SETS within GROUPING SETS",
                        span,
                    )),
                });
                sql::Expr::GroupingSets(items.collect::<Result<_>>()?)
            }
        })
    }

    /// One set: what stands in parentheses, or one expression.
    fn grouping_set(&self, expr: &Expr) -> Result<Vec<sql::Expr>> {
        match &expr.kind {
            ExprKind::Row(items) => self.exprs(items),
            ExprKind::Nested(inner) => Ok(vec![self.expr(inner)?]),
            _ => Ok(vec![self.expr(expr)?]),
        }
    }

    fn named_window(&self, window: &NamedWindow) -> Result<sql::NamedWindowDefinition> {
        let definition = match &window.window {
            Window::Named(name) => sql::NamedWindowExpr::NamedWindow(self.ident(name)),
            Window::Spec(spec) => sql::NamedWindowExpr::WindowSpec(self.window_spec(spec)?),
        };
        Ok(sql::NamedWindowDefinition(self.ident(&window.name), definition))
    }

    /// The name of a table, for `USING`.
    pub(super) fn using(&self, names: &[Name]) -> Vec<sql::ObjectName> {
        names.iter().map(|name| self.object_name(name)).collect()
    }
}
