//! Region predicates.

use super::operators::{Tokens, precedence};
use super::{Build, Result, has};
use crate::ast::{Expr, ExprKind, RegionOperator, RegionTarget};
use crate::parser::{Node, Rule};

impl Build<'_> {
    /// `INTERSECTS`, `CONTAINS`, `WITHIN`, `WITHIN n OF`
    pub(super) fn region(&self, left: Expr, node: Node<'_>, tokens: &mut Tokens<'_>) -> Result<Expr> {
        let words = node.clone().into_inner();
        let negated = has(&words, Rule::kw_not);
        let operator = if has(&words, Rule::kw_intersects) {
            RegionOperator::Intersects
        } else if has(&words, Rule::kw_contains) {
            RegionOperator::Contains
        } else {
            RegionOperator::Within
        };
        self.grow(self.span(&node))?;
        let mut target = self.region_target(tokens)?;
        let mut distance = None;
        if let Some(of) = tokens.nodes.next_if(|next| next.as_rule() == Rule::kw_of) {
            match (operator, target) {
                (RegionOperator::Within, RegionTarget::One(expr)) => distance = Some(expr),
                _ => return self.out_of_place(&of),
            }
            target = self.region_target(tokens)?;
        }
        let end = match &target {
            RegionTarget::One(expr) => expr.at.0,
            RegionTarget::List(_, list) => list.last().map_or(left.at.0, |expr| expr.at.0),
            RegionTarget::Query(_, query) => query.at.0,
        };
        let span = left.at.0.to(end);
        Ok(Expr::new(ExprKind::Region { operand: Box::new(left), negated, operator, distance, target }, span))
    }

    fn region_target(&self, tokens: &mut Tokens<'_>) -> Result<RegionTarget> {
        match tokens.nodes.next_if(|next| next.as_rule() == Rule::quantified) {
            Some(node) => Ok(match self.quantified(node)? {
                (quantifier, Ok(list)) => RegionTarget::List(quantifier, list),
                (quantifier, Err(query)) => RegionTarget::Query(quantifier, query),
            }),
            None => Ok(RegionTarget::One(Box::new(self.nest_operand(tokens, precedence::COMPARISON)?))),
        }
    }
}
