//! Whether what callers saw can have been.

use std::fmt::Display;

use super::{
    Report,
    callers::{BALANCES, LastRead, watched},
    world::World,
};
use crate::testing::history::{
    Action, History, bank,
    linearizable::{self, Budget, Verdict},
    once, session,
    watch::{self, Stretch},
};

/// Steps of a search for an order, for each key.
const STEPS_MAX: u64 = 400_000;

fn wrong(what: &str) -> impl FnOnce(&dyn Display) -> String {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}

fn done<A, R>(history: &History<A, R>) -> (usize, usize) {
    let done = history.calls().iter().filter(|call| call.answer().is_some()).count();
    (done, history.calls().len())
}

/// Judges all histories.
pub(super) fn judge(world: &World, last: &LastRead) -> Result<Report, String> {
    let keys = world.records.keys.lock();
    let mut report = Report::default();
    match linearizable::check(&keys, Budget::steps(STEPS_MAX)) {
        Verdict::Linearizable => {}
        Verdict::Undecided(undecided) => report.undecided = undecided.len(),
        Verdict::Violated(violation) => return Err(wrong("linearizable")(&violation)),
    }
    // Stale reads promise no order.
    let fresh: crate::testing::history::KeyHistory = keys
        .calls()
        .iter()
        .filter(|call| {
            !matches!(call.action.action, Action::Get(crate::testing::history::Consistency::BoundedStale(_)))
        })
        .cloned()
        .collect();
    session::check(&fresh).map_err(|error| wrong("session")(&error))?;
    for (key, value) in &last.values {
        let counts = keys
            .calls()
            .iter()
            .any(|call| call.action.key == *key && matches!(call.action.action, Action::Add(_)));
        if counts {
            let text = value.as_ref().map_or("0".into(), |value| String::from_utf8_lossy(value));
            let found = text.parse().map_err(|_| format!("counter {key:?} holds {text}"))?;
            once::check_counter(&keys, key, found, STEPS_MAX).map_err(|error| wrong("once")(&error))?;
        }
    }
    for (key, elements) in &last.deques {
        once::check_deque(&keys, key, elements).map_err(|error| wrong("once")(&error))?;
    }
    let bank = world.records.bank.lock();
    bank::check(&bank, &BALANCES, STEPS_MAX).map_err(|error| wrong("bank")(&error))?;
    let seen = world.records.watched.lock();
    if !seen.1 {
        let stretch = Stretch { after: 0, changes: seen.0.clone() };
        let judged = watch::check_against_history(&keys, &watched(), &[stretch]);
        judged.map_err(|error| wrong("watch")(&error))?;
        report.watched = Some(seen.0.len());
    }
    (report.calls, report.bank) = (done(&keys), done(&bank));
    Ok(report)
}
