//! Whose query runs now, and who waits: few heavy queries at a time, many light ones, and a bounded queue.
//!
//! A permit is asked for when the plan is known, and given back when the last row is read or nobody reads any
//! more. Light and heavy queries wait in lines of their own, so that a lookup never stands behind a scan.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use genomdb_executor::Priority;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// How many queries run and wait on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmissionConfig {
    /// Queries that read little and run at a time.
    ///
    /// Default: 32 for each processor. Bounds: from 1.
    pub light_max: usize,
    /// Queries that read much, or join all rows with all, and run at a time.
    ///
    /// Default: 4 for each processor. Bounds: from 1.
    pub heavy_max: usize,
    /// Queries that wait for their turn in each of the two lines; more are refused.
    ///
    /// Default: 1,024. 0 refuses all that cannot run at once.
    pub queued_max: usize,
    /// How long a query waits for its turn before it is refused.
    ///
    /// Default: 30 s.
    pub queue_timeout: Duration,
    /// A query that reads no more bytes of stored values is light.
    ///
    /// Default: 8 MiB.
    pub light_bytes_max: u64,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            light_max: 32 * processors,
            heavy_max: 4 * processors,
            queued_max: 1024,
            queue_timeout: Duration::from_secs(30),
            light_bytes_max: 8 << 20,
        }
    }
}

/// A line of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Light,
    Heavy,
}

/// A query is refused: too many wait, or it has waited too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; ask again in {} s", .retry_after.as_secs())]
pub struct Busy {
    reason: String,
    /// When it makes sense to ask again.
    pub retry_after: Duration,
}

/// After how long a query that waits counts as one class more urgent, so that none waits for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets queries run; clones are the same lines.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: AdmissionConfig,
    light: Mutex<Line>,
    heavy: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    running: usize,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    priority: Priority,
    since: Instant,
    turn: oneshot::Sender<()>,
}

impl Line {
    /// Takes out the one whose turn it is: the most urgent, and of those the first.
    fn next(&mut self) -> Option<Waiter> {
        let urgency =
            |waiter: &Waiter| waiter.priority as u64 + waiter.since.elapsed().as_secs() / PATIENCE.as_secs();
        let most = self.waiting.iter().map(urgency).max()?;
        let place = self.waiting.iter().position(|waiter| urgency(waiter) >= most)?;
        self.waiting.remove(place)
    }
}

impl Admission {
    pub(crate) fn new(config: AdmissionConfig) -> Self {
        Self(Arc::new(Shared { config, light: Mutex::default(), heavy: Mutex::default() }))
    }

    /// The line of a query that reads so many bytes; `None` is of unknown work.
    pub(crate) fn lane(&self, bytes: Option<u64>) -> Lane {
        match bytes {
            Some(bytes) if bytes <= self.0.config.light_bytes_max => Lane::Light,
            _ => Lane::Heavy,
        }
    }

    /// Waits for its turn.
    pub(crate) async fn admit(&self, lane: Lane, priority: Priority) -> Result<Permit, Busy> {
        let (turn, receiver) = oneshot::channel();
        {
            let mut line = self.0.line(lane);
            if line.running < self.0.max(lane) {
                line.running += 1;
                return Ok(Permit { shared: Arc::clone(&self.0), lane });
            }
            if line.waiting.len() >= self.0.config.queued_max {
                // Those who went away wait for nothing.
                line.waiting.retain(|waiter| !waiter.turn.is_closed());
            }
            if line.waiting.len() >= self.0.config.queued_max {
                let reason = format!("{} queries run and {} wait", line.running, line.waiting.len());
                return Err(Busy { reason, retry_after: Duration::from_secs(1) });
            }
            line.waiting.push_back(Waiter { priority, since: Instant::now(), turn });
        }
        let mut waiting = Waiting { shared: &self.0, lane, receiver };
        let timeout = self.0.config.queue_timeout;
        match tokio::time::timeout(timeout, &mut waiting.receiver).await {
            Ok(Ok(())) => Ok(Permit { shared: Arc::clone(&self.0), lane }),
            // The other end goes only with the node.
            Ok(Err(_)) | Err(_) => {
                let reason = format!("its turn did not come within {} s", timeout.as_secs());
                Err(Busy { reason, retry_after: Duration::from_secs(5) })
            }
        }
    }

    /// How many queries run, and how many wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let count = |lane| {
            let line = self.0.line(lane);
            (line.running, line.waiting.len())
        };
        let (light, heavy) = (count(Lane::Light), count(Lane::Heavy));
        (light.0 + heavy.0, light.1 + heavy.1)
    }
}

impl Shared {
    fn line(&self, lane: Lane) -> parking_lot::MutexGuard<'_, Line> {
        match lane {
            Lane::Light => self.light.lock(),
            Lane::Heavy => self.heavy.lock(),
        }
    }

    fn max(&self, lane: Lane) -> usize {
        match lane {
            Lane::Light => self.config.light_max.max(1),
            Lane::Heavy => self.config.heavy_max.max(1),
        }
    }

    /// Passes a place on, to the first who still wants it.
    fn release(&self, lane: Lane) {
        let mut line = self.line(lane);
        while let Some(waiter) = line.next() {
            if waiter.turn.send(()).is_ok() {
                return;
            }
        }
        line.running -= 1;
    }
}

/// Somebody in a line; who leaves it passes on what came too late.
struct Waiting<'a> {
    shared: &'a Shared,
    lane: Lane,
    receiver: oneshot::Receiver<()>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        // Came between the last look and now. What was received already reads as closed here.
        if self.receiver.try_recv().is_ok() {
            self.shared.release(self.lane);
        }
    }
}

/// A query may run until this is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    lane: Lane,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.release(self.lane);
    }
}

#[cfg(test)]
mod tests;
