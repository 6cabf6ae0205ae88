//! What runs the tasks and owns the time: the machine's runtime, or, with `--cfg simulation`, a seeded one.
//!
//! Nothing else in this crate may spawn, sleep, read a clock or draw a random number: then a seed
//! decides all of it.

/// The runtime of this build.
#[cfg(not(simulation))]
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;

/// The runtime of this build.
#[cfg(simulation)]
pub(crate) type Runtime = openraft_rt_sim::SimRuntime;
