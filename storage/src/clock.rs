//! Time, passed in so that a simulation can own it.

use std::{
    fmt,
    time::{Duration, Instant},
};

/// A clock that never runs backwards.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the time since some fixed moment.
    fn now(&self) -> Duration;
}

/// The clock of the operating system.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// Starts at zero, now.
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}
