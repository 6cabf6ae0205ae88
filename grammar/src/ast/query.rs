//! Queries.

use super::{Argument, DataType, Expr, Ident, Name, Window};
use crate::span::At;

/// A query: `WITH … SELECT … ORDER BY … LIMIT …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// `WITH RECURSIVE`
    pub recursive: bool,
    /// The common table expressions.
    pub ctes: Vec<Cte>,
    /// What is asked.
    pub body: QueryBody,
    /// `ORDER BY`
    pub order_by: Option<OrderBy>,
    /// `LIMIT`, `OFFSET`, `FETCH`
    pub limit: Limit,
    /// Where it stands.
    pub at: At,
}

/// A common table expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// The names of its columns.
    pub columns: Vec<Ident>,
    /// `[NOT] MATERIALIZED`
    pub materialized: Option<bool>,
    /// The query.
    pub query: Box<Query>,
}

/// The body of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryBody {
    /// `SELECT …`
    Select(Box<Select>),
    /// `VALUES …`
    Values(Values),
    /// `TABLE t`
    Table(Name),
    /// `(query)`
    Nested(Box<Query>),
    /// `a UNION b EXCEPT c`: operators of one precedence, from left to right.
    Set {
        /// The first operand.
        first: Box<QueryBody>,
        /// Each further operand with the operator before it; at least one.
        rest: Vec<(SetOperator, QueryBody)>,
    },
}

/// A set operator with its quantifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetOperator {
    /// Which.
    pub kind: SetOperatorKind,
    /// `ALL` (false: `DISTINCT`)
    pub all: Option<bool>,
    /// `BY NAME`
    pub by_name: bool,
}

/// The set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperatorKind {
    /// `UNION`
    Union,
    /// `EXCEPT`
    Except,
    /// `MINUS`
    Minus,
    /// `INTERSECT`
    Intersect,
}

/// `VALUES (1, 2), (3, 4)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Written with `ROW`.
    pub row_word: bool,
    /// The rows.
    pub rows: Vec<Vec<Expr>>,
    /// Where it stands.
    pub at: At,
}

/// `SELECT …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// `DISTINCT`
    pub distinct: Option<Distinct>,
    /// The columns asked for.
    pub items: Vec<SelectItem>,
    /// `FROM` stood first.
    pub from_first: bool,
    /// The word `SELECT` is there.
    pub select_word: bool,
    /// `FROM`
    pub from: Vec<TableWithJoins>,
    /// `WHERE`
    pub predicate: Option<Expr>,
    /// `GROUP BY`
    pub group_by: Option<GroupBy>,
    /// `HAVING`
    pub having: Option<Expr>,
    /// `WINDOW`
    pub windows: Vec<NamedWindow>,
    /// `QUALIFY`
    pub qualify: Option<Expr>,
    /// `WINDOW` stood before `QUALIFY`.
    pub windows_first: bool,
    /// Where it stands.
    pub at: At,
}

/// `DISTINCT`, `DISTINCT ON (…)` or `ALL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// `ALL`
    All,
    /// `DISTINCT`
    Distinct,
    /// `DISTINCT ON (…)`
    On(Vec<Expr>),
}

/// A column asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectItem {
    /// An expression, perhaps with a name.
    Expr(Expr, Option<Ident>),
    /// `*`
    Star(StarOptions, At),
    /// `t.*`
    QualifiedStar(Name, StarOptions),
}

/// What follows a star.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StarOptions {
    /// `ILIKE 'pattern'`
    pub ilike: Option<String>,
    /// `EXCLUDE a` or `EXCLUDE (a, b)`: the names, and whether in parentheses.
    pub exclude: Option<(Vec<Ident>, bool)>,
    /// `EXCEPT (a, b)`
    pub except: Option<Vec<Ident>>,
    /// `REPLACE (x AS a)`: with whether `AS` was written.
    pub replace: Option<Vec<(Expr, Ident, bool)>>,
    /// `RENAME a AS b` or `RENAME (a AS b)`: the names, and whether in parentheses.
    pub rename: Option<(Vec<(Ident, Ident)>, bool)>,
}

/// A table and what is joined to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWithJoins {
    /// The first table.
    pub table: TableFactor,
    /// The joins, from left to right.
    pub joins: Vec<Join>,
}

/// A join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Which kind.
    pub kind: JoinKind,
    /// The table joined.
    pub table: TableFactor,
    /// On what.
    pub constraint: JoinConstraint,
    /// Where it stands.
    pub at: At,
}

/// Kinds of join, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `JOIN`
    Plain,
    /// `INNER JOIN`
    Inner,
    /// `LEFT JOIN`
    Left,
    /// `LEFT OUTER JOIN`
    LeftOuter,
    /// `LEFT SEMI JOIN`
    LeftSemi,
    /// `LEFT ANTI JOIN`
    LeftAnti,
    /// `RIGHT JOIN`
    Right,
    /// `RIGHT OUTER JOIN`
    RightOuter,
    /// `RIGHT SEMI JOIN`
    RightSemi,
    /// `RIGHT ANTI JOIN`
    RightAnti,
    /// `FULL JOIN`, `FULL OUTER JOIN`
    Full,
    /// `CROSS JOIN`
    Cross,
    /// `SEMI JOIN`
    Semi,
    /// `ANTI JOIN`
    Anti,
}

/// What a join compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinConstraint {
    /// Nothing.
    None,
    /// `ON x`
    On(Expr),
    /// `USING (a, b)`
    Using(Vec<Name>),
    /// `NATURAL`
    Natural,
}

/// One table of a `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableFactor {
    /// `LATERAL`
    pub lateral: bool,
    /// Which.
    pub kind: TableKind,
    /// `AS t (a, b)`
    pub alias: Option<TableAlias>,
    /// Where it stands.
    pub at: At,
}

/// What a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A table by name.
    Table(Name, bool),
    /// A table function; with `WITH ORDINALITY`.
    Function(Name, Vec<Argument>, bool),
    /// `(SELECT …)`
    Query(Box<Query>),
    /// `UNNEST(x)`; with `WITH ORDINALITY`.
    Unnest(Vec<Expr>, bool),
    /// `(a JOIN b)`
    Nested(Box<TableWithJoins>),
}

/// The name that a table goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableAlias {
    /// The name.
    pub name: Ident,
    /// `AS` was written.
    pub explicit: bool,
    /// The names of its columns.
    pub columns: Vec<(Ident, Option<DataType>)>,
}

/// `GROUP BY`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// `GROUP BY ALL`
    All,
    /// The things grouped by.
    Items(Vec<Grouping>),
}

/// One thing that is grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// An expression.
    Expr(Expr),
    /// `GROUPING SETS (…)`
    Sets(Vec<Grouping>),
    /// `ROLLUP (…)`
    Rollup(Vec<Expr>),
    /// `CUBE (…)`
    Cube(Vec<Expr>),
}

/// `WINDOW w AS (…)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedWindow {
    /// Its name.
    pub name: Ident,
    /// What it is.
    pub window: Window,
}

/// `ORDER BY`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderBy {
    /// `ORDER BY ALL`
    All(OrderOptions),
    /// The things ordered by.
    Items(Vec<OrderItem>),
}

/// One thing that is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderItem {
    /// The expression.
    pub expr: Expr,
    /// Its direction.
    pub options: OrderOptions,
}

/// A direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderOptions {
    /// `ASC` (true) or `DESC` (false)
    pub ascending: Option<bool>,
    /// `NULLS FIRST` (true) or `NULLS LAST` (false)
    pub nulls_first: Option<bool>,
}

/// `LIMIT`, `OFFSET` and `FETCH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// `LIMIT x`
    pub limit: Option<Expr>,
    /// `LIMIT ALL` (which is no limit)
    pub limit_all: bool,
    /// `LIMIT offset, limit`
    pub comma: bool,
    /// `OFFSET x`
    pub offset: Option<Expr>,
    /// `OFFSET x ROWS` (true) or `ROW` (false)
    pub offset_rows: Option<bool>,
    /// `FETCH FIRST x ROWS`: the number (none: one), `PERCENT`, `WITH TIES`.
    pub fetch: Option<(Option<Expr>, bool, bool)>,
}
