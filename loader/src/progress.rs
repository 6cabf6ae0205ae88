//! What a load tells about itself while it runs.

use std::time::{Duration, Instant};

/// What a load is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It reads a sorted file and writes its blocks.
    Loading,
    /// It reads a file that is not sorted, and sorts.
    Sorting,
    /// It merges what was sorted and writes the blocks.
    Merging,
    /// It writes the index and makes the load visible.
    Publishing,
}

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What it is doing.
    pub phase: Phase,
    /// Records that went through this phase.
    pub records: u64,
    /// Records of the file; known once it is read.
    pub records_total: Option<u64>,
    /// Bytes of the file, as it is stored, that have been read.
    pub bytes_read: u64,
    /// Bytes of the file; unknown for a stream.
    pub bytes_total: Option<u64>,
}

/// Calls back at most ten times a second, and at each change of phase.
pub(crate) struct Reporter<'a> {
    callback: &'a (dyn Fn(Progress) + Sync),
    last: Option<(Phase, Instant)>,
}

const INTERVAL: Duration = Duration::from_millis(100);

impl<'a> Reporter<'a> {
    pub(crate) fn new(callback: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self { callback, last: None }
    }

    pub(crate) fn report(&mut self, progress: Progress) {
        let now = Instant::now();
        let soon = |(phase, at): (Phase, Instant)| phase == progress.phase && now < at + INTERVAL;
        if !self.last.is_some_and(soon) {
            self.last = Some((progress.phase, now));
            (self.callback)(progress);
        }
    }
}
