//! Operands: literals, columns, parentheses, CASE, CAST and the calls with a syntax of their own.

use super::{Build, Result, has};
use crate::ast::{CastStyle, Expr, ExprKind, Ident, Literal, LiteralKind, Query, QueryBody, TrimSide};
use crate::parser::{Node, Rule};
use crate::span::Span;

impl Build<'_> {
    /// Any operand without the operators around it.
    pub(super) fn primary(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::number
            | Rule::string
            | Rule::escape_string
            | Rule::unicode_string
            | Rule::dollar_string
            | Rule::hex_string => ExprKind::Literal(self.literal(&node)?),
            Rule::null => constant(LiteralKind::Null, span),
            Rule::boolean => constant(LiteralKind::Boolean(node.as_str().eq_ignore_ascii_case("true")), span),
            Rule::placeholder => ExprKind::Placeholder(self.placeholder(&node)),
            Rule::paren => return self.paren(node),
            Rule::name_led | Rule::quoted_led => return self.name_led(node),
            Rule::array => ExprKind::Array { elements: self.exprs(node)?, word: false },
            Rule::array_keyword => self.array_keyword(node)?,
            Rule::dictionary => self.dictionary(node)?,
            Rule::map_literal => self.map_literal(node)?,
            Rule::struct_literal => self.struct_literal(node)?,
            Rule::case => self.case(node)?,
            Rule::cast => self.cast(node)?,
            Rule::exists => match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::query) {
                Some(query) => ExprKind::Exists(Box::new(self.query(query)?)),
                None => return self.confused(&node),
            },
            Rule::interval => self.interval(node)?,
            Rule::typed_string => self.typed_string(node)?,
            Rule::extract => self.extract(node)?,
            Rule::substring => self.substring(node)?,
            Rule::trim => self.trim(node)?,
            Rule::position => self.position(node)?,
            Rule::overlay => self.overlay(node)?,
            Rule::rounding => self.rounding(node)?,
            Rule::quantified => {
                return self
                    .invalid(span, "ANY, SOME and ALL stand only after a comparison or a region operator");
            }
            _ => return self.confused(&node),
        };
        Ok(Expr::new(kind, span))
    }

    /// `$1`, `$name`; a `?` has the number of its place among them.
    fn placeholder(&self, node: &Node<'_>) -> String {
        match self.questions.binary_search(&node.as_span().start()) {
            Ok(before) => format!("${}", before + 1),
            Err(_) => node.as_str().to_owned(),
        }
    }

    /// `( … )`: a query, an expression, a row, the parameters of a lambda.
    fn paren(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        let body = node.clone().into_inner().find(|kid| kid.as_rule() == Rule::lambda_body);
        if let Some(body) = body {
            let row = node.into_inner().filter(|kid| kid.as_rule() == Rule::expr);
            let parameters = row.map(|kid| self.parameter(kid)).collect::<Result<Vec<Ident>>>()?;
            let body = Box::new(self.only_expr(body)?);
            return Ok(Expr::new(ExprKind::Lambda { parameters, parenthesised: true, body }, span));
        }
        let trailing = has(&node.clone().into_inner(), Rule::trailing_comma);
        let kind = match self.list_or_query(node)? {
            Err(query) => ExprKind::Subquery(query),
            Ok(mut list) => match (list.pop(), list.is_empty()) {
                (Some(only), true) if !trailing => ExprKind::Nested(Box::new(only)),
                (last, _) => {
                    list.extend(last);
                    ExprKind::Row(list)
                }
            },
        };
        Ok(Expr::new(kind, span))
    }

    fn parameter(&self, node: Node<'_>) -> Result<Ident> {
        let span = self.span(&node);
        match self.expr(node)?.kind {
            ExprKind::Column(mut parts) if parts.len() == 1 => match parts.pop() {
                Some(name) => Ok(name),
                None => Err(self.missing(span, "a name")),
            },
            _ => self.invalid(span, "a parameter of a lambda is a plain name"),
        }
    }

    /// The inside of a `paren`: expressions, or a query.
    pub(super) fn list_or_query(&self, node: Node<'_>) -> Result<std::result::Result<Vec<Expr>, Box<Query>>> {
        let inner =
            Span::new(self.span(&node).range().start + 1, self.span(&node).range().end.saturating_sub(1));
        let mut list = Vec::new();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::query => return Ok(Err(Box::new(self.query(kid)?))),
                Rule::expr => list.push(self.expr(kid)?),
                Rule::query_tail => {
                    // `((SELECT 1) UNION (SELECT 2))`: what was read as an operand is a query.
                    let body = match list.pop().map(|expr: Expr| (expr.kind, expr.at)) {
                        Some((ExprKind::Subquery(query), _)) => QueryBody::Nested(query),
                        Some((_, at)) => {
                            return self.invalid(at.0, "a set operation needs a query on this side");
                        }
                        None => return self.confused(&kid),
                    };
                    return Ok(Err(Box::new(self.query_with_tail(body, kid, inner)?)));
                }
                Rule::lambda_body => {
                    return self.invalid(self.span(&kid), "a lambda does not stand here");
                }
                _ => {}
            }
        }
        Ok(Ok(list))
    }

    fn array_keyword(&self, node: Node<'_>) -> Result<ExprKind> {
        match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::array) {
            Some(array) => Ok(ExprKind::Array { elements: self.exprs(array)?, word: true }),
            None => self.confused(&node),
        }
    }

    fn dictionary(&self, node: Node<'_>) -> Result<ExprKind> {
        let entries = node.into_inner().filter(|kid| kid.as_rule() == Rule::entry);
        let entries = entries.map(|entry| {
            let Some(key) = entry.clone().into_inner().next() else { return self.confused(&entry) };
            Ok((self.ident(&key), self.only_expr(entry)?))
        });
        Ok(ExprKind::Dictionary(entries.collect::<Result<_>>()?))
    }

    fn map_literal(&self, node: Node<'_>) -> Result<ExprKind> {
        let entries = node.into_inner().filter(|kid| kid.as_rule() == Rule::map_entry);
        let entries = entries.map(|entry| {
            let mut parts = self.exprs(entry.clone())?.into_iter();
            match (parts.next(), parts.next()) {
                (Some(key), Some(value)) => Ok((key, value)),
                _ => self.confused(&entry),
            }
        });
        Ok(ExprKind::Map(entries.collect::<Result<_>>()?))
    }

    fn struct_literal(&self, node: Node<'_>) -> Result<ExprKind> {
        let values = node.into_inner().filter(|kid| kid.as_rule() == Rule::struct_value);
        let values = values.map(|value| {
            let name = value
                .clone()
                .into_inner()
                .filter(|kid| matches!(kid.as_rule(), Rule::word | Rule::quoted | Rule::string));
            let name = name.last().map(|kid| self.ident(&kid));
            Ok((self.only_expr(value)?, name))
        });
        Ok(ExprKind::Struct(values.collect::<Result<_>>()?))
    }

    fn case(&self, node: Node<'_>) -> Result<ExprKind> {
        let (mut operand, mut branches, mut otherwise) = (None, Vec::new(), None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::expr => operand = Some(Box::new(self.expr(kid)?)),
                Rule::when => {
                    let mut parts = self.exprs(kid.clone())?.into_iter();
                    match (parts.next(), parts.next()) {
                        (Some(condition), Some(result)) => branches.push((condition, result)),
                        _ => return self.confused(&kid),
                    }
                }
                Rule::else_branch => otherwise = Some(Box::new(self.only_expr(kid)?)),
                _ => {}
            }
        }
        Ok(ExprKind::Case { operand, branches, otherwise })
    }

    fn cast(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let (mut style, mut operand, mut data_type, mut format) = (CastStyle::Cast, None, None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_try_cast => style = CastStyle::TryCast,
                Rule::kw_safe_cast => style = CastStyle::SafeCast,
                Rule::expr => operand = Some(Box::new(self.expr(kid)?)),
                Rule::data_type => data_type = Some(self.data_type(kid)?),
                Rule::string => format = Some(self.text(&kid)?.value),
                _ => {}
            }
        }
        match (operand, data_type) {
            (Some(operand), Some(data_type)) => Ok(ExprKind::Cast { operand, data_type, style, format }),
            _ => Err(self.missing(span, "a data type")),
        }
    }

    fn interval(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let (mut sign, mut value, mut units) = (None, None, Vec::new());
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::interval_sign => sign = Some(kid),
                Rule::interval_unit => units.push(kid.as_str().to_uppercase()),
                rule if rule.is_keyword() => {}
                _ => value = Some(self.primary(kid)?),
            }
        }
        let Some(mut value) = value else { return Err(self.missing(span, "the length of the interval")) };
        if let Some(sign) = sign {
            let operator = if sign.as_str() == "-" {
                crate::ast::UnaryOperator::Minus
            } else {
                crate::ast::UnaryOperator::Plus
            };
            let span = self.span(&sign).to(value.at.0);
            value = Expr::new(ExprKind::Unary(operator, Box::new(value)), span);
        }
        let mut units = units.into_iter();
        Ok(ExprKind::Interval { value: Box::new(value), unit: units.next(), last_unit: units.next() })
    }

    fn typed_string(&self, node: Node<'_>) -> Result<ExprKind> {
        let mut kids = node.clone().into_inner();
        match (kids.next(), kids.next()) {
            (Some(head), Some(text)) => Ok(ExprKind::Typed(self.named_type(head)?, self.text(&text)?.value)),
            _ => self.confused(&node),
        }
    }

    fn extract(&self, node: Node<'_>) -> Result<ExprKind> {
        let field = node
            .clone()
            .into_inner()
            .find(|kid| matches!(kid.as_rule(), Rule::word | Rule::quoted | Rule::string));
        match field {
            Some(field) => {
                Ok(ExprKind::Extract { field: self.ident(&field), operand: Box::new(self.only_expr(node)?) })
            }
            None => self.confused(&node),
        }
    }

    fn substring(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let (mut short, mut commas, mut list) = (false, true, Vec::new());
        let (mut from, mut length) = (None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_substr => short = true,
                Rule::expr => list.push(self.expr(kid)?),
                Rule::substring_from => {
                    commas = false;
                    from = Some(Box::new(self.only_expr(kid)?));
                }
                Rule::substring_for => {
                    commas = false;
                    length = Some(Box::new(self.only_expr(kid)?));
                }
                _ => {}
            }
        }
        let mut list = list.into_iter();
        let Some(operand) = list.next() else { return Err(self.missing(span, "a text")) };
        if commas {
            from = list.next().map(Box::new);
            length = list.next().map(Box::new);
        }
        if let Some(extra) = list.next() {
            return self.invalid(extra.at.0, "SUBSTRING takes at most three arguments");
        }
        // Without a second argument nothing says how it was written.
        let commas = commas && from.is_some();
        Ok(ExprKind::Substring { operand: Box::new(operand), from, length, commas, short })
    }

    fn trim(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let (mut side, mut from, mut list) = (None, None, Vec::new());
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::trim_side => {
                    let words = kid.into_inner();
                    side = Some(if has(&words, Rule::kw_leading) {
                        TrimSide::Leading
                    } else if has(&words, Rule::kw_trailing) {
                        TrimSide::Trailing
                    } else {
                        TrimSide::Both
                    });
                }
                Rule::trim_from => from = Some(self.only_expr(kid)?),
                Rule::expr => list.push(self.expr(kid)?),
                _ => {}
            }
        }
        let mut list = list.into_iter();
        let first = list.next();
        let (what, operand) = match (from, first) {
            (Some(operand), what) => (what.map(Box::new), Box::new(operand)),
            (None, Some(operand)) => (None, Box::new(operand)),
            (None, None) => return Err(self.missing(span, "a text")),
        };
        Ok(ExprKind::Trim { side, what, operand, characters: list.collect() })
    }

    fn overlay(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let length = node.clone().into_inner().find(|kid| kid.as_rule() == Rule::substring_for);
        let length = length.map(|kid| self.only_expr(kid)).transpose()?.map(Box::new);
        let mut parts = self.exprs(node)?.into_iter().map(Box::new);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(operand), Some(what), Some(from)) => Ok(ExprKind::Overlay { operand, what, from, length }),
            _ => Err(self.missing(span, "an argument of OVERLAY")),
        }
    }

    fn rounding(&self, node: Node<'_>) -> Result<ExprKind> {
        let kids = node.clone().into_inner();
        let up = has(&kids, Rule::kw_ceil);
        let scale = kids.clone().find(|kid| kid.as_rule() == Rule::number).map(|kid| kid.as_str().to_owned());
        let field = self.idents(node.clone()).pop();
        Ok(ExprKind::Rounding { up, operand: Box::new(self.only_expr(node)?), field, scale })
    }
}

fn constant(kind: LiteralKind, span: Span) -> ExprKind {
    ExprKind::Literal(Literal { kind, at: span.into() })
}
