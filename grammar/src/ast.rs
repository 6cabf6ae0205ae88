//! The syntax tree: what a query says, with the place of every part.
//!
//! Trees are compared without their places ([`At`] is equal to every other). [`std::fmt::Display`] gives
//! a text that parses to the same tree.
//!
//! A tree is never deeper than [`crate::Limits::depth_max`] levels, so that walking or dropping one by
//! recursion is safe: chains of operators of one precedence are flat ([`ExprKind::Chain`]).

mod call;
mod data_type;
mod expression;
mod query;
mod statement;

pub use call::{
    Argument, ArgumentValue, FrameBound, FrameUnit, FunctionCall, NullTreatment, Window, WindowFrame,
    WindowSpec,
};
pub use data_type::{DataType, DataTypeKind, StructField, StructStyle, TimeZone};
pub use expression::{
    Access, BinaryOperator, CastStyle, Expr, ExprKind, LikeKind, Literal, LiteralKind, Quantifier,
    RegionOperator, RegionTarget, TrimSide, TruthTest, UnaryOperator,
};
pub use query::{
    Cte, Distinct, GroupBy, Grouping, Join, JoinConstraint, JoinKind, Limit, NamedWindow, OrderBy, OrderItem,
    OrderOptions, Query, QueryBody, Select, SelectItem, SetOperator, SetOperatorKind, StarOptions,
    TableAlias, TableFactor, TableKind, TableWithJoins, Values,
};
pub use statement::{
    Copy, CopySource, CopyTarget, Create, CreateKind, Describe, DescribeTarget, Drop, DropKind, Explain,
    Insert, Kill, OptionEntry, OptionValue, OptionValueKind, Reset, SetVariable, Setting, Show, ShowObject,
    ShowWhat, Statement, TableDefinition, Text,
};

use crate::span::{At, Span};

/// A name as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The name, without quotes, in its own case.
    pub value: String,
    /// The quote that stood around it, if any: only an unquoted name is folded to lower case.
    pub quote: Option<char>,
    /// Where it stands.
    pub at: At,
}

impl Ident {
    /// An unquoted name.
    pub fn new(value: impl Into<String>, span: Span) -> Ident {
        Ident { value: value.into(), quote: None, at: At(span) }
    }

    /// The name as the catalog knows it: folded to lower case unless it was quoted.
    pub fn folded(&self) -> String {
        if self.quote.is_some() { self.value.clone() } else { self.value.to_lowercase() }
    }

    /// Whether this is the unquoted word, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.quote.is_none() && self.value.eq_ignore_ascii_case(word)
    }
}

/// A name of one or more parts: `reads`, `main.reads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The parts; at least one.
    pub parts: Vec<Ident>,
    /// Where it stands.
    pub at: At,
}

impl Name {
    /// The parts as the catalog knows them.
    pub fn folded(&self) -> Vec<String> {
        self.parts.iter().map(Ident::folded).collect()
    }

    /// The last part.
    pub fn last(&self) -> Option<&Ident> {
        self.parts.last()
    }
}
