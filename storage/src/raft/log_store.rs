//! The log of a group as openraft wants it.

#[cfg(test)]
pub(super) mod tests;

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds, RangeInclusive},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use openraft::{
    EntryPayload, LogState, OptionalSend, RaftLogReader,
    errors::LeaderChanged,
    storage::{IOFlushed, LeaderBoundedStreamError, LeaderBoundedStreamResult, RaftLogStorage},
};
use tokio::sync::oneshot;

use super::{
    membership::{decode_membership, encode_membership},
    types::{
        Command, RaftEntry, RaftLeaderId, RaftLogId, RaftPayload, RaftVote, TypeConfig, from_raft_log_id,
        from_raft_vote, to_raft_log_id, to_raft_vote,
    },
};
use crate::{
    error::StorageError,
    log::{Entry, GroupLog},
};

/// Bytes of entries that one request to a follower carries at most.
const REQUEST_BYTES_MAX: u64 = 4 << 20;
/// Bytes of entries that a stream holds at most.
const STREAM_BYTES_MAX: u64 = 1 << 20;

/// Kind of payload.
pub(crate) const BLANK: u8 = 0;
/// Kind of payload.
pub(crate) const COMMAND: u8 = 1;
/// Kind of payload.
pub(crate) const MEMBERSHIP: u8 = 2;

/// The log of a group; clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct LogStore(GroupLog);

impl LogStore {
    /// openraft's view of a log.
    pub(crate) fn new(log: GroupLog) -> Self {
        Self(log)
    }
}

/// An entry as the log keeps it.
pub(crate) fn encode_entry(entry: RaftEntry) -> Entry {
    let id = from_raft_log_id(&entry.log_id);
    let (tag, payload) = match entry.payload {
        EntryPayload::Blank => (BLANK, Bytes::new()),
        EntryPayload::Normal(Command(bytes)) => (COMMAND, bytes),
        EntryPayload::Membership(membership) => (MEMBERSHIP, encode_membership(&membership)),
    };
    Entry { id, tag, payload }
}

/// An entry as openraft wants it.
///
/// # Errors
///
/// It was not written by [`encode_entry`].
pub(crate) fn decode_entry(entry: Entry) -> io::Result<RaftEntry> {
    let invalid = |reason: &str| {
        io::Error::new(io::ErrorKind::InvalidData, format!("entry {} of the log: {reason}", entry.id))
    };
    let payload = match entry.tag {
        BLANK if entry.payload.is_empty() => RaftPayload::Blank,
        COMMAND => RaftPayload::Normal(Command(entry.payload)),
        MEMBERSHIP => RaftPayload::Membership(decode_membership(&entry.payload).map_err(invalid)?),
        _ => return Err(invalid("a kind of payload that is not known")),
    };
    Ok(RaftEntry { log_id: to_raft_log_id(entry.id), payload })
}

fn failed(error: StorageError) -> io::Error {
    io::Error::other(error)
}

/// First index, and the one behind the last.
fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

fn read(log: &GroupLog, from: u64, to: u64, bytes_max: u64) -> io::Result<Vec<RaftEntry>> {
    log.entries(from, to, bytes_max).map_err(failed)?.into_iter().map(decode_entry).collect()
}

/// Entries that are read a few at a time.
struct Entries {
    log: GroupLog,
    from: u64,
    to: u64,
    /// Read and not yet given out.
    ready: VecDeque<RaftEntry>,
}

impl Entries {
    /// What the log holds now of these indexes.
    fn new(log: &GroupLog, range: &impl RangeBounds<u64>) -> Self {
        let (from, to) = bounds(range);
        let behind = log.state().last.map_or(0, |last| last.index + 1);
        Self { log: log.clone(), from, to: to.min(behind), ready: VecDeque::new() }
    }

    /// The next entry; the stream ends with the first error.
    fn next(&mut self) -> Option<io::Result<RaftEntry>> {
        if self.ready.is_empty() && self.from < self.to {
            match read(&self.log, self.from, self.to, STREAM_BYTES_MAX) {
                Ok(entries) => self.ready.extend(entries),
                Err(error) => {
                    self.from = self.to;
                    return Some(Err(error));
                }
            }
            self.from = self.ready.back().map_or(self.to, |last| last.log_id.index() + 1);
        }
        self.ready.pop_front().map(Ok)
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: RaftLeaderId,
        range: RB,
    ) -> impl Stream<Item = LeaderBoundedStreamResult<TypeConfig>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let entries = Entries::new(&self.0, &range);
        stream::unfold(Some(entries), move |entries| async move {
            let mut entries = entries?;
            let next = entries.next();
            // Behind the reading: what was read under another leader may not belong together.
            let vote = entries.log.state().vote.map(to_raft_vote);
            if vote.is_none_or(|vote| vote.leader_id != leader || !vote.committed) {
                let changed = LeaderChanged::new(leader, vote);
                return Some((Err(LeaderBoundedStreamError::LeaderChanged(changed)), None));
            }
            Some((next?.map_err(LeaderBoundedStreamError::IoError), Some(entries)))
        })
        .boxed()
    }

    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<RaftEntry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let mut entries = Entries::new(&self.0, &range);
        stream::iter(std::iter::from_fn(move || entries.next()))
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        let (from, to) = bounds(&range);
        read(&self.0, from, to, u64::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<RaftVote>, io::Error> {
        Ok(self.0.state().vote.map(to_raft_vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<RaftEntry>, io::Error> {
        read(&self.0, start, end, REQUEST_BYTES_MAX)
    }

    async fn get_key_log_ids(
        &mut self,
        range: RangeInclusive<RaftLogId>,
    ) -> Result<Vec<RaftLogId>, io::Error> {
        let (first, last) = (from_raft_log_id(range.start()), from_raft_log_id(range.end()));
        // The first one may be purged: then it is known only from here.
        let mut ids = vec![first];
        for id in self.0.last_of_each_term(first.index + 1, last.index + 1) {
            match ids.last_mut() {
                Some(before) if before.term == id.term => *before = id,
                _ => ids.push(id),
            }
        }
        Ok(ids.into_iter().map(to_raft_log_id).collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let state = self.0.state();
        Ok(LogState {
            last_purged_log_id: state.purged.map(to_raft_log_id),
            last_log_id: state.last.map(to_raft_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> Result<(), io::Error> {
        let (sender, saved) = oneshot::channel();
        self.0.save_vote(from_raft_vote(vote), Box::new(move |result| _ = sender.send(result)));
        saved.await.map_err(|_| failed(StorageError::Closed))?.map_err(failed)
    }

    async fn save_committed(&mut self, committed: Option<RaftLogId>) -> Result<(), io::Error> {
        if let Some(committed) = committed {
            self.0.save_committed(from_raft_log_id(&committed));
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<RaftLogId>, io::Error> {
        Ok(self.0.state().committed.map(to_raft_log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(encode_entry).collect();
        self.0.append(entries, Box::new(move |result| callback.io_completed(result.map_err(failed))));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> Result<(), io::Error> {
        self.0.truncate_after(last.map(|last| last.index())).map_err(failed)
    }

    async fn purge(&mut self, id: RaftLogId) -> Result<(), io::Error> {
        self.0.purge(from_raft_log_id(&id)).map_err(failed)
    }
}
