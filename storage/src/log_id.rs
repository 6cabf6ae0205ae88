//! The place of an entry in the log of a group.

use std::fmt;

/// Term and index of an entry, ordered as Raft orders them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term of the leader that wrote it.
    pub term: u64,
    /// Its number in the group's log.
    pub index: u64,
}

impl LogId {
    /// Where the log of every new group begins: what it is born with counts as applied up to here.
    ///
    /// A group is never "initialized": a replica that joins later would be fed the log from its
    /// beginning and miss what the group was born with.
    pub const BIRTH: Self = Self { term: 1, index: 5 };
}

impl fmt::Display for LogId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.term, self.index)
    }
}
