//! openraft's own suite on the log, with a state machine in memory.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, thread};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use openraft::{
    OptionalSend, RaftLogReader as _, RaftSnapshotBuilder, SnapshotMeta, StorageError,
    entry::RaftEntry as _,
    storage::{EntryResponder, RaftLogStorage as _, RaftStateMachine, Snapshot},
    testing::log::{StoreBuilder, Suite},
    vote::leader_id_std::CommittedLeaderId,
};
use parking_lot::Mutex;

use super::{
    super::types::{
        Applied, Command, RaftEntry, RaftLogId, RaftPayload, RaftStoredMembership, TypeConfig, to_raft_log_id,
    },
    LogStore, decode_entry, encode_entry,
};
use crate::{
    block_on::block_on,
    log::{Entry, Log, LogOptions, Vote},
    log_id::LogId,
    range::{NodeId, RangeId},
    testing::SimulatedDisk,
};

type Meta = SnapshotMeta<CommittedLeaderId<u64>, u64, openraft::EmptyNode>;
type StateSnapshot = Snapshot<CommittedLeaderId<u64>, u64, openraft::EmptyNode, ()>;

/// Remembers only what was applied last.
#[derive(Clone, Default)]
struct Machine(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    applied: Option<RaftLogId>,
    membership: RaftStoredMembership,
    snapshot: Option<Meta>,
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<StateSnapshot, io::Error> {
        let mut state = self.0.lock();
        let meta = Meta { last_log_id: state.applied, last_membership: state.membership.clone() };
        state.snapshot = Some(meta.clone());
        Ok(StateSnapshot { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, RaftStoredMembership), io::Error> {
        let state = self.0.lock();
        Ok((state.applied, state.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let mut state = self.0.lock();
            state.applied = Some(entry.log_id());
            if let RaftPayload::Membership(membership) = entry.payload {
                state.membership = RaftStoredMembership::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(Applied(None));
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &Meta, (): ()) -> Result<(), io::Error> {
        let mut state = self.0.lock();
        state.applied = meta.last_log_id;
        state.membership = meta.last_membership.clone();
        state.snapshot = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<StateSnapshot>, io::Error> {
        let meta = self.0.lock().snapshot.clone();
        Ok(meta.map(|meta| StateSnapshot { meta, snapshot: () }))
    }
}

/// A log whose worker runs on a thread until this is dropped.
struct Worked {
    log: Log,
    worker: Option<thread::JoinHandle<Result<(), crate::StorageError>>>,
}

impl Worked {
    fn new() -> Self {
        let options = LogOptions {
            folder: PathBuf::from("/log"),
            disk: Arc::new(SimulatedDisk::new()),
            segment_bytes: 4 << 10,
            spare_segments_max: 1,
            batch_bytes_max: 4 << 10,
            // So small that most is read from the disk.
            cache_bytes_max: 100,
            segments_kept: 2,
            reserve_bytes: 0,
            salt: 1,
            no_fsync: false,
        };
        let (log, worker) = Log::open(options, &BTreeMap::new()).unwrap();
        Self { log, worker: Some(thread::spawn(move || block_on(worker.run()))) }
    }
}

impl Drop for Worked {
    fn drop(&mut self) {
        self.log.close();
        self.worker.take().unwrap().join().unwrap().unwrap();
    }
}

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, Worked> for Builder {
    async fn build(&self) -> Result<(Worked, LogStore, Machine), StorageError<TypeConfig>> {
        let worked = Worked::new();
        let store = LogStore::new(worked.log.group(RangeId(1), None));
        Ok((worked, store, Machine::default()))
    }
}

#[cfg(not(simulation))]
#[tokio::test]
async fn the_suite_of_openraft_passes() {
    Suite::test_all(Builder).await.unwrap();
}

#[test]
fn entries_come_back_as_they_were() {
    let id = LogId { term: 2, index: 9 };
    let membership = openraft::Membership::new_with_defaults(vec![[1, 2].into(), [2, 3].into()], [4]);
    for payload in [
        RaftPayload::Blank,
        RaftPayload::Normal(Command(Bytes::from_static(b"command"))),
        RaftPayload::Membership(membership),
    ] {
        let entry = RaftEntry { log_id: to_raft_log_id(id), payload };
        assert_eq!(decode_entry(encode_entry(entry.clone())).unwrap(), entry);
    }
    for (tag, payload) in [(0, &b"x"[..]), (2, b"x"), (3, b"")] {
        let entry = Entry { id, tag, payload: Bytes::from_static(payload) };
        let refused = decode_entry(entry).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}

#[cfg(not(simulation))]
#[tokio::test]
async fn streams_read_a_little_at_a_time_and_stop_when_the_leader_changes() {
    let worked = Worked::new();
    let log = worked.log.group(RangeId(1), Some(LogId::BIRTH));
    let payload = Bytes::from(vec![1; 3 << 20]);
    let entry = |index| Entry { id: LogId { term: 1, index }, tag: COMMAND_TAG, payload: payload.clone() };
    log.append((6..10).map(entry).collect(), Box::new(|_| {}));
    let mut store = LogStore::new(log.clone());
    assert_eq!(store.limited_get_log_entries(6, 10).await.unwrap().len(), 1);
    assert_eq!(store.entries_stream(..).await.count().await, 4);

    let vote = Vote { term: 1, node: NodeId(2), committed: true };
    store.save_vote(&super::to_raft_vote(vote)).await.unwrap();
    let leader = super::to_raft_vote(vote).leader_id;
    let mut stream = Box::pin(store.leader_bounded_stream(leader, 6..10).await);
    assert!(stream.next().await.unwrap().is_ok());
    log.save_vote(Vote { term: 2, node: NodeId(3), committed: false }, Box::new(|_| {}));
    assert!(stream.next().await.unwrap().is_err());
    assert!(stream.next().await.is_none());
}

const COMMAND_TAG: u8 = super::COMMAND;
