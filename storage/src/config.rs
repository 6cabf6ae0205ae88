//! The limits of the store; each is obeyed in this crate.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::{Clock, SystemClock},
    disk::{Disk, LocalDisk},
    error::StorageError,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Settings of a [`Storage`](crate::Storage).
#[derive(Clone, Debug)]
pub struct Config {
    /// Memory for pages of the state store; writes not yet on disk take at most half of it.
    ///
    /// Default: 128 MiB. Bounds: 1 MiB..=64 GiB.
    pub cache_bytes: u64,
    /// Longest key.
    ///
    /// Default: 1 KiB. Bounds: 1..=32 KiB.
    pub key_bytes_max: u64,
    /// Longest value.
    ///
    /// Default: 8 MiB. Bounds: 1..=1 GiB.
    pub value_bytes_max: u64,
    /// Largest batch, keys and values together.
    ///
    /// Default: 64 MiB. Bounds: 4 KiB..=1 GiB.
    pub batch_bytes_max: u64,
    /// Puts, deletes and conditions of one batch.
    ///
    /// Default: 1,000,000. Bounds: 1..=100,000,000.
    pub batch_operations_max: u64,
    /// Bytes of writes accepted and not answered; at the bound a writer waits.
    ///
    /// Default: 64 MiB. Bounds: 64 KiB..=4 GiB.
    pub write_bytes_in_flight_max: u64,
    /// Bytes that one fsync of the log makes durable at most (one batch may be larger).
    ///
    /// Default: 16 MiB. Bounds: 4 KiB..=1 GiB.
    pub group_bytes_max: u64,
    /// Size at which a log segment is full.
    ///
    /// Default: 32 MiB. Bounds: 4 KiB..=4 GiB.
    pub segment_bytes: u64,
    /// Log segments kept for use again; their blocks are already allocated, which makes fsync cheaper.
    ///
    /// Default: 2. Bounds: 0..=16.
    pub spare_segments_max: u64,
    /// Bytes applied between two checkpoints: what must be replayed after a crash.
    ///
    /// Default: 48 MiB. Bounds: 4 KiB..=4 GiB.
    pub checkpoint_bytes: u64,
    /// Longest time for which applied writes stay only in the log.
    ///
    /// Default: 1 s. Bounds: 1 ms..=1 h.
    pub checkpoint_interval: Duration,
    /// Free space below which writes are refused, on top of what is on its way to the disk.
    ///
    /// Default: 16 MiB. Bounds: 0..=1 TiB.
    pub disk_reserve_bytes: u64,
    /// How long a request to a cluster is tried again and again.
    ///
    /// Default: 30 s. Bounds: 1 ms..=1 h.
    pub request_timeout: Duration,
    /// How long one attempt waits for its answer.
    ///
    /// Default: 10 s. Bounds: 1 ms..=1 h.
    pub attempt_timeout: Duration,
    /// How long a transaction over several ranges may hold its keys, if its sender dies.
    ///
    /// Default: 10 s. Bounds: 1 ms..=1 h.
    pub transaction_timeout: Duration,
    /// How the replicas of a range keep each other informed.
    pub raft: RaftConfig,
    /// What is switched off to see that a test notices; nothing, but in such a test.
    #[doc(hidden)]
    pub sabotage: Sabotage,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where bytes are kept.
    pub disk: Arc<dyn Disk>,
}

/// Timing and lengths of Raft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftConfig {
    /// How often a leader tells its followers that it is there. Each range of a node does so by itself,
    /// and looks at its clocks five times as often: halved, this doubles what idle ranges cost.
    ///
    /// Default: 500 ms. Bounds: 10 ms..=10 s.
    pub heartbeat_interval: Duration,
    /// How long a follower waits for its leader at least, before it stands for election; up to twice.
    ///
    /// Default: 1.5 s. Bounds: three heartbeats..=100 s.
    pub election_timeout: Duration,
    /// How long a piece of a snapshot may take.
    ///
    /// Default: 10 s. Bounds: 100 ms..=10 min.
    pub snapshot_timeout: Duration,
    /// Bytes of a range's log at which its older half is given up, as far as the state has it durably.
    ///
    /// Default: 64 MiB. Bounds: 4 KiB..=16 GiB.
    pub log_bytes_max: u64,
}

impl Default for RaftConfig {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_millis(500),
            election_timeout: Duration::from_millis(1500),
            snapshot_timeout: Duration::from_secs(10),
            log_bytes_max: 64 * MIB,
        }
    }
}

/// Parts that a test switches off to see that it fails without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// The log says that it is durable without asking the disk.
    pub no_fsync: bool,
    /// A leader answers reads without asking whether it still leads.
    pub no_read_barrier: bool,
    /// A range takes requests that were meant for what it was before.
    pub no_version_check: bool,
    /// A retried request is done again.
    pub no_sessions: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cache_bytes: 128 * MIB,
            key_bytes_max: KIB,
            value_bytes_max: 8 * MIB,
            batch_bytes_max: 64 * MIB,
            batch_operations_max: 1_000_000,
            write_bytes_in_flight_max: 64 * MIB,
            group_bytes_max: 16 * MIB,
            segment_bytes: 32 * MIB,
            spare_segments_max: 2,
            checkpoint_bytes: 48 * MIB,
            checkpoint_interval: Duration::from_secs(1),
            disk_reserve_bytes: 16 * MIB,
            request_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_secs(10),
            transaction_timeout: Duration::from_secs(10),
            raft: RaftConfig::default(),
            sabotage: Sabotage::default(),
            clock: Arc::new(SystemClock::new()),
            disk: Arc::new(LocalDisk),
        }
    }
}

impl Config {
    /// Checks every field against its bounds.
    ///
    /// # Errors
    ///
    /// [`StorageError::InvalidConfig`] names the first field that is out of bounds.
    pub fn validate(&self) -> Result<(), StorageError> {
        let interval_ms = u64::try_from(self.checkpoint_interval.as_millis()).unwrap_or(u64::MAX);
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let raft = &self.raft;
        let heartbeat = ms(raft.heartbeat_interval);
        let checks = [
            ("request_timeout", ms(self.request_timeout), 1..=3_600_000, "1 ms..=1 h"),
            ("attempt_timeout", ms(self.attempt_timeout), 1..=3_600_000, "1 ms..=1 h"),
            ("transaction_timeout", ms(self.transaction_timeout), 1..=3_600_000, "1 ms..=1 h"),
            ("raft.heartbeat_interval", heartbeat, 10..=10_000, "10 ms..=10 s"),
            (
                "raft.election_timeout",
                ms(raft.election_timeout),
                heartbeat.saturating_mul(3)..=100_000,
                "three heartbeats..=100 s",
            ),
            ("raft.snapshot_timeout", ms(raft.snapshot_timeout), 100..=600_000, "100 ms..=10 min"),
            ("raft.log_bytes_max", raft.log_bytes_max, 4 * KIB..=16 * GIB, "4 KiB..=16 GiB"),
            ("cache_bytes", self.cache_bytes, MIB..=64 * GIB, "1 MiB..=64 GiB"),
            ("key_bytes_max", self.key_bytes_max, 1..=32 * KIB, "1..=32 KiB"),
            ("value_bytes_max", self.value_bytes_max, 1..=GIB, "1..=1 GiB"),
            ("batch_bytes_max", self.batch_bytes_max, 4 * KIB..=GIB, "4 KiB..=1 GiB"),
            ("batch_operations_max", self.batch_operations_max, 1..=100_000_000, "1..=100,000,000"),
            (
                "write_bytes_in_flight_max",
                self.write_bytes_in_flight_max,
                64 * KIB..=4 * GIB,
                "64 KiB..=4 GiB",
            ),
            ("group_bytes_max", self.group_bytes_max, 4 * KIB..=GIB, "4 KiB..=1 GiB"),
            ("segment_bytes", self.segment_bytes, 4 * KIB..=4 * GIB, "4 KiB..=4 GiB"),
            ("spare_segments_max", self.spare_segments_max, 0..=16, "0..=16"),
            ("checkpoint_bytes", self.checkpoint_bytes, 4 * KIB..=4 * GIB, "4 KiB..=4 GiB"),
            ("checkpoint_interval", interval_ms, 1..=3_600_000, "1 ms..=1 h"),
            ("disk_reserve_bytes", self.disk_reserve_bytes, 0..=1024 * GIB, "0..=1 TiB"),
        ];
        for (field, value, range, bounds) in checks {
            if !range.contains(&value) {
                return Err(StorageError::InvalidConfig { field, value, bounds });
            }
        }
        Ok(())
    }
}
