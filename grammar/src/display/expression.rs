//! The text of expressions.

use std::fmt::{self, Display, Formatter};

use super::{Quoted, list, parenthesised};
use crate::ast::{
    Access, Argument, ArgumentValue, BinaryOperator, CastStyle, Expr, ExprKind, FrameBound, FrameUnit,
    FunctionCall, LikeKind, NullTreatment, Quantifier, RegionOperator, RegionTarget, TrimSide, TruthTest,
    UnaryOperator, Window, WindowFrame, WindowSpec,
};

fn not(negated: bool) -> &'static str {
    if negated { "NOT " } else { "" }
}

impl Display for Expr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Column(parts) => list(f, parts, "."),
            ExprKind::Literal(literal) => literal.fmt(f),
            ExprKind::Placeholder(text) => f.write_str(text),
            ExprKind::Unary(operator, operand) => unary(f, *operator, operand),
            ExprKind::Chain { first, rest } => {
                first.fmt(f)?;
                rest.iter().try_for_each(|(operator, operand)| write!(f, " {operator} {operand}"))
            }
            ExprKind::Compared { left, operator, quantifier, right } => match &right.kind {
                ExprKind::Subquery(query) => write!(f, "{left} {operator} {quantifier} ({query})"),
                _ => write!(f, "{left} {operator} {quantifier} ({right})"),
            },
            ExprKind::Nested(inner) => write!(f, "({inner})"),
            ExprKind::Subquery(query) => write!(f, "({query})"),
            ExprKind::Exists(query) => write!(f, "EXISTS ({query})"),
            ExprKind::Row(items) => {
                let comma = if items.len() == 1 { "," } else { "" };
                f.write_str("(")?;
                list(f, items, ", ")?;
                write!(f, "{comma})")
            }
            ExprKind::Function(call) => call.fmt(f),
            ExprKind::Access(base, path) => {
                base.fmt(f)?;
                path.iter().try_for_each(|access| access.fmt(f))
            }
            ExprKind::Lambda { parameters, parenthesised: true, body } => {
                parenthesised(f, parameters)?;
                write!(f, " -> {body}")
            }
            ExprKind::Lambda { parameters, body, .. } => {
                list(f, parameters, ", ")?;
                write!(f, " -> {body}")
            }
            ExprKind::AtTimeZone(operand, zone) => write!(f, "{operand} AT TIME ZONE {zone}"),
            ExprKind::Collate(operand, name) => write!(f, "{operand} COLLATE {name}"),
            ExprKind::Is { .. }
            | ExprKind::IsDistinct { .. }
            | ExprKind::InList { .. }
            | ExprKind::InQuery { .. }
            | ExprKind::InUnnest { .. }
            | ExprKind::Between { .. }
            | ExprKind::Like { .. }
            | ExprKind::Region { .. } => predicate(f, &self.kind),
            ExprKind::Array { .. } | ExprKind::Struct(_) | ExprKind::Dictionary(_) | ExprKind::Map(_) => {
                collection(f, &self.kind)
            }
            other => special(f, other),
        }
    }
}

fn unary(f: &mut Formatter<'_>, operator: UnaryOperator, operand: &Expr) -> fmt::Result {
    let text = match operator {
        UnaryOperator::Not => "NOT ",
        // `- -1` must not become a comment.
        UnaryOperator::Minus => "- ",
        UnaryOperator::Plus => "+ ",
        UnaryOperator::BitwiseNot => "~ ",
        UnaryOperator::Bang => "! ",
    };
    let simple = matches!(operand.kind, ExprKind::Literal(_) | ExprKind::Column(_) | ExprKind::Nested(_));
    let text = if simple && operator != UnaryOperator::Not { text.trim_end() } else { text };
    write!(f, "{text}{operand}")
}

fn predicate(f: &mut Formatter<'_>, kind: &ExprKind) -> fmt::Result {
    match kind {
        ExprKind::Is { operand, negated, test } => {
            let test = match test {
                TruthTest::Null => "NULL",
                TruthTest::True => "TRUE",
                TruthTest::False => "FALSE",
                TruthTest::Unknown => "UNKNOWN",
            };
            write!(f, "{operand} IS {}{test}", not(*negated))
        }
        ExprKind::IsDistinct { left, negated, right } => {
            write!(f, "{left} IS {}DISTINCT FROM {right}", not(*negated))
        }
        ExprKind::InList { operand, negated, list } => {
            write!(f, "{operand} {}IN ", not(*negated))?;
            parenthesised(f, list)
        }
        ExprKind::InQuery { operand, negated, query } => write!(f, "{operand} {}IN ({query})", not(*negated)),
        ExprKind::InUnnest { operand, negated, array } => {
            write!(f, "{operand} {}IN UNNEST({array})", not(*negated))
        }
        ExprKind::Between { operand, negated, symmetric, low, high } => {
            let symmetric = if *symmetric { "SYMMETRIC " } else { "" };
            write!(f, "{operand} {}BETWEEN {symmetric}{low} AND {high}", not(*negated))
        }
        ExprKind::Like { operand, negated, kind, pattern, escape } => {
            let word = match kind {
                LikeKind::Like => "LIKE",
                LikeKind::ILike => "ILIKE",
                LikeKind::SimilarTo => "SIMILAR TO",
                LikeKind::RLike => "RLIKE",
                LikeKind::Regexp => "REGEXP",
            };
            write!(f, "{operand} {}{word} {pattern}", not(*negated))?;
            escape.iter().try_for_each(|escape| write!(f, " ESCAPE {escape}"))
        }
        ExprKind::Region { operand, negated, operator, distance, target } => {
            let word = match operator {
                RegionOperator::Intersects => "INTERSECTS",
                RegionOperator::Contains => "CONTAINS",
                RegionOperator::Within => "WITHIN",
            };
            write!(f, "{operand} {}{word} ", not(*negated))?;
            if let Some(distance) = distance {
                write!(f, "{distance} OF ")?;
            }
            match target {
                RegionTarget::One(expr) => expr.fmt(f),
                RegionTarget::List(quantifier, list) => {
                    write!(f, "{quantifier} ")?;
                    parenthesised(f, list)
                }
                RegionTarget::Query(quantifier, query) => write!(f, "{quantifier} ({query})"),
            }
        }
        _ => Err(fmt::Error),
    }
}

fn collection(f: &mut Formatter<'_>, kind: &ExprKind) -> fmt::Result {
    match kind {
        ExprKind::Array { elements, word } => {
            f.write_str(if *word { "ARRAY[" } else { "[" })?;
            list(f, elements, ", ")?;
            f.write_str("]")
        }
        ExprKind::Struct(values) => {
            f.write_str("STRUCT(")?;
            for (i, (value, name)) in values.iter().enumerate() {
                write!(f, "{}{value}", if i > 0 { ", " } else { "" })?;
                name.iter().try_for_each(|name| write!(f, " AS {name}"))?;
            }
            f.write_str(")")
        }
        ExprKind::Dictionary(entries) => {
            f.write_str("{")?;
            for (i, (key, value)) in entries.iter().enumerate() {
                write!(f, "{}{key}: {value}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str("}")
        }
        ExprKind::Map(entries) => {
            f.write_str("MAP {")?;
            for (i, (key, value)) in entries.iter().enumerate() {
                write!(f, "{}{key}: {value}", if i > 0 { ", " } else { "" })?;
            }
            f.write_str("}")
        }
        _ => Err(fmt::Error),
    }
}

/// Forms that look like calls, CASE, and typed texts.
fn special(f: &mut Formatter<'_>, kind: &ExprKind) -> fmt::Result {
    match kind {
        ExprKind::Typed(data_type, text) => write!(f, "{data_type} {}", Quoted(text, '\'')),
        ExprKind::Interval { value, unit, last_unit } => {
            write!(f, "INTERVAL {value}")?;
            unit.iter().try_for_each(|unit| write!(f, " {unit}"))?;
            last_unit.iter().try_for_each(|unit| write!(f, " TO {unit}"))
        }
        ExprKind::Cast { operand, data_type, style: CastStyle::DoubleColon, .. } => {
            write!(f, "{operand}::{data_type}")
        }
        ExprKind::Cast { operand, data_type, style, format } => {
            let word = match style {
                CastStyle::TryCast => "TRY_CAST",
                CastStyle::SafeCast => "SAFE_CAST",
                _ => "CAST",
            };
            write!(f, "{word}({operand} AS {data_type}")?;
            format.iter().try_for_each(|format| write!(f, " FORMAT {}", Quoted(format, '\'')))?;
            f.write_str(")")
        }
        ExprKind::Case { operand, branches, otherwise } => {
            f.write_str("CASE")?;
            operand.iter().try_for_each(|operand| write!(f, " {operand}"))?;
            branches.iter().try_for_each(|(when, then)| write!(f, " WHEN {when} THEN {then}"))?;
            otherwise.iter().try_for_each(|otherwise| write!(f, " ELSE {otherwise}"))?;
            f.write_str(" END")
        }
        ExprKind::Extract { field, operand } => write!(f, "EXTRACT({field} FROM {operand})"),
        ExprKind::Position { needle, haystack } => write!(f, "POSITION({needle} IN {haystack})"),
        ExprKind::Substring { operand, from, length, commas, short } => {
            write!(f, "{}({operand}", if *short { "SUBSTR" } else { "SUBSTRING" })?;
            let (before_from, before_length) = if *commas { (", ", ", ") } else { (" FROM ", " FOR ") };
            from.iter().try_for_each(|from| write!(f, "{before_from}{from}"))?;
            length.iter().try_for_each(|length| write!(f, "{before_length}{length}"))?;
            f.write_str(")")
        }
        ExprKind::Trim { side, what, operand, characters } => {
            f.write_str("TRIM(")?;
            match side {
                Some(TrimSide::Both) => f.write_str("BOTH ")?,
                Some(TrimSide::Leading) => f.write_str("LEADING ")?,
                Some(TrimSide::Trailing) => f.write_str("TRAILING ")?,
                None => {}
            }
            what.iter().try_for_each(|what| write!(f, "{what} FROM "))?;
            operand.fmt(f)?;
            characters.iter().try_for_each(|character| write!(f, ", {character}"))?;
            f.write_str(")")
        }
        ExprKind::Overlay { operand, what, from, length } => {
            write!(f, "OVERLAY({operand} PLACING {what} FROM {from}")?;
            length.iter().try_for_each(|length| write!(f, " FOR {length}"))?;
            f.write_str(")")
        }
        ExprKind::Rounding { up, operand, field, scale } => {
            write!(f, "{}({operand}", if *up { "CEIL" } else { "FLOOR" })?;
            field.iter().try_for_each(|field| write!(f, " TO {field}"))?;
            scale.iter().try_for_each(|scale| write!(f, ", {scale}"))?;
            f.write_str(")")
        }
        _ => Err(fmt::Error),
    }
}

impl Display for BinaryOperator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BinaryOperator::Or => "OR",
            BinaryOperator::And => "AND",
            BinaryOperator::Xor => "XOR",
            BinaryOperator::Div => "DIV",
            BinaryOperator::Symbol(symbol) => symbol,
        })
    }
}

impl Display for Quantifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantifier::Any => "ANY",
            Quantifier::Some => "SOME",
            Quantifier::All => "ALL",
        })
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Access::Field(name) => write!(f, ".{name}"),
            Access::Index(index) => write!(f, "[{index}]"),
            Access::Slice(first, second, third) => {
                f.write_str("[")?;
                first.iter().try_for_each(|expr| expr.fmt(f))?;
                f.write_str(":")?;
                second.iter().try_for_each(|expr| expr.fmt(f))?;
                third.iter().try_for_each(|expr| write!(f, ":{expr}"))?;
                f.write_str("]")
            }
        }
    }
}

impl Display for Argument {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some((name, arrow)) = &self.name {
            write!(f, "{name} {arrow} ")?;
        }
        match &self.value {
            ArgumentValue::Expr(expr) => expr.fmt(f),
            ArgumentValue::Star => f.write_str("*"),
            ArgumentValue::QualifiedStar(name) => write!(f, "{name}.*"),
        }
    }
}

impl Display for NullTreatment {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NullTreatment::Ignore => "IGNORE NULLS",
            NullTreatment::Respect => "RESPECT NULLS",
        })
    }
}

impl Display for FunctionCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name)?;
        match self.distinct {
            Some(true) => f.write_str("DISTINCT ")?,
            Some(false) => f.write_str("ALL ")?,
            None => {}
        }
        list(f, &self.arguments, ", ")?;
        self.inner_null_treatment.iter().try_for_each(|treatment| write!(f, " {treatment}"))?;
        self.order_by.iter().try_for_each(|order_by| write!(f, " {order_by}"))?;
        self.limit.iter().try_for_each(|limit| write!(f, " LIMIT {limit}"))?;
        f.write_str(")")?;
        self.within_group.iter().try_for_each(|order_by| write!(f, " WITHIN GROUP ({order_by})"))?;
        self.filter.iter().try_for_each(|filter| write!(f, " FILTER (WHERE {filter})"))?;
        self.null_treatment.iter().try_for_each(|treatment| write!(f, " {treatment}"))?;
        self.over.iter().try_for_each(|over| write!(f, " OVER {over}"))
    }
}

impl Display for Window {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Window::Named(name) => name.fmt(f),
            Window::Spec(spec) => spec.fmt(f),
        }
    }
}

impl Display for WindowSpec {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.base.iter().map(ToString::to_string).collect();
        if !self.partition_by.is_empty() {
            let keys: Vec<String> = self.partition_by.iter().map(ToString::to_string).collect();
            parts.push(format!("PARTITION BY {}", keys.join(", ")));
        }
        parts.extend(self.order_by.iter().map(ToString::to_string));
        parts.extend(self.frame.iter().map(ToString::to_string));
        write!(f, "({})", parts.join(" "))
    }
}

impl Display for WindowFrame {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            FrameUnit::Rows => "ROWS",
            FrameUnit::Range => "RANGE",
            FrameUnit::Groups => "GROUPS",
        };
        match &self.end {
            Some(end) => write!(f, "{unit} BETWEEN {} AND {end}", self.start),
            None => write!(f, "{unit} {}", self.start),
        }
    }
}

impl Display for FrameBound {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            FrameBound::CurrentRow => f.write_str("CURRENT ROW"),
            FrameBound::Preceding(None) => f.write_str("UNBOUNDED PRECEDING"),
            FrameBound::Preceding(Some(offset)) => write!(f, "{offset} PRECEDING"),
            FrameBound::Following(None) => f.write_str("UNBOUNDED FOLLOWING"),
            FrameBound::Following(Some(offset)) => write!(f, "{offset} FOLLOWING"),
        }
    }
}
