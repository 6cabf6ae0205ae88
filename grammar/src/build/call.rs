//! Names and what follows them: columns, function calls, windows.

use super::{Build, Result, has};
use crate::ast::{
    Argument, ArgumentValue, Expr, ExprKind, FrameBound, FrameUnit, FunctionCall, Name, NullTreatment,
    Window, WindowFrame, WindowSpec,
};
use crate::parser::{Node, Rule};

impl Build<'_> {
    /// A column, a call, or a lambda of one parameter.
    pub(super) fn name_led(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        let mut parts = Vec::new();
        let mut tail = None;
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::name => parts = self.idents(kid),
                Rule::function_name => parts.push(crate::ast::Ident::new(kid.as_str(), self.span(&kid))),
                Rule::word | Rule::quoted => parts.push(self.ident(&kid)),
                Rule::call | Rule::lambda_body => tail = Some(kid),
                _ => return self.confused(&kid),
            }
        }
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Err(self.missing(span, "a name"));
        };
        let name_span = first.at.0.to(last.at.0);
        let kind = match tail {
            None => ExprKind::Column(parts),
            Some(body) if body.as_rule() == Rule::lambda_body => {
                if parts.len() > 1 {
                    return self.invalid(name_span, "a parameter of a lambda is a plain name");
                }
                let body = Box::new(self.only_expr(body)?);
                ExprKind::Lambda { parameters: parts, parenthesised: false, body }
            }
            Some(call) => {
                ExprKind::Function(Box::new(self.call(Name { parts, at: name_span.into() }, call)?))
            }
        };
        Ok(Expr::new(kind, span))
    }

    fn call(&self, name: Name, node: Node<'_>) -> Result<FunctionCall> {
        let mut call = FunctionCall {
            name,
            distinct: None,
            arguments: Vec::new(),
            order_by: None,
            limit: None,
            inner_null_treatment: None,
            within_group: None,
            filter: None,
            null_treatment: None,
            over: None,
        };
        // IGNORE NULLS stands inside or after the parentheses: told apart by where they close.
        let text = node.as_str();
        let start = node.as_span().start();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::quantifier => call.distinct = Some(has(&kid.into_inner(), Rule::kw_distinct)),
                Rule::argument => call.arguments.push(self.argument(kid)?),
                Rule::order_by => call.order_by = Some(self.order_by(kid)?),
                Rule::limit => call.limit = self.limit_of_call(kid)?.map(Box::new),
                Rule::null_treatment => {
                    let end = kid.as_span().end() - start;
                    let treatment = if has(&kid.into_inner(), Rule::kw_ignore) {
                        NullTreatment::Ignore
                    } else {
                        NullTreatment::Respect
                    };
                    if closes_next(text.get(end..).unwrap_or_default()) {
                        call.inner_null_treatment = Some(treatment);
                    } else {
                        call.null_treatment = Some(treatment);
                    }
                }
                Rule::within_group => {
                    let order_by = kid.into_inner().find(|kid| kid.as_rule() == Rule::order_by);
                    call.within_group = order_by.map(|kid| self.order_by(kid)).transpose()?;
                }
                Rule::filter => call.filter = Some(Box::new(self.only_expr(kid)?)),
                Rule::over => call.over = Some(self.window(kid)?),
                _ => return self.confused(&kid),
            }
        }
        Ok(call)
    }

    fn limit_of_call(&self, node: Node<'_>) -> Result<Option<Expr>> {
        let span = self.span(&node);
        let mut list = self.exprs(node)?;
        match (list.pop(), list.is_empty()) {
            (Some(limit), true) => Ok(Some(limit)),
            _ => self.invalid(span, "LIMIT inside a call takes one number"),
        }
    }

    /// The rule `argument`.
    pub(super) fn argument(&self, node: Node<'_>) -> Result<Argument> {
        let at = self.at(&node);
        let (mut name, mut value) = (None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::star => value = Some(ArgumentValue::Star),
                Rule::qualified_star => value = Some(ArgumentValue::QualifiedStar(self.star_name(kid)?)),
                Rule::expr => value = Some(ArgumentValue::Expr(self.expr(kid)?)),
                Rule::argument_name => {
                    let arrow = if kid.as_str().ends_with(":=") { ":=" } else { "=>" };
                    name = Some((self.first_ident(&kid)?, arrow));
                }
                _ => return self.confused(&kid),
            }
        }
        match value {
            Some(value) => Ok(Argument { name, value, at }),
            None => Err(self.missing(at.0, "a value")),
        }
    }

    /// The table of `t.*`.
    pub(super) fn star_name(&self, node: Node<'_>) -> Result<Name> {
        match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::star_name) {
            Some(kid) => Ok(self.name(kid)),
            None => self.confused(&node),
        }
    }

    /// What holds a window: `OVER …`, `w AS …`.
    pub(super) fn window(&self, node: Node<'_>) -> Result<Window> {
        let mut found = None;
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::window_spec => return Ok(Window::Spec(Box::new(self.window_spec(kid)?))),
                Rule::word | Rule::quoted => found = Some(self.ident(&kid)),
                _ => {}
            }
        }
        match found {
            Some(name) => Ok(Window::Named(name)),
            None => self.confused(&node),
        }
    }

    fn window_spec(&self, node: Node<'_>) -> Result<WindowSpec> {
        let mut spec = WindowSpec { base: None, partition_by: Vec::new(), order_by: None, frame: None };
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::word | Rule::quoted => spec.base = Some(self.ident(&kid)),
                Rule::partition_by => spec.partition_by = self.exprs(kid)?,
                Rule::order_by => spec.order_by = Some(self.order_by(kid)?),
                Rule::frame => spec.frame = Some(self.frame(kid)?),
                _ => return self.confused(&kid),
            }
        }
        Ok(spec)
    }

    fn frame(&self, node: Node<'_>) -> Result<WindowFrame> {
        let span = self.span(&node);
        let mut unit = FrameUnit::Rows;
        let mut bounds = Vec::new();
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::frame_unit => {
                    let words = kid.into_inner();
                    if has(&words, Rule::kw_range) {
                        unit = FrameUnit::Range;
                    } else if has(&words, Rule::kw_groups) {
                        unit = FrameUnit::Groups;
                    }
                }
                Rule::frame_bound => bounds.push(self.frame_bound(kid)?),
                _ => {}
            }
        }
        let mut bounds = bounds.into_iter();
        match bounds.next() {
            Some(start) => Ok(WindowFrame { unit, start, end: bounds.next() }),
            None => Err(self.missing(span, "a frame bound")),
        }
    }

    fn frame_bound(&self, node: Node<'_>) -> Result<FrameBound> {
        let words = node.clone().into_inner();
        if has(&words, Rule::kw_current) {
            return Ok(FrameBound::CurrentRow);
        }
        let offset = match node.into_inner().find(|kid| !kid.as_rule().is_keyword()) {
            None => None,
            Some(kid) if kid.as_rule() == Rule::frame_interval => Some(Box::new(self.frame_interval(kid)?)),
            Some(kid) => Some(Box::new(self.expr(kid)?)),
        };
        Ok(if has(&words, Rule::kw_preceding) {
            FrameBound::Preceding(offset)
        } else {
            FrameBound::Following(offset)
        })
    }

    /// `'5' DAY`, an interval without its word.
    fn frame_interval(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        let (mut value, mut unit) = (None, None);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::interval_unit => unit = Some(kid.as_str().to_uppercase()),
                _ => value = Some(Box::new(self.primary(kid)?)),
            }
        }
        match value {
            Some(value) => Ok(Expr::new(ExprKind::Interval { value, unit, last_unit: None }, span)),
            None => Err(self.missing(span, "a length")),
        }
    }
}

/// Whether `)` comes next, blanks and comments aside.
fn closes_next(rest: &str) -> bool {
    let mut rest = rest.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.split_once('\n').map_or("", |(_, after)| after).trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.split_once("*/").map_or("", |(_, after)| after).trim_start();
        } else {
            return rest.starts_with(')');
        }
    }
}
