//! Transactions of one range.

use redb::{ReadableTable as _, ReadableTableMetadata as _};

use super::{
    draft::{Draft, Results},
    events::{Change, short},
    execute::Applying,
    fault::Fault,
    tables::Lock,
};
use crate::{
    action::{Refusal, Response, TransactionId},
    kv::{Condition, Key, KeyRange, Operation, Timestamp, Transaction, Value},
};

impl Applying<'_, '_> {
    /// Checks conditions and writes; a refusal or a condition that fails writes nothing.
    pub(super) fn transact(&mut self, transaction: &Transaction, now: Timestamp) -> Result<Response, Fault> {
        let operations = transaction.batch.operations();
        if let Some(response) = self.check(transaction, None, now)? {
            return Ok(response);
        }
        Ok(match self.run(operations, now)? {
            Ok(results) => Response::Done(results.results),
            Err(refusal) => Response::Refused(refusal),
        })
    }

    /// Why a transaction cannot be: a key outside of the range, a lock of any but `own`, a condition.
    pub(super) fn check(
        &self,
        transaction: &Transaction,
        own: Option<TransactionId>,
        now: Timestamp,
    ) -> Result<Option<Response>, Fault> {
        let Transaction { conditions, batch } = transaction;
        let outside = self.outside(conditions.iter().map(Condition::key));
        if let Some(refusal) = outside.or_else(|| self.outside_operations(batch.operations())) {
            return Ok(Some(Response::Refused(refusal)));
        }
        if let Some(refusal) = self.locked(transaction, own)? {
            return Ok(Some(Response::Refused(refusal)));
        }
        for (condition, number) in conditions.iter().zip(0..) {
            let found = self.value(condition.key(), now)?;
            if !condition.holds(found.as_deref()) {
                return Ok(Some(Response::ConditionFailed { condition: number, found }));
            }
        }
        Ok(None)
    }

    fn value(&self, key: &Key, now: Timestamp) -> Result<Option<Value>, Fault> {
        self.tables.value(key, now)
    }

    fn locked(
        &self,
        transaction: &Transaction,
        own: Option<TransactionId>,
    ) -> Result<Option<Refusal>, Fault> {
        if self.tables.locks.is_empty()? {
            return Ok(None);
        }
        for condition in &transaction.conditions {
            if let Some(refusal) = self.locked_key(condition.key(), own)? {
                return Ok(Some(refusal));
            }
        }
        for operation in transaction.batch.operations() {
            let refusal = match operation {
                Operation::DeleteRange(keys) => self.locked_span(keys)?,
                point => self.locked_key(point.key(), own)?,
            };
            if refusal.is_some() {
                return Ok(refusal);
            }
        }
        Ok(None)
    }

    /// Why `key` cannot be touched, if another transaction has it.
    pub(super) fn locked_key(&self, key: &Key, own: Option<TransactionId>) -> Result<Option<Refusal>, Fault> {
        let Some(row) = self.tables.locks.get(key.as_ref())? else { return Ok(None) };
        let lock = Lock::decode(row.value()).map_err(Fault::row("locks"))?;
        Ok((own != Some(lock.id)).then(|| lock.refusal(key.clone())))
    }

    fn locked_span(&self, keys: &KeyRange) -> Result<Option<Refusal>, Fault> {
        if keys.is_empty() {
            return Ok(None);
        }
        let first = self.tables.locks.range::<&[u8]>(keys.bounds())?.next().transpose()?;
        let Some((key, row)) = first else { return Ok(None) };
        let lock = Lock::decode(row.value()).map_err(Fault::row("locks"))?;
        Ok(Some(lock.refusal(Key::copy_from_slice(key.value()))))
    }

    /// Runs operations, all or, if one is refused, none.
    pub(super) fn run(
        &mut self,
        operations: &[Operation],
        now: Timestamp,
    ) -> Result<Result<Results, Refusal>, Fault> {
        let computes = |operation: &Operation| {
            matches!(operation, Operation::Add(..) | Operation::Push(..) | Operation::Pop(..))
        };
        if !operations.iter().any(computes) {
            self.tables.write_plain(operations)?;
            self.note(operations);
            return Ok(Ok(Results::default()));
        }
        let mut draft = Draft::new(now);
        let done = draft.run(self.tables, operations)?;
        if let Ok(results) = &done {
            draft.write(self.tables)?;
            self.note(&results.operations);
        }
        Ok(done)
    }

    /// Tells watchers of operations.
    fn note(&mut self, operations: &[Operation]) {
        for operation in self.events.last_of(operations) {
            let change = match operation {
                Operation::Put(_, value) | Operation::PutUntil(_, value, _) => Change::Put(short(value)),
                Operation::Delete(_) => Change::Deleted,
                Operation::DeleteRange(keys) => Change::DeletedRange(keys.end.clone()),
                Operation::Push(_, end, value) => Change::Pushed(*end, short(value)),
                Operation::Pop(_, end) => Change::Popped(*end),
                // Run as the put that it comes to.
                Operation::Add(..) => continue,
            };
            self.events.push(operation.key(), change);
        }
    }
}

impl Lock {
    fn refusal(self, key: Key) -> Refusal {
        Refusal::Locked { key, id: self.id, primary: self.primary, deadline: self.deadline }
    }
}
