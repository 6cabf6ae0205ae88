//! For tests of this crate and of those above: a disk in memory that loses, tears and refuses writes,
//! and what judges what callers saw.

pub mod history;
mod simulated_disk;
mod simulated_file;

pub use simulated_disk::{Fault, SimulatedDisk};
