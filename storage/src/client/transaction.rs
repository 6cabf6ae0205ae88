//! Transactions: in one range one entry; over several ranges two phases, decided by one entry in the
//! range of the primary key, as Percolator decides by its primary lock.
//!
//! ```text
//! prepare   every part: conditions checked, keys locked, the locks hold what is to be written
//! decide    the part of the primary key: committed from here on
//! resolve   the other parts do what their locks hold
//! ```
//! A sender that dies leaves locks; whoever meets one asks the range of the primary how it stands, and
//! after the deadline decides against it.

use futures_util::future::join_all;

use super::{
    Client, Patience,
    call::Attempt,
    write::{Part, Said, Transacted, unexpected},
};
use crate::{
    action::{Action, Refusal, Response, Session, TransactionId},
    error::StorageError,
    kv::{Key, Operation, Timestamp, Transaction},
    range::Space,
    rpc::{Answer, Lock, Query, ReadMode, Request},
};

/// How a transaction over several ranges went.
enum Outcome {
    Committed,
    ConditionFailed {
        condition: usize,
        found: Option<bytes::Bytes>,
    },
    /// Rolled back, for a reason that may be gone.
    Again(String),
}

impl Client {
    /// Does a transaction, of one range or of several.
    pub(crate) async fn transact(
        &self,
        space: Space,
        transaction: Transaction,
    ) -> Result<Transacted, StorageError> {
        let mut patience = self.patience();
        loop {
            let mut parts = self.parts(space, &transaction, &mut patience).await?;
            // All transactions take their keys in the same order, so that few wait for each other.
            parts.sort_by(|a, b| a.route.descriptor.keys.start.cmp(&b.route.descriptor.keys.start));
            let outcome = match parts.as_slice() {
                [] => return Ok(Transacted::Committed(Vec::new())),
                [part] => match self.transact_part(part, &mut patience).await? {
                    Said::Response(response) => return transacted(part, response),
                    Said::Moved => continue,
                },
                parts => self.two_phases(space, parts, &mut patience).await?,
            };
            match outcome {
                Outcome::Committed => return Ok(Transacted::Committed(Vec::new())),
                Outcome::ConditionFailed { condition, found } => {
                    return Ok(Transacted::ConditionFailed { condition, found });
                }
                Outcome::Again(reason) => patience.wait(reason).await?,
            }
        }
    }

    /// Does a transaction of one range as the only request of a sender, whoever sends it how often: it
    /// takes effect once, and each time the answer is the same.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] if its keys lie in several ranges.
    pub(crate) async fn transact_once(
        &self,
        space: Space,
        sender: u64,
        transaction: Transaction,
    ) -> Result<Transacted, StorageError> {
        let session = Some(Session { client: sender, sequence: 1 });
        let mut patience = self.patience();
        loop {
            let parts = self.parts(space, &transaction, &mut patience).await?;
            let part = match parts.as_slice() {
                [] => return Ok(Transacted::Committed(Vec::new())),
                [part] => part,
                _ => {
                    let reason = "what is done once for its sender lies in one range".into();
                    return Err(StorageError::Refused { reason });
                }
            };
            // After a split both halves know the senders of the whole.
            match self.transact_part_as(session, part, &mut patience).await? {
                Said::Response(response) => return transacted(part, response),
                Said::Moved => {}
            }
        }
    }

    async fn two_phases(
        &self,
        space: Space,
        parts: &[Part],
        patience: &mut Patience,
    ) -> Result<Outcome, StorageError> {
        let id = Self::new_transaction_id();
        let Some(primary) = parts.first().and_then(|part| keys(part).into_iter().next()) else {
            return Err(StorageError::Refused { reason: "a transaction without a key".into() });
        };
        let timeout = u64::try_from(self.config.transaction_timeout.as_millis()).unwrap_or(u64::MAX);
        let deadline = Timestamp(self.config.clock.wall().0.saturating_add(timeout));
        for (number, part) in parts.iter().enumerate() {
            let prepared = self.prepare(id, &primary, deadline, part, patience).await;
            let failed = match prepared {
                Ok(None) => continue,
                Ok(Some(outcome)) => Ok(outcome),
                Err(error) => Err(error),
            };
            // Nothing is decided yet, so that nobody can have seen anything of it.
            let undone = parts.get(..=number).unwrap_or(parts);
            self.decide(space, id, &primary, false, &mut self.patience()).await?;
            self.resolve(id, &primary, undone, false).await;
            return failed;
        }
        let committed = self.decide(space, id, &primary, true, &mut self.patience()).await?;
        self.resolve(id, &primary, parts, committed).await;
        Ok(if committed { Outcome::Committed } else { Outcome::Again("it was decided against".into()) })
    }

    /// Locks the keys of a part; `None` when they are.
    async fn prepare(
        &self,
        id: TransactionId,
        primary: &Key,
        deadline: Timestamp,
        part: &Part,
        patience: &mut Patience,
    ) -> Result<Option<Outcome>, StorageError> {
        /// Attempts to get a key that another transaction holds, before this one lets go of its own:
        /// two that wait for each other must not wait for ever.
        const LOCKED_MAX: u32 = 3;
        let mut locked = 0;
        loop {
            let transaction = part.transaction.clone();
            let action = Action::Prepare { id, primary: primary.clone(), deadline, part: transaction };
            let response = match self.propose(&part.route, action, patience).await? {
                Said::Moved => return Ok(Some(Outcome::Again("a range was split".into()))),
                Said::Response(response) => response,
            };
            match response {
                Response::Done(_) => return Ok(None),
                Response::ConditionFailed { condition, found } => {
                    let condition = part.conditions.get(condition).copied().unwrap_or(condition);
                    return Ok(Some(Outcome::ConditionFailed { condition, found }));
                }
                Response::Refused(Refusal::Locked { key, id, primary, deadline }) => {
                    let lock = Lock { key, id, primary, deadline };
                    let free = self.settle(part.route.descriptor.space, &lock, patience).await?;
                    locked += 1;
                    if !free && locked > LOCKED_MAX {
                        return Ok(Some(Outcome::Again("another transaction holds a key".into())));
                    }
                    if !free {
                        patience.wait("another transaction holds a key").await?;
                    }
                }
                Response::Refused(Refusal::AlreadyDecided { committed: false }) => {
                    return Ok(Some(Outcome::Again("somebody decided against it".into())));
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Decides in the range of the primary key; true if the transaction is committed.
    async fn decide(
        &self,
        space: Space,
        id: TransactionId,
        primary: &Key,
        commit: bool,
        patience: &mut Patience,
    ) -> Result<bool, StorageError> {
        loop {
            let route = self.locate(space, primary, patience).await?;
            let action = Action::Decide { id, primary: primary.clone(), commit };
            match self.propose(&route, action, patience).await {
                Ok(Said::Response(Response::Decided { committed })) => return Ok(committed),
                Ok(Said::Response(Response::Refused(Refusal::AlreadyDecided { committed }))) => {
                    return Ok(committed);
                }
                Ok(Said::Response(other)) => return Err(unexpected(&other)),
                Ok(Said::Moved) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Tells every part how it was decided. What does not get through, whoever meets the lock does.
    async fn resolve(&self, id: TransactionId, primary: &Key, parts: &[Part], commit: bool) {
        let space = parts.first().map_or(Space::User, |part| part.route.descriptor.space);
        let keys: Vec<Vec<Key>> = parts.iter().map(keys).collect();
        let resolved =
            join_all(keys.into_iter().map(|keys| self.resolve_keys(space, id, keys, commit))).await;
        if resolved.into_iter().all(|resolved| resolved.is_ok()) {
            let mut patience = self.patience();
            if let Ok(route) = self.locate(space, primary, &mut patience).await {
                let action = Action::Forget { id, primary: primary.clone() };
                let _kept = self.propose(&route, action, &mut patience).await;
            }
        }
    }

    async fn resolve_keys(
        &self,
        space: Space,
        id: TransactionId,
        keys: Vec<Key>,
        commit: bool,
    ) -> Result<(), StorageError> {
        let mut patience = self.patience();
        let mut rest = keys;
        while let Some(first) = rest.first() {
            let route = self.locate(space, first, &mut patience).await?;
            let (here, elsewhere): (Vec<Key>, Vec<Key>) =
                rest.iter().cloned().partition(|key| route.descriptor.keys.contains(key));
            let action = Action::Resolve { id, keys: here, commit };
            match self.propose(&route, action, &mut patience).await? {
                Said::Response(Response::Done(_)) => rest = elsewhere,
                Said::Response(other) => return Err(unexpected(&other)),
                Said::Moved => {}
            }
        }
        Ok(())
    }

    /// Finds out how the transaction behind a lock stands and does what follows for its key; false if
    /// it is not decided and may not be yet.
    pub(super) async fn settle(
        &self,
        space: Space,
        lock: &Lock,
        patience: &mut Patience,
    ) -> Result<bool, StorageError> {
        let decided = match self.decision(space, lock, patience).await? {
            Some(committed) => committed,
            None if self.config.clock.wall() < lock.deadline => return Ok(false),
            // Its sender is gone, or so slow that it will find it decided.
            None => self.decide(space, lock.id, &lock.primary, false, patience).await?,
        };
        self.resolve_keys(space, lock.id, vec![lock.key.clone()], decided).await?;
        Ok(true)
    }

    /// How a transaction stands: committed, rolled back, or not decided.
    pub(super) async fn decision(
        &self,
        space: Space,
        lock: &Lock,
        patience: &mut Patience,
    ) -> Result<Option<bool>, StorageError> {
        loop {
            let route = self.locate(space, &lock.primary, patience).await?;
            let request = Request::Read {
                range: route.descriptor.id,
                version: route.descriptor.version,
                mode: ReadMode::Linearizable,
                query: Query::Decision { primary: lock.primary.clone(), id: lock.id },
            };
            match self.attempt(&route, request, patience.left()).await {
                Attempt::Answered(Answer::Decision(decision)) => return Ok(decision),
                Attempt::Answered(_) => {
                    return Err(StorageError::other_answer());
                }
                Attempt::Split(_) => {}
                Attempt::Moved(reason) | Attempt::Again(reason) | Attempt::Unknown(reason) => {
                    patience.wait(reason).await?;
                }
                Attempt::Failed(error) => return Err(error),
            }
        }
    }
}

/// What a range answered to a transaction that it did alone.
fn transacted(part: &Part, response: Response) -> Result<Transacted, StorageError> {
    match response {
        Response::Done(results) => Ok(Transacted::Committed(results)),
        Response::ConditionFailed { condition, found } => {
            let condition = part.conditions.get(condition).copied().unwrap_or(condition);
            Ok(Transacted::ConditionFailed { condition, found })
        }
        other => Err(unexpected(&other)),
    }
}

/// The keys that a part locks, ascending.
fn keys(part: &Part) -> Vec<Key> {
    let conditions = part.transaction.conditions.iter().map(|condition| condition.key());
    let operations = part.transaction.batch.operations().iter().map(Operation::key);
    let mut keys: Vec<Key> = conditions.chain(operations).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}
