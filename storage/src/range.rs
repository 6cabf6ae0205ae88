//! Ranges: which keys belong together, and how their descriptors change. ("Region" is genomic here.)

use std::fmt;

use crate::kv::KeyRange;

/// Number of a range and of its Raft group; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RangeId(pub u64);

impl RangeId {
    /// The range of the placement driver's own keys, [`Space::Placement`]; it never splits.
    pub const PLACEMENT: Self = Self(1);
    /// The first range of a new store; it begins with all keys of [`Space::User`].
    pub const FIRST_USER: Self = Self(2);
}

impl fmt::Display for RangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Number of a node, chosen by its operator; 1 for a folder that is used by one process alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Whose keys: the same bytes are different keys in different spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// What callers store.
    User = 0,
    /// What the placement driver remembers.
    Placement = 1,
}

/// What a range holds; the version grows by one with each split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeDescriptor {
    /// Which range.
    pub id: RangeId,
    /// Whose keys.
    pub space: Space,
    /// Which of them.
    pub keys: KeyRange,
    /// How often its keys changed; a request that knows another version is refused.
    pub version: u64,
}
