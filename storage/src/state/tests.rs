//! Tests of the state machine, and what they share.

mod crash;
mod model;
mod old;
mod snapshots;
mod transactions;
mod two_phase;

use std::{path::Path, sync::Arc};

use bytes::Bytes;

use super::{Group, GroupEntries, Membership, Payload, Phase, Store, execute::Responses};
use crate::{
    action::{Action, OperationResult, Proposal, Refusal, Response, Session, TransactionId},
    kv::{Condition, Key, KeyRange, Operation, ScanLimit, Timestamp, Transaction, Value},
    log_id::LogId,
    range::{RangeDescriptor, RangeId, Space},
    testing::SimulatedDisk,
};

pub(super) const PATH: &str = "/data/state/0.redb";
pub(super) const USER: RangeId = RangeId::FIRST_USER;

pub(super) fn group(range: RangeId, space: Space) -> Group {
    Group {
        descriptor: RangeDescriptor { id: range, space, keys: KeyRange::all(), version: 1 },
        applied: LogId::BIRTH,
        membership: Membership { id: LogId::BIRTH, bytes: Bytes::from_static(b"node 1") },
        phase: Phase::Live,
    }
}

pub(super) fn first_groups() -> [Group; 2] {
    [group(RangeId::PLACEMENT, Space::Placement), group(USER, Space::User)]
}

pub(super) fn open(disk: &SimulatedDisk) -> Store {
    let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
    store.attach().unwrap();
    store
}

pub(super) fn new_store(disk: &SimulatedDisk) -> Store {
    Store::create(Path::new(PATH), disk, &first_groups()).unwrap();
    open(disk)
}

/// A store with helpers that play the log.
pub(super) struct Bench {
    pub(super) store: Store,
    pub(super) now: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { store: new_store(&SimulatedDisk::new()), now: 1000 }
    }

    pub(super) fn group(&self, range: RangeId) -> Group {
        self.store.view().unwrap().group(range).unwrap().unwrap()
    }

    pub(super) fn entries(&self, range: RangeId, proposals: &[Proposal]) -> GroupEntries {
        let LogId { term, index } = self.group(range).applied;
        let ids = (index + 1..).map(|index| LogId { term, index });
        let payload = |proposal: &Proposal| Payload::Command(proposal.encode());
        GroupEntries { range, entries: ids.zip(proposals.iter().map(payload)).collect() }
    }

    pub(super) fn apply(&self, range: RangeId, proposals: &[Proposal]) -> Responses {
        let entries = self.entries(range, proposals);
        self.store.apply(&[entries]).unwrap().remove(0)
    }

    pub(super) fn send(&self, range: RangeId, session: Option<Session>, action: Action) -> Response {
        let version = self.group(range).descriptor.version;
        let proposal = Proposal { version, session, now: Timestamp(self.now), action };
        self.apply(range, &[proposal]).remove(0).unwrap()
    }

    pub(super) fn act(&self, action: Action) -> Response {
        self.send(USER, None, action)
    }

    pub(super) fn write(&self, operations: impl IntoIterator<Item = Operation>) -> Response {
        self.act(Action::Transact(transaction([], operations)))
    }

    pub(super) fn get(&self, key: &str) -> Option<Value> {
        let view = self.store.view().unwrap();
        let read = view.batch_get(Space::User, &[key.to_owned().into()], Timestamp(self.now)).unwrap();
        read.found.into_iter().next().unwrap()
    }

    pub(super) fn elements(&self, key: &str) -> Vec<Value> {
        let view = self.store.view().unwrap();
        let page = view.deque(Space::User, &k(key), 0, ScanLimit::default()).unwrap().found;
        assert_eq!(page.length, page.elements.len() as u64);
        page.elements
    }
}

pub(super) fn transaction(
    conditions: impl IntoIterator<Item = Condition>,
    operations: impl IntoIterator<Item = Operation>,
) -> Transaction {
    Transaction { conditions: conditions.into_iter().collect(), batch: operations.into_iter().collect() }
}

pub(super) fn k(key: &str) -> Key {
    Key::copy_from_slice(key.as_bytes())
}

pub(super) fn put(key: &str, value: &str) -> Operation {
    Operation::Put(k(key), k(value))
}

pub(super) const DONE: Response = Response::Done(Vec::new());

pub(super) fn checksum(store: &Store, range: RangeId) -> u64 {
    store.view().unwrap().checksum(range).unwrap()
}
