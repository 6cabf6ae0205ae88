//! The positional index of a source: which blocks may hold a record that overlaps a region.
//!
//! Two levels: an [`IndexPage`] has up to [`PAGE_BLOCKS_MAX`] block entries of one contig; the [`IndexRoot`]
//! has a line for each page. A lookup may name a block without an overlapping record; it never misses one
//! (IX-1): a line and an entry keep the *largest end* of their records, because a spliced read may reach far.

mod page;
mod root;

pub use page::{IndexPage, IndexPageBuilder, PAGE_BLOCKS_MAX, overlap};
pub use root::{IndexLine, IndexRoot};

use genomdb_genome::Interval;

/// Tells whether the positions from `start` to before `end` share a base with an interval.
fn overlaps(start: i64, end: i64, interval: &Interval) -> bool {
    let (Ok(first), Ok(last)) = (i64::try_from(interval.start()), i64::try_from(interval.end())) else {
        // Beyond every position that a record can have, or open to the end of the contig.
        return i64::try_from(interval.start()).is_ok_and(|first| end > first);
    };
    start < last && end > first
}

#[cfg(test)]
mod tests;
