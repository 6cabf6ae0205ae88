//! A stretch of a contig: 0-based, half-open, the only form in which positions are compared.

use std::fmt;

use crate::Position;

/// A stretch of a contig, 0-based and half-open: `start <= x && x < end`.
///
/// An empty interval (`start == end`) is legal, as in BED; it overlaps what holds it strictly inside.
///
/// # Examples
///
/// ```
/// use genomdb_genome::Interval;
///
/// let interval = Interval::new(999, 2000).unwrap();
/// assert_eq!(interval.to_string(), "[999,2000)");
/// assert!(interval.overlaps(Interval::new(1999, 5000).unwrap()));
/// assert!(!interval.overlaps(Interval::new(2000, 5000).unwrap()), "book-ended intervals do not overlap");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: u64,
    end: u64,
}

impl Interval {
    /// Every position of a contig.
    pub const ALL: Self = Self { start: 0, end: i64::MAX as u64 };

    /// Creates an interval from its 0-based start and exclusive end.
    ///
    /// # Errors
    ///
    /// If `end` is before `start`.
    pub const fn new(start: u64, end: u64) -> Result<Self, InvertedInterval> {
        if start <= end { Ok(Self { start, end }) } else { Err(InvertedInterval { start, end }) }
    }

    /// Converts from two 1-based positions, both included, as in SAM, VCF and GFF.
    ///
    /// # Errors
    ///
    /// If `last` is before `first`.
    pub const fn from_closed(first: Position, last: Position) -> Result<Self, InvertedInterval> {
        Self::new(first.to_zero_based(), last.get())
    }

    /// Returns the 0-based start.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// Returns the 0-based, exclusive end.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Tells whether the two share a base, or one is empty and lies strictly inside the other.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL { Ok(()) } else { write!(f, "[{},{})", self.start, self.end) }
    }
}

/// The end of an interval lies before its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interval ends at {end}, before its start {start}")]
pub struct InvertedInterval {
    /// The 0-based start.
    pub start: u64,
    /// The exclusive end.
    pub end: u64,
}
