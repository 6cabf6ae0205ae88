//! What callers asked of a store and what they were told, with times; and what judges it.
//!
//! Nothing here knows how the store works or does I/O: a simulation and a test with real processes
//! record a [`History`] alike, and ask the same questions of it.
//!
//! | question | answered by |
//! |---|---|
//! | is each key linearizable, and no stale read staler than allowed? | [`linearizable::check`] |
//! | does each caller see its own writes, and never go back in time? | [`session::check`] |
//! | is money neither made nor lost by transfers over several keys? | [`bank::check`] |
//! | did retried additions and pushes count once? | [`once`] |
//! | did a watcher see every change, once, in order? | [`watch`] |

pub mod bank;
pub mod json;
pub mod linearizable;
mod model;
pub mod once;
mod outlook;
mod preparation;
mod search;
pub mod session;
pub mod simulated;
mod subset;
#[cfg(test)]
mod tests;
pub mod watch;
pub mod workload;

use std::fmt;

use crate::kv::{End, Key, Value};

/// What callers did, in the order of their invocations' recording.
///
/// `A` is what is asked, `R` what is answered. Times are ticks of one clock, the recorder's; two
/// calls are ordered only if one ended before, not when, the other began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<A, R> {
    calls: Vec<Call<A, R>>,
}

/// A history of single keys.
pub type KeyHistory = History<Request, Answer>;

/// The calls of one key.
type KeyCalls<'a> = Vec<(CallId, &'a Call<Request, Answer>)>;

/// Number of a call within its history, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub usize);

/// One call and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<A, R> {
    /// Who called; one process has one call at a time.
    pub process: u64,
    /// When the caller began.
    pub invoked: u64,
    /// What was asked.
    pub action: A,
    /// What became of it.
    pub completion: Completion<R>,
}

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion<R> {
    /// It took effect once, between its invocation and `at`.
    Ok {
        /// When the caller knew.
        at: u64,
        /// The answer.
        result: R,
    },
    /// It certainly did not take effect and never will.
    Failed {
        /// When the caller knew.
        at: u64,
    },
    /// Nobody knows: it takes effect once, any time after its invocation, or never. What is still
    /// under way when a history ends is that, too.
    Unknown,
}

impl<A, R> Default for History<A, R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A, R> History<A, R> {
    /// A history of nothing.
    pub const fn new() -> Self {
        Self { calls: Vec::new() }
    }

    /// Records that `process` begins a call; until more is said, what became of it is unknown.
    pub fn invoke(&mut self, process: u64, at: u64, action: A) -> CallId {
        self.calls.push(Call { process, invoked: at, action, completion: Completion::Unknown });
        CallId(self.calls.len() - 1)
    }

    /// Records that a call took effect.
    ///
    /// # Panics
    ///
    /// If it ends before it began, or was never begun: the recorder is wrong.
    pub fn ok(&mut self, call: CallId, at: u64, result: R) {
        self.complete(call, at, Completion::Ok { at, result });
    }

    /// Records that a call certainly did not and will not take effect.
    ///
    /// # Panics
    ///
    /// As [`History::ok`].
    pub fn failed(&mut self, call: CallId, at: u64) {
        self.complete(call, at, Completion::Failed { at });
    }

    fn complete(&mut self, call: CallId, at: u64, completion: Completion<R>) {
        let call = self.calls.get_mut(call.0);
        assert!(call.as_ref().is_some_and(|call| call.invoked <= at), "a call ends after it began");
        if let Some(call) = call {
            call.completion = completion;
        }
    }

    /// Every call, in the order of its number.
    pub fn calls(&self) -> &[Call<A, R>] {
        &self.calls
    }

    /// One call.
    pub fn call(&self, id: CallId) -> Option<&Call<A, R>> {
        self.calls.get(id.0)
    }

    /// Every call with its number.
    pub fn iter(&self) -> impl Iterator<Item = (CallId, &Call<A, R>)> {
        self.calls.iter().enumerate().map(|(number, call)| (CallId(number), call))
    }
}

impl<A, R> FromIterator<Call<A, R>> for History<A, R> {
    fn from_iter<I: IntoIterator<Item = Call<A, R>>>(calls: I) -> Self {
        Self { calls: calls.into_iter().collect() }
    }
}

impl<A, R> Call<A, R> {
    /// The answer and when it came, of a call that took effect.
    pub const fn answer(&self) -> Option<(u64, &R)> {
        match &self.completion {
            Completion::Ok { at, result } => Some((*at, result)),
            Completion::Failed { .. } | Completion::Unknown => None,
        }
    }

    /// Whether it may have taken effect: told so, or unknown.
    pub const fn possible(&self) -> bool {
        !matches!(self.completion, Completion::Failed { .. })
    }

    /// The last moment it can have taken effect; without one it may still do so.
    pub(super) const fn ends(&self) -> Option<u64> {
        match &self.completion {
            Completion::Ok { at, .. } => Some(*at),
            Completion::Failed { .. } | Completion::Unknown => None,
        }
    }
}

/// One key, and what to do to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key.
    pub key: Key,
    /// What to do.
    pub action: Action,
}

/// What is done to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Reads; answered by [`Answer::Value`].
    Get(Consistency),
    /// Stores a value, whatever was there; answered by [`Answer::Done`].
    Put(Value),
    /// Removes whatever is there; answered by [`Answer::Done`].
    Delete,
    /// Stores `new` if the value is `expected`; answered by [`Answer::Swapped`].
    CompareAndSet {
        /// What must be there; absent if none.
        expected: Option<Value>,
        /// What to store.
        new: Value,
    },
    /// Adds to a decimal number, absent counting as 0; answered by [`Answer::Counter`].
    Add(i64),
    /// Puts an element into a deque; answered by [`Answer::Length`].
    Push(End, Value),
    /// Takes an element out of a deque; answered by [`Answer::Value`].
    Pop(End),
}

/// How old what a read answers may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// Current at some moment between invocation and answer.
    Linearizable,
    /// Current at some moment between so many ticks before the invocation and the answer.
    BoundedStale(u64),
}

/// What a caller is told when its call took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing but that it is done.
    Done,
    /// The value read, or the element taken; none if there was none.
    Value(Option<Value>),
    /// Whether the value was as expected, and so was replaced.
    Swapped(bool),
    /// The number after an addition.
    Counter(i64),
    /// The length of the deque after a push.
    Length(u64),
}

/// Bytes as a reader wants them: text if they are printable, hexadecimal otherwise.
pub(super) struct Shown<'a>(pub(super) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.0) {
            // What begins as hexadecimal does must not be taken for it.
            Ok(text) if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && !text.starts_with("0x") => {
                f.write_str(text)
            }
            _ => {
                f.write_str("0x")?;
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("`{}`", Shown(value)))
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |end: &End| if *end == End::Front { "front" } else { "back" };
        match self {
            Self::Get(Consistency::Linearizable) => f.write_str("get"),
            Self::Get(Consistency::BoundedStale(bound)) => write!(f, "get, stale up to {bound}"),
            Self::Put(value) => write!(f, "put {}", shown(Some(value))),
            Self::Delete => f.write_str("delete"),
            Self::CompareAndSet { expected, new } => {
                write!(f, "swap {} for {}", shown(expected.as_ref()), shown(Some(new)))
            }
            Self::Add(change) => write!(f, "add {change}"),
            Self::Push(end, value) => write!(f, "push {} {}", side(end), shown(Some(value))),
            Self::Pop(end) => write!(f, "pop {}", side(end)),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Value(value) => f.write_str(&shown(value.as_ref())),
            Self::Swapped(true) => f.write_str("swapped"),
            Self::Swapped(false) => f.write_str("not swapped"),
            Self::Counter(number) => write!(f, "{number}"),
            Self::Length(length) => write!(f, "length {length}"),
        }
    }
}

impl fmt::Display for Call<Request, Answer> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, invoked, action: Request { action, .. }, completion } = self;
        match completion {
            Completion::Ok { at, result } => {
                write!(f, "[{invoked}..{at}] process {process}: {action} → {result}")
            }
            Completion::Failed { at } => write!(f, "[{invoked}..{at}] process {process}: {action} → failed"),
            Completion::Unknown => write!(f, "[{invoked}..] process {process}: {action} → unknown"),
        }
    }
}
