//! What a query has used so far, and what it may use.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use datafusion::{
    common::{Result, resources_err},
    execution::{TaskContext, memory_pool::MemoryPool},
};

/// What a query has used so far: read it while the query runs, or after it.
///
/// One value belongs to one run of one query; every scan in it adds to the same numbers.
#[derive(Debug, Default)]
pub struct Usage {
    blocks_read: AtomicU64,
    blocks_planned: AtomicU64,
    blocks_known: AtomicU64,
    bytes_read: AtomicU64,
    rows_read: AtomicU64,
    memory_peak: AtomicU64,
    /// 0: no limit.
    bytes_max: AtomicU64,
    pool: OnceLock<Arc<dyn MemoryPool>>,
}

/// The numbers of a [`Usage`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Blocks whose rows were read.
    pub blocks_read: u64,
    /// Blocks that the scans of the plan name.
    pub blocks_planned: u64,
    /// Blocks that the tables have, of which the index kept `blocks_planned`.
    pub blocks_known: u64,
    /// Bytes of stored values that were read.
    pub bytes_read: u64,
    /// Rows that were read, before filters.
    pub rows_read: u64,
    /// Bytes of memory that the query holds now.
    pub memory: u64,
    /// The most bytes of memory that it was seen to hold.
    pub memory_peak: u64,
}

impl Used {
    /// Blocks that the index made it unnecessary to read.
    pub const fn blocks_pruned(&self) -> u64 {
        self.blocks_known.saturating_sub(self.blocks_planned)
    }
}

impl Usage {
    /// The numbers as they are now.
    pub fn now(&self) -> Used {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Used {
            blocks_read: read(&self.blocks_read),
            blocks_planned: read(&self.blocks_planned),
            blocks_known: read(&self.blocks_known),
            bytes_read: read(&self.bytes_read),
            rows_read: read(&self.rows_read),
            memory: self.note_memory(),
            memory_peak: read(&self.memory_peak),
        }
    }

    /// Notes how much memory the query holds; a peak between two looks is missed.
    fn note_memory(&self) -> u64 {
        let memory = self.pool.get().map_or(0, |pool| pool.reserved() as u64);
        self.memory_peak.fetch_max(memory, Ordering::Relaxed);
        memory
    }

    pub(crate) fn begin(&self, pool: Arc<dyn MemoryPool>, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        // A second run with the same value would go on counting; its memory stays that of the first.
        let _first = self.pool.set(pool);
    }

    pub(crate) fn plan_blocks(&self, planned: u64, known: u64) {
        self.blocks_planned.fetch_add(planned, Ordering::Relaxed);
        self.blocks_known.fetch_add(known, Ordering::Relaxed);
    }

    pub(crate) fn read_blocks(&self, blocks: u64, rows: u64) {
        self.blocks_read.fetch_add(blocks, Ordering::Relaxed);
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
    }

    /// Counts bytes that were read.
    ///
    /// # Errors
    ///
    /// If they are more than the query may read.
    pub(crate) fn read_bytes(&self, bytes: u64) -> Result<()> {
        let sum = self.bytes_read.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        self.note_memory();
        let max = self.bytes_max.load(Ordering::Relaxed);
        if max != 0 && sum > max {
            return resources_err!(
                "the query has read {sum} bytes of stored values, and query.max_bytes_scanned is {max}"
            );
        }
        Ok(())
    }

    /// The numbers to which a scan adds.
    pub(crate) fn of(context: &TaskContext) -> Arc<Self> {
        context.session_config().get_extension::<Self>().unwrap_or_default()
    }
}
