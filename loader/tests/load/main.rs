//! Loads through the public interface: what goes in comes out, and what fails leaves nothing.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod conflicts;
mod dropping;
mod faults;
mod fixture;
mod ingesting;
mod leases;
mod round_trip;
