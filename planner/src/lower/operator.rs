//! Operators.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{BinaryOperator, Expr, UnaryOperator};

use super::{Lower, LowerError, Result};

/// Chains of AND and OR up to this long keep the shape that SQL gives them, to the left.
const LEFT_DEEP_MAX: usize = 64;

impl Lower<'_> {
    pub(super) fn chain(
        &self,
        first: &Expr,
        rest: &[(BinaryOperator, Expr)],
        span: Span,
    ) -> Result<sql::Expr> {
        if let Some((operator @ (BinaryOperator::And | BinaryOperator::Or), _)) = rest.first()
            && rest.len() > LEFT_DEEP_MAX
        {
            let operands = std::iter::once(first).chain(rest.iter().map(|(_, operand)| operand));
            let operands = operands.map(|operand| self.expr(operand)).collect::<Result<Vec<_>>>()?;
            return Ok(balanced(operands, &binary_operator(*operator, span)?));
        }
        let mut left = self.expr(first)?;
        for (operator, operand) in rest {
            let op = binary_operator(*operator, span)?;
            left = sql::Expr::BinaryOp { left: Box::new(left), op, right: self.boxed(operand)? };
        }
        Ok(left)
    }
}

/// The operands joined by an associative operator as a tree of the least depth; at least one operand.
pub(super) fn balanced(mut operands: Vec<sql::Expr>, operator: &sql::BinaryOperator) -> sql::Expr {
    while operands.len() > 1 {
        let mut paired = Vec::with_capacity(operands.len().div_ceil(2));
        let mut rest = operands.into_iter();
        while let Some(left) = rest.next() {
            paired.push(match rest.next() {
                Some(right) => {
                    sql::Expr::BinaryOp { left: Box::new(left), op: operator.clone(), right: Box::new(right) }
                }
                None => left,
            });
        }
        operands = paired;
    }
    operands.pop().unwrap_or(sql::Expr::Value(sql::Value::Null.into()))
}

pub(super) fn unary_operator(operator: UnaryOperator) -> sql::UnaryOperator {
    match operator {
        UnaryOperator::Not => sql::UnaryOperator::Not,
        UnaryOperator::Minus => sql::UnaryOperator::Minus,
        UnaryOperator::Plus => sql::UnaryOperator::Plus,
        UnaryOperator::BitwiseNot => sql::UnaryOperator::BitwiseNot,
        UnaryOperator::Bang => sql::UnaryOperator::BangNot,
    }
}

pub(super) fn binary_operator(operator: BinaryOperator, span: Span) -> Result<sql::BinaryOperator> {
    use sql::BinaryOperator as Op;
    let symbol = match operator {
        BinaryOperator::And => return Ok(Op::And),
        BinaryOperator::Or => return Ok(Op::Or),
        BinaryOperator::Xor => return Ok(Op::Xor),
        BinaryOperator::Div => return Ok(Op::MyIntegerDivide),
        BinaryOperator::Symbol(symbol) => symbol,
    };
    Ok(match symbol {
        "=" | "==" => Op::Eq,
        "<>" | "!=" => Op::NotEq,
        "<" => Op::Lt,
        "<=" => Op::LtEq,
        ">" => Op::Gt,
        ">=" => Op::GtEq,
        "<=>" => Op::Spaceship,
        "+" => Op::Plus,
        "-" => Op::Minus,
        "*" => Op::Multiply,
        "/" => Op::Divide,
        "//" => Op::DuckIntegerDivide,
        "%" => Op::Modulo,
        "||" => Op::StringConcat,
        "|" => Op::BitwiseOr,
        "&" => Op::BitwiseAnd,
        "^" => Op::BitwiseXor,
        "#" => Op::PGBitwiseXor,
        "<<" => Op::PGBitwiseShiftLeft,
        ">>" => Op::PGBitwiseShiftRight,
        "&&" => Op::PGOverlap,
        "~" => Op::PGRegexMatch,
        "~*" => Op::PGRegexIMatch,
        "!~" => Op::PGRegexNotMatch,
        "!~*" => Op::PGRegexNotIMatch,
        "~~" => Op::PGLikeMatch,
        "~~*" => Op::PGILikeMatch,
        "!~~" => Op::PGNotLikeMatch,
        "!~~*" => Op::PGNotILikeMatch,
        "^@" => Op::PGStartsWith,
        "->" => Op::Arrow,
        "->>" => Op::LongArrow,
        "#>" => Op::HashArrow,
        "#>>" => Op::HashLongArrow,
        "@>" => Op::AtArrow,
        "<@" => Op::ArrowAt,
        "#-" => Op::HashMinus,
        "@?" => Op::AtQuestion,
        "@@" => Op::AtAt,
        "<->" => Op::LtDashGt,
        other => return Err(LowerError::unsupported(format!("the operator {other}"), span)),
    })
}
