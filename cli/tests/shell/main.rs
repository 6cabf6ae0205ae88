//! The prompt as somebody at a terminal sees it, at a data folder and at a server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod commands;
mod editing;
mod place;
mod queries;
mod session;
mod terminal;
