//! Whether what was asked for once happened once, however often it was sent.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Answer, Call, KeyHistory, Request, Shown, subset::adds_up};
use crate::kv::{Key, Value};

/// What happened too often or not at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnceError {
    /// A counter is not what additions make it.
    #[error(
        "counter `{}` is {found}; {known} answered additions and no choice of {unknown} unknown ones give that",
        Shown(key)
    )]
    Counter {
        /// The counter.
        key: Key,
        /// What it is at the end.
        found: i64,
        /// Additions that were answered.
        known: usize,
        /// Additions that may have happened.
        unknown: usize,
    },
    /// An element was taken, or is there, more often than it was pushed.
    #[error(
        "deque `{}` gave `{}` {found} times; it was pushed at most {pushed} times",
        Shown(key),
        Shown(element)
    )]
    TooOften {
        /// The deque.
        key: Key,
        /// The element.
        element: Value,
        /// How often it was taken or is still there.
        found: u64,
        /// How often it may have been pushed.
        pushed: u64,
    },
    /// More elements are missing than pops of unknown end can have taken.
    #[error("deque `{}` lost {} elements, the first `{}`; {unknown_pops} pops are unknown", Shown(key), missing.len(), missing.first().map_or_else(String::new, |element| Shown(element).to_string()))]
    Lost {
        /// The deque.
        key: Key,
        /// Elements pushed for certain that are nowhere.
        missing: Vec<Value>,
        /// Pops that may have taken one each.
        unknown_pops: usize,
    },
}

/// Judges a counter by what it is after everything ended, absent being 0: all answered additions, and
/// each unknown one once or not at all. Other writes to the key must not be in the history.
///
/// If there are many unknown additions of different size, `steps_max` may not suffice to tell, and
/// then only what is too little or too much for any choice is an error.
pub fn check_counter(history: &KeyHistory, key: &Key, found: i64, steps_max: u64) -> Result<(), OnceError> {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for call in calls_of(history, key) {
        let Action::Add(change) = call.action.action else { continue };
        let changes = if call.answer().is_some() { &mut known } else { &mut unknown };
        changes.push(change);
    }
    let missing = i128::from(found) - known.iter().map(|change| i128::from(*change)).sum::<i128>();
    let error = OnceError::Counter { key: key.clone(), found, known: known.len(), unknown: unknown.len() };
    let Ok(missing) = i64::try_from(missing) else { return Err(error) };
    let unknown = unknown.into_iter().map(|change| vec![(0, change)]).collect();
    if adds_up(unknown, &[missing], steps_max) == Some(false) { Err(error) } else { Ok(()) }
}

/// Judges a deque by what is in it after everything ended: what was pushed was taken or is there, once,
/// but for what unknown pushes did not push and unknown pops took.
pub fn check_deque(history: &KeyHistory, key: &Key, remaining: &[Value]) -> Result<(), OnceError> {
    let mut pushed: BTreeMap<&Value, (u64, u64)> = BTreeMap::new();
    let mut found: BTreeMap<&Value, u64> = BTreeMap::new();
    let mut unknown_pops = 0;
    for call in calls_of(history, key) {
        match (&call.action.action, call.answer()) {
            (Action::Push(_, element), answer) => {
                let (certain, possible) = pushed.entry(element).or_default();
                *certain += u64::from(answer.is_some());
                *possible += 1;
            }
            (Action::Pop(_), Some((_, Answer::Value(Some(element))))) => {
                *found.entry(element).or_default() += 1
            }
            (Action::Pop(_), None) => unknown_pops += 1,
            _ => {}
        }
    }
    for element in remaining {
        *found.entry(element).or_default() += 1;
    }
    let mut missing = Vec::new();
    let elements: BTreeSet<&Value> = pushed.keys().chain(found.keys()).copied().collect();
    for element in elements {
        let (certain, possible) = pushed.get(element).copied().unwrap_or_default();
        let found = found.get(element).copied().unwrap_or_default();
        if found > possible {
            let (key, element) = (key.clone(), element.clone());
            return Err(OnceError::TooOften { key, element, found, pushed: possible });
        }
        missing.extend((found..certain).map(|_| element.clone()));
    }
    if missing.len() > unknown_pops {
        return Err(OnceError::Lost { key: key.clone(), missing, unknown_pops });
    }
    Ok(())
}

fn calls_of<'a>(history: &'a KeyHistory, key: &'a Key) -> impl Iterator<Item = &'a Call<Request, Answer>> {
    history.calls().iter().filter(move |call| call.action.key == *key && call.possible())
}
