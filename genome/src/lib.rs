//! The vocabulary of GenomDB, shared by every crate above; it does no I/O and knows no storage.
//!
//! | written as | means | where |
//! |---|---|---|
//! | `POS`, [`Position`] | 1-based | SAM, VCF, what a user reads |
//! | [`Interval`] | 0-based, half-open | `start` and `end` columns, the index, every comparison |
//! | `chr1:5-8`, [`Region`] | 1-based, closed, as in samtools | region text |
//! | `chr1:[4,8)` | says it itself | region text, what EXPLAIN prints |

pub mod alignment;
mod contigs;
mod interval;
mod position;
mod region;
mod region_set;
pub mod schema;

pub use contigs::{Contig, ContigId, Contigs, ContigsError};
pub use interval::{Interval, InvertedInterval};
pub use position::{OutOfRange, Position};
pub use region::{ParseRegionError, Region};
pub use region_set::RegionSet;
