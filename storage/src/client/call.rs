//! One request to one range, until it is answered.

use std::time::Duration;

use bytes::Bytes;
use openraft::AsyncRuntime as _;

use super::{Client, Patience};
use crate::{
    error::StorageError,
    network::{CallError, Lane},
    range::{NodeId, RangeId, Space},
    rpc::{Answer, Failure, ReadMode, Request, Route, decode_result},
    runtime::Runtime,
};

/// What became of an attempt.
pub(super) enum Attempt {
    Answered(Answer),
    /// The range is another one now and did nothing, nor will it: which keys belong together must be
    /// asked anew.
    Split(String),
    /// The range is not where it was thought to be; nothing was done.
    Moved(String),
    /// Nothing was done; try again.
    Again(String),
    /// It may have been done; try again only with a session.
    Unknown(String),
    Failed(StorageError),
}

impl Client {
    /// The range that has `key`, found out if it is not known.
    pub(super) async fn locate(
        &self,
        space: Space,
        key: &[u8],
        patience: &mut Patience,
    ) -> Result<Route, StorageError> {
        loop {
            let found = self.routes.read().find(space, key).cloned();
            if let Some(route) = found {
                if !self.routes.write().resolve_doubt(route.descriptor.id) {
                    return Ok(route);
                }
                // What is known is kept if nobody knows better.
                self.refresh(space, patience.left()).await;
                continue;
            }
            if let Err(reason) = self.discover(space, key, patience.left()).await {
                patience.wait(reason).await?;
            }
        }
    }

    /// Sends a request to a node and decodes its answer.
    pub(super) async fn ask(
        &self,
        node: NodeId,
        request: Request,
        timeout: Duration,
    ) -> Result<Result<Answer, Failure>, CallError> {
        if let Some(local) = self.local.as_ref().filter(|local| local.id() == node) {
            let answer = local.answer(request);
            if local.is_single() {
                // There is nobody else to ask.
                return Ok(answer.await);
            }
            let answered = Runtime::timeout(timeout, answer).await;
            let address = "this node".to_owned();
            return answered.map_err(|_| CallError::TimedOut { address, timeout, maybe_sent: true });
        }
        let answer = self.transport.call(node, Lane::Client, request.encode(), timeout).await?;
        Ok(decode(answer))
    }

    /// Sends a request to the replica of `route` that should answer it.
    pub(super) async fn attempt(&self, route: &Route, request: Request, left: Duration) -> Attempt {
        let range = route.descriptor.id;
        let Some(node) = self.choose(route, &request) else {
            self.routes.write().forget(range);
            return Attempt::Moved(format!("nobody is known to have range {range}"));
        };
        let timeout = left.min(self.config.attempt_timeout);
        let answer = match self.ask(node, request, timeout).await {
            Ok(answer) => answer,
            Err(error) => {
                // Somebody else may lead by now, and somebody else have the replica.
                let mut routes = self.routes.write();
                if route.leader.is_none() {
                    routes.doubt(range);
                }
                routes.leader(range, None);
                drop(routes);
                let reason = format!("range {range}: {error}");
                return if error.maybe_sent() { Attempt::Unknown(reason) } else { Attempt::Again(reason) };
            }
        };
        match answer {
            Ok(answer) => {
                if !matches!(answer, Answer::Index(_)) && route.leader.is_none() {
                    self.routes.write().leader(range, Some(node));
                }
                Attempt::Answered(answer)
            }
            Err(failure) => self.learn_from(node, range, failure),
        }
    }

    /// The replica to ask: the leader, or for reads that any replica can answer the one of this process.
    fn choose(&self, route: &Route, request: &Request) -> Option<NodeId> {
        let anyone = matches!(request, Request::Read { mode: ReadMode::Follower | ReadMode::Stale(_), .. });
        if anyone && let Some(local) = route.nodes.iter().find(|node| self.is_local(**node)) {
            return Some(*local);
        }
        if let Some(leader) = route.leader {
            return Some(leader);
        }
        let count = u64::try_from(route.nodes.len()).ok().filter(|count| *count > 0)?;
        route.nodes.get(usize::try_from(self.next_turn() % count).ok()?).copied()
    }

    fn learn_from(&self, node: NodeId, range: RangeId, failure: Failure) -> Attempt {
        match failure {
            Failure::NotLeader { range, leader } => {
                self.routes.write().leader(range, leader);
                Attempt::Again(format!("node {node} does not lead range {range}"))
            }
            Failure::LeaderChanged { range, leader } => {
                self.routes.write().leader(range, leader);
                Attempt::Unknown(format!("the leader of range {range} changed"))
            }
            Failure::NotHere { range } => {
                self.routes.write().forget(range);
                Attempt::Moved(format!("range {range} is not on node {node}"))
            }
            Failure::Version { range, routes } => {
                let mut known = self.routes.write();
                known.forget(range);
                routes.into_iter().for_each(|route| known.learn(route));
                Attempt::Split(format!("range {range} was split"))
            }
            Failure::TooStale { range } => {
                self.routes.write().leader(range, None);
                Attempt::Again(format!("node {node} has not heard from the leader of range {range}"))
            }
            Failure::Busy(reason) => Attempt::Again(reason),
            Failure::Broken(reason) => {
                self.routes.write().leader(range, None);
                self.broken(node, reason)
            }
            Failure::DiskFull { node, available, needed } => Attempt::Failed(match &self.local {
                Some(local) if local.id() == node && local.is_single() => {
                    let path = local.shared.health.folder().to_owned();
                    StorageError::DiskFull { path, available, needed }
                }
                _ => StorageError::NodeFull { node, available, needed },
            }),
            Failure::Stalled => Attempt::Failed(StorageError::Unknown {
                reason: format!("the disk of node {node} is full; it may be written when there is space")
                    .into(),
            }),
            Failure::Invalid(reason) => Attempt::Failed(StorageError::Refused { reason: reason.into() }),
            Failure::Compacted { range, oldest } => {
                Attempt::Failed(StorageError::Compacted { range, oldest })
            }
        }
    }

    /// A node's storage failed: another may lead soon, unless there is none.
    fn broken(&self, node: NodeId, reason: String) -> Attempt {
        match &self.local {
            Some(local) if local.id() == node && local.is_single() => Attempt::Failed(
                local
                    .shared
                    .health
                    .stopped(&local.shared.log)
                    .unwrap_or(StorageError::Refused { reason: reason.into() }),
            ),
            _ => Attempt::Unknown(reason),
        }
    }
}

/// Bytes that are no answer are a failure of whoever sent them.
pub(super) fn decode(answer: Bytes) -> Result<Answer, Failure> {
    decode_result(answer)
        .unwrap_or_else(|reason| Err(Failure::Broken(format!("a malformed answer: {reason}"))))
}
