//! Transactions over several ranges: locks that hold what is to be written, and decisions.
//!
//! The lock on the primary key is the transaction: it becomes a decision once, by [`Applying::decide`].
//! Every other lock waits for that decision. A `Prepare` after its deadline does nothing, so a decision
//! need not be known any longer than that to stop one that comes late.

use std::{collections::BTreeMap, ops::Bound};

use redb::ReadableTable as _;

use super::{
    draft::Draft,
    execute::Applying,
    fault::Fault,
    tables::{Decision, Lock},
    values::decision_bounds,
};
use crate::{
    action::{Refusal, Response, TransactionId},
    kv::{Condition, Key, Operation, Timestamp, Transaction},
};

/// How long a rollback is known at least: longer than any transaction may be on its way.
const ROLLBACK_KEPT_MS: u64 = 60 * 60 * 1000;
/// With each new decision so many others are looked at, to drop those that are no longer needed.
const SWEEP: usize = 8;

impl Applying<'_, '_> {
    /// Locks the keys of a part, if its conditions hold; the results are those that committing will have.
    ///
    /// Sent again, it locks the same anew.
    pub(super) fn prepare(
        &mut self,
        id: TransactionId,
        primary: &Key,
        deadline: Timestamp,
        part: &Transaction,
        now: Timestamp,
    ) -> Result<Response, Fault> {
        let operations = part.batch.operations();
        if let Some(Operation::DeleteRange(keys)) =
            operations.iter().find(|operation| matches!(operation, Operation::DeleteRange(_)))
        {
            return Ok(Response::Refused(Refusal::NotLockable { key: keys.start.clone() }));
        }
        // Only in the range of the primary: what another range on this node has decided, it has on each
        // node at another time.
        let is_primary = self.row.group.descriptor.keys.contains(primary);
        let decision = if is_primary { self.decision(id, primary)? } else { None };
        let decided = decision.map(|decision| decision.committed);
        if let Some(committed) = decided.or((deadline <= now).then_some(false)) {
            return Ok(Response::Refused(Refusal::AlreadyDecided { committed }));
        }
        if let Some(response) = self.check(part, Some(id), now)? {
            return Ok(response);
        }
        let done = match Draft::new(now).run(self.tables, operations)? {
            Ok(done) => done,
            Err(refusal) => return Ok(Response::Refused(refusal)),
        };
        let mut locks: BTreeMap<&Key, Vec<Operation>> = BTreeMap::new();
        for key in part.conditions.iter().map(Condition::key) {
            locks.entry(key).or_default();
        }
        for operation in &done.operations {
            locks.entry(operation.key()).or_default().push(operation.clone());
        }
        // Without a lock on it nothing could ever be committed.
        if is_primary && !locks.contains_key(primary) {
            if let Some(refusal) = self.locked_key(primary, Some(id))? {
                return Ok(Response::Refused(refusal));
            }
            locks.entry(primary).or_default();
        }
        for (key, operations) in locks {
            let lock = Lock { id, primary: primary.clone(), deadline, operations };
            self.tables.locks.insert(key.as_ref(), lock.encode().as_ref())?;
        }
        Ok(Response::Done(done.results))
    }

    /// Decides, once: what was decided before stands. Does to the primary key what was decided.
    pub(super) fn decide(
        &mut self,
        id: TransactionId,
        primary: &Key,
        commit: bool,
        now: Timestamp,
    ) -> Result<Response, Fault> {
        if let Some(refusal) = self.outside([primary]) {
            return Ok(Response::Refused(refusal));
        }
        if let Some(Decision { committed, .. }) = self.decision(id, primary)? {
            return Ok(Response::Decided { committed });
        }
        let lock = self.take_lock(id, primary)?;
        let committed = commit && lock.is_some();
        let mut deadline = lock.as_ref().map_or(now, |lock| lock.deadline);
        if let Some(lock) = lock.filter(|_| committed) {
            self.commit(&lock, now)?;
        }
        if !committed {
            deadline = deadline.max(Timestamp(now.0.saturating_add(ROLLBACK_KEPT_MS)));
        }
        // A commit is kept until it is forgotten: without it, its other locks would be rolled back.
        let decision = Decision { committed, deadline, forgotten: !committed };
        self.tables.decisions.insert((primary.as_ref(), id.0), decision.encode().as_ref())?;
        self.sweep_decisions(id, primary, now)?;
        Ok(Response::Decided { committed })
    }

    /// Does to locks what was decided; those of other transactions, and the primary's, it leaves.
    pub(super) fn resolve(
        &mut self,
        id: TransactionId,
        keys: &[Key],
        commit: bool,
        now: Timestamp,
    ) -> Result<Response, Fault> {
        if let Some(refusal) = self.outside(keys) {
            return Ok(Response::Refused(refusal));
        }
        for key in keys {
            let held = self.lock_of(id, key)?;
            // Only deciding may undo the primary's lock.
            if held.is_none_or(|lock| lock.primary == key) {
                continue;
            }
            if let Some(lock) = self.take_lock(id, key)?.filter(|_| commit) {
                self.commit(&lock, now)?;
            }
        }
        Ok(Response::Done(Vec::new()))
    }

    /// Gives a decision up, at once or when no `Prepare` can come any more.
    pub(super) fn forget(
        &mut self,
        id: TransactionId,
        primary: &Key,
        now: Timestamp,
    ) -> Result<Response, Fault> {
        if let Some(refusal) = self.outside([primary]) {
            return Ok(Response::Refused(refusal));
        }
        if let Some(decision) = self.decision(id, primary)? {
            let row = (primary.as_ref(), id.0);
            if decision.deadline <= now {
                self.tables.decisions.remove(row)?;
            } else {
                let decision = Decision { forgotten: true, ..decision };
                self.tables.decisions.insert(row, decision.encode().as_ref())?;
            }
        }
        Ok(Response::Done(Vec::new()))
    }

    fn decision(&self, id: TransactionId, primary: &Key) -> Result<Option<Decision>, Fault> {
        let row = self.tables.decisions.get((primary.as_ref(), id.0))?;
        row.map(|row| Decision::decode(row.value()).map_err(Fault::row("decisions"))).transpose()
    }

    fn lock_of(&self, id: TransactionId, key: &Key) -> Result<Option<Lock>, Fault> {
        let Some(row) = self.tables.locks.get(key.as_ref())? else { return Ok(None) };
        let lock = Lock::decode(row.value()).map_err(Fault::row("locks"))?;
        Ok(Some(lock).filter(|lock| lock.id == id))
    }

    fn take_lock(&mut self, id: TransactionId, key: &Key) -> Result<Option<Lock>, Fault> {
        let lock = self.lock_of(id, key)?;
        if lock.is_some() {
            self.tables.locks.remove(key.as_ref())?;
        }
        Ok(lock)
    }

    fn commit(&mut self, lock: &Lock, now: Timestamp) -> Result<(), Fault> {
        let done = self.run(&lock.operations, now)?;
        done.map(drop).map_err(|_| Fault::Corrupt("a lock holds what cannot be done".to_owned()))
    }

    fn sweep_decisions(&mut self, id: TransactionId, primary: &Key, now: Timestamp) -> Result<(), Fault> {
        let keys = &self.row.group.descriptor.keys;
        let mut needless = Vec::new();
        {
            // Only of this range: which others are on this node is no matter of the log's.
            let this = (primary.as_ref(), id.0);
            let (first, end) = decision_bounds(keys);
            let behind = self.tables.decisions.range((Bound::Excluded(this), end))?;
            let before = self.tables.decisions.range((first, Bound::Excluded(this)))?;
            for row in behind.chain(before).take(SWEEP) {
                let (key, row) = row?;
                let (key, id) = key.value();
                let decision = Decision::decode(row.value()).map_err(Fault::row("decisions"))?;
                if decision.forgotten && decision.deadline <= now {
                    needless.push((key.to_vec(), id));
                }
            }
        }
        for (key, id) in needless {
            self.tables.decisions.remove((key.as_slice(), id))?;
        }
        Ok(())
    }
}
