//! A 1-based position on a contig; it knows nothing of intervals.

use std::{fmt, num::NonZero};

/// A 1-based position on a contig (SAM `POS`, VCF `POS`).
///
/// 64 bits: SAM text and wheat chromosomes go beyond BAM's 2^31-1.
///
/// # Examples
///
/// ```
/// use genomdb_genome::Position;
///
/// let position = Position::new(7).unwrap();
/// assert_eq!(position.to_zero_based(), 6);
/// assert_eq!(Position::from_zero_based(6), Ok(position));
/// assert_eq!(Position::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(NonZero<u64>);

impl Position {
    /// The last position: one more would leave no room for an exclusive end in an Arrow `Int64`.
    pub const MAX: Self = Self(NonZero::new(i64::MAX as u64).unwrap());

    /// Creates a position from its 1-based number; `None` for 0 and beyond [`Position::MAX`].
    pub const fn new(one_based: u64) -> Option<Self> {
        match NonZero::new(one_based) {
            Some(number) if number.get() <= Self::MAX.get() => Some(Self(number)),
            _ => None,
        }
    }

    /// Converts from a 0-based number, as in BAM and BED.
    ///
    /// # Errors
    ///
    /// If the number is beyond [`Position::MAX`].
    pub fn from_zero_based(zero_based: u64) -> Result<Self, OutOfRange> {
        zero_based.checked_add(1).and_then(Self::new).ok_or(OutOfRange(zero_based))
    }

    /// Returns the 1-based number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// Returns the 0-based number.
    pub const fn to_zero_based(self) -> u64 {
        self.0.get() - 1
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A position lies beyond [`Position::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {0} is out of range")]
pub struct OutOfRange(pub u64);
