//! From GQL's syntax tree and a catalog to a logical plan, and from its regions to a list of gets; no I/O.

pub mod lower;
