//! Writes: each part to its range, once.

use bytes::Bytes;

use super::{Client, Lease, Patience, call::Attempt};
use crate::{
    action::{Action, OperationResult, Proposal, Refusal, Response, Session},
    error::StorageError,
    kv::{KeyRange, Operation, Timestamp, Transaction, WriteBatch},
    range::Space,
    rpc::{Answer, Request, Route},
};

/// The part of a transaction that one range does.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) route: Route,
    pub(super) transaction: Transaction,
    /// Which condition of the whole each one is.
    pub(super) conditions: Vec<usize>,
}

/// What a range said to a proposal.
#[derive(Debug)]
pub(super) enum Said {
    Response(Response),
    /// The ranges are not what they were: cut the transaction anew.
    Moved,
}

impl Client {
    /// Cuts a transaction by ranges, in the order in which it first names each.
    pub(super) async fn parts(
        &self,
        space: Space,
        transaction: &Transaction,
        patience: &mut Patience,
    ) -> Result<Vec<Part>, StorageError> {
        let mut parts: Vec<Part> = Vec::new();
        for (number, condition) in transaction.conditions.iter().enumerate() {
            let route = self.locate(space, condition.key(), patience).await?;
            let part = part_of(&mut parts, route);
            part.transaction.conditions.push(condition.clone());
            part.conditions.push(number);
        }
        // Most batches are of one range: found once, it is asked first.
        let mut last: Option<Route> = None;
        for operation in transaction.batch.operations() {
            if let Operation::DeleteRange(range) = operation {
                for (route, keys) in self.pieces(space, range, patience).await? {
                    part_of(&mut parts, route).transaction.batch.delete_range(keys);
                }
                continue;
            }
            let key = operation.key();
            let route = match last.take() {
                Some(route) if route.descriptor.keys.contains(key) => route,
                _ => self.locate(space, key, patience).await?,
            };
            part_of(&mut parts, route.clone()).transaction.batch.push_operation(operation.clone());
            last = Some(route);
        }
        Ok(parts)
    }

    /// The ranges that a span of keys lies in, and how much of it each has.
    pub(super) async fn pieces(
        &self,
        space: Space,
        range: &KeyRange,
        patience: &mut Patience,
    ) -> Result<Vec<(Route, KeyRange)>, StorageError> {
        let mut pieces = Vec::new();
        let mut rest = Some(range.clone());
        while let Some(keys) = rest.take().filter(|keys| !keys.is_empty()) {
            let route = self.locate(space, &keys.start, patience).await?;
            let here;
            (here, rest) = keys.cut(route.descriptor.keys.end.as_ref());
            pieces.push((route, here));
        }
        Ok(pieces)
    }

    /// Writes a batch: the part of each range whole or not at all, in the order in which the batch names
    /// the ranges.
    pub(crate) async fn write(&self, space: Space, batch: WriteBatch) -> Result<(), StorageError> {
        let mut patience = self.patience();
        let mut rest = Transaction { conditions: Vec::new(), batch };
        loop {
            let parts = self.parts(space, &rest, &mut patience).await?;
            let mut moved = None;
            for (number, part) in parts.iter().enumerate() {
                match self.transact_part(part, &mut patience).await? {
                    Said::Response(Response::Done(_)) => {}
                    Said::Response(other) => return Err(unexpected(&other)),
                    Said::Moved => {
                        moved = Some(number);
                        break;
                    }
                }
            }
            let Some(done) = moved else { return Ok(()) };
            rest = Transaction::default();
            for part in parts.into_iter().skip(done) {
                for operation in part.transaction.batch.operations() {
                    rest.batch.push_operation(operation.clone());
                }
            }
        }
    }

    /// Does a part in its range, waiting for transactions that hold its keys.
    pub(super) async fn transact_part(
        &self,
        part: &Part,
        patience: &mut Patience,
    ) -> Result<Said, StorageError> {
        // The same request each time: a copy of an earlier one may still be on its way.
        let lease = self.lease();
        let session = lease.as_ref().map(|lease| lease.session);
        let said = self.transact_part_as(session, part, patience).await?;
        lease.into_iter().for_each(Lease::answered);
        Ok(said)
    }

    /// The same, as the request of a certain sender.
    pub(super) async fn transact_part_as(
        &self,
        session: Option<Session>,
        part: &Part,
        patience: &mut Patience,
    ) -> Result<Said, StorageError> {
        loop {
            let action = Action::Transact(part.transaction.clone());
            match self.propose_once(&part.route, action, session, patience).await? {
                (_, Said::Response(Response::Refused(Refusal::Locked { key, id, primary, deadline }))) => {
                    let lock = crate::rpc::Lock { key, id, primary, deadline };
                    if !self.settle(part.route.descriptor.space, &lock, patience).await? {
                        patience.wait("another transaction holds the key").await?;
                    }
                }
                (_, said) => return Ok(said),
            }
        }
    }

    /// A session for one request; none where nothing could be lost on its way.
    fn lease(&self) -> Option<Lease<'_>> {
        let alone = self.local.as_ref().is_some_and(|local| local.is_single());
        (!alone && !self.config.sabotage.no_sessions).then(|| self.sessions.lease())
    }

    /// As [`Client::propose`], for an action that is no retry of another: also tells its entry.
    pub(super) async fn propose_at(
        &self,
        route: &Route,
        action: Action,
        patience: &mut Patience,
    ) -> Result<(u64, Response), StorageError> {
        match self.propose_once(route, action, None, patience).await? {
            (index, Said::Response(response)) => Ok((index, response)),
            (_, Said::Moved) => Err(StorageError::Unavailable { reason: "the range was split".into() }),
        }
    }

    /// Proposes an action to a range until it is answered.
    pub(super) async fn propose(
        &self,
        route: &Route,
        action: Action,
        patience: &mut Patience,
    ) -> Result<Said, StorageError> {
        let lease = self.lease();
        let session = lease.as_ref().map(|lease| lease.session);
        let (_, said) = self.propose_once(route, action, session, patience).await?;
        // Of a request without an answer nobody knows when it arrives: its session is not used again.
        lease.into_iter().for_each(Lease::answered);
        Ok(said)
    }

    async fn propose_once(
        &self,
        route: &Route,
        action: Action,
        session: Option<Session>,
        patience: &mut Patience,
    ) -> Result<(u64, Said), StorageError> {
        let version = route.descriptor.version;
        let proposal: Bytes = Proposal { version, session, now: Timestamp(0), action }.encode();
        let mut route = route.clone();
        // Once it may have been done, "not done" of a later attempt says nothing about the first.
        let mut unknown = false;
        loop {
            let request = Request::Propose { range: route.descriptor.id, proposal: proposal.clone() };
            let reason = match self.attempt(&route, request, patience.left()).await {
                Attempt::Answered(Answer::Response { index, response }) => {
                    let response = Response::decode(response).map_err(|reason| StorageError::Refused {
                        reason: format!("a malformed response: {reason}").into(),
                    })?;
                    return Ok((index, Said::Response(response)));
                }
                Attempt::Answered(_) => {
                    return Err(StorageError::other_answer());
                }
                // Judged where it would have been done, and by a version that does not come back: even a
                // first attempt that is still on its way will not be done.
                Attempt::Split(_) => return Ok((0, Said::Moved)),
                Attempt::Failed(error @ StorageError::Unknown { .. }) => return Err(error),
                Attempt::Failed(error) if !unknown => return Err(error),
                // Asked for again where it is now, as the same request: of one that was turned away a copy
                // may still come where it is not.
                Attempt::Moved(reason) | Attempt::Again(reason) => reason,
                Attempt::Failed(error) => error.to_string(),
                Attempt::Unknown(reason) => {
                    unknown = true;
                    reason
                }
            };
            let next = match patience.wait(reason).await {
                Ok(()) => self.again(&route, patience).await,
                Err(expired) => Err(expired),
            };
            route = next.map_err(|error| match error {
                StorageError::Unavailable { reason } if unknown => StorageError::Unknown { reason },
                other => other,
            })?;
        }
    }

    /// The same range, as it is known now.
    async fn again(&self, route: &Route, patience: &mut Patience) -> Result<Route, StorageError> {
        let (space, id) = (route.descriptor.space, route.descriptor.id);
        let found = self.locate(space, &route.descriptor.keys.start, patience).await?;
        // The retry must go where the first went, as it was proposed; a range that has shrunk still
        // begins with the same key and knows its sessions.
        let descriptor = route.descriptor.clone();
        Ok(if found.descriptor.id == id { Route { descriptor, ..found } } else { route.clone() })
    }
}

pub(super) fn unexpected(response: &Response) -> StorageError {
    StorageError::Refused {
        reason: match response {
            Response::Refused(Refusal::NotACounter { key }) => {
                format!("the value of key {} is not a decimal number", key.escape_ascii()).into()
            }
            Response::Refused(Refusal::CounterOverflow { key }) => {
                format!("the counter {} would leave 64 bits", key.escape_ascii()).into()
            }
            other => format!("{other:?}").into(),
        },
    }
}

fn part_of(parts: &mut Vec<Part>, route: Route) -> &mut Part {
    // A few, nearly always one; the last one is the likeliest.
    let known = parts.iter().rposition(|part| part.route.descriptor.id == route.descriptor.id);
    let place = known.unwrap_or_else(|| {
        parts.push(Part { route, transaction: Transaction::default(), conditions: Vec::new() });
        parts.len() - 1
    });
    let Some(part) = parts.get_mut(place) else { unreachable!("it was just found or pushed") };
    part
}

/// Results of the operations of a transaction that compute.
pub(crate) type Results = Vec<OperationResult>;

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Transacted {
    Committed(Results),
    ConditionFailed { condition: usize, found: Option<Bytes> },
}
