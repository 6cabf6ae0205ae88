//! Raft: the only place that knows openraft.

pub(crate) mod group;
pub(crate) mod log_store;
pub(crate) mod membership;
pub(crate) mod message;
pub(crate) mod network;
pub(crate) mod snapshot;
pub(crate) mod state_machine;
#[cfg(all(test, not(simulation)))]
mod suite;
pub(crate) mod types;
