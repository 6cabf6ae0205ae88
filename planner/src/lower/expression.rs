//! Expressions.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{
    Access, CastStyle, DataType, Expr, ExprKind, Ident, LikeKind, Literal, Quantifier, TrimSide, TruthTest,
    UnaryOperator,
};

use super::operator::{binary_operator, unary_operator};
use super::region::nested;
use super::{Lower, LowerError, Result};

/// Values of an IN list at most: DataFusion plans some 50,000 a second, and a plan must come within one.
const IN_LIST_MAX: usize = 32_768;

impl Lower<'_> {
    pub(super) fn expr(&self, expr: &Expr) -> Result<sql::Expr> {
        super::with_stack(|| self.expr_kind(expr))
    }

    fn expr_kind(&self, expr: &Expr) -> Result<sql::Expr> {
        let span = expr.at.0;
        match &expr.kind {
            ExprKind::Column(parts) => self.column(parts, span),
            ExprKind::Literal(literal) => Ok(sql::Expr::Value(self.literal(literal))),
            ExprKind::Placeholder(text) => {
                let value = sql::Value::Placeholder(text.clone());
                Ok(sql::Expr::Value(sql::ValueWithSpan { value, span: self.span(span) }))
            }
            ExprKind::Unary(operator, operand) => self.unary(*operator, operand),
            ExprKind::Chain { first, rest } => self.chain(first, rest, span),
            ExprKind::Nested(inner) => Ok(sql::Expr::Nested(self.boxed(inner)?)),
            ExprKind::Subquery(query) => Ok(sql::Expr::Subquery(Box::new(self.query(query)?))),
            ExprKind::Exists(query) => {
                Ok(sql::Expr::Exists { subquery: Box::new(self.query(query)?), negated: false })
            }
            ExprKind::Row(items) => Ok(sql::Expr::Tuple(self.exprs(items)?)),
            ExprKind::Function(call) => self.function(call),
            ExprKind::Access(base, path) => self.access(base, path),
            ExprKind::Lambda { parameters, parenthesised, body } => {
                self.lambda(parameters, *parenthesised, body)
            }
            ExprKind::AtTimeZone(operand, zone) => {
                Ok(sql::Expr::AtTimeZone { timestamp: self.boxed(operand)?, time_zone: self.boxed(zone)? })
            }
            ExprKind::Collate(operand, name) => {
                Ok(sql::Expr::Collate { expr: self.boxed(operand)?, collation: self.object_name(name) })
            }
            ExprKind::Cast { operand, data_type, style, format } => {
                self.cast(operand, data_type, *style, format.as_deref(), span)
            }
            ExprKind::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())
            }
            ExprKind::Typed(data_type, text) => Ok(sql::Expr::TypedString(sql::TypedString {
                data_type: self.data_type(data_type)?,
                value: self.text_value(text, span),
                uses_odbc_syntax: false,
            })),
            ExprKind::Array { .. } | ExprKind::Struct(_) | ExprKind::Dictionary(_) | ExprKind::Map(_) => {
                self.collection(expr)
            }
            ExprKind::Interval { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Position { .. }
            | ExprKind::Substring { .. }
            | ExprKind::Trim { .. }
            | ExprKind::Overlay { .. }
            | ExprKind::Rounding { .. } => self.special(expr),
            _ => self.predicate(expr),
        }
    }

    fn unary(&self, operator: UnaryOperator, operand: &Expr) -> Result<sql::Expr> {
        if let (UnaryOperator::Not, ExprKind::Exists(query)) = (operator, &operand.kind) {
            return Ok(sql::Expr::Exists { subquery: Box::new(self.query(query)?), negated: true });
        }
        Ok(sql::Expr::UnaryOp { op: unary_operator(operator), expr: self.boxed(operand)? })
    }

    fn predicate(&self, expr: &Expr) -> Result<sql::Expr> {
        let span = expr.at.0;
        match &expr.kind {
            ExprKind::Compared { left, operator, quantifier, right } => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                let compare_op = binary_operator(*operator, span)?;
                Ok(match quantifier {
                    Quantifier::All => sql::Expr::AllOp { left, compare_op, right },
                    some => sql::Expr::AnyOp { left, compare_op, right, is_some: *some == Quantifier::Some },
                })
            }
            ExprKind::Is { operand, negated, test } => {
                let operand = self.boxed(operand)?;
                Ok(match (test, negated) {
                    (TruthTest::Null, false) => sql::Expr::IsNull(operand),
                    (TruthTest::Null, true) => sql::Expr::IsNotNull(operand),
                    (TruthTest::True, false) => sql::Expr::IsTrue(operand),
                    (TruthTest::True, true) => sql::Expr::IsNotTrue(operand),
                    (TruthTest::False, false) => sql::Expr::IsFalse(operand),
                    (TruthTest::False, true) => sql::Expr::IsNotFalse(operand),
                    (TruthTest::Unknown, false) => sql::Expr::IsUnknown(operand),
                    (TruthTest::Unknown, true) => sql::Expr::IsNotUnknown(operand),
                })
            }
            ExprKind::IsDistinct { left, negated, right } => {
                let (left, right) = (self.boxed(left)?, self.boxed(right)?);
                Ok(if *negated {
                    sql::Expr::IsNotDistinctFrom(left, right)
                } else {
                    sql::Expr::IsDistinctFrom(left, right)
                })
            }
            ExprKind::InList { list, .. } if list.len() > IN_LIST_MAX => {
                let what = format!(
                    "an IN list of {} values (the most is {IN_LIST_MAX}; join with VALUES or a table instead)",
                    list.len()
                );
                Err(LowerError::unsupported(what, span))
            }
            ExprKind::InList { operand, negated, list } => Ok(sql::Expr::InList {
                expr: self.boxed(operand)?,
                list: self.exprs(list)?,
                negated: *negated,
            }),
            ExprKind::InQuery { operand, negated, query } => Ok(sql::Expr::InSubquery {
                expr: self.boxed(operand)?,
                subquery: Box::new(self.query(query)?),
                negated: *negated,
            }),
            ExprKind::InUnnest { operand, negated, array } => Ok(sql::Expr::InUnnest {
                expr: self.boxed(operand)?,
                array_expr: self.boxed(array)?,
                negated: *negated,
            }),
            ExprKind::Between { operand, negated, symmetric, low, high } => {
                if *symmetric {
                    return Err(LowerError::unsupported("BETWEEN SYMMETRIC", span));
                }
                Ok(sql::Expr::Between {
                    expr: self.boxed(operand)?,
                    negated: *negated,
                    low: self.boxed(low)?,
                    high: self.boxed(high)?,
                })
            }
            ExprKind::Like { operand, negated, kind, pattern, escape } => {
                self.like(operand, *negated, *kind, pattern, escape.as_ref())
            }
            ExprKind::Region { operand, negated, operator, distance, target } => {
                let region = self.region(operand, *operator, distance.as_deref(), target, span)?;
                Ok(if *negated {
                    sql::Expr::UnaryOp { op: sql::UnaryOperator::Not, expr: Box::new(nested(region)) }
                } else {
                    region
                })
            }
            _ => Err(LowerError::unsupported("this expression", span)),
        }
    }

    fn like(
        &self,
        operand: &Expr,
        negated: bool,
        kind: LikeKind,
        pattern: &Expr,
        escape: Option<&Literal>,
    ) -> Result<sql::Expr> {
        let (expr, pattern) = (self.boxed(operand)?, self.boxed(pattern)?);
        let escape_char = escape.map(|literal| self.literal(literal));
        Ok(match kind {
            LikeKind::Like => sql::Expr::Like { negated, any: false, expr, pattern, escape_char },
            LikeKind::ILike => sql::Expr::ILike { negated, any: false, expr, pattern, escape_char },
            LikeKind::SimilarTo => sql::Expr::SimilarTo { negated, expr, pattern, escape_char },
            LikeKind::RLike => sql::Expr::RLike { negated, expr, pattern, regexp: false },
            LikeKind::Regexp => sql::Expr::RLike { negated, expr, pattern, regexp: true },
        })
    }

    fn access(&self, base: &Expr, path: &[Access]) -> Result<sql::Expr> {
        let (root, mut chain) = match &base.kind {
            // `a.b[1]` is a path from `a`, not from `a.b`.
            ExprKind::Column(parts) => {
                let mut idents = self.column_idents(parts).into_iter();
                let Some(first) = idents.next() else {
                    return Err(LowerError::unsupported("an empty name", base.at.0));
                };
                let rest = idents.map(|ident| sql::AccessExpr::Dot(sql::Expr::Identifier(ident)));
                (sql::Expr::Identifier(first), rest.collect())
            }
            _ => (self.expr(base)?, Vec::new()),
        };
        for access in path {
            chain.push(match access {
                Access::Field(name) => sql::AccessExpr::Dot(sql::Expr::Identifier(self.ident(name))),
                Access::Index(index) => {
                    sql::AccessExpr::Subscript(sql::Subscript::Index { index: self.expr(index)? })
                }
                Access::Slice(first, second, third) => {
                    let part =
                        |part: &Option<Box<Expr>>| part.as_ref().map(|expr| self.expr(expr)).transpose();
                    sql::AccessExpr::Subscript(sql::Subscript::Slice {
                        lower_bound: part(first)?,
                        upper_bound: part(second)?,
                        stride: part(third)?,
                    })
                }
            });
        }
        Ok(sql::Expr::CompoundFieldAccess { root: Box::new(root), access_chain: chain })
    }

    fn lambda(&self, parameters: &[Ident], parenthesised: bool, body: &Expr) -> Result<sql::Expr> {
        let mut names: Vec<_> = parameters
            .iter()
            .map(|name| sql::LambdaFunctionParameter { name: self.ident(name), data_type: None })
            .collect();
        let params = match names.pop() {
            Some(only) if !parenthesised && names.is_empty() => sql::OneOrManyWithParens::One(only),
            last => {
                names.extend(last);
                sql::OneOrManyWithParens::Many(names)
            }
        };
        Ok(sql::Expr::Lambda(sql::LambdaFunction {
            params,
            body: self.boxed(body)?,
            syntax: sql::LambdaSyntax::Arrow,
        }))
    }

    fn cast(
        &self,
        operand: &Expr,
        data_type: &DataType,
        style: CastStyle,
        format: Option<&str>,
        span: Span,
    ) -> Result<sql::Expr> {
        let kind = match style {
            CastStyle::Cast => sql::CastKind::Cast,
            CastStyle::TryCast => sql::CastKind::TryCast,
            CastStyle::SafeCast => sql::CastKind::SafeCast,
            CastStyle::DoubleColon => sql::CastKind::DoubleColon,
        };
        Ok(sql::Expr::Cast {
            kind,
            expr: self.boxed(operand)?,
            data_type: self.data_type(data_type)?,
            array: false,
            format: format.map(|text| sql::CastFormat::Value(self.text_value(text, span))),
        })
    }

    fn case(
        &self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) -> Result<sql::Expr> {
        let conditions = branches.iter().map(|(condition, result)| {
            Ok(sql::CaseWhen { condition: self.expr(condition)?, result: self.expr(result)? })
        });
        Ok(sql::Expr::Case {
            case_token: sql::helpers::attached_token::AttachedToken::empty(),
            end_token: sql::helpers::attached_token::AttachedToken::empty(),
            operand: self.maybe(operand)?,
            conditions: conditions.collect::<Result<_>>()?,
            else_result: self.maybe(otherwise)?,
        })
    }

    fn collection(&self, expr: &Expr) -> Result<sql::Expr> {
        match &expr.kind {
            ExprKind::Array { elements, word } => {
                Ok(sql::Expr::Array(sql::Array { elem: self.exprs(elements)?, named: *word }))
            }
            ExprKind::Struct(values) => {
                let values = values.iter().map(|(value, name)| match name {
                    Some(name) => Ok(sql::Expr::Named { expr: self.boxed(value)?, name: self.ident(name) }),
                    None => self.expr(value),
                });
                Ok(sql::Expr::Struct { values: values.collect::<Result<_>>()?, fields: Vec::new() })
            }
            ExprKind::Dictionary(entries) => {
                let fields = entries.iter().map(|(key, value)| {
                    Ok(sql::DictionaryField { key: self.ident(key), value: self.boxed(value)? })
                });
                Ok(sql::Expr::Dictionary(fields.collect::<Result<_>>()?))
            }
            ExprKind::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| {
                    Ok(sql::MapEntry { key: self.boxed(key)?, value: self.boxed(value)? })
                });
                Ok(sql::Expr::Map(sql::Map { entries: entries.collect::<Result<_>>()? }))
            }
            _ => Err(LowerError::unsupported("this collection", expr.at.0)),
        }
    }
}

pub(super) fn trim_side(side: TrimSide) -> sql::TrimWhereField {
    match side {
        TrimSide::Both => sql::TrimWhereField::Both,
        TrimSide::Leading => sql::TrimWhereField::Leading,
        TrimSide::Trailing => sql::TrimWhereField::Trailing,
    }
}
