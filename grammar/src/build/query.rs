//! Queries around their SELECT: WITH, set operations, VALUES, ORDER BY, LIMIT.

use super::{Build, Result, has};
use crate::ast::{
    Cte, Limit, OrderBy, OrderItem, OrderOptions, Query, QueryBody, SetOperator, SetOperatorKind, Values,
};
use crate::parser::{Node, Rule};
use crate::span::{At, Span};

impl Build<'_> {
    /// The rule `query`.
    pub(super) fn query(&self, node: Node<'_>) -> Result<Query> {
        let span = self.span(&node);
        self.nest(span, || self.query_parts(None, node, span))
    }

    /// A query whose first operand was read already, as something else.
    pub(super) fn query_with_tail(&self, first: QueryBody, tail: Node<'_>, span: Span) -> Result<Query> {
        self.nest(span, || self.query_parts(Some(first), tail, span))
    }

    fn query_parts(&self, first: Option<QueryBody>, node: Node<'_>, span: Span) -> Result<Query> {
        let (mut recursive, mut ctes, mut order_by, mut limit) = (false, Vec::new(), None, Limit::default());
        let mut bodies = Vec::from_iter(first);
        let mut operators = Vec::new();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::with => {
                    recursive = has(&kid.clone().into_inner(), Rule::kw_recursive);
                    let list = kid.into_inner().filter(|kid| kid.as_rule() == Rule::cte);
                    ctes = list.map(|kid| self.cte(kid)).collect::<Result<_>>()?;
                }
                Rule::query_body => self.operands(kid, &mut bodies, &mut operators)?,
                Rule::set_operator => operators.push(set_operator(kid)),
                Rule::order_by => order_by = Some(self.order_by(kid)?),
                Rule::limit | Rule::offset | Rule::fetch => self.limit(kid, &mut limit)?,
                _ => bodies.push(self.query_operand(kid)?),
            }
        }
        let body = self.set_operations(bodies, operators, span)?;
        Ok(Query { recursive, ctes, body, order_by, limit, at: At(span) })
    }

    fn operands(
        &self,
        node: Node<'_>,
        bodies: &mut Vec<QueryBody>,
        operators: &mut Vec<SetOperator>,
    ) -> Result<()> {
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::set_operator => operators.push(set_operator(kid)),
                _ => bodies.push(self.query_operand(kid)?),
            }
        }
        Ok(())
    }

    /// INTERSECT binds tighter than UNION and EXCEPT.
    fn set_operations(
        &self,
        bodies: Vec<QueryBody>,
        operators: Vec<SetOperator>,
        span: Span,
    ) -> Result<QueryBody> {
        self.check_chain("set operations", operators.len(), span)?;
        let mut bodies = bodies.into_iter();
        let Some(first) = bodies.next() else { return Err(self.missing(span, "a query")) };
        let mut outer = (first, Vec::new());
        // The operand that an INTERSECT may still take from, with what it has taken.
        let mut inner: Vec<(SetOperator, QueryBody)> = Vec::new();
        for (operator, body) in operators.into_iter().zip(bodies) {
            if operator.kind == SetOperatorKind::Intersect {
                inner.push((operator, body));
            } else {
                absorb(&mut outer, &mut inner);
                outer.1.push((operator, body));
            }
        }
        absorb(&mut outer, &mut inner);
        let (first, rest) = outer;
        Ok(if rest.is_empty() { first } else { QueryBody::Set { first: Box::new(first), rest } })
    }

    fn query_operand(&self, node: Node<'_>) -> Result<QueryBody> {
        match node.as_rule() {
            Rule::select | Rule::from_first => Ok(QueryBody::Select(Box::new(self.select(node)?))),
            Rule::values => Ok(QueryBody::Values(self.values(node)?)),
            Rule::paren_query => match node.clone().into_inner().next() {
                Some(query) => Ok(QueryBody::Nested(Box::new(self.query(query)?))),
                None => self.confused(&node),
            },
            Rule::table_query => match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::name) {
                Some(name) => Ok(QueryBody::Table(self.name(name))),
                None => self.confused(&node),
            },
            _ => self.confused(&node),
        }
    }

    /// The rule `values`.
    pub(super) fn values(&self, node: Node<'_>) -> Result<Values> {
        let at = self.at(&node);
        let rows: Vec<Node<'_>> = node.into_inner().filter(|kid| kid.as_rule() == Rule::row).collect();
        let row_word = rows.iter().any(|row| has(&row.clone().into_inner(), Rule::kw_row));
        Ok(Values { row_word, rows: rows.into_iter().map(|row| self.exprs(row)).collect::<Result<_>>()?, at })
    }

    fn cte(&self, node: Node<'_>) -> Result<Cte> {
        let name = self.first_ident(&node)?;
        let (mut columns, mut not, mut materialized, mut query) = (Vec::new(), false, None, None);
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::column_list => columns = self.idents(kid),
                Rule::kw_not => not = true,
                Rule::kw_materialized => materialized = Some(!not),
                Rule::query => query = Some(Box::new(self.query(kid)?)),
                _ => {}
            }
        }
        match query {
            Some(query) => Ok(Cte { name, columns, materialized, query }),
            None => self.confused(&node),
        }
    }

    /// The rule `order_by`.
    pub(super) fn order_by(&self, node: Node<'_>) -> Result<OrderBy> {
        let mut items = Vec::new();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::order_options => return Ok(OrderBy::All(order_options(kid))),
                Rule::order_item => {
                    let options = kid.clone().into_inner().find(|kid| kid.as_rule() == Rule::order_options);
                    let options = options.map(order_options).unwrap_or_default();
                    items.push(OrderItem { expr: self.only_expr(kid)?, options });
                }
                _ => {}
            }
        }
        Ok(OrderBy::Items(items))
    }

    fn limit(&self, node: Node<'_>, limit: &mut Limit) -> Result<()> {
        let span = self.span(&node);
        let words = node.clone().into_inner();
        let twice = match node.as_rule() {
            Rule::limit => limit.limit.is_some() || limit.limit_all || limit.fetch.is_some(),
            Rule::offset => limit.offset.is_some(),
            _ => limit.fetch.is_some() || limit.limit.is_some() || limit.limit_all,
        };
        if twice {
            return self.invalid(span, "LIMIT, OFFSET and FETCH stand once");
        }
        match node.as_rule() {
            Rule::limit if has(&words, Rule::kw_all) => limit.limit_all = true,
            Rule::limit => {
                let mut parts = self.exprs(node)?.into_iter();
                limit.limit = parts.next();
                if let Some(second) = parts.next() {
                    if limit.offset.is_some() {
                        return self.invalid(span, "OFFSET stands once");
                    }
                    limit.comma = true;
                    limit.offset = limit.limit.replace(second);
                }
            }
            Rule::offset => {
                limit.offset_rows = if has(&words, Rule::kw_rows) {
                    Some(true)
                } else {
                    has(&words, Rule::kw_row).then_some(false)
                };
                limit.offset = Some(self.only_expr(node)?);
            }
            _ => {
                let quantity = node.into_inner().find(|kid| kid.as_rule() == Rule::fetch_quantity);
                let quantity = quantity.map(|kid| self.expr(kid)).transpose()?;
                limit.fetch = Some((quantity, has(&words, Rule::kw_percent), has(&words, Rule::kw_ties)));
            }
        }
        Ok(())
    }
}

/// Makes the last operand of `outer` and the INTERSECTs after it one operand.
fn absorb(outer: &mut (QueryBody, Vec<(SetOperator, QueryBody)>), inner: &mut Vec<(SetOperator, QueryBody)>) {
    if inner.is_empty() {
        return;
    }
    let last = match outer.1.last_mut() {
        Some((_, body)) => body,
        None => &mut outer.0,
    };
    let empty = Values { row_word: false, rows: Vec::new(), at: At::default() };
    let first = Box::new(std::mem::replace(last, QueryBody::Values(empty)));
    *last = QueryBody::Set { first, rest: std::mem::take(inner) };
}

fn set_operator(node: Node<'_>) -> SetOperator {
    let words = node.into_inner();
    let kind = if has(&words, Rule::kw_union) {
        SetOperatorKind::Union
    } else if has(&words, Rule::kw_except) {
        SetOperatorKind::Except
    } else if has(&words, Rule::kw_minus) {
        SetOperatorKind::Minus
    } else {
        SetOperatorKind::Intersect
    };
    let all =
        if has(&words, Rule::kw_all) { Some(true) } else { has(&words, Rule::kw_distinct).then_some(false) };
    SetOperator { kind, all, by_name: has(&words, Rule::kw_by) }
}

fn order_options(node: Node<'_>) -> OrderOptions {
    let words = node.into_inner();
    let ascending =
        if has(&words, Rule::kw_asc) { Some(true) } else { has(&words, Rule::kw_desc).then_some(false) };
    let nulls_first =
        if has(&words, Rule::kw_first) { Some(true) } else { has(&words, Rule::kw_last).then_some(false) };
    OrderOptions { ascending, nulls_first }
}
