//! Entries, and the streams that openraft reads them by.

#![cfg(not(simulation))]

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, thread};

use bytes::Bytes;
use futures_util::StreamExt as _;
use openraft::{RaftLogReader as _, storage::RaftLogStorage as _};

use super::{
    super::types::{Command, RaftEntry, RaftPayload, to_raft_log_id},
    LogStore, decode_entry, encode_entry,
};
use crate::{
    block_on::block_on,
    log::{Entry, Log, LogOptions, Vote},
    log_id::LogId,
    range::{NodeId, RangeId},
    testing::SimulatedDisk,
};

/// A log whose worker runs on a thread until this is dropped.
pub(in crate::raft) struct Worked {
    pub(in crate::raft) log: Log,
    worker: Option<thread::JoinHandle<Result<(), crate::StorageError>>>,
}

impl Worked {
    pub(in crate::raft) fn new() -> Self {
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
