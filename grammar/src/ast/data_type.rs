//! Data types, as in `CAST(x AS …)`.

use super::Ident;
use crate::span::At;

/// A data type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataType {
    /// Which.
    pub kind: DataTypeKind,
    /// Where it stands.
    pub at: At,
}

/// What a data type is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataTypeKind {
    /// A named type: `INT`, `DOUBLE PRECISION`, `DECIMAL(10, 2)`, `TIMESTAMP WITH TIME ZONE`.
    Named {
        /// The words in upper case, a space between them.
        name: String,
        /// What stands in parentheses, as written.
        arguments: Vec<String>,
        /// `WITH` or `WITHOUT TIME ZONE`.
        time_zone: Option<TimeZone>,
    },
    /// `INT[]`, `INT[3]`.
    Bracketed(Box<DataType>, Option<u64>),
    /// `ARRAY<INT>`, `ARRAY(INT)`, `ARRAY`.
    Array(Option<Box<DataType>>, StructStyle),
    /// `STRUCT<a INT>`, `STRUCT(a INT)`.
    Struct(Vec<StructField>, StructStyle),
    /// `MAP(INT, TEXT)`.
    Map(Box<DataType>, Box<DataType>),
}

/// A field of a struct type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructField {
    /// Its name, if it has one.
    pub name: Option<Ident>,
    /// Its type.
    pub data_type: DataType,
}

/// The brackets around inner types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StructStyle {
    /// `<…>`
    Angle,
    /// `(…)`
    Parenthesis,
}

/// Whether a time has a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeZone {
    /// `WITH TIME ZONE`
    With,
    /// `WITHOUT TIME ZONE`
    Without,
}
