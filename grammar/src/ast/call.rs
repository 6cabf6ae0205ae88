//! Function calls and windows.

use super::{Expr, Ident, Name, OrderBy};
use crate::span::At;

/// A function call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionCall {
    /// The function.
    pub name: Name,
    /// `DISTINCT` (true) or `ALL` (false) before the arguments.
    pub distinct: Option<bool>,
    /// The arguments.
    pub arguments: Vec<Argument>,
    /// `ORDER BY` inside the parentheses.
    pub order_by: Option<OrderBy>,
    /// `LIMIT` inside the parentheses.
    pub limit: Option<Box<Expr>>,
    /// `IGNORE NULLS` inside the parentheses.
    pub inner_null_treatment: Option<NullTreatment>,
    /// `WITHIN GROUP (ORDER BY …)`
    pub within_group: Option<OrderBy>,
    /// `FILTER (WHERE …)`
    pub filter: Option<Box<Expr>>,
    /// `IGNORE NULLS` after the parentheses.
    pub null_treatment: Option<NullTreatment>,
    /// `OVER …`
    pub over: Option<Window>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// `name =>`, with the arrow as written.
    pub name: Option<(Ident, &'static str)>,
    /// The value.
    pub value: ArgumentValue,
    /// Where it stands.
    pub at: At,
}

/// The value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentValue {
    /// An expression.
    Expr(Expr),
    /// `*`
    Star,
    /// `t.*`
    QualifiedStar(Name),
}

/// What a window function does with NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullTreatment {
    /// `IGNORE NULLS`
    Ignore,
    /// `RESPECT NULLS`
    Respect,
}

/// What stands after `OVER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// A window defined in the `WINDOW` clause.
    Named(Ident),
    /// A window defined here.
    Spec(Box<WindowSpec>),
}

/// The definition of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowSpec {
    /// The window that this one extends.
    pub base: Option<Ident>,
    /// `PARTITION BY`
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`
    pub order_by: Option<OrderBy>,
    /// `ROWS …`
    pub frame: Option<WindowFrame>,
}

/// The frame of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowFrame {
    /// What is counted.
    pub unit: FrameUnit,
    /// Where it begins.
    pub start: FrameBound,
    /// Where it ends, if written with `BETWEEN`.
    pub end: Option<FrameBound>,
}

/// What a frame counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnit {
    /// `ROWS`
    Rows,
    /// `RANGE`
    Range,
    /// `GROUPS`
    Groups,
}

/// A bound of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameBound {
    /// `CURRENT ROW`
    CurrentRow,
    /// `n PRECEDING`, or `UNBOUNDED PRECEDING`
    Preceding(Option<Box<Expr>>),
    /// `n FOLLOWING`, or `UNBOUNDED FOLLOWING`
    Following(Option<Box<Expr>>),
}
