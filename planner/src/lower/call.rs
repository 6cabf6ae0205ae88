//! Calls: of functions, and of those with a syntax of their own.

use datafusion::sql::sqlparser::ast as sql;
use genomdb_grammar::Span;
use genomdb_grammar::ast::{
    Argument, ArgumentValue, Expr, ExprKind, FrameBound, FrameUnit, FunctionCall, Ident, NullTreatment,
    OrderBy, Window, WindowFrame, WindowSpec,
};

use super::expression::trim_side;
use super::{Lower, LowerError, Result};

/// Functions that take an interval as three arguments, so that `f(t.interval)` can be written.
const INTERVAL_FUNCTIONS: &[&str] = &[
    "intersects",
    "contains_region",
    "within_region",
    "within_distance",
    "region",
    "overlap_bp",
    "overlap_fraction",
    "distance",
];

impl Lower<'_> {
    /// A call of ours with plain arguments.
    pub(super) fn call(&self, function: &str, arguments: Vec<sql::Expr>, span: Span) -> sql::Expr {
        let name = sql::Ident { value: function.to_owned(), quote_style: None, span: self.span(span) };
        let args =
            arguments.into_iter().map(|expr| sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expr)));
        sql::Expr::Function(sql::Function {
            name: sql::ObjectName::from(vec![name]),
            uses_odbc_syntax: false,
            parameters: sql::FunctionArguments::None,
            args: sql::FunctionArguments::List(sql::FunctionArgumentList {
                duplicate_treatment: None,
                args: args.collect(),
                clauses: Vec::new(),
            }),
            filter: None,
            null_treatment: None,
            over: None,
            within_group: Vec::new(),
        })
    }

    pub(super) fn function(&self, call: &FunctionCall) -> Result<sql::Expr> {
        let mut clauses = Vec::new();
        if let Some(treatment) = call.inner_null_treatment {
            clauses.push(sql::FunctionArgumentClause::IgnoreOrRespectNulls(null_treatment(treatment)));
        }
        if let Some(order_by) = &call.order_by {
            clauses.push(sql::FunctionArgumentClause::OrderBy(self.order_items(order_by, call.name.at.0)?));
        }
        if let Some(limit) = &call.limit {
            clauses.push(sql::FunctionArgumentClause::Limit(self.expr(limit)?));
        }
        let duplicate_treatment = call.distinct.map(|distinct| {
            if distinct { sql::DuplicateTreatment::Distinct } else { sql::DuplicateTreatment::All }
        });
        let within_group =
            call.within_group.as_ref().map(|order_by| self.order_items(order_by, call.name.at.0));
        Ok(sql::Expr::Function(sql::Function {
            name: self.object_name(&call.name),
            uses_odbc_syntax: false,
            parameters: sql::FunctionArguments::None,
            args: sql::FunctionArguments::List(sql::FunctionArgumentList {
                duplicate_treatment,
                args: self.call_arguments(call)?,
                clauses,
            }),
            filter: self.maybe(call.filter.as_deref())?,
            null_treatment: call.null_treatment.map(null_treatment),
            over: call.over.as_ref().map(|window| self.window(window)).transpose()?,
            within_group: within_group.transpose()?.unwrap_or_default(),
        }))
    }

    fn call_arguments(&self, call: &FunctionCall) -> Result<Vec<sql::FunctionArg>> {
        let takes_intervals = match call.name.parts.as_slice() {
            [only] => INTERVAL_FUNCTIONS.iter().any(|name| only.is(name)),
            _ => false,
        };
        let mut arguments = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            if let (true, None, ArgumentValue::Expr(expr)) =
                (takes_intervals, &argument.name, &argument.value)
                && let Some(table) = self.interval_of(expr)
            {
                let columns = self.interval_columns(table, expr.at.0).into_iter();
                arguments
                    .extend(columns.map(|expr| sql::FunctionArg::Unnamed(sql::FunctionArgExpr::Expr(expr))));
            } else {
                arguments.push(self.argument(argument)?);
            }
        }
        Ok(arguments)
    }

    pub(super) fn argument(&self, argument: &Argument) -> Result<sql::FunctionArg> {
        let arg = match &argument.value {
            ArgumentValue::Expr(expr) => sql::FunctionArgExpr::Expr(self.expr(expr)?),
            ArgumentValue::Star => sql::FunctionArgExpr::Wildcard,
            ArgumentValue::QualifiedStar(name) => {
                sql::FunctionArgExpr::QualifiedWildcard(self.object_name(name))
            }
        };
        Ok(match &argument.name {
            Some((name, arrow)) => sql::FunctionArg::Named {
                name: self.ident(name),
                arg,
                operator: if *arrow == ":=" {
                    sql::FunctionArgOperator::Assignment
                } else {
                    sql::FunctionArgOperator::RightArrow
                },
            },
            None => sql::FunctionArg::Unnamed(arg),
        })
    }

    /// An ORDER BY where ALL has no meaning.
    fn order_items(&self, order_by: &OrderBy, span: Span) -> Result<Vec<sql::OrderByExpr>> {
        match order_by {
            OrderBy::Items(items) => items.iter().map(|item| self.order_item(item)).collect(),
            OrderBy::All(_) => Err(LowerError::unsupported("ORDER BY ALL here", span)),
        }
    }

    pub(super) fn window(&self, window: &Window) -> Result<sql::WindowType> {
        Ok(match window {
            Window::Named(name) => sql::WindowType::NamedWindow(self.ident(name)),
            Window::Spec(spec) => sql::WindowType::WindowSpec(self.window_spec(spec)?),
        })
    }

    pub(super) fn window_spec(&self, spec: &WindowSpec) -> Result<sql::WindowSpec> {
        let order_by = spec.order_by.as_ref().map(|order_by| self.order_items(order_by, Span::default()));
        Ok(sql::WindowSpec {
            window_name: spec.base.as_ref().map(|name| self.ident(name)),
            partition_by: self.exprs(&spec.partition_by)?,
            order_by: order_by.transpose()?.unwrap_or_default(),
            window_frame: spec.frame.as_ref().map(|frame| self.frame(frame)).transpose()?,
        })
    }

    fn frame(&self, frame: &WindowFrame) -> Result<sql::WindowFrame> {
        Ok(sql::WindowFrame {
            units: match frame.unit {
                FrameUnit::Rows => sql::WindowFrameUnits::Rows,
                FrameUnit::Range => sql::WindowFrameUnits::Range,
                FrameUnit::Groups => sql::WindowFrameUnits::Groups,
            },
            start_bound: self.frame_bound(&frame.start)?,
            end_bound: frame.end.as_ref().map(|end| self.frame_bound(end)).transpose()?,
        })
    }

    fn frame_bound(&self, bound: &FrameBound) -> Result<sql::WindowFrameBound> {
        Ok(match bound {
            FrameBound::CurrentRow => sql::WindowFrameBound::CurrentRow,
            FrameBound::Preceding(offset) => sql::WindowFrameBound::Preceding(self.maybe(offset.as_deref())?),
            FrameBound::Following(offset) => sql::WindowFrameBound::Following(self.maybe(offset.as_deref())?),
        })
    }

    /// SUBSTRING, TRIM, EXTRACT, INTERVAL and the like.
    pub(super) fn special(&self, expr: &Expr) -> Result<sql::Expr> {
        match &expr.kind {
            ExprKind::Interval { value, unit, last_unit } => Ok(sql::Expr::Interval(sql::Interval {
                value: self.boxed(value)?,
                leading_field: unit.as_deref().map(|unit| date_field(unit, None)),
                leading_precision: None,
                last_field: last_unit.as_deref().map(|unit| date_field(unit, None)),
                fractional_seconds_precision: None,
            })),
            ExprKind::Extract { field, operand } => Ok(sql::Expr::Extract {
                field: date_field(&field.value.to_uppercase(), Some(self.ident(field))),
                syntax: sql::ExtractSyntax::From,
                expr: self.boxed(operand)?,
            }),
            ExprKind::Position { needle, haystack } => {
                Ok(sql::Expr::Position { expr: self.boxed(needle)?, r#in: self.boxed(haystack)? })
            }
            ExprKind::Substring { operand, from, length, commas, short } => Ok(sql::Expr::Substring {
                expr: self.boxed(operand)?,
                substring_from: self.maybe(from.as_deref())?,
                substring_for: self.maybe(length.as_deref())?,
                special: *commas,
                shorthand: *short,
            }),
            ExprKind::Trim { side, what, operand, characters } => Ok(sql::Expr::Trim {
                trim_where: side.map(trim_side),
                trim_what: self.maybe(what.as_deref())?,
                expr: self.boxed(operand)?,
                trim_characters: if characters.is_empty() { None } else { Some(self.exprs(characters)?) },
            }),
            ExprKind::Overlay { operand, what, from, length } => Ok(sql::Expr::Overlay {
                expr: self.boxed(operand)?,
                overlay_what: self.boxed(what)?,
                overlay_from: self.boxed(from)?,
                overlay_for: self.maybe(length.as_deref())?,
            }),
            ExprKind::Rounding { up, operand, field, scale } => {
                self.rounding(*up, operand, field.as_ref(), scale.as_deref(), expr.at.0)
            }
            _ => Err(LowerError::unsupported("this call", expr.at.0)),
        }
    }

    fn rounding(
        &self,
        up: bool,
        operand: &Expr,
        field: Option<&Ident>,
        scale: Option<&str>,
        span: Span,
    ) -> Result<sql::Expr> {
        let expr = self.boxed(operand)?;
        let field = match (field, scale) {
            (Some(field), _) => sql::CeilFloorKind::DateTimeField(date_field(
                &field.value.to_uppercase(),
                Some(self.ident(field)),
            )),
            (None, Some(scale)) => sql::CeilFloorKind::Scale(sql::ValueWithSpan {
                value: sql::Value::Number(scale.to_owned(), false),
                span: self.span(span),
            }),
            (None, None) => sql::CeilFloorKind::DateTimeField(sql::DateTimeField::NoDateTime),
        };
        Ok(if up { sql::Expr::Ceil { expr, field } } else { sql::Expr::Floor { expr, field } })
    }
}

fn null_treatment(treatment: NullTreatment) -> sql::NullTreatment {
    match treatment {
        NullTreatment::Ignore => sql::NullTreatment::IgnoreNulls,
        NullTreatment::Respect => sql::NullTreatment::RespectNulls,
    }
}

/// A field of a date; one that is not known is passed on as it was written.
fn date_field(name: &str, written: Option<sql::Ident>) -> sql::DateTimeField {
    use sql::DateTimeField as Field;
    if let Some(quoted) = written.as_ref().filter(|ident| ident.quote_style.is_some()) {
        return Field::Custom(quoted.clone());
    }
    match name {
        "YEAR" => Field::Year,
        "YEARS" => Field::Years,
        "MONTH" => Field::Month,
        "MONTHS" => Field::Months,
        "WEEK" => Field::Week(None),
        "WEEKS" => Field::Weeks,
        "DAY" => Field::Day,
        "DAYOFWEEK" => Field::DayOfWeek,
        "DAYOFYEAR" => Field::DayOfYear,
        "DAYS" => Field::Days,
        "DATE" => Field::Date,
        "DATETIME" => Field::Datetime,
        "HOUR" => Field::Hour,
        "HOURS" => Field::Hours,
        "MINUTE" => Field::Minute,
        "MINUTES" => Field::Minutes,
        "SECOND" => Field::Second,
        "SECONDS" => Field::Seconds,
        "CENTURY" => Field::Century,
        "DECADE" => Field::Decade,
        "DOW" => Field::Dow,
        "DOY" => Field::Doy,
        "EPOCH" => Field::Epoch,
        "ISODOW" => Field::Isodow,
        "ISOYEAR" => Field::Isoyear,
        "ISOWEEK" => Field::IsoWeek,
        "JULIAN" => Field::Julian,
        "MICROSECOND" => Field::Microsecond,
        "MICROSECONDS" => Field::Microseconds,
        "MILLENNIUM" => Field::Millennium,
        "MILLISECOND" => Field::Millisecond,
        "MILLISECONDS" => Field::Milliseconds,
        "NANOSECOND" => Field::Nanosecond,
        "NANOSECONDS" => Field::Nanoseconds,
        "QUARTER" => Field::Quarter,
        "TIME" => Field::Time,
        "TIMEZONE" => Field::Timezone,
        "TIMEZONE_HOUR" => Field::TimezoneHour,
        "TIMEZONE_MINUTE" => Field::TimezoneMinute,
        _ => Field::Custom(written.unwrap_or_else(|| sql::Ident::new(name))),
    }
}
