//! Numbers that nobody else has drawn.

use std::hash::{BuildHasher as _, RandomState};

/// A random number for a name: not for a secret.
pub(crate) fn number() -> u64 {
    // The keys of this hasher are random, and so is what it makes of nothing.
    RandomState::new().hash_one(0)
}
