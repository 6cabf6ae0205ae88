//! What happened, in order: hashed always, printed when asked for.

use std::{fmt, time::Duration};

use openraft::AsyncRuntime;
use parking_lot::Mutex;
use xxhash_rust::xxh3::Xxh3;

use crate::runtime::Runtime;

/// The events of a run.
pub(super) struct Trace(Mutex<State>);

struct State {
    hash: Xxh3,
    events: u64,
    last: Duration,
    print: bool,
}

/// Virtual time since the beginning; what it was last outside of a runtime.
pub(super) fn now() -> Duration {
    <Runtime as AsyncRuntime>::Instant::try_now().map_or(Duration::ZERO, |now| now.elapsed_since_start())
}

impl Trace {
    pub(super) fn new(print: bool) -> Self {
        Self(Mutex::new(State { hash: Xxh3::new(), events: 0, last: Duration::ZERO, print }))
    }

    /// Notes an event.
    pub(super) fn event(&self, event: fmt::Arguments<'_>) {
        let now = now();
        let text = event.to_string();
        let mut state = self.0.lock();
        state.events += 1;
        state.last = now.max(state.last);
        state.hash.update(&now.as_nanos().to_le_bytes());
        state.hash.update(text.as_bytes());
        if state.print {
            eprintln!("{:>12.6} {text}", now.as_secs_f64());
        }
    }

    /// The hash, the number of events, the time of the last.
    pub(super) fn finish(&self) -> (u64, u64, Duration) {
        let state = self.0.lock();
        (state.hash.digest(), state.events, state.last)
    }
}
