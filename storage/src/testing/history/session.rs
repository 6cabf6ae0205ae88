//! Whether each process sees its own writes, and never sees an older value after a newer one.
//!
//! Judged are reads of registers that may be stale, too, and only what is certain: a write is older
//! than another if it ended before the other began.

use std::collections::BTreeMap;

use super::{Action, Answer, Call, CallId, KeyCalls, KeyHistory, Request, Shown};
use crate::kv::{Key, Value};

/// A process that went back in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// It read a value older than what it wrote itself.
    #[error("key `{}`: call {} reads a value older than the process's own write, call {}", Shown(key), read.0, write.0)]
    OwnWriteUnseen {
        /// The key.
        key: Key,
        /// The read.
        read: CallId,
        /// Its own earlier write.
        write: CallId,
    },
    /// It read a value older than one it had read.
    #[error("key `{}`: call {} reads a value older than an earlier read of the process, call {}", Shown(key), read.0, earlier.0)]
    WentBack {
        /// The key.
        key: Key,
        /// The read.
        read: CallId,
        /// An earlier read.
        earlier: CallId,
    },
    /// It read what nobody had written.
    #[error("key `{}`: call {} reads a value that nobody had begun to write", Shown(key), read.0)]
    OutOfNowhere {
        /// The key.
        key: Key,
        /// The read.
        read: CallId,
    },
}

/// What a call wrote or read, if it was a whole value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Write {
    begun: u64,
    ended: Option<u64>,
}

impl Write {
    /// What every key begins with was written before anything else.
    const INITIAL: Self = Self { begun: 0, ended: None };
}

/// The writes that may have been the one of which a process knows.
type Sources = Vec<(Write, bool)>;

/// Judges the registers of a history: keys of which all writes are puts, deletes and conditional
/// writes. `initial` is what each key holds at the beginning: nothing.
pub fn check(history: &KeyHistory) -> Result<(), SessionError> {
    let mut keys: BTreeMap<&Key, KeyCalls<'_>> = BTreeMap::new();
    for (id, call) in history.iter().filter(|(_, call)| call.possible()) {
        keys.entry(&call.action.key).or_default().push((id, call));
    }
    for (key, calls) in keys {
        let register = |call: &Call<Request, Answer>| {
            !matches!(call.action.action, Action::Add(_) | Action::Push(..) | Action::Pop(_))
        };
        if calls.iter().all(|(_, call)| register(call)) {
            check_register(key, &calls)?;
        }
    }
    Ok(())
}

fn check_register(key: &Key, calls: &[(CallId, &Call<Request, Answer>)]) -> Result<(), SessionError> {
    let mut writes: BTreeMap<Option<&Value>, Sources> =
        BTreeMap::from([(None, vec![(Write::INITIAL, true)])]);
    for (_, call) in calls {
        if let Some(value) = written(call) {
            writes.entry(value).or_default().push((write_of(call), false));
        }
    }
    // What each process knows: for each of its calls, when it ended and what it may have come from.
    let mut known: BTreeMap<u64, Vec<Known>> = BTreeMap::new();
    let mut calls = calls.to_vec();
    calls.sort_by_key(|(id, call)| (call.invoked, *id));
    for (id, call) in calls {
        let Some((ended, answer)) = call.answer() else { continue };
        let process = known.entry(call.process).or_default();
        if let (Action::Get(_), Answer::Value(found)) = (&call.action.action, answer) {
            let sources: Sources = writes
                .get(&found.as_ref())
                .into_iter()
                .flatten()
                .filter(|(write, initial)| *initial || write.begun <= ended)
                .copied()
                .collect();
            if sources.is_empty() {
                return Err(SessionError::OutOfNowhere { key: key.clone(), read: id });
            }
            for earlier in process.iter().filter(|earlier| earlier.ended <= call.invoked) {
                if earlier.is_after_all(&sources) {
                    return Err(earlier.error(key, id));
                }
            }
            process.push(Known { call: id, own: false, ended, sources });
        } else if written(call).is_some() {
            process.push(Known { call: id, own: true, ended, sources: vec![(write_of(call), false)] });
        }
    }
    Ok(())
}

struct Known {
    call: CallId,
    own: bool,
    ended: u64,
    sources: Sources,
}

impl Known {
    /// Whether all that a read may have come from was over before anything this may have come from.
    fn is_after_all(&self, read: &Sources) -> bool {
        let before = |(old, old_initial): &(Write, bool), (new, new_initial): &(Write, bool)| {
            !new_initial && (*old_initial || old.ended.is_some_and(|ended| ended < new.begun))
        };
        self.sources.iter().all(|new| read.iter().all(|old| before(old, new)))
    }

    fn error(&self, key: &Key, read: CallId) -> SessionError {
        let key = key.clone();
        if self.own {
            SessionError::OwnWriteUnseen { key, read, write: self.call }
        } else {
            SessionError::WentBack { key, read, earlier: self.call }
        }
    }
}

fn write_of(call: &Call<Request, Answer>) -> Write {
    Write { begun: call.invoked, ended: call.ends() }
}

/// What a call wrote, or may have written: a value, or none if it removed one.
fn written(call: &Call<Request, Answer>) -> Option<Option<&Value>> {
    match (&call.action.action, call.answer()) {
        (Action::Put(value), _) => Some(Some(value)),
        (Action::Delete, _) => Some(None),
        (Action::CompareAndSet { .. }, Some((_, Answer::Swapped(false)))) => None,
        (Action::CompareAndSet { new, .. }, _) => Some(Some(new)),
        _ => None,
    }
}
