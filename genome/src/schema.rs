//! Which Arrow schema a table of each kind shows to a query.

pub mod alignment;
