//! Rows into tables and out again, through a node.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod node;
mod requests;
mod statements;
