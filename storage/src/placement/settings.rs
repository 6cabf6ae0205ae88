//! What an operator of a cluster may choose about placement.

use std::time::Duration;

use super::error::PlacementError;

/// Bounds of [`Settings::replicas`].
const REPLICAS: std::ops::RangeInclusive<usize> = 1..=9;

/// How ranges are placed; kept in the registry, so that every driver decides alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Voters that a range shall have.
    ///
    /// Default: 3. Bounds: 1, 3, 5, 7 or 9: an even number survives no more failures than one fewer.
    pub replicas: usize,
    /// Keys of labels that name failure domains, the widest first. Voters of a range are spread over
    /// distinct values of the first as far as possible, then of the second, and so on.
    ///
    /// Default: `zone`. Bounds: at most 8 keys.
    pub domains: Vec<String>,
    /// A range that holds this much is split.
    ///
    /// Default: 512 MiB. Bounds: at least 64 KiB.
    pub range_bytes_max: u64,
    /// A range that is written more often each second, for [`Self::load_split_after`], is split.
    ///
    /// Default: 20,000. Bounds: at least 1.
    pub split_writes_per_second: u64,
    /// A range that is read more often each second, for [`Self::load_split_after`], is split.
    ///
    /// Default: 50,000. Bounds: at least 1.
    pub split_reads_per_second: u64,
    /// How long a range must be under load to be split.
    ///
    /// Default: 60 s.
    pub load_split_after: Duration,
    /// A node that has not reported for this long is not relied on: nothing is placed there, and its
    /// voters count as failed. A report of a range that is older is not acted on.
    ///
    /// Default: 5 s. Bounds: at least 1 ms.
    pub suspect_after: Duration,
    /// Voters of a node that has not reported for this long are replaced.
    ///
    /// Default: 30 min. Bounds: at least [`Self::suspect_after`].
    pub down_after: Duration,
    /// A voter whose node reports not to have the replica, for this long, is lost. A node whose
    /// incarnation is new has lost everything at once; this is for single replicas, and longer than a
    /// node takes to apply a split that its leader has applied.
    ///
    /// Default: 60 s.
    pub missing_after: Duration,
    /// Entries that a replica may be behind and still count as up to date.
    ///
    /// Default: 1,000.
    pub lag_max: u64,
    /// Replicas being built on a node, or from a node that leads, at once.
    ///
    /// Default: 3. Bounds: at least 1.
    pub snapshots_per_node_max: usize,
    /// Replicas that begin to be built in any minute.
    ///
    /// Default: 15. Bounds: at least 1.
    pub moves_per_minute_max: usize,
    /// Changes of leaders under way at once.
    ///
    /// Default: 4. Bounds: at least 1.
    pub transfers_max: usize,
    /// A node whose disk is fuller, in percent, gets nothing more, unless there is room for four of the
    /// largest ranges.
    ///
    /// Default: 80. Bounds: 1..=99.
    pub disk_used_percent_max: u64,
    /// After this long, building a replica or changing voters is given up.
    ///
    /// Default: 10 min. Bounds: at least 1 ms.
    pub move_timeout: Duration,
    /// After this long, a change of leader or a split is given up, and not tried again for as long.
    ///
    /// Default: 30 s. Bounds: at least 1 ms.
    pub step_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            replicas: 3,
            domains: vec!["zone".to_owned()],
            range_bytes_max: 512 << 20,
            split_writes_per_second: 20_000,
            split_reads_per_second: 50_000,
            load_split_after: Duration::from_secs(60),
            suspect_after: Duration::from_secs(5),
            down_after: Duration::from_secs(30 * 60),
            missing_after: Duration::from_secs(60),
            lag_max: 1_000,
            snapshots_per_node_max: 3,
            moves_per_minute_max: 15,
            transfers_max: 4,
            disk_used_percent_max: 80,
            move_timeout: Duration::from_secs(10 * 60),
            step_timeout: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// Checks the bounds.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of bounds.
    pub fn check(&self) -> Result<(), PlacementError> {
        let millisecond = Duration::from_millis(1);
        let checks = [
            ("replicas", REPLICAS.contains(&self.replicas) && self.replicas % 2 == 1),
            ("domains", self.domains.len() <= 8),
            ("range_bytes_max", self.range_bytes_max >= 64 << 10),
            ("split_writes_per_second", self.split_writes_per_second >= 1),
            ("split_reads_per_second", self.split_reads_per_second >= 1),
            ("suspect_after", self.suspect_after >= millisecond),
            ("down_after", self.down_after >= self.suspect_after),
            ("snapshots_per_node_max", self.snapshots_per_node_max >= 1),
            ("moves_per_minute_max", self.moves_per_minute_max >= 1),
            ("transfers_max", self.transfers_max >= 1),
            ("disk_used_percent_max", (1..=99).contains(&self.disk_used_percent_max)),
            ("move_timeout", self.move_timeout >= millisecond),
            ("step_timeout", self.step_timeout >= millisecond),
        ];
        match checks.into_iter().find(|(_, within)| !within) {
            Some((field, _)) => Err(PlacementError::Setting { field }),
            None => Ok(()),
        }
    }
}
