//! The limits of the network, and who we are in it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::range::NodeId;

/// Changes a waiting time by chance; the chance is the caller's, so that a seed decides it.
pub(crate) type Jitter = Arc<dyn Fn(Duration) -> Duration + Send + Sync>;

/// Who a process is, as it tells its peers when a connection begins.
#[derive(Debug, Default)]
pub(crate) struct Identity {
    node: NodeId,
    cluster: AtomicU64,
}

impl Identity {
    /// A node of a cluster; node 0 is a client, cluster 0 one that is not known yet.
    pub(crate) fn new(node: NodeId, cluster: u64) -> Arc<Self> {
        Arc::new(Self { node, cluster: AtomicU64::new(cluster) })
    }

    /// Which node; 0 for a client.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// Which cluster; 0 while that is not known.
    pub(crate) fn cluster(&self) -> u64 {
        self.cluster.load(Ordering::Relaxed)
    }

    /// Says which cluster this is, once a node that joins has learned it; for connections from now on.
    #[cfg(test)]
    pub(crate) fn set_cluster(&self, cluster: u64) {
        self.cluster.store(cluster, Ordering::Relaxed);
    }
}

/// Limits of the network.
#[derive(Clone)]
pub(crate) struct NetworkOptions {
    /// Bytes of one request or one answer; a larger one is refused.
    ///
    /// Default: 64 MiB. Bounds: up to 1 GiB, and the same on all nodes.
    pub(crate) message_bytes_max: usize,
    /// Bytes of requests or answers packed into one frame; a larger one travels in a frame of its own.
    ///
    /// Default: 1 MiB.
    pub(crate) frame_bytes: usize,
    /// Calls that wait for an answer on one connection; one more is refused as busy.
    ///
    /// Default: 65 536.
    pub(crate) calls_max: usize,
    /// Bytes of requests that wait to be sent on one connection; more are refused as busy.
    ///
    /// Default: 256 MiB.
    pub(crate) queue_bytes_max: usize,
    /// Requests of one connection that are handled or whose answers wait to be sent; at the bound the
    /// server reads no more of them.
    ///
    /// Default: 4096.
    pub(crate) requests_in_flight_max: usize,
    /// Bytes of those requests, and apart from that of those answers.
    ///
    /// Default: 128 MiB.
    pub(crate) requests_in_flight_bytes_max: usize,
    /// Connections a server holds; more wait in the queue of the operating system.
    ///
    /// Default: 1024.
    pub(crate) connections_max: usize,
    /// How long a connection may take to come about.
    ///
    /// Default: 3 s.
    pub(crate) connect_timeout: Duration,
    /// How long a link that failed refuses calls before it tries again; doubled with each failure.
    ///
    /// Default: 20 ms.
    pub(crate) backoff_min: Duration,
    /// Where the doubling ends.
    ///
    /// Default: 1 s.
    pub(crate) backoff_max: Duration,
    /// What is made of a backoff, if anything.
    pub(crate) jitter: Option<Jitter>,
    /// How often a silent connection is asked whether it lives.
    ///
    /// Default: 5 s.
    pub(crate) keepalive_interval: Duration,
    /// How long it may take to say so.
    ///
    /// Default: 5 s.
    pub(crate) keepalive_timeout: Duration,
    /// Bytes that may be under way without being acknowledged, per connection and direction.
    ///
    /// Default: 16 MiB. Bounds: up to 2 GiB - 1.
    pub(crate) window_bytes: u32,
    /// How long a server that stops waits for requests that are being handled.
    ///
    /// Default: 5 s.
    pub(crate) shutdown_grace: Duration,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            message_bytes_max: 64 << 20,
            frame_bytes: 1 << 20,
            calls_max: 65_536,
            queue_bytes_max: 256 << 20,
            requests_in_flight_max: 4096,
            requests_in_flight_bytes_max: 128 << 20,
            connections_max: 1024,
            connect_timeout: Duration::from_secs(3),
            backoff_min: Duration::from_millis(20),
            backoff_max: Duration::from_secs(1),
            jitter: None,
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(5),
            window_bytes: 16 << 20,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

impl NetworkOptions {
    /// How long to leave a link alone after its `failures`th failure in a row, counted from 0.
    pub(super) fn backoff(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
        let backoff = self.backoff_min.saturating_mul(factor).min(self.backoff_max);
        self.jitter.as_ref().map_or(backoff, |jitter| jitter(backoff))
    }

    /// Bytes a frame may have on the wire.
    pub(super) fn frame_bytes_max(&self) -> usize {
        self.message_bytes_max.max(self.frame_bytes).saturating_add(super::frame::HEADER_BYTES)
    }
}

impl fmt::Debug for NetworkOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NetworkOptions")
            .field("message_bytes_max", &self.message_bytes_max)
            .finish_non_exhaustive()
    }
}
