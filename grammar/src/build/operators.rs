//! Operators: from the flat list that the grammar gives to a tree, by precedence.

use std::iter::Peekable;

use pest::iterators::Pairs;

use super::{Build, Result, has};
use crate::ast::{
    Access, BinaryOperator, CastStyle, Expr, ExprKind, LikeKind, Literal, LiteralKind, Quantifier, QueryBody,
    TruthTest, UnaryOperator,
};
use crate::error::{ParseError, ParseErrorKind};
use crate::parser::{Node, Rule};
use crate::span::Span;

/// Precedences, those of SQL engines; a higher one binds tighter.
pub(super) mod precedence {
    pub(in crate::build) const LOWEST: u8 = 0;
    pub(in crate::build) const OR: u8 = 5;
    pub(in crate::build) const AND: u8 = 10;
    pub(in crate::build) const NOT: u8 = 15;
    pub(in crate::build) const ARROW: u8 = 16;
    pub(in crate::build) const IS: u8 = 17;
    pub(in crate::build) const LIKE: u8 = 19;
    pub(in crate::build) const COMPARISON: u8 = 20;
    pub(in crate::build) const PIPE: u8 = 21;
    pub(in crate::build) const CARET: u8 = 22;
    pub(in crate::build) const AMPERSAND: u8 = 23;
    pub(in crate::build) const XOR: u8 = 24;
    pub(in crate::build) const SUM: u8 = 30;
    pub(in crate::build) const PRODUCT: u8 = 40;
    pub(in crate::build) const TIME_ZONE: u8 = 41;
    pub(in crate::build) const CAST: u8 = 50;
    pub(in crate::build) const FIELD: u8 = 100;
}
use precedence as p;

/// Every operator of symbols, with its precedence.
const SYMBOLS: &[(&str, u8)] = &[
    ("=", p::COMPARISON),
    ("==", p::COMPARISON),
    ("<>", p::COMPARISON),
    ("!=", p::COMPARISON),
    ("<", p::COMPARISON),
    ("<=", p::COMPARISON),
    (">", p::COMPARISON),
    (">=", p::COMPARISON),
    ("<=>", p::COMPARISON),
    ("~", p::COMPARISON),
    ("~*", p::COMPARISON),
    ("!~", p::COMPARISON),
    ("!~*", p::COMPARISON),
    ("~~", p::COMPARISON),
    ("~~*", p::COMPARISON),
    ("!~~", p::COMPARISON),
    ("!~~*", p::COMPARISON),
    ("|", p::PIPE),
    ("&&", p::PIPE),
    ("<->", p::PIPE),
    ("^", p::CARET),
    ("#", p::CARET),
    ("<<", p::CARET),
    (">>", p::CARET),
    ("&", p::AMPERSAND),
    ("+", p::SUM),
    ("-", p::SUM),
    ("*", p::PRODUCT),
    ("/", p::PRODUCT),
    ("//", p::PRODUCT),
    ("%", p::PRODUCT),
    ("||", p::PRODUCT),
    ("^@", p::CAST),
    ("->", p::ARROW),
    ("->>", p::ARROW),
    ("#>", p::ARROW),
    ("#>>", p::ARROW),
    ("@>", p::ARROW),
    ("<@", p::ARROW),
    ("#-", p::ARROW),
    ("@?", p::ARROW),
    ("@@", p::ARROW),
];

/// The precedence of what stands between or after operands; none for what does not.
fn precedence_of(node: &Node<'_>) -> Option<u8> {
    Some(match node.as_rule() {
        Rule::symbol => SYMBOLS.iter().find(|(symbol, _)| *symbol == node.as_str())?.1,
        Rule::kw_or => p::OR,
        Rule::kw_and => p::AND,
        Rule::kw_xor => p::XOR,
        Rule::kw_div => p::PRODUCT,
        Rule::like => p::LIKE,
        Rule::between | Rule::region | Rule::in_suffix => p::COMPARISON,
        Rule::is_distinct | Rule::is_suffix | Rule::null_suffix => p::IS,
        Rule::at_time_zone => p::TIME_ZONE,
        Rule::cast_suffix | Rule::subscript => p::CAST,
        Rule::field | Rule::collate => p::FIELD,
        _ => return None,
    })
}

/// The rest of a flat list.
pub(super) struct Tokens<'i> {
    pub(super) nodes: Peekable<Pairs<'i, Rule>>,
    end: usize,
}

impl Build<'_> {
    /// The rules `expr` and `frame_offset`: operands with operators between.
    pub(super) fn expr(&self, node: Node<'_>) -> Result<Expr> {
        let span = self.span(&node);
        let mut tokens = Tokens { nodes: node.into_inner().peekable(), end: span.range().end };
        // Most expressions are one operand.
        let expr = self.nest(span, || self.climb(&mut tokens, p::LOWEST))?;
        match tokens.nodes.next() {
            None => Ok(expr),
            Some(extra) => self.out_of_place(&extra),
        }
    }

    pub(super) fn out_of_place<T>(&self, node: &Node<'_>) -> Result<T> {
        let found = Some(node.as_str().chars().take(40).collect());
        let kind = ParseErrorKind::Unexpected { found, expected: vec!["an operator".to_owned()] };
        Err(ParseError::new(kind, self.text, self.span(node)))
    }

    /// An operand and all that binds tighter than `least`.
    fn climb(&self, tokens: &mut Tokens<'_>, least: u8) -> Result<Expr> {
        let mut left = self.prefixed(tokens)?;
        // The precedence of the chain that `left` is, as long as it may grow.
        let mut chain: Option<u8> = None;
        while let Some(next) = tokens.nodes.peek() {
            let Some(precedence) = precedence_of(next).filter(|&precedence| precedence > least) else {
                break;
            };
            let Some(node) = tokens.nodes.next() else { break };
            if let Some(operator) = self.binary_operator(&node) {
                if tokens.nodes.peek().is_some_and(|next| next.as_rule() == Rule::quantified) {
                    left = self.compared(left, operator, tokens)?;
                    chain = None;
                    continue;
                }
                let right = self.nest_operand(tokens, precedence)?;
                left = self.chained(left, operator, right, chain == Some(precedence))?;
                chain = Some(precedence);
            } else {
                left = self.wrapped(left, node, tokens, precedence)?;
                chain = None;
            }
        }
        Ok(left)
    }

    /// The right operand of an operator; its height counts as a sibling's.
    pub(super) fn nest_operand(&self, tokens: &mut Tokens<'_>, precedence: u8) -> Result<Expr> {
        let outside = self.height.replace(0);
        let right = self.climb(tokens, precedence)?;
        self.height.set(self.height.get().max(outside));
        Ok(right)
    }

    fn binary_operator(&self, node: &Node<'_>) -> Option<BinaryOperator> {
        match node.as_rule() {
            Rule::kw_or => Some(BinaryOperator::Or),
            Rule::kw_and => Some(BinaryOperator::And),
            Rule::kw_xor => Some(BinaryOperator::Xor),
            Rule::kw_div => Some(BinaryOperator::Div),
            Rule::symbol => {
                let (symbol, _) = SYMBOLS.iter().find(|(symbol, _)| *symbol == node.as_str())?;
                Some(BinaryOperator::Symbol(symbol))
            }
            _ => None,
        }
    }

    fn chained(&self, left: Expr, operator: BinaryOperator, right: Expr, grows: bool) -> Result<Expr> {
        let span = left.at.0.to(right.at.0);
        match left {
            Expr { kind: ExprKind::Chain { first, mut rest }, .. } if grows => {
                rest.push((operator, right));
                if !matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
                    self.check_chain("operators", rest.len(), span)?;
                }
                Ok(Expr::new(ExprKind::Chain { first, rest }, span))
            }
            left => {
                self.grow(span)?;
                Ok(Expr::new(ExprKind::Chain { first: Box::new(left), rest: vec![(operator, right)] }, span))
            }
        }
    }

    /// Operators before an operand, and the operand.
    fn prefixed(&self, tokens: &mut Tokens<'_>) -> Result<Expr> {
        let Some(node) = tokens.nodes.next() else {
            return Err(self.missing(Span::new(tokens.end, tokens.end), "an operand"));
        };
        if node.as_rule() != Rule::unary {
            return self.primary(node);
        }
        let span = self.span(&node);
        let (operator, binds) = match node.as_str() {
            "-" => (UnaryOperator::Minus, p::PRODUCT),
            "+" => (UnaryOperator::Plus, p::PRODUCT),
            "~" => (UnaryOperator::BitwiseNot, p::SUM),
            "!" => (UnaryOperator::Bang, p::NOT),
            _ => (UnaryOperator::Not, p::NOT),
        };
        self.nest(span, || {
            let operand = self.climb(tokens, binds)?;
            let span = span.to(operand.at.0);
            Ok(Expr::new(ExprKind::Unary(operator, Box::new(operand)), span))
        })
    }

    /// `= ANY (…)`
    fn compared(&self, left: Expr, operator: BinaryOperator, tokens: &mut Tokens<'_>) -> Result<Expr> {
        let Some(node) = tokens.nodes.next() else {
            return Err(self.missing(left.at.0, "an operand"));
        };
        let span = left.at.0.to(self.span(&node));
        let (quantifier, mut list) = match self.quantified(node)? {
            (quantifier, Err(query)) => (quantifier, vec![Expr::new(ExprKind::Subquery(query), span)]),
            (quantifier, Ok(list)) => (quantifier, list),
        };
        if !matches!(operator, BinaryOperator::Symbol(_)) {
            return self
                .invalid(span, "ANY, SOME and ALL stand only after a comparison or a region operator");
        }
        let right = match (list.pop(), list.is_empty()) {
            (Some(right), true) => Box::new(right),
            _ => return self.invalid(span, "ANY and ALL compare with one array or a subquery"),
        };
        self.grow(span)?;
        Ok(Expr::new(ExprKind::Compared { left: Box::new(left), operator, quantifier, right }, span))
    }

    /// `ANY (…)`: a list or a query.
    #[expect(clippy::type_complexity, reason = "an either, used twice")]
    pub(super) fn quantified(
        &self,
        node: Node<'_>,
    ) -> Result<(Quantifier, std::result::Result<Vec<Expr>, Box<crate::ast::Query>>)> {
        let mut quantifier = Quantifier::Any;
        let span = self.span(&node);
        for kid in node.into_inner() {
            match kid.as_rule() {
                Rule::kw_all => quantifier = Quantifier::All,
                Rule::kw_some => quantifier = Quantifier::Some,
                Rule::paren => return Ok((quantifier, self.list_or_query(kid)?)),
                _ => {}
            }
        }
        Err(self.missing(span, "a list"))
    }

    /// What is not a plain binary operator: casts, IS, IN, BETWEEN, LIKE, regions.
    fn wrapped(&self, left: Expr, node: Node<'_>, tokens: &mut Tokens<'_>, precedence: u8) -> Result<Expr> {
        let span = left.at.0.to(self.span(&node));
        match node.as_rule() {
            Rule::subscript | Rule::field => return self.accessed(left, node),
            Rule::region => return self.region(left, node, tokens),
            Rule::between => return self.between(left, node, tokens),
            Rule::like => return self.like(left, node, tokens),
            _ => self.grow(span)?,
        }
        let operand = Box::new(left);
        let negated = has(&node.clone().into_inner(), Rule::kw_not);
        let kind = match node.as_rule() {
            Rule::cast_suffix => {
                let Some(kid) = node.clone().into_inner().next() else { return self.confused(&node) };
                let data_type = self.data_type(kid)?;
                ExprKind::Cast { operand, data_type, style: CastStyle::DoubleColon, format: None }
            }
            Rule::collate => match node.clone().into_inner().find(|kid| kid.as_rule() == Rule::name) {
                Some(kid) => ExprKind::Collate(operand, self.name(kid)),
                None => return self.confused(&node),
            },
            Rule::is_suffix => ExprKind::Is { operand, negated, test: truth_test(&node) },
            Rule::null_suffix => {
                let negated = negated || has(&node.into_inner(), Rule::kw_notnull);
                ExprKind::Is { operand, negated, test: TruthTest::Null }
            }
            Rule::in_suffix => self.in_suffix(operand, negated, node)?,
            Rule::is_distinct => {
                let right = self.nest_operand(tokens, precedence)?;
                let span = span.to(right.at.0);
                let kind = ExprKind::IsDistinct { left: operand, negated, right: Box::new(right) };
                return Ok(Expr::new(kind, span));
            }
            Rule::at_time_zone => {
                let zone = self.nest_operand(tokens, precedence)?;
                let span = span.to(zone.at.0);
                return Ok(Expr::new(ExprKind::AtTimeZone(operand, Box::new(zone)), span));
            }
            _ => return self.confused(&node),
        };
        Ok(Expr::new(kind, span))
    }

    fn accessed(&self, left: Expr, node: Node<'_>) -> Result<Expr> {
        let span = left.at.0.to(self.span(&node));
        let access = match node.as_rule() {
            Rule::field => Access::Field(self.first_ident(&node)?),
            _ => self.subscript(node)?,
        };
        if let ExprKind::Access(base, mut path) = left.kind {
            path.push(access);
            self.check_chain("subscripts", path.len(), span)?;
            return Ok(Expr::new(ExprKind::Access(base, path), span));
        }
        self.grow(span)?;
        Ok(Expr::new(ExprKind::Access(Box::new(left), vec![access]), span))
    }

    fn subscript(&self, node: Node<'_>) -> Result<Access> {
        let mut parts: Vec<Option<Box<Expr>>> = vec![None];
        for kid in node.clone().into_inner() {
            match (kid.as_rule(), parts.last_mut()) {
                (Rule::slice_colon, _) => parts.push(None),
                (Rule::expr, Some(part)) => *part = Some(Box::new(self.expr(kid)?)),
                _ => return self.confused(&kid),
            }
        }
        let mut parts = parts.into_iter();
        match (parts.next().flatten(), parts.next(), parts.next()) {
            (Some(index), None, None) => Ok(Access::Index(*index)),
            (first, second, third) => Ok(Access::Slice(first, second.flatten(), third.flatten())),
        }
    }

    fn in_suffix(&self, operand: Box<Expr>, negated: bool, node: Node<'_>) -> Result<ExprKind> {
        for kid in node.clone().into_inner() {
            match kid.as_rule() {
                Rule::in_unnest => {
                    return Ok(ExprKind::InUnnest {
                        operand,
                        negated,
                        array: Box::new(self.only_expr(kid)?),
                    });
                }
                Rule::paren => {
                    let span = self.span(&kid);
                    return Ok(match self.list_or_query(kid)? {
                        // `IN ((SELECT …))` asks for the query's rows, too.
                        Ok(mut list)
                            if matches!(list.as_slice(), [Expr { kind: ExprKind::Subquery(_), .. }]) =>
                        {
                            match list.pop().map(|only| only.kind) {
                                Some(ExprKind::Subquery(query)) => {
                                    let query = Box::new(super::table::plain(QueryBody::Nested(query), span));
                                    ExprKind::InQuery { operand, negated, query }
                                }
                                _ => ExprKind::InList { operand, negated, list },
                            }
                        }
                        Ok(list) => ExprKind::InList { operand, negated, list },
                        Err(query) => ExprKind::InQuery { operand, negated, query },
                    });
                }
                Rule::in_other => {
                    let span = self.span(&kid);
                    let kind = ParseErrorKind::Unexpected {
                        found: Some(kid.as_str().chars().take(40).collect()),
                        expected: vec!["a list in parentheses".to_owned()],
                    };
                    return Err(ParseError::new(kind, self.text, span));
                }
                _ => {}
            }
        }
        self.confused(&node)
    }

    fn between(&self, left: Expr, node: Node<'_>, tokens: &mut Tokens<'_>) -> Result<Expr> {
        let words = node.clone().into_inner();
        let (negated, symmetric) = (has(&words, Rule::kw_not), has(&words, Rule::kw_symmetric));
        self.grow(self.span(&node))?;
        let low = Box::new(self.nest_operand(tokens, p::COMPARISON)?);
        match tokens.nodes.next() {
            Some(and) if and.as_rule() == Rule::kw_and => {}
            Some(other) => {
                let kind = ParseErrorKind::Unexpected {
                    found: Some(other.as_str().chars().take(40).collect()),
                    expected: vec!["AND of BETWEEN".to_owned()],
                };
                return Err(ParseError::new(kind, self.text, self.span(&other)));
            }
            None => return Err(self.missing(Span::new(tokens.end, tokens.end), "AND of BETWEEN")),
        }
        let high = Box::new(self.nest_operand(tokens, p::COMPARISON)?);
        let span = left.at.0.to(high.at.0);
        Ok(Expr::new(ExprKind::Between { operand: Box::new(left), negated, symmetric, low, high }, span))
    }

    fn like(&self, left: Expr, node: Node<'_>, tokens: &mut Tokens<'_>) -> Result<Expr> {
        let words = node.clone().into_inner();
        let kind = [
            (Rule::kw_ilike, LikeKind::ILike),
            (Rule::kw_similar, LikeKind::SimilarTo),
            (Rule::kw_rlike, LikeKind::RLike),
            (Rule::kw_regexp, LikeKind::Regexp),
        ];
        let kind =
            kind.into_iter().find(|&(rule, _)| has(&words, rule)).map_or(LikeKind::Like, |(_, kind)| kind);
        let negated = has(&words, Rule::kw_not);
        self.grow(self.span(&node))?;
        let pattern = Box::new(self.nest_operand(tokens, p::LIKE)?);
        let mut span = left.at.0.to(pattern.at.0);
        let mut escape = None;
        if tokens.nodes.next_if(|next| next.as_rule() == Rule::kw_escape).is_some() {
            let Some(node) = tokens.nodes.next() else {
                return Err(self.missing(span, "an escape character"));
            };
            let literal: Literal = self.literal(&node)?;
            if !matches!(literal.kind, LiteralKind::String(_) | LiteralKind::EscapedString(_)) {
                return self.out_of_place(&node);
            }
            span = span.to(literal.at.0);
            escape = Some(literal);
        }
        Ok(Expr::new(ExprKind::Like { operand: Box::new(left), negated, kind, pattern, escape }, span))
    }

    /// `POSITION(a IN b)`: the rule's one expression, taken apart.
    pub(super) fn position(&self, node: Node<'_>) -> Result<ExprKind> {
        let span = self.span(&node);
        let Some(expr) = node.into_inner().find(|kid| kid.as_rule() == Rule::expr) else {
            return Err(self.missing(span, "an expression"));
        };
        let mut tokens = Tokens { nodes: expr.into_inner().peekable(), end: span.range().end };
        let needle = Box::new(self.climb(&mut tokens, p::COMPARISON)?);
        let suffix = tokens.nodes.next().filter(|next| next.as_rule() == Rule::in_suffix);
        let Some(suffix) = suffix.filter(|suffix| !has(&suffix.clone().into_inner(), Rule::kw_not)) else {
            return Err(self.missing(span, "IN of POSITION"));
        };
        let place = self.span(&suffix);
        let mut inner = suffix.into_inner().filter(|kid| !kid.as_rule().is_keyword());
        let haystack = match inner.next() {
            Some(other) if other.as_rule() == Rule::in_other => {
                let mut rest = Tokens { nodes: other.into_inner().peekable(), end: span.range().end };
                self.climb(&mut rest, p::LOWEST)?
            }
            Some(other) if other.as_rule() == Rule::paren => self.primary(other)?,
            _ => return self.invalid(place, "POSITION seeks in a text"),
        };
        match tokens.nodes.next() {
            Some(extra) => self.out_of_place(&extra),
            None => Ok(ExprKind::Position { needle, haystack: Box::new(haystack) }),
        }
    }
}

fn truth_test(node: &Node<'_>) -> TruthTest {
    let words = node.clone().into_inner();
    if has(&words, Rule::kw_true) {
        TruthTest::True
    } else if has(&words, Rule::kw_false) {
        TruthTest::False
    } else if has(&words, Rule::kw_unknown) {
        TruthTest::Unknown
    } else {
        TruthTest::Null
    }
}
