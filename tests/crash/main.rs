//! Loads that are killed, and loads on a full disk, in real processes and on a real disk.
//!
//! What a simulated disk can show (a power cut at any operation) is tested in `loader`; here it is the
//! system that kills, and the system that has no space.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "a killed process tells by it how far it is")]

mod fixture;
mod full_disk;
mod killed;
mod killed_ingest;
