//! How a run is set up.

use std::time::Duration;

use crate::{
    config::{Config, RaftConfig, Sabotage},
    placement::Settings,
};

/// How wrong a clock may be, either way.
pub(super) const SKEW_MAX: Duration = Duration::from_millis(400);
/// How old a stale read may be, by the store's promise.
pub(super) const STALE_BOUND: Duration = Duration::from_millis(700);

/// What a run is like.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How many nodes.
    pub(crate) nodes: usize,
    /// How long things go wrong.
    pub(crate) faults_for: Duration,
    /// How long everything may take to get well afterwards.
    pub(crate) heal_within: Duration,
    /// What goes wrong, each as likely as it is often named.
    pub(crate) faults: Vec<Fault>,
    /// Pause between two faults, at most.
    pub(crate) pause_max: Duration,
    /// How likely a request is delivered twice.
    pub(crate) duplicates: f64,
    pub(crate) sabotage: Sabotage,
    /// Whether the placement driver repairs and moves; if not, it has an hour's patience.
    pub(crate) hasty: bool,
    /// Prints every event.
    pub(crate) print: bool,
}

/// Something that goes wrong, or that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node hears and is heard by nobody.
    Isolate,
    /// Two sets of nodes do not hear each other.
    Partition,
    /// One node does not hear another.
    OneWay,
    /// Messages take long, and overtake each other.
    Slow,
    /// Messages get lost.
    Lossy,
    /// Nothing that a node sends or is sent arrives until later.
    Pause,
    /// A process dies.
    Kill,
    /// A machine loses power, at any write of its disk.
    PowerCut,
    /// All machines lose power.
    PowerCutAll,
    /// A node is stopped in order and started again.
    Restart,
    /// A machine comes back with an empty disk.
    LostDisk,
    /// A disk has no space.
    DiskFull,
    /// A clock is wrong.
    Skew,
    /// A range is split.
    Split,
    /// A node is drained, and used again later.
    Drain,
    /// A range gets another leader.
    Transfer,
}

impl Options {
    /// A run of so many nodes with everything that goes wrong.
    pub(crate) fn new(nodes: usize) -> Self {
        use Fault::*;
        Self {
            nodes,
            faults_for: Duration::from_secs(25),
            heal_within: Duration::from_secs(180),
            faults: vec![
                Isolate,
                Isolate,
                Partition,
                Partition,
                OneWay,
                Slow,
                Slow,
                Lossy,
                Pause,
                Kill,
                Kill,
                PowerCut,
                PowerCut,
                PowerCutAll,
                Restart,
                LostDisk,
                DiskFull,
                Skew,
                Skew,
                Split,
                Split,
                Split,
                Drain,
                Transfer,
                Transfer,
            ],
            pause_max: Duration::from_millis(2500),
            duplicates: 0.03,
            sabotage: Sabotage::default(),
            hasty: true,
            print: false,
        }
    }

    /// Settings of the store: everything small, so that a minute has a bit of everything.
    pub(super) fn config(&self) -> Config {
        Config {
            cache_bytes: 1 << 20,
            segment_bytes: 16 << 10,
            group_bytes_max: 8 << 10,
            checkpoint_bytes: 16 << 10,
            checkpoint_interval: Duration::from_millis(700),
            disk_reserve_bytes: 64 << 10,
            request_timeout: Duration::from_secs(5),
            attempt_timeout: Duration::from_millis(1500),
            transaction_timeout: Duration::from_secs(2),
            raft: RaftConfig {
                heartbeat_interval: Duration::from_millis(150),
                election_timeout: Duration::from_millis(600),
                snapshot_timeout: Duration::from_secs(2),
                log_entries_kept: 16,
                log_bytes_max: 8 << 10,
            },
            sabotage: self.sabotage,
            ..Config::default()
        }
    }

    /// Settings of placement: repairs within seconds.
    pub(super) fn placement(&self) -> Settings {
        let hour = Duration::from_secs(3600);
        Settings {
            suspect_after: Duration::from_millis(1500),
            down_after: if self.hasty { Duration::from_secs(8) } else { hour },
            missing_after: if self.hasty { Duration::from_secs(6) } else { hour },
            move_timeout: Duration::from_secs(20),
            step_timeout: Duration::from_secs(5),
            moves_per_minute_max: 600,
            ..Settings::default()
        }
    }
}
