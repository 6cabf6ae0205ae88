//! The clock of a simulated node: its time of day may be wrong and jump.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use super::trace::now;
use crate::{clock::Clock, kv::Timestamp};

/// Time of day at the beginning.
const BEGINNING: u64 = 1_700_000_000_000;

/// Virtual time, with a skew.
#[derive(Debug, Default)]
pub(super) struct SimulatedClock {
    skew_ms: AtomicI64,
}

impl SimulatedClock {
    /// Sets how wrong the time of day is, in milliseconds.
    pub(super) fn skew(&self, skew_ms: i64) {
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }
}

/// The right time of day.
pub(super) fn true_wall() -> Timestamp {
    Timestamp(BEGINNING + u64::try_from(now().as_millis()).unwrap_or(0))
}

impl Clock for SimulatedClock {
    fn now(&self) -> Duration {
        now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(true_wall().0.saturating_add_signed(self.skew_ms.load(Ordering::Relaxed)))
    }
}
