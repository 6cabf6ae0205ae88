//! The limits of a load.

use std::{path::PathBuf, thread};

use genomdb_layout::block::BlockConfig;

/// What a load may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// Threads that decompress, that encode, and that sort; each kind has so many.
    ///
    /// Default: one for each processor, 64 at most. Bounds: 1..=64.
    pub threads: usize,
    /// Bytes of records that a sort keeps in memory.
    ///
    /// Default: 384 MiB. Bounds: 1..=256 GiB.
    pub memory_bytes: usize,
    /// Where a sort spills, and where the bytes of a pipe are kept meanwhile. Created when missing.
    ///
    /// Default: the system's folder for temporary files; a server gives one in its data folder, so that what
    /// a load needs is on one disk.
    pub spill_folder: PathBuf,
    /// Bytes of records that are read at once.
    ///
    /// Default: 2 MiB. Bounds: 1..=1 GiB.
    pub batch_bytes: usize,
    /// A write is sent when it has so many bytes.
    ///
    /// Default: 8 MiB. Bounds: 1..=32 MiB.
    pub write_bytes: usize,
    /// Writes on their way to the storage at once.
    ///
    /// Default: 2. Bounds: 1..=16.
    pub writes_in_flight: usize,
    /// How large a block grows.
    pub block: BlockConfig,
    /// Bytes of rows, before they are compressed, at which a chunk of a table of rows is written.
    ///
    /// Default: 1 MiB. Bounds: 1..=64 MiB.
    pub chunk_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(2, |count| count.get().min(64)),
            memory_bytes: 384 << 20,
            spill_folder: std::env::temp_dir(),
            batch_bytes: 2 << 20,
            write_bytes: 8 << 20,
            writes_in_flight: 2,
            block: BlockConfig::default(),
            chunk_bytes: 1 << 20,
        }
    }
}

impl Config {
    /// Returns the same with each field brought into its bounds.
    pub(crate) fn bounded(mut self) -> Self {
        self.threads = self.threads.clamp(1, 64);
        self.memory_bytes = self.memory_bytes.clamp(1, 256 << 30);
        self.batch_bytes = self.batch_bytes.clamp(1, 1 << 30);
        self.write_bytes = self.write_bytes.clamp(1, 32 << 20);
        self.chunk_bytes = self.chunk_bytes.clamp(1, 64 << 20);
        self.writes_in_flight = self.writes_in_flight.clamp(1, 16);
        self
    }
}
