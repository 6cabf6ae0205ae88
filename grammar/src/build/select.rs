//! SELECT and its clauses.

use super::{Build, Result, has};
use crate::ast::{Distinct, GroupBy, Grouping, Ident, NamedWindow, Select, SelectItem, StarOptions};
use crate::parser::{Node, Rule};

impl Build<'_> {
    /// The rules `select` and `from_first`.
    pub(super) fn select(&self, node: Node<'_>) -> Result<Select> {
        let mut select = Select {
            distinct: None,
            items: Vec::new(),
            from_first: node.as_rule() == Rule::from_first,
            select_word: false,
            from: Vec::new(),
            predicate: None,
            group_by: None,
            having: None,
            windows: Vec::new(),
            qualify: None,
            windows_first: false,
            at: self.at(&node),
        };
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_select => select.select_word = true,
                Rule::distinct => select.distinct = Some(self.distinct(kid)?),
                Rule::projection => {
                    let items = kid.into_inner().filter(|kid| kid.as_rule() == Rule::select_item);
                    select.items = items.map(|kid| self.select_item(kid)).collect::<Result<_>>()?;
                }
                Rule::from => {
                    let tables = kid.into_inner().filter(|kid| kid.as_rule() == Rule::joined_table);
                    select.from = tables.map(|kid| self.joined_table(kid)).collect::<Result<_>>()?;
                }
                Rule::where_clause => select.predicate = Some(self.only_expr(kid)?),
                Rule::group_by => select.group_by = Some(self.group_by(kid)?),
                Rule::having => select.having = Some(self.only_expr(kid)?),
                Rule::windows => {
                    select.windows_first = select.qualify.is_none();
                    let windows = kid.into_inner().filter(|kid| kid.as_rule() == Rule::named_window);
                    select.windows = windows.map(|kid| self.named_window(kid)).collect::<Result<_>>()?;
                }
                Rule::qualify => select.qualify = Some(self.only_expr(kid)?),
                _ => return self.confused(&kid),
            }
        }
        self.check_chain("tables", select.from.len(), select.at.0)?;
        Ok(select)
    }

    fn distinct(&self, node: Node<'_>) -> Result<Distinct> {
        let words = node.clone().into_inner();
        Ok(if has(&words, Rule::kw_all) {
            Distinct::All
        } else if has(&words, Rule::kw_on) {
            Distinct::On(self.exprs(node)?)
        } else {
            Distinct::Distinct
        })
    }

    fn select_item(&self, node: Node<'_>) -> Result<SelectItem> {
        let (mut item, mut options) = (None, StarOptions::default());
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::star => item = Some(SelectItem::Star(StarOptions::default(), self.at(&kid))),
                Rule::qualified_star => {
                    item = Some(SelectItem::QualifiedStar(self.star_name(kid)?, StarOptions::default()));
                }
                Rule::expr => item = Some(SelectItem::Expr(self.expr(kid)?, None)),
                Rule::star_option => self.star_option(kid, &mut options)?,
                Rule::alias => {
                    let alias = kid.into_inner().find(|kid| !kid.as_rule().is_keyword());
                    if let (Some(SelectItem::Expr(_, name)), Some(alias)) = (&mut item, alias) {
                        *name = Some(self.ident(&alias));
                    }
                }
                _ => return self.confused(&kid),
            }
        }
        match item {
            Some(SelectItem::Star(_, at)) => Ok(SelectItem::Star(options, at)),
            Some(SelectItem::QualifiedStar(name, _)) => Ok(SelectItem::QualifiedStar(name, options)),
            Some(item) => Ok(item),
            None => self.confused(&node),
        }
    }

    fn star_option(&self, node: Node<'_>, options: &mut StarOptions) -> Result<()> {
        let Some(option) = node.clone().into_inner().next() else { return self.confused(&node) };
        match option.as_rule() {
            Rule::exclude_option => {
                let except = has(&option.clone().into_inner(), Rule::kw_except);
                let list = option.clone().into_inner().find(|kid| kid.as_rule() == Rule::column_list);
                let parenthesised = list.is_some();
                let names = self.idents(list.unwrap_or_else(|| option.clone()));
                match (except, parenthesised) {
                    (true, true) => options.except = Some(names),
                    (true, false) => {
                        return self
                            .invalid(self.span(&option), "EXCEPT after a star takes names in parentheses");
                    }
                    (false, _) => options.exclude = Some((names, parenthesised)),
                }
            }
            Rule::replace_option => {
                let items = option.into_inner().filter(|kid| kid.as_rule() == Rule::replace_item);
                let items = items.map(|item| {
                    let name = self.first_ident(&item)?;
                    let explicit = has(&item.clone().into_inner(), Rule::kw_as);
                    Ok((self.only_expr(item)?, name, explicit))
                });
                options.replace = Some(items.collect::<Result<_>>()?);
            }
            Rule::rename_option => {
                let parenthesised = option.as_str().trim_end().ends_with(')');
                let items = option.into_inner().filter(|kid| kid.as_rule() == Rule::rename_item);
                let items = items.map(|item| {
                    let mut names = self.idents(item.clone()).into_iter();
                    match (names.next(), names.next()) {
                        (Some(from), Some(to)) => Ok((from, to)),
                        _ => self.confused(&item),
                    }
                });
                options.rename = Some((items.collect::<Result<Vec<(Ident, Ident)>>>()?, parenthesised));
            }
            _ => {
                let text = option.into_inner().find(|kid| kid.as_rule() == Rule::string);
                options.ilike = text.map(|kid| self.text(&kid)).transpose()?.map(|text| text.value);
            }
        }
        Ok(())
    }

    fn group_by(&self, node: Node<'_>) -> Result<GroupBy> {
        if has(&node.clone().into_inner(), Rule::kw_all) {
            return Ok(GroupBy::All);
        }
        let items = node.into_inner().filter(|kid| kid.as_rule() == Rule::grouping);
        Ok(GroupBy::Items(items.map(|kid| self.grouping(kid)).collect::<Result<_>>()?))
    }

    fn grouping(&self, node: Node<'_>) -> Result<Grouping> {
        let Some(kid) = node.clone().into_inner().next() else { return self.confused(&node) };
        let span = self.span(&kid);
        Ok(match kid.as_rule() {
            Rule::expr => Grouping::Expr(self.expr(kid)?),
            Rule::rollup => Grouping::Rollup(self.exprs(kid)?),
            Rule::cube => Grouping::Cube(self.exprs(kid)?),
            Rule::grouping_sets => {
                let sets = kid.into_inner().filter(|kid| kid.as_rule() == Rule::grouping);
                self.nest(span, || {
                    Ok(Grouping::Sets(sets.map(|kid| self.grouping(kid)).collect::<Result<_>>()?))
                })?
            }
            _ => return self.confused(&kid),
        })
    }

    fn named_window(&self, node: Node<'_>) -> Result<NamedWindow> {
        let name = self.first_ident(&node)?;
        Ok(NamedWindow { name, window: self.window(node)? })
    }
}
