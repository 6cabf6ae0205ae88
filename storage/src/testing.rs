//! For tests of this crate and of those above: a disk in memory that loses, tears and refuses writes,
//! and what judges what callers saw.

mod event_lines;
pub mod history;
mod simulated_disk;
mod simulated_file;

pub use event_lines::write_events;
pub use simulated_disk::{Fault, SimulatedDisk};
