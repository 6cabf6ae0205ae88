//! Clusters of real processes, as an operator runs them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod deploy;
mod lifecycle;
mod loads;
mod process;
mod security;
mod serving;
mod settings;
