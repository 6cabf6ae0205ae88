//! A cluster in one thread, decided by a seed: its nodes, clients, network, disks, clocks and everything
//! that goes wrong with them.
//!
//! ```text
//! callers ─► client::Client ─► SimulatedNetwork ─► NodeHandler ─► Node: groups, log, state
//!    │             the crate's own code, on openraft's simulated runtime      │
//!    ▼                                                                        ▼
//! histories ─► judges            nemesis ─► network, clocks, disks    SimulatedDisk
//! ```
//! One seed is one call of [`run`]: first faults, under which nothing may be wrong; then all is healed,
//! and everything must get well again within bounded time. The same seed does the same, event by event.
//! Compiled with `RUSTFLAGS="--cfg simulation"` only; `cargo xtask simulate-cluster` does that.

mod callers;
mod clock;
mod heal;
mod judge;
mod machine;
mod nemesis;
mod network;
mod options;
mod records;
mod tests;
mod trace;
mod world;

use std::{
    cell::RefCell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Once},
    time::Duration,
};

use openraft::AsyncRuntime as _;

pub(crate) use self::options::Options;
use self::{trace::Trace, world::World};
use crate::{runtime::Runtime, testing::write_events};

/// What forming, judging and comparing may take at most.
const MORE_TIME: Duration = Duration::from_secs(300);

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// xxh3 over all events, in their order.
    pub(crate) trace: u64,
    /// Events.
    pub(crate) events: u64,
    /// Virtual time.
    pub(crate) time: Duration,
    /// Calls of single keys that took effect, and all of them.
    pub(crate) calls: (usize, usize),
    /// Transfers and reads of the bank that took effect, and all of them.
    pub(crate) bank: (usize, usize),
    /// Changes that the watcher saw; `None` if changes were forgotten before it came for them.
    pub(crate) watched: Option<usize>,
    /// Ranges at the end.
    pub(crate) ranges: usize,
    /// Keys of which it took too long to tell whether they are linearizable.
    pub(crate) undecided: usize,
    /// What the nemesis did, by kind.
    pub(crate) faults: std::collections::BTreeMap<&'static str, u32>,
}

/// A seed under which something was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    /// What was wrong.
    pub(crate) what: String,
    /// xxh3 over all events up to then.
    pub(crate) trace: u64,
    pub(crate) time: Duration,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, what, trace, time } = self;
        write!(formatter, "seed {seed} fails after {time:?} of its time, trace {trace:016x}: {what}")
    }
}

thread_local! {
    /// Panics of tasks, which end the task alone.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Has panics of this thread's tasks noted.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|panics| panics.borrow_mut().push(panic.to_string()));
            before(panic);
        }));
    });
}

/// Runs one seed.
pub(crate) fn run(seed: u64, options: &Options) -> Result<Report, Box<Failure>> {
    note_panics();
    PANICS.with(|panics| panics.borrow_mut().clear());
    let trace = Arc::new(Trace::new(options.print));
    if options.print {
        write_events(std::io::stderr(), trace::now);
    }
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let mut runtime = Runtime::with_seed(seed);
        let result = runtime.block_on(async {
            let world = World::new(seed, options.clone(), Arc::clone(&trace));
            let bound = options.faults_for + options.heal_within + MORE_TIME;
            match Runtime::timeout(bound, world.live()).await {
                Ok(ended) => ended,
                Err(_) => Err(format!("not over after {bound:?}")),
            }
        });
        // What still runs ends within the run of this seed.
        drop(runtime);
        result
    }));
    let (hash, events, time) = trace.finish();
    let panics = PANICS.with(|panics| std::mem::take(&mut *panics.borrow_mut()));
    let what = match ran {
        Ok(_) if !panics.is_empty() => panics.join("\n"),
        Ok(Ok(report)) => return Ok(Report { trace: hash, events, time, ..report }),
        Ok(Err(what)) => what,
        Err(_) => panics.join("\n"),
    };
    Err(Box::new(Failure { seed, what, trace: hash, time }))
}
