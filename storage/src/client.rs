//! The way of a request to the range that it is about: where that is, who leads it, and what to do
//! when either has changed.
//!
//! Keys go to ranges by a map that errors correct; it is asked from the placement driver's range only
//! where it has a hole. A request that may have been delivered is sent again only with a session, by
//! which the range knows it again: a retry counts once.

mod call;
mod discover;
mod read;
mod routes;
mod sweep;
mod transaction;
mod watch;
mod write;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use openraft::{AsyncRuntime, Instant as _};
use parking_lot::{Mutex, RwLock};

pub(crate) use sweep::sweep;
pub use watch::{Position, WatchEvent, WatchPage};
pub(crate) use write::Transacted;

use self::routes::Routes;
use crate::{
    action::{Session, TransactionId},
    config::Config,
    error::StorageError,
    network::Transport,
    node::Node,
    range::NodeId,
    runtime::{self, Runtime},
};

type Instant = <Runtime as AsyncRuntime>::Instant;

/// Sends requests to ranges.
pub(crate) struct Client {
    /// The node of this process, if it has one.
    pub(crate) local: Option<Arc<Node>>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) config: Config,
    routes: RwLock<Routes>,
    /// Addresses to ask while no node is known.
    seeds: Vec<String>,
    sessions: Sessions,
    /// Counts the attempts to find a node, so that they go round.
    turn: AtomicU64,
}

/// Senders that have no request on its way.
#[derive(Debug, Default)]
struct Sessions(Mutex<Vec<Session>>);

/// A session in use; given back when its request is answered.
struct Lease<'a> {
    sessions: &'a Sessions,
    session: Session,
}

impl Sessions {
    /// Takes a session for one request.
    fn lease(&self) -> Lease<'_> {
        let free = self.0.lock().pop();
        let session = match free {
            Some(Session { client, sequence }) => Session { client, sequence: sequence + 1 },
            None => Session { client: runtime::random(), sequence: 1 },
        };
        Lease { sessions: self, session }
    }
}

impl Lease<'_> {
    /// The answer came: the session may be used for the next request.
    fn answered(self) {
        self.sessions.0.lock().push(self.session);
    }
}

/// How long a request may take, and how it waits between attempts.
struct Patience {
    deadline: Instant,
    pause: Duration,
    /// What was the matter the last time.
    reason: String,
}

impl Patience {
    fn new(timeout: Duration) -> Self {
        Self { deadline: Instant::now() + timeout, pause: Duration::from_millis(2), reason: String::new() }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Notes why it has to be tried again, and waits before that.
    async fn wait(&mut self, reason: impl Into<String>) -> Result<(), StorageError> {
        const PAUSE_MAX: Duration = Duration::from_millis(200);
        self.reason = reason.into();
        tracing::debug!(reason = self.reason, "a request is tried again");
        if Instant::now() + self.pause >= self.deadline {
            return Err(self.expired());
        }
        Runtime::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }

    fn expired(&self) -> StorageError {
        StorageError::Unavailable { reason: self.reason.as_str().into() }
    }
}

impl Client {
    pub(crate) fn new(
        local: Option<Arc<Node>>,
        transport: Arc<dyn Transport>,
        seeds: Vec<String>,
        config: Config,
    ) -> Self {
        Self {
            local,
            transport,
            config,
            routes: RwLock::default(),
            seeds,
            sessions: Sessions::default(),
            turn: AtomicU64::new(0),
        }
    }

    /// The node of this process.
    pub(crate) fn node(&self) -> Result<&Arc<Node>, StorageError> {
        self.local.as_ref().ok_or_else(|| StorageError::Refused {
            reason: "this process has no node: ask one of the cluster's nodes".into(),
        })
    }

    fn patience(&self) -> Patience {
        Patience::new(self.config.request_timeout)
    }

    fn new_transaction_id() -> TransactionId {
        TransactionId(u128::from(runtime::random()) << 64 | u128::from(runtime::random()))
    }

    fn next_turn(&self) -> u64 {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn is_local(&self, node: NodeId) -> bool {
        self.local.as_ref().is_some_and(|local| local.id() == node)
    }
}
