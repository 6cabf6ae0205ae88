//! Raft: the only place that knows openraft.

pub(crate) mod log_store;
pub(crate) mod membership;
pub(crate) mod types;
