//! From pest's parse tree to ours.

mod call;
mod data_type;
mod expression;
mod literal;
mod operators;
mod query;
mod region;
mod select;
mod statement;
mod table;

use std::cell::Cell;

use pest::Parser;
use pest::iterators::Pairs;

use crate::ast::{Expr, Ident, Name, Statement};
use crate::error::{ParseError, ParseErrorKind};
use crate::limits::Limits;
use crate::parser::{GqlParser, Node, Rule};
use crate::span::{At, Span};

type Result<T> = std::result::Result<T, ParseError>;

/// Parses the statement that lies at `place` of `text`.
pub(crate) fn statement(text: &str, place: Span, limits: &Limits) -> Result<Statement> {
    if place.range().len() > limits.text_bytes_max {
        let kind = ParseErrorKind::TooLong { bytes: place.range().len(), bytes_max: limits.text_bytes_max };
        return Err(ParseError::new(kind, text, Span::new(place.range().start, place.range().start)));
    }
    let (build, root) = run(Rule::statement_text, text, place, limits)?;
    match root.into_inner().next() {
        Some(node) => build.statement(node),
        None => Err(ParseError::new(ParseErrorKind::Empty, text, place)),
    }
}

/// Parses a text that is one expression.
pub(crate) fn expression(text: &str, limits: &Limits) -> Result<Expr> {
    let (build, root) = run(Rule::expression_text, text, Span::new(0, text.len()), limits)?;
    match root.into_inner().next() {
        Some(node) => build.expr(node),
        None => Err(ParseError::new(ParseErrorKind::Empty, text, Span::new(0, 0))),
    }
}

fn run<'t>(rule: Rule, text: &'t str, place: Span, limits: &Limits) -> Result<(Build<'t>, Node<'t>)> {
    Limits::guard_pest();
    let source = place.text(text);
    let mut pairs = GqlParser::parse(rule, source)
        .map_err(|error| ParseError::from_pest(&error, text, place, limits.depth_max))?;
    let build = Build {
        text,
        questions: questions(source, &pairs),
        base: place.range().start,
        limits: limits.clone(),
        height: Cell::new(0),
        depth: Cell::new(0),
    };
    match pairs.next() {
        Some(root) => Ok((build, root)),
        None => Err(ParseError::new(ParseErrorKind::Empty, text, place)),
    }
}

/// Where the `?` of a text stand, in its order: the first is `$1`, the second `$2`.
fn questions(source: &str, pairs: &Pairs<'_, Rule>) -> Vec<usize> {
    if !source.contains('?') {
        return Vec::new();
    }
    let placeholders = pairs.clone().flatten().filter(|pair| pair.as_rule() == Rule::placeholder);
    let mut places: Vec<_> =
        placeholders.filter(|pair| pair.as_str() == "?").map(|pair| pair.as_span().start()).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// What every building function needs to know.
struct Build<'t> {
    text: &'t str,
    /// Where `?` stands in pest's text.
    questions: Vec<usize>,
    /// Where pest's text begins in `text`.
    base: usize,
    limits: Limits,
    /// The height of the tallest tree built so far in the innermost `nest`.
    height: Cell<usize>,
    /// How many `nest`s are open: what is read by recursion must stop before it is built.
    depth: Cell<usize>,
}

impl Build<'_> {
    fn span(&self, node: &Node<'_>) -> Span {
        let span = node.as_span();
        Span::new(self.base + span.start(), self.base + span.end())
    }

    fn at(&self, node: &Node<'_>) -> At {
        At(self.span(node))
    }

    fn invalid<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(ParseError::new(ParseErrorKind::Invalid(message.into()), self.text, span))
    }

    /// The grammar and the builder disagree: our mistake, told as an error.
    fn confused<T>(&self, node: &Node<'_>) -> Result<T> {
        self.invalid(self.span(node), format!("cannot read this ({:?})", node.as_rule()))
    }

    fn missing(&self, span: Span, what: &str) -> ParseError {
        ParseError::new(ParseErrorKind::Invalid(format!("{what} is missing")), self.text, span)
    }

    /// Builds one level of the tree; fails when what it gives is too tall.
    fn nest<T>(&self, span: Span, build: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get() + 1;
        if depth > self.limits.depth_max {
            return self.too_deep(span);
        }
        self.depth.set(depth);
        let outside = self.height.replace(0);
        let built = build();
        self.depth.set(depth - 1);
        let built = built?;
        self.grow(span)?;
        self.height.set(self.height.get().max(outside));
        Ok(built)
    }

    /// Puts one more level on what the innermost `nest` has built.
    fn grow(&self, span: Span) -> Result<()> {
        let height = self.height.get() + 1;
        self.height.set(height);
        if height > self.limits.depth_max { self.too_deep(span) } else { Ok(()) }
    }

    fn too_deep<T>(&self, span: Span) -> Result<T> {
        let kind = ParseErrorKind::TooDeep { depth_max: self.limits.depth_max };
        Err(ParseError::new(kind, self.text, span))
    }

    fn check_chain(&self, what: &'static str, length: usize, span: Span) -> Result<()> {
        if length <= self.limits.chain_max {
            return Ok(());
        }
        let kind = ParseErrorKind::TooManyInChain { what, length, length_max: self.limits.chain_max };
        Err(ParseError::new(kind, self.text, span))
    }

    /// A word or a quoted name.
    fn ident(&self, node: &Node<'_>) -> Ident {
        let text = node.as_str();
        let at = self.at(node);
        let quote =
            text.chars().next().filter(|&c| node.as_rule() != Rule::word && matches!(c, '"' | '`' | '\''));
        let value = match quote {
            Some(quote) => literal::unquote(text, quote),
            None => text.to_owned(),
        };
        Ident { value, quote, at }
    }

    /// The first name among the children.
    fn first_ident(&self, node: &Node<'_>) -> Result<Ident> {
        match node.clone().into_inner().find(|kid| matches!(kid.as_rule(), Rule::word | Rule::quoted)) {
            Some(kid) => Ok(self.ident(&kid)),
            None => self.confused(node),
        }
    }

    fn idents(&self, node: Node<'_>) -> Vec<Ident> {
        let names = node.into_inner().filter(|kid| matches!(kid.as_rule(), Rule::word | Rule::quoted));
        names.map(|kid| self.ident(&kid)).collect()
    }

    /// A dotted name.
    fn name(&self, node: Node<'_>) -> Name {
        let at = self.at(&node);
        Name { parts: self.idents(node), at }
    }

    /// All children that are expressions.
    fn exprs(&self, node: Node<'_>) -> Result<Vec<Expr>> {
        node.into_inner().filter(|kid| kid.as_rule() == Rule::expr).map(|kid| self.expr(kid)).collect()
    }

    /// The only child that is an expression.
    fn only_expr(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        match node.into_inner().find(|kid| kid.as_rule() == Rule::expr) {
            Some(kid) => self.expr(kid),
            None => Err(self.missing(span, "an expression")),
        }
    }
}

/// Whether one of the children is this rule.
fn has(kids: &Pairs<'_, Rule>, rule: Rule) -> bool {
    kids.clone().any(|kid| kid.as_rule() == rule)
}
