//! Expressions.

use super::{DataType, FunctionCall, Ident, Name, Query};
use crate::span::{At, Span};

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// What it says.
    pub kind: ExprKind,
    /// Where it stands.
    pub at: At,
}

impl Expr {
    /// An expression at a place.
    pub fn new(kind: ExprKind, span: Span) -> Expr {
        Expr { kind, at: At(span) }
    }
}

/// The forms of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// `mapq`, `r.mapq`, `tags.NM`: the parts of a dotted name; at least one.
    Column(Vec<Ident>),
    /// A number, a string, NULL, TRUE or FALSE.
    Literal(Literal),
    /// `$1`, `$name`, `?`: as written.
    Placeholder(String),
    /// `DATE '2020-01-01'`
    Typed(DataType, String),
    /// `INTERVAL '1' DAY`, `INTERVAL '1 day'`.
    Interval {
        /// What stands after the word.
        value: Box<Expr>,
        /// `DAY`, in upper case.
        unit: Option<String>,
        /// `TO SECOND`, in upper case.
        last_unit: Option<String>,
    },
    /// `- x`
    Unary(UnaryOperator, Box<Expr>),
    /// `a + b - c`: operators of one precedence, from left to right; at least one in `rest`.
    Chain {
        /// The first operand.
        first: Box<Expr>,
        /// Each further operand with the operator before it.
        rest: Vec<(BinaryOperator, Expr)>,
    },
    /// `a = ANY (…)`, `a <= ALL (SELECT …)`.
    Compared {
        /// The left side.
        left: Box<Expr>,
        /// The comparison.
        operator: BinaryOperator,
        /// Which quantifier.
        quantifier: Quantifier,
        /// The right side: a subquery or an array.
        right: Box<Expr>,
    },
    /// `x IS [NOT] NULL`
    Is {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// What is asked.
        test: TruthTest,
    },
    /// `a IS [NOT] DISTINCT FROM b`
    IsDistinct {
        /// The left side.
        left: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// The right side.
        right: Box<Expr>,
    },
    /// `x [NOT] IN (a, b)`
    InList {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// The list.
        list: Vec<Expr>,
    },
    /// `x [NOT] IN (SELECT …)`
    InQuery {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// The subquery.
        query: Box<Query>,
    },
    /// `x [NOT] IN UNNEST(array)`
    InUnnest {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// The array.
        array: Box<Expr>,
    },
    /// `x [NOT] BETWEEN low AND high`
    Between {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// `SYMMETRIC`
        symmetric: bool,
        /// The lower bound.
        low: Box<Expr>,
        /// The upper bound.
        high: Box<Expr>,
    },
    /// `x [NOT] LIKE pattern [ESCAPE '\']`
    Like {
        /// The operand.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// Which kind of pattern.
        kind: LikeKind,
        /// The pattern.
        pattern: Box<Expr>,
        /// The escape character.
        escape: Option<Literal>,
    },
    /// `interval [NOT] INTERSECTS 'chr1:1-100'`
    Region {
        /// The left side.
        operand: Box<Expr>,
        /// `NOT`
        negated: bool,
        /// Which relation.
        operator: RegionOperator,
        /// `n` of `WITHIN n OF`.
        distance: Option<Box<Expr>>,
        /// The right side.
        target: RegionTarget,
    },
    /// `CAST(x AS INT)`, `x::INT`
    Cast {
        /// The operand.
        operand: Box<Expr>,
        /// The type.
        data_type: DataType,
        /// How it was written.
        style: CastStyle,
        /// `FORMAT '…'`
        format: Option<String>,
    },
    /// `CASE x WHEN 1 THEN 'a' ELSE 'b' END`
    Case {
        /// `x`
        operand: Option<Box<Expr>>,
        /// Conditions and results; at least one.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`
        otherwise: Option<Box<Expr>>,
    },
    /// `EXTRACT(year FROM x)`
    Extract {
        /// The field; quoted with `'` where it was a string.
        field: Ident,
        /// The operand.
        operand: Box<Expr>,
    },
    /// `POSITION(a IN b)`
    Position {
        /// What is sought.
        needle: Box<Expr>,
        /// Where.
        haystack: Box<Expr>,
    },
    /// `SUBSTRING(x FROM 1 FOR 2)`, `SUBSTR(x, 1, 2)`
    Substring {
        /// The operand.
        operand: Box<Expr>,
        /// The first character.
        from: Option<Box<Expr>>,
        /// The number of characters.
        length: Option<Box<Expr>>,
        /// Written with commas.
        commas: bool,
        /// Written `SUBSTR`.
        short: bool,
    },
    /// `TRIM(BOTH 'x' FROM y)`
    Trim {
        /// Which side.
        side: Option<TrimSide>,
        /// What to remove.
        what: Option<Box<Expr>>,
        /// The operand.
        operand: Box<Expr>,
        /// `TRIM(y, 'x')`
        characters: Vec<Expr>,
    },
    /// `OVERLAY(a PLACING b FROM 1 FOR 2)`
    Overlay {
        /// The operand.
        operand: Box<Expr>,
        /// What to put.
        what: Box<Expr>,
        /// Where it begins.
        from: Box<Expr>,
        /// How much is replaced.
        length: Option<Box<Expr>>,
    },
    /// `CEIL(x TO DAY)`, `FLOOR(x)`
    Rounding {
        /// `CEIL`
        up: bool,
        /// The operand.
        operand: Box<Expr>,
        /// `TO DAY`
        field: Option<Ident>,
        /// `, 2`
        scale: Option<String>,
    },
    /// `x AT TIME ZONE 'UTC'`
    AtTimeZone(Box<Expr>, Box<Expr>),
    /// `x COLLATE c`
    Collate(Box<Expr>, Name),
    /// A function call.
    Function(Box<FunctionCall>),
    /// `EXISTS (SELECT …)`
    Exists(Box<Query>),
    /// `(SELECT …)`
    Subquery(Box<Query>),
    /// `(x)`
    Nested(Box<Expr>),
    /// `(a, b)`, `()`
    Row(Vec<Expr>),
    /// `[1, 2]`, `ARRAY[1, 2]`
    Array {
        /// The elements.
        elements: Vec<Expr>,
        /// Written with the word.
        word: bool,
    },
    /// `STRUCT(1 AS a, b)`
    Struct(Vec<(Expr, Option<Ident>)>),
    /// `{a: 1}`
    Dictionary(Vec<(Ident, Expr)>),
    /// `MAP {'a': 1}`
    Map(Vec<(Expr, Expr)>),
    /// `x[1]`, `f(x).a`: what is taken from the base, from left to right; at least one.
    Access(Box<Expr>, Vec<Access>),
    /// `x -> x + 1`, `(x, y) -> x + y`
    Lambda {
        /// The parameters.
        parameters: Vec<Ident>,
        /// Parameters stood in parentheses.
        parenthesised: bool,
        /// The body.
        body: Box<Expr>,
    },
}

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Which.
    pub kind: LiteralKind,
    /// Where it stands.
    pub at: At,
}

/// The forms of a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// A number, as written.
    Number(String),
    /// `'text'`, unquoted.
    String(String),
    /// `E'text'`, with its escapes resolved.
    EscapedString(String),
    /// `U&'text'`, with its escapes resolved.
    UnicodeString(String),
    /// `$tag$text$tag$`
    DollarString(Option<String>, String),
    /// `X'0AFF'`: the digits.
    HexString(String),
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// `NULL`
    Null,
}

/// Operators before an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOperator {
    /// `NOT`
    Not,
    /// `-`
    Minus,
    /// `+`
    Plus,
    /// `~`
    BitwiseNot,
    /// `!`
    Bang,
}

/// Operators between operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOperator {
    /// `OR`
    Or,
    /// `AND`
    And,
    /// `XOR`
    Xor,
    /// `DIV`
    Div,
    /// Any operator of symbols, such as `<=`.
    Symbol(&'static str),
}

/// `ANY`, `SOME` or `ALL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// `ANY`
    Any,
    /// `SOME`
    Some,
    /// `ALL`
    All,
}

/// What `IS` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TruthTest {
    /// `NULL`
    Null,
    /// `TRUE`
    True,
    /// `FALSE`
    False,
    /// `UNKNOWN`
    Unknown,
}

/// Kinds of pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    /// `LIKE`
    Like,
    /// `ILIKE`
    ILike,
    /// `SIMILAR TO`
    SimilarTo,
    /// `RLIKE`
    RLike,
    /// `REGEXP`
    Regexp,
}

/// How two intervals lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionOperator {
    /// They share a base.
    Intersects,
    /// The right one lies inside the left one.
    Contains,
    /// The left one lies inside the right one; with a distance: the gap is no longer.
    Within,
}

/// The right side of a region predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegionTarget {
    /// One region or interval.
    One(Box<Expr>),
    /// `ANY(a, b)`, `ALL(a, b)`
    List(Quantifier, Vec<Expr>),
    /// `ANY(SELECT …)`, `ALL(SELECT …)`
    Query(Quantifier, Box<Query>),
}

/// How a cast was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastStyle {
    /// `CAST(x AS t)`
    Cast,
    /// `TRY_CAST(x AS t)`
    TryCast,
    /// `SAFE_CAST(x AS t)`
    SafeCast,
    /// `x::t`
    DoubleColon,
}

/// A side of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimSide {
    /// `BOTH`
    Both,
    /// `LEADING`
    Leading,
    /// `TRAILING`
    Trailing,
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// `.name`
    Field(Ident),
    /// `[x]`
    Index(Expr),
    /// `[a:b:c]`
    Slice(Option<Box<Expr>>, Option<Box<Expr>>, Option<Box<Expr>>),
}
