//! Times as clients and stored entries have them: whole milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A duration; what is longer than a `u64` can say is the longest.
pub(crate) fn of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A moment, since 1970, UTC; 0 for what was before.
pub(crate) fn since_1970(moment: SystemTime) -> u64 {
    of(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}
