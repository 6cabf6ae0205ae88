//! The name of a query.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    str::FromStr,
};

/// The name of a query on a server: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(u64);

impl QueryId {
    /// A name that no other query has, as far as chance allows.
    pub fn random() -> Self {
        // The keys of this hasher are random, and so is what it makes of nothing.
        Self(RandomState::new().hash_one(0))
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl FromStr for QueryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}
