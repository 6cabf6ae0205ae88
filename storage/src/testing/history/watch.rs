//! Whether a watcher saw every change, once, and in order.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Answer, Completion, KeyHistory, Shown};
use crate::kv::{Key, KeyRange, Value};

/// A change of a key, as a watcher is told, or as a log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it is in the order of all changes; changes made together have one position.
    pub position: u64,
    /// The key.
    pub key: Key,
    /// Its new value; none if it was removed.
    pub value: Option<Value>,
}

/// What a watcher saw between two times that it was interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// It asked for what comes after this position.
    pub after: u64,
    /// What it saw.
    pub changes: Vec<Change>,
}

/// What a watcher saw that it should not have, or missed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// It did not see a change, or saw something else instead.
    #[error("instead of {expected:?}, the watcher saw {found:?}")]
    Differs {
        /// What was next.
        expected: Option<Box<Change>>,
        /// What it saw next.
        found: Option<Box<Change>>,
    },
    /// It was told again, or late, of something at or before where it was.
    #[error("after position {after} the watcher saw {found:?}")]
    NotAfter {
        /// Where it was.
        after: u64,
        /// What it saw next.
        found: Change,
    },
    /// It began again elsewhere than where it had been.
    #[error("the watcher was at position {was} and began again after {after}")]
    ResumedElsewhere {
        /// Where it had been.
        was: u64,
        /// Where it began again.
        after: u64,
    },
    /// It saw a write that nobody made.
    #[error("the watcher saw {found:?}, which nobody wrote, or which was written once and seen before")]
    OutOfNowhere {
        /// What it saw.
        found: Change,
    },
    /// It did not see a write that was made.
    #[error("the watcher never saw the write of `{}` to `{}`", Shown(value), Shown(key))]
    Missed {
        /// The key.
        key: Key,
        /// What was written.
        value: Value,
    },
    /// It saw two writes of a key in an order that their times forbid.
    #[error(
        "the watcher saw `{}` of key `{}` after a write that began when that was over",
        Shown(value),
        Shown(key)
    )]
    OutOfOrder {
        /// The key.
        key: Key,
        /// The older value, seen later.
        value: Value,
    },
}

/// Judges a watcher of `range` that saw everything up to position `until`, against all changes that
/// were committed, in their order. The stretches must follow each other: each begins where the last
/// one ended, or where its caller had got to.
pub fn check_against_log(
    log: &[Change],
    range: &KeyRange,
    stretches: &[Stretch],
    until: u64,
) -> Result<(), WatchError> {
    check_positions(stretches)?;
    let Some(first) = stretches.first() else { return Ok(()) };
    let due = |change: &&Change| first.after < change.position && change.position <= until;
    let mut expected = log.iter().filter(due).filter(|change| range.contains(&change.key));
    let mut seen = stretches.iter().flat_map(|stretch| &stretch.changes);
    loop {
        match (expected.next(), seen.next()) {
            (None, None) => return Ok(()),
            (expected, found) if expected == found => {}
            (expected, found) => {
                let (expected, found) = (expected.cloned().map(Box::new), found.cloned().map(Box::new));
                return Err(WatchError::Differs { expected, found });
            }
        }
    }
}

/// Positions never go back, no key changes twice at one position, and stretches follow each other.
fn check_positions(stretches: &[Stretch]) -> Result<(), WatchError> {
    let Some(mut was) = stretches.first().map(|stretch| stretch.after) else { return Ok(()) };
    for stretch in stretches {
        if stretch.after != was {
            return Err(WatchError::ResumedElsewhere { was, after: stretch.after });
        }
        let mut keys = BTreeSet::new();
        for change in &stretch.changes {
            if change.position > was {
                keys.clear();
            }
            let repeated = !keys.insert(&change.key);
            if change.position < was || change.position <= stretch.after || repeated {
                return Err(WatchError::NotAfter { after: was, found: change.clone() });
            }
            was = change.position;
        }
    }
    Ok(())
}

/// Judges a watcher of `range` that saw everything from the beginning to after the end of a history,
/// where the order of changes is not known from elsewhere.
///
/// Every answered write was seen once, every unknown one at most once, no failed one and nothing else;
/// no write was seen after one that began when it was over. Values must be unique, as a
/// [`Workload`](super::workload::Workload) makes them; removals are not counted, for one that finds
/// nothing changes nothing; keys that are added to or are deques are left out.
pub fn check_against_history(
    history: &KeyHistory,
    range: &KeyRange,
    stretches: &[Stretch],
) -> Result<(), WatchError> {
    check_positions(stretches)?;
    let mut writes: BTreeMap<(&Key, &Value), (u64, Option<u64>)> = BTreeMap::new();
    let mut left_out = BTreeSet::new();
    for call in history.calls().iter().filter(|call| range.contains(&call.action.key)) {
        let key = &call.action.key;
        let value = match (&call.action.action, &call.completion) {
            (Action::Add(_) | Action::Push(..) | Action::Pop(_), _) => {
                left_out.insert(key);
                continue;
            }
            (Action::CompareAndSet { .. }, Completion::Ok { result: Answer::Swapped(false), .. })
            | (_, Completion::Failed { .. }) => continue,
            (Action::CompareAndSet { new, .. }, _) => new,
            (Action::Put(value), _) => value,
            (Action::Get(_) | Action::Delete, _) => continue,
        };
        writes.insert((key, value), (call.invoked, call.ends()));
    }
    // For each key, the latest beginning of what was seen so far.
    let mut latest: BTreeMap<&Key, u64> = BTreeMap::new();
    for change in stretches.iter().flat_map(|stretch| &stretch.changes) {
        let (key, Some(value)) = (&change.key, &change.value) else { continue };
        if left_out.contains(key) {
            continue;
        }
        let Some((begun, ended)) = writes.remove(&(key, value)) else {
            return Err(WatchError::OutOfNowhere { found: change.clone() });
        };
        let latest = latest.entry(key).or_default();
        if ended.is_some_and(|ended| ended < *latest) {
            return Err(WatchError::OutOfOrder { key: key.clone(), value: value.clone() });
        }
        *latest = begun.max(*latest);
    }
    let missed = writes.into_iter().find(|((key, _), (_, ended))| ended.is_some() && !left_out.contains(key));
    match missed {
        Some(((key, value), _)) => Err(WatchError::Missed { key: key.clone(), value: value.clone() }),
        None => Ok(()),
    }
}
