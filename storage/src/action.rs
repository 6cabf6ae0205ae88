//! What the log of a range says: one action, with what makes it safe to send twice.

mod codec;

use crate::{
    kv::{Key, Timestamp, Transaction, Value},
    range::{RangeDescriptor, RangeId},
};

/// One entry of the log of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Version of the range that the sender knew. A mismatch is a refusal, judged when it is applied.
    pub(crate) version: u64,
    /// Who sent it; without one, sending it twice would count twice.
    pub(crate) session: Option<Session>,
    /// The leader's time when it was proposed: no replica asks its own clock while applying.
    pub(crate) now: Timestamp,
    /// What to do.
    pub(crate) action: Action,
}

/// A sender with at most one request on its way, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// A random number.
    pub client: u64,
    /// Number of the request; the response to the last one is kept and given again to its retries.
    pub sequence: u64,
}

/// Number of a transaction over several ranges: random, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u128);

/// What an entry does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Checks conditions and writes, in this range alone.
    Transact(Transaction),
    /// First phase over several ranges: checks the conditions of this range's part and locks all of
    /// its keys, each lock holding what is to be written. `primary` is the key whose range decides.
    Prepare { id: TransactionId, primary: Key, deadline: Timestamp, part: Transaction },
    /// Second phase, in the range of `primary`: decides, once and for ever. Commits only if the lock
    /// of `primary` is there; rolls back otherwise, which also stops a `Prepare` that comes later.
    Decide { id: TransactionId, primary: Key, commit: bool },
    /// Second phase elsewhere: does what was decided to the locks on `keys`.
    Resolve { id: TransactionId, keys: Vec<Key>, commit: bool },
    /// The decision is known everywhere and need not be kept.
    Forget { id: TransactionId, primary: Key },
    /// Removes values whose time is over, if they still have that time.
    Expire { entries: Vec<(Key, Timestamp)> },
    /// Cuts the range in two: keys from `at` on become the range `child`.
    Split { at: Key, child: RangeId },
    /// Computes a checksum of the range as it is after this entry, to compare replicas.
    Verify,
}

/// What became of an entry; every replica finds the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// Done; one result for each `Add`, `Push` and `Pop` of a transaction, in their order.
    Done(Vec<OperationResult>),
    /// Nothing was done: a condition did not hold.
    ConditionFailed { condition: usize, found: Option<Value> },
    /// Nothing was done, for another reason.
    Refused(Refusal),
    /// The range was split; parent and child as they are now.
    Split { parent: RangeDescriptor, child: RangeDescriptor },
    /// What was decided, now or before: whether the transaction is committed.
    Decided { committed: bool },
    /// The state as of this entry is to be checked.
    Verified,
}

/// What an operation that computes gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationResult {
    /// The counter after `Add`.
    Counter(i64),
    /// The length of the deque after `Push`.
    Length(u64),
    /// The element that `Pop` took.
    Element(Option<Value>),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The range has changed; this is what it is now.
    Version(RangeDescriptor),
    /// A key does not belong to the range.
    NotInRange { key: Key },
    /// A transaction holds the key; ask the range of `primary` how it stands.
    Locked { key: Key, id: TransactionId, primary: Key, deadline: Timestamp },
    /// `Add` to something that is not a decimal number of 64 bits.
    NotACounter { key: Key },
    /// The counter would leave 64 bits.
    CounterOverflow { key: Key },
    /// The transaction was decided before, otherwise.
    AlreadyDecided { committed: bool },
    /// The session is already further: the response to this request is no longer known.
    Superseded,
    /// `Prepare` of a `DeleteRange`: locks are for keys, and keys to come cannot be locked.
    NotLockable { key: Key },
}

impl Refusal {
    /// Whether a session remembers it.
    ///
    /// What it does not remember must be sent again with the same sequence: with a new one, a copy of
    /// the first that is still on its way could take effect beside it.
    pub(crate) const fn is_remembered(&self) -> bool {
        !matches!(self, Self::Version(_) | Self::NotInRange { .. } | Self::Locked { .. } | Self::Superseded)
    }
}
