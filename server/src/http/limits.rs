//! What one client, and all of them together, may take of the server before a query begins.

use std::time::Duration;

/// Limits of connections; those of queries are in [`crate::Config`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all. One more waits in the queue of the operating system until another ends, and
    /// connections without a request make room for it: so a burst is late instead of refused, and costs
    /// nothing meanwhile.
    ///
    /// Default: 1024. Bounds: 1..=65,536.
    pub connections_max: usize,
    /// How long a new connection may take until its first request is there: TLS, head and all.
    ///
    /// Default: 10 s. Bounds: 1 ms..=10 min.
    pub header_timeout: Duration,
    /// Bytes of the head of a request: its line and its headers.
    ///
    /// Default: 128 KiB. Bounds: 8 KiB..=1 MiB.
    pub header_bytes_max: u32,
    /// Headers of a request over HTTP/1; over HTTP/2 their bytes alone count.
    ///
    /// Default: 100. Bounds: 16..=1000.
    pub headers_max: usize,
    /// How long a connection may be open without a request, after the first; the head of the next one comes
    /// within this time.
    ///
    /// Default: 75 s. Bounds: 1 ms..=1 h.
    pub idle_timeout: Duration,
    /// How long the body of a request may be waited for, besides what [`Limits::body_pace_min`] adds.
    ///
    /// Default: 30 s. Bounds: 1 ms..=1 h.
    pub body_timeout: Duration,
    /// Bytes of a body, in a second, with which a sender keeps the server waiting as long as it likes.
    ///
    /// Default: 1 KiB. Bounds: 1..=1 GiB.
    pub body_pace_min: u32,
    /// How long an answer waits for a reader that takes nothing at all.
    ///
    /// Default: 10 min. Bounds: 1 ms..=1 day.
    pub write_timeout: Duration,
    /// Requests at once on one connection of HTTP/2.
    ///
    /// Default: 128. Bounds: 1..=10,000.
    pub streams_max: u32,
    /// Bytes that a client of HTTP/2 may send ahead on a connection; a quarter of it on a stream.
    ///
    /// Default: 16 MiB. Bounds: 256 KiB..=1 GiB.
    pub window_bytes: u32,
    /// How often a silent connection of HTTP/2 is asked whether it lives, and how long it may take to say so.
    ///
    /// Default: 20 s. Bounds: 1 ms..=1 h.
    pub ping_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Duration::from_secs(10),
            header_bytes_max: 128 << 10,
            headers_max: 100,
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            body_pace_min: 1 << 10,
            write_timeout: Duration::from_secs(600),
            streams_max: 128,
            window_bytes: 16 << 20,
            ping_interval: Duration::from_secs(20),
        }
    }
}

/// A limit is out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is out of its bounds: {bounds}")]
pub struct OutOfBounds {
    /// Which.
    pub field: &'static str,
    /// What it may be.
    pub bounds: &'static str,
}

impl Limits {
    /// The shortest of the times that are watched.
    pub(super) fn shortest(&self) -> Duration {
        self.header_timeout.min(self.idle_timeout).min(self.write_timeout)
    }

    /// Looks whether every limit is within its bounds.
    ///
    /// # Errors
    ///
    /// With the first that is not.
    pub fn check(&self) -> Result<(), OutOfBounds> {
        const HOUR: u64 = 3600;
        let within = |time: Duration, seconds: u64| {
            Duration::from_millis(1) <= time && time <= Duration::from_secs(seconds)
        };
        let rules = [
            ((1..=65_536).contains(&self.connections_max), "connections_max", "1..=65,536"),
            (within(self.header_timeout, 600), "header_timeout", "1 ms..=10 min"),
            ((8 << 10..=1 << 20).contains(&self.header_bytes_max), "header_bytes_max", "8 KiB..=1 MiB"),
            ((16..=1000).contains(&self.headers_max), "headers_max", "16..=1000"),
            (within(self.idle_timeout, HOUR), "idle_timeout", "1 ms..=1 h"),
            (within(self.body_timeout, HOUR), "body_timeout", "1 ms..=1 h"),
            ((1..=1 << 30).contains(&self.body_pace_min), "body_pace_min", "1 B..=1 GiB"),
            (within(self.write_timeout, 24 * HOUR), "write_timeout", "1 ms..=1 day"),
            ((1..=10_000).contains(&self.streams_max), "streams_max", "1..=10,000"),
            ((256 << 10..=1 << 30).contains(&self.window_bytes), "window_bytes", "256 KiB..=1 GiB"),
            (within(self.ping_interval, HOUR), "ping_interval", "1 ms..=1 h"),
        ];
        match rules.into_iter().find(|(holds, _, _)| !holds) {
            Some((_, field, bounds)) => Err(OutOfBounds { field, bounds }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_its_bounds_is_named() {
        assert_eq!(Limits::default().check(), Ok(()));
        let limits = Limits { header_bytes_max: 1, ..Limits::default() };
        assert_eq!(limits.check().map_err(|error| error.field), Err("header_bytes_max"));
        let limits = Limits { idle_timeout: Duration::ZERO, ..Limits::default() };
        assert_eq!(limits.check().map_err(|error| error.field), Err("idle_timeout"));
    }
}
