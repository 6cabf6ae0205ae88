//! Loads every file of the shared corpus and reads it back.
//!
//! The corpus lies in `$GENOMDB_CORPUS` or in `../shared/data` beside the repository; without it the tests
//! say that they were skipped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod alignments;
mod corpus;
#[path = "../../formats/tests/cram/references.rs"]
mod references;
