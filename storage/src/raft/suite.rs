//! openraft's own suite on the log and the state machine that a node runs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{io, path::Path, sync::Arc, thread, time::Duration};

use futures_util::{Stream, TryStreamExt as _};
use openraft::{
    OptionalSend, RaftSnapshotBuilder, StorageError,
    entry::RaftEntry as _,
    storage::{EntryResponder, RaftStateMachine},
    testing::log::{StoreBuilder, Suite},
};
use tokio::sync::mpsc;

use super::{
    log_store::{LogStore, tests::Worked},
    membership::encode_membership,
    message::SnapshotMeta,
    snapshot::{Incoming, SnapshotData},
    state_machine::{Builder, Machine},
    types::{
        RaftEntry, RaftLogId, RaftMembership, RaftPayload, RaftSnapshot, RaftSnapshotMeta,
        RaftStoredMembership, TypeConfig, from_raft_log_id, to_raft_log_id,
    },
};
use crate::{
    applier::Applier,
    block_on::block_on,
    health::Health,
    kv::KeyRange,
    log_id::LogId,
    range::{RangeDescriptor, RangeId, Space},
    state::{Group, Membership, Phase, Store},
    testing::SimulatedDisk,
};

const RANGE: RangeId = RangeId(1);

/// The state machine, told of entries as it is in use: the suite begins at entry 0, which no group of ours
/// has, and leaves entries out, which Raft never does.
struct Whole<M>(M);

/// Where the state machine is told that an entry of the suite is.
fn inward(id: RaftLogId) -> RaftLogId {
    let LogId { term, index } = from_raft_log_id(&id);
    to_raft_log_id(LogId { term, index: index + 1 })
}

/// The way back; entry 0 is what the replica was made with.
fn outward(id: RaftLogId) -> Option<RaftLogId> {
    let LogId { term, index } = from_raft_log_id(&id);
    Some(to_raft_log_id(LogId { term, index: index.checked_sub(1)? }))
}

fn told(stored: &RaftStoredMembership, way: impl Fn(RaftLogId) -> Option<RaftLogId>) -> RaftStoredMembership {
    RaftStoredMembership::new(stored.log_id().and_then(way), stored.membership().clone())
}

fn meta_outward(meta: &RaftSnapshotMeta) -> RaftSnapshotMeta {
    RaftSnapshotMeta {
        last_log_id: meta.last_log_id.and_then(outward),
        last_membership: told(&meta.last_membership, outward),
    }
}

impl Whole<Machine> {
    fn disk() -> (SimulatedDisk, Arc<Store>) {
        let disk = SimulatedDisk::new();
        let descriptor = RangeDescriptor { id: RANGE, space: Space::User, keys: KeyRange::all(), version: 1 };
        let bytes = encode_membership(&RaftMembership::default());
        let group = Group {
            descriptor,
            applied: LogId::default(),
            membership: Membership { id: LogId::default(), bytes },
            phase: Phase::Live,
        };
        let path = Path::new("/data/state/0.redb");
        Store::create(path, &disk, &[group]).unwrap();
        let store = Store::open(path.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
        store.attach().unwrap();
        (disk, Arc::new(store))
    }

    /// Sends a snapshot as the network does.
    async fn arrived(&self, meta: &RaftSnapshotMeta, snapshot: SnapshotData) -> SnapshotData {
        let SnapshotData::Outgoing { descriptor, mut reader, transfer } = snapshot else {
            unreachable!("only what is read from the state is sent")
        };
        let meta = SnapshotMeta {
            applied: from_raft_log_id(&meta.last_log_id.unwrap()),
            membership_id: meta.last_membership.log_id().as_ref().map(from_raft_log_id),
            membership: encode_membership(meta.last_membership.membership()),
        };
        let path = Path::new("/data/incoming/1.snapshot").into();
        let disk = Arc::new(SimulatedDisk::new());
        let mut incoming = Incoming::create(disk, path, transfer, descriptor, meta).unwrap();
        loop {
            let (chunk, rest) = reader.next_chunk().await.unwrap();
            let Some(chunk) = chunk else { return SnapshotData::Incoming(Box::new(incoming)) };
            incoming.push(&chunk).unwrap();
            reader = rest;
        }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Whole<Builder> {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, io::Error> {
        let RaftSnapshot { meta, snapshot } = self.0.build_snapshot().await?;
        Ok(RaftSnapshot { meta: meta_outward(&meta), snapshot })
    }
}

impl RaftStateMachine<TypeConfig> for Whole<Machine> {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Whole<Builder>;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, RaftStoredMembership), io::Error> {
        let (applied, membership) = self.0.applied_state().await?;
        Ok((applied.and_then(outward), told(&membership, outward)))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let (applied, _) = self.0.applied_state().await?;
        let mut next = applied.map_or(1, |applied| applied.index() + 1);
        let mut whole = Vec::new();
        while let Some((mut entry, responder)) = entries.try_next().await? {
            entry.log_id = inward(entry.log_id);
            let LogId { term, index } = from_raft_log_id(&entry.log_id());
            for left_out in next..index {
                let log_id = to_raft_log_id(LogId { term, index: left_out });
                whole.push(Ok((RaftEntry { log_id, payload: RaftPayload::Blank }, None)));
            }
            whole.push(Ok((entry, responder)));
            next = index + 1;
        }
        self.0.apply(futures_util::stream::iter(whole)).await
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Whole<Builder>> {
        self.0.try_create_snapshot_builder(force).await.map(Whole)
    }

    async fn get_snapshot_builder(&mut self) -> Whole<Builder> {
        Whole(self.0.get_snapshot_builder().await)
    }

    async fn install_snapshot(
        &mut self,
        meta: &RaftSnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let meta = RaftSnapshotMeta {
            last_log_id: meta.last_log_id.map(inward),
            last_membership: told(&meta.last_membership, |id| Some(inward(id))),
        };
        let snapshot = self.arrived(&meta, snapshot).await;
        self.0.install_snapshot(&meta, snapshot).await
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, io::Error> {
        let current = self.0.get_current_snapshot().await?;
        Ok(current
            .map(|RaftSnapshot { meta, snapshot }| RaftSnapshot { meta: meta_outward(&meta), snapshot }))
    }
}

/// What runs beside the stores; ends when it is dropped.
struct Workers {
    _log: Worked,
    applier: Applier,
    worker: Option<thread::JoinHandle<()>>,
}

impl Drop for Workers {
    fn drop(&mut self) {
        block_on(self.applier.stop());
        self.worker.take().unwrap().join().unwrap();
    }
}

struct Stores;

impl StoreBuilder<TypeConfig, LogStore, Whole<Machine>, Workers> for Stores {
    async fn build(&self) -> Result<(Workers, LogStore, Whole<Machine>), StorageError<TypeConfig>> {
        let log = Worked::new();
        let log_store = LogStore::new(log.log.group(RANGE, None));
        let (disk, store) = Whole::disk();
        let health = Arc::new(Health::new("/data".into(), Arc::new(disk), 0));
        let (applier, worker) =
            Applier::new(Arc::clone(&store), health, log.log.clone(), 1 << 20, Duration::from_secs(1));
        let timers = tokio::runtime::Handle::current();
        let worker = thread::spawn(move || {
            let _timers = timers.enter();
            block_on(worker.run());
        });
        let (events, _) = mpsc::unbounded_channel();
        let machine =
            Machine { range: RANGE, store, applier: applier.clone(), events, built: false, transfers: 0 };
        Ok((Workers { _log: log, applier, worker: Some(worker) }, log_store, Whole(machine)))
    }
}

#[tokio::test]
async fn the_suite_of_openraft_passes() {
    Suite::test_all(Stores).await.unwrap();
}
