//! Whether each key behaved as if its operations had happened one after another.
//!
//! A history is linearizable if each of its keys is, so each is judged alone.

use std::{cell::Cell, collections::BTreeMap, fmt};

use super::{
    Answer, Call, CallId, Completion, KeyCalls, KeyHistory, Request, Shown, preparation,
    search::{Found, Options, search},
};
use crate::kv::Key;

/// How long a check may take, for each key.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Steps of the search at most; some millions of them take a second.
    pub steps_max: u64,
    /// Asked now and then whether to stop, by callers with a clock. None of the answers but
    /// [`Verdict::Undecided`] depends on it.
    pub stop: Option<&'a dyn Fn() -> bool>,
}

/// What is found about a history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every key is linearizable.
    Linearizable,
    /// A key is not.
    Violated(Box<Violation>),
    /// No key is known not to be, but these were given up on when the budget was spent.
    Undecided(Vec<Key>),
}

/// Why a key is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key.
    pub key: Key,
    /// What was known up to this moment, calls under way counted as unknown, cannot be explained;
    /// what was known before can.
    pub at: u64,
    /// The longest order found that explains a part of that.
    pub prefix: Vec<CallId>,
    /// What the key holds after it.
    pub state: Option<String>,
    /// The calls that had to come next, and cannot have been answered as they were.
    pub stuck: Vec<CallId>,
    calls: BTreeMap<CallId, Call<Request, Answer>>,
}

impl Budget<'_> {
    /// So many steps for each key.
    pub const fn steps(steps_max: u64) -> Self {
        Self { steps_max, stop: None }
    }
}

impl Default for Budget<'_> {
    /// 20 million steps, some 100 MB of memory a million.
    fn default() -> Self {
        Self::steps(20_000_000)
    }
}

impl Verdict {
    /// Whether every key is linearizable.
    pub const fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable)
    }

    /// Whether a key is not linearizable.
    pub const fn is_violated(&self) -> bool {
        matches!(self, Self::Violated(_))
    }
}

/// Judges every key of a history, each of which begins absent; of a read that may be stale, whether
/// its value was current within its bound.
///
/// # Panics
///
/// If an answer is not of the kind of its action: the recorder is wrong.
pub fn check(history: &KeyHistory, budget: Budget<'_>) -> Verdict {
    let mut keys: BTreeMap<&Key, KeyCalls<'_>> = BTreeMap::new();
    for (id, call) in history.iter() {
        keys.entry(&call.action.key).or_default().push((id, call));
    }
    let mut undecided = Vec::new();
    for (key, calls) in keys {
        match find(&calls, budget, true) {
            Found::Order(_) => {}
            Found::Undecided => undecided.push(key.clone()),
            Found::Nothing(_) => return Verdict::Violated(Box::new(explain(key, &calls, budget))),
        }
    }
    if undecided.is_empty() { Verdict::Linearizable } else { Verdict::Undecided(undecided) }
}

fn find(calls: &KeyCalls<'_>, budget: Budget<'_>, look_ahead: bool) -> Found {
    let prepared = preparation::prepare(calls.iter().copied());
    let steps = Cell::new(0_u64);
    let mut go_on = || {
        steps.set(steps.get() + 1);
        let asked = steps.get().is_multiple_of(4_096);
        steps.get() <= budget.steps_max && !(asked && budget.stop.is_some_and(|stop| stop()))
    };
    search(&prepared, Options { go_on: &mut go_on, look_ahead })
}

/// Steps at most of the search for an explanation that a reader can follow.
const PLAIN_STEPS_MAX: u64 = 100_000;

/// Looks for the first moment at which something was wrong, and for what it was.
fn explain(key: &Key, calls: &KeyCalls<'_>, budget: Budget<'_>) -> Violation {
    let mut ends: Vec<u64> = calls.iter().filter_map(|(_, call)| call.ends()).collect();
    ends.sort_unstable();
    ends.dedup();
    // What cannot be explained cannot be when more is known; so the first moment is found by halves.
    let wrong_until = |end: &u64| {
        let known = known_until(calls, *end);
        matches!(find(&borrowed(&known), budget, true), Found::Nothing(_))
    };
    let first = ends.partition_point(|end| !wrong_until(end));
    let at = ends.get(first).copied().unwrap_or(u64::MAX);
    let known = known_until(calls, at);
    let known = borrowed(&known);
    let prepared = preparation::prepare(known.iter().copied());
    let plain = Budget { steps_max: budget.steps_max.min(PLAIN_STEPS_MAX), ..budget };
    let dead_end = match find(&known, plain, false) {
        Found::Nothing(dead_end) => Some(dead_end),
        // Without looking ahead it may take too long; then a dead end further ahead must do.
        Found::Undecided | Found::Order(_) => match find(&known, budget, true) {
            Found::Nothing(dead_end) => Some(dead_end),
            Found::Undecided | Found::Order(_) => None,
        },
    };
    let ids = |indices: &[usize]| -> Vec<CallId> {
        indices.iter().filter_map(|index| prepared.operations.get(*index)).map(|found| found.call).collect()
    };
    let (order, stuck) = dead_end.as_ref().map_or((&[][..], &[][..]), |end| (&end.order, &end.stuck));
    Violation {
        key: key.clone(),
        at,
        prefix: ids(order),
        state: dead_end.as_ref().map(|end| prepared.show(&end.state)),
        stuck: ids(stuck),
        calls: known.iter().map(|(id, call)| (*id, (*call).clone())).collect(),
    }
}

/// The calls that had begun, and the answers that had come, by a moment.
fn known_until(calls: &KeyCalls<'_>, until: u64) -> Vec<(CallId, Call<Request, Answer>)> {
    let begun = calls.iter().filter(|(_, call)| call.invoked <= until);
    begun
        .map(|(id, call)| {
            let mut call = (*call).clone();
            if call.ends().is_some_and(|end| end > until) {
                call.completion = Completion::Unknown;
            }
            (*id, call)
        })
        .collect()
}

fn borrowed(calls: &[(CallId, Call<Request, Answer>)]) -> KeyCalls<'_> {
    calls.iter().map(|(id, call)| (*id, call)).collect()
}

impl fmt::Display for Violation {
    /// The last of what can be explained, and what cannot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LAST: usize = 12;
        writeln!(f, "key `{}` is not linearizable, as of time {}", Shown(&self.key), self.at)?;
        let left_out = self.prefix.len().saturating_sub(LAST);
        writeln!(f, "explained, in this order ({left_out} more before):")?;
        let show = |f: &mut fmt::Formatter<'_>, id: &CallId| match self.calls.get(id) {
            Some(call) => writeln!(f, "  #{} {call}", id.0),
            None => Ok(()),
        };
        self.prefix.iter().skip(left_out).try_for_each(|id| show(f, id))?;
        if let Some(state) = &self.state {
            writeln!(f, "then the key holds {state}, and none of these can be next:")?;
        }
        self.stuck.iter().try_for_each(|id| show(f, id))
    }
}
