//! Flight SQL as its clients see it, by the client of the arrow project.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod catalog;
mod ingest;
mod queries;
mod served;
mod sessions;
mod tokens;
