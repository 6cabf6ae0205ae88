//! The one writer of the state: applies what groups committed, many groups in one transaction, and
//! makes checkpoints.
//!
//! It is one async function: a thread of its own runs it, or a task of the simulation. What is small
//! while nobody else writes is applied where it comes from: handing it to the thread and the answer
//! back would take longer than applying it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{AsyncRuntime, Instant as _};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::{
    action::{Action, Proposal, Response},
    error::StorageError,
    health::Health,
    kv::Operation,
    log::Log,
    log_id::LogId,
    range::RangeId,
    runtime::Runtime,
    state::{Group, GroupEntries, Payload, Store},
};

/// Bytes that one transaction applies at most, unless one entry alone is larger.
const TRANSACTION_BYTES: usize = 8 << 20;

/// Entries and their bytes that are applied where they come from: well below a millisecond of work.
const DIRECT_ENTRIES: usize = 8;
const DIRECT_BYTES: usize = 16 << 10;

type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// What is asked of the writer.
enum Work {
    Apply {
        entries: GroupEntries,
        bytes: usize,
        reply: Reply<Vec<Option<Response>>>,
    },
    /// Make everything applied durable, and say what that is.
    Checkpoint(Reply<BTreeMap<RangeId, Group>>),
    /// Give space back to the file system.
    Compact(Reply<()>),
    /// Anything else that writes, between two transactions.
    Run(Box<dyn FnOnce(&Store) + Send>),
    /// A checkpoint is due some time: what was applied directly began it.
    Due,
    Stop(oneshot::Sender<()>),
}

/// The handle of the writer; cheap to clone.
#[derive(Clone)]
pub(crate) struct Applier {
    work: mpsc::UnboundedSender<Work>,
    /// Whether nothing waits for space any more.
    stopping: Arc<AtomicBool>,
    writer: Arc<Mutex<Writer>>,
}

/// The writer's worker, not yet running.
pub(crate) struct Worker {
    inbox: mpsc::UnboundedReceiver<Work>,
    /// Held while the state is written, never over a wait for anything else.
    writer: Arc<Mutex<Writer>>,
}

/// What writes, and what it owes the disk.
struct Writer {
    store: Arc<Store>,
    health: Arc<Health>,
    log: Log,
    checkpoint_bytes: u64,
    checkpoint_interval: Duration,
    /// Bytes applied since the last checkpoint.
    dirty_bytes: u64,
    /// When a checkpoint is due; none while everything applied is durable.
    due: Option<<Runtime as AsyncRuntime>::Instant>,
    /// What the last checkpoint made durable.
    durable: Option<BTreeMap<RangeId, Group>>,
    /// Set when the worker ended: then nothing is applied any more.
    stopped: bool,
}

impl Applier {
    /// A writer for `store`, whose worker the caller starts.
    pub(crate) fn new(
        store: Arc<Store>,
        health: Arc<Health>,
        log: Log,
        checkpoint_bytes: u64,
        checkpoint_interval: Duration,
    ) -> (Self, Worker) {
        let (work, inbox) = mpsc::unbounded_channel();
        let writer = Writer {
            store,
            health,
            log,
            checkpoint_bytes,
            checkpoint_interval,
            dirty_bytes: 0,
            due: None,
            durable: None,
            stopped: false,
        };
        let writer = Arc::new(Mutex::new(writer));
        let applier = Self { work, stopping: Arc::default(), writer: Arc::clone(&writer) };
        (applier, Worker { inbox, writer })
    }

    /// Applies entries of a group that follow what it has applied; visible when it returns.
    pub(crate) async fn apply(
        &self,
        range: RangeId,
        entries: Vec<(LogId, Payload)>,
    ) -> Result<Vec<Option<Response>>, StorageError> {
        let bytes = entries.iter().map(|(_, payload)| payload.len()).sum();
        let entries = GroupEntries { range, entries };
        if is_short(&entries, bytes) {
            // Held by others for as long as a checkpoint waits for the disk: then the worker waits too.
            if let Some(mut writer) = self.writer.try_lock()
                && writer.takes_more()
            {
                return writer.apply_directly(&entries, bytes, &self.work);
            }
        }
        self.ask(|reply| Work::Apply { entries, bytes, reply }).await
    }

    /// Makes everything applied durable; tells up to where that is, by group.
    pub(crate) async fn checkpoint(&self) -> Result<BTreeMap<RangeId, Group>, StorageError> {
        self.ask(Work::Checkpoint).await
    }

    pub(crate) async fn compact(&self) -> Result<(), StorageError> {
        self.ask(Work::Compact).await
    }

    /// Runs something that writes to the state, alone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Store) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.ask(|reply: Reply<T>| {
            Work::Run(Box::new(move |store| {
                let _gone = reply.send(run(store));
            }))
        })
        .await
    }

    /// Runs something that writes to the state, again and again while the disk is full: for callers that
    /// an error would end for good.
    pub(crate) async fn run_when_space<T: Send + 'static>(
        &self,
        run: impl Fn(&Store) -> Result<T, StorageError> + Clone + Send + 'static,
    ) -> Result<T, StorageError> {
        loop {
            match self.run(run.clone()).await {
                Err(error) if error.is_full() => self.wait_for_space().await?,
                done => return done,
            }
        }
    }

    /// As [`Applier::checkpoint`], for callers that an error would end for good.
    pub(crate) async fn checkpoint_when_space(&self) -> Result<BTreeMap<RangeId, Group>, StorageError> {
        loop {
            match self.checkpoint().await {
                Err(error) if error.is_full() => self.wait_for_space().await?,
                done => return done,
            }
        }
    }

    async fn wait_for_space(&self) -> Result<(), StorageError> {
        const TRY_EVERY: Duration = Duration::from_millis(250);
        Runtime::sleep(TRY_EVERY).await;
        if self.stopping.load(Ordering::Acquire) { Err(StorageError::Closed) } else { Ok(()) }
    }

    /// Lets nobody wait for space any more.
    pub(crate) fn give_up(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Stops the writer behind everything that was asked before.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.work.send(Work::Stop(done)).is_ok() {
            let _gone = stopped.await;
        }
    }

    async fn ask<T>(&self, work: impl FnOnce(Reply<T>) -> Work) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.work.send(work(reply)).map_err(|_| StorageError::Closed)?;
        answer.await.unwrap_or(Err(StorageError::Closed))
    }
}

/// Whether applying takes so short that the caller's own thread can do it.
///
/// A few bytes may ask for much: to remove a span or a long deque, to sum up a range, to split it.
fn is_short(entries: &GroupEntries, bytes: usize) -> bool {
    let short = |payload: &Payload| match payload {
        Payload::Blank | Payload::Membership(_) => true,
        Payload::Command(proposal) => match Proposal::decode(proposal.clone()) {
            Ok(Proposal { action: Action::Transact(transaction), .. }) => {
                let mut operations = transaction.batch.operations().iter();
                operations
                    .all(|operation| !matches!(operation, Operation::Delete(_) | Operation::DeleteRange(_)))
            }
            Ok(_) | Err(_) => false,
        },
    };
    entries.entries.len() <= DIRECT_ENTRIES
        && bytes <= DIRECT_BYTES
        && entries.entries.iter().all(|(_, payload)| short(payload))
}

/// Applications that wait for one transaction.
#[derive(Default)]
struct Batch {
    entries: Vec<GroupEntries>,
    replies: Vec<Reply<Vec<Option<Response>>>>,
    bytes: usize,
}

impl Worker {
    /// Runs until stopped or until every handle is gone.
    pub(crate) async fn run(mut self) {
        let mut stopped = None;
        while let Some(work) = self.next().await {
            let mut batch = Batch::default();
            let mut other = Some(work);
            // Everything that waits shares a transaction; order within a group is kept, as a group
            // asks for one application at a time.
            while let Some(work) = other.take() {
                match work {
                    Work::Apply { entries, bytes, reply } => {
                        batch.entries.push(entries);
                        batch.replies.push(reply);
                        batch.bytes += bytes;
                        if batch.bytes < TRANSACTION_BYTES {
                            other = self.inbox.try_recv().ok();
                        }
                    }
                    work => {
                        let mut writer = self.writer.lock();
                        writer.apply(&mut batch);
                        stopped = writer.other(work);
                    }
                }
            }
            let mut writer = self.writer.lock();
            writer.apply(&mut batch);
            if stopped.is_some() {
                break;
            }
            // On a full disk only the clock makes it try again.
            if !writer.takes_more() && !writer.health.is_full() {
                let _told = writer.checkpoint();
            }
        }
        drop(self);
        if let Some(stopped) = stopped {
            let _gone = stopped.send(());
        }
    }

    /// The next work; makes a checkpoint when one is due.
    async fn next(&mut self) -> Option<Work> {
        loop {
            let due = self.writer.lock().checkpoint_if_due();
            let Some(due) = due else { return self.inbox.recv().await };
            // What is due now may be over by then, so it is asked again.
            if let Ok(work) = Runtime::timeout_at(due, self.inbox.recv()).await {
                return work;
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However it ended: nobody would make a checkpoint of what is applied from here on.
        self.writer.lock().stopped = true;
    }
}

impl Writer {
    /// Whether what is applied need not be made durable first.
    fn takes_more(&self) -> bool {
        self.dirty_bytes < self.checkpoint_bytes && !self.stopped
    }

    /// Applies entries of one group at once, and has the worker see to a checkpoint.
    fn apply_directly(
        &mut self,
        entries: &GroupEntries,
        bytes: usize,
        worker: &mpsc::UnboundedSender<Work>,
    ) -> Result<Vec<Option<Response>>, StorageError> {
        let applied = self.store.apply(std::slice::from_ref(entries));
        let mut responses = applied.map_err(|error| self.health.poison(&error))?;
        let was_due = self.due.is_some();
        self.changed(bytes);
        if !was_due || !self.takes_more() {
            // A worker that is gone made its last checkpoint, and what is applied is in the log.
            let _gone = worker.send(Work::Due);
        }
        Ok(responses.pop().unwrap_or_default())
    }

    /// Makes a checkpoint if it is time to; tells when the next one is due.
    fn checkpoint_if_due(&mut self) -> Option<<Runtime as AsyncRuntime>::Instant> {
        if self.due.is_some_and(|due| due <= <Runtime as AsyncRuntime>::Instant::now()) {
            drop(self.checkpoint());
        }
        self.due
    }

    /// Makes everything applied durable in the state file.
    fn checkpoint(&mut self) -> Result<BTreeMap<RangeId, Group>, StorageError> {
        if let (None, Some(durable)) = (self.due, &self.durable) {
            return Ok(durable.clone());
        }
        match self.store.checkpoint() {
            Ok(Some(durable)) => {
                self.health.not_full();
                durable.iter().for_each(|(range, group)| self.log.flushed(*range, group.applied.index));
                (self.due, self.dirty_bytes) = (None, 0);
                self.durable = Some(durable.clone());
                Ok(durable)
            }
            Ok(None) => {
                // The disk is full. Tried again after the next interval; the log keeps what is needed.
                self.due = Some(<Runtime as AsyncRuntime>::Instant::now() + self.checkpoint_interval);
                Err(self.health.disk_full(0))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &StorageError) -> StorageError {
        if error.is_damage() {
            self.health.damaged(error);
        }
        self.health.poison(error)
    }

    fn changed(&mut self, bytes: usize) {
        self.dirty_bytes += bytes as u64;
        let interval = self.checkpoint_interval;
        self.due.get_or_insert_with(|| <Runtime as AsyncRuntime>::Instant::now() + interval);
    }

    fn apply(&mut self, batch: &mut Batch) {
        let Batch { entries, replies, bytes } = std::mem::take(batch);
        if entries.is_empty() {
            return;
        }
        match self.store.apply(&entries) {
            Ok(responses) => {
                self.changed(bytes);
                for (reply, responses) in replies.into_iter().zip(responses) {
                    let _gone = reply.send(Ok(responses));
                }
            }
            Err(error) => {
                let error = self.failed(&error);
                for reply in replies {
                    let _gone = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn other(&mut self, work: Work) -> Option<oneshot::Sender<()>> {
        match work {
            Work::Checkpoint(reply) => {
                let _gone = reply.send(self.checkpoint());
            }
            Work::Compact(reply) => {
                let done = self.checkpoint().and_then(|_| self.store.compact());
                let _gone = reply.send(done);
            }
            Work::Run(run) => {
                run(&self.store);
                self.changed(0);
            }
            Work::Stop(done) => return Some(done),
            Work::Apply { .. } | Work::Due => {}
        }
        None
    }
}

#[cfg(all(test, not(simulation)))]
mod tests {
    use std::path::Path;

    use bytes::Bytes;

    use super::*;
    use crate::{
        disk::Disk as _,
        kv::{Key, KeyRange, Timestamp, Transaction, WriteBatch},
        log::LogOptions,
        range::{RangeDescriptor, Space},
        state::{Membership, Phase},
        testing::SimulatedDisk,
    };

    const PATH: &str = "/data/state/0.redb";
    const RANGE: RangeId = RangeId::FIRST_USER;

    fn new(interval: Duration, checkpoint_bytes: u64) -> (SimulatedDisk, Applier, Worker) {
        let disk = SimulatedDisk::new();
        let descriptor = RangeDescriptor { id: RANGE, space: Space::User, keys: KeyRange::all(), version: 1 };
        let membership = Membership { id: LogId::BIRTH, bytes: Bytes::new() };
        let group = Group { descriptor, applied: LogId::BIRTH, membership, phase: Phase::Live };
        Store::create(Path::new(PATH), &disk, &[group]).unwrap();
        let store = Store::open(PATH.into(), &disk, 1 << 20).unwrap().unwrap();
        store.attach().unwrap();
        let health = Arc::new(Health::new("/data".into(), Arc::new(disk.clone()), 0));
        let wal = Path::new("/data/wal");
        disk.create_dir(wal).unwrap();
        let options = LogOptions {
            folder: wal.into(),
            disk: Arc::new(disk.clone()),
            segment_bytes: 1 << 20,
            spare_segments_max: 0,
            batch_bytes_max: 1 << 20,
            cache_bytes_max: 1 << 20,
            segments_kept: 2,
            reserve_bytes: 0,
            salt: 1,
            no_fsync: false,
        };
        let (log, _unstarted) = Log::open(options, &BTreeMap::new()).unwrap();
        let (applier, worker) = Applier::new(Arc::new(store), health, log, checkpoint_bytes, interval);
        (disk, applier, worker)
    }

    fn payload(batch: WriteBatch) -> Payload {
        let action = Action::Transact(Transaction { conditions: Vec::new(), batch });
        Payload::Command(Proposal { version: 1, session: None, now: Timestamp(1), action }.encode())
    }

    fn put(key: &'static str) -> Payload {
        let mut batch = WriteBatch::new();
        batch.put(key, "value");
        payload(batch)
    }

    fn next(index: u64) -> LogId {
        LogId { index: LogId::BIRTH.index + index, ..LogId::BIRTH }
    }

    #[test]
    fn only_what_is_short_is_applied_where_it_comes_from() {
        let group = |payloads: Vec<Payload>| GroupEntries {
            range: RANGE,
            entries: payloads.into_iter().map(|payload| (LogId::BIRTH, payload)).collect(),
        };
        assert!(is_short(&group(vec![Payload::Blank, put("a")]), 100));
        assert!(!is_short(&group(vec![put("a"); DIRECT_ENTRIES + 1]), 100));
        assert!(!is_short(&group(vec![put("a")]), DIRECT_BYTES + 1));
        let (mut delete, mut span) = (WriteBatch::new(), WriteBatch::new());
        delete.delete("a");
        span.delete_range(KeyRange::all());
        for long in [payload(delete), payload(span), Payload::Command(Bytes::from_static(b"?"))] {
            assert!(!is_short(&group(vec![long]), 100));
        }
        let verify = Proposal { version: 1, session: None, now: Timestamp(1), action: Action::Verify };
        assert!(!is_short(&group(vec![Payload::Command(verify.encode())]), 100));
    }

    /// What is applied behind the worker's back is made durable all the same, by the clock or by its bytes.
    #[tokio::test]
    async fn a_checkpoint_follows_what_was_applied_directly() {
        let hour = Duration::from_secs(3600);
        for (interval, bytes) in [(Duration::from_millis(1), u64::MAX), (hour, 1)] {
            let (disk, applier, worker) = new(interval, bytes);
            // It waits without a deadline before anything is applied.
            let worker = tokio::spawn(worker.run());
            tokio::task::yield_now().await;
            applier.apply(RANGE, vec![(next(1), put("k"))]).await.unwrap();
            let durable = async {
                while applier.writer.lock().due.is_some() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(60), durable).await.expect("no checkpoint came");
            let disk = disk.after_power_cut(1);
            applier.stop().await;
            worker.await.unwrap();
            let store = Store::open(PATH.into(), &disk, 1 << 20).unwrap().unwrap();
            let read = store.view().unwrap().batch_get(Space::User, &[Key::from("k")], Timestamp(1)).unwrap();
            assert!(read.found.first().unwrap().is_some());
        }
    }

    /// A thread that writes for long, as for a checkpoint, holds up nobody's reactor: the worker waits.
    #[tokio::test]
    async fn while_somebody_writes_the_worker_applies() {
        let (_disk, applier, worker) = new(Duration::from_secs(3600), u64::MAX);
        let writing = applier.writer.lock();
        let mut applying = Box::pin(applier.apply(RANGE, vec![(next(1), put("k"))]));
        assert!(futures_util::poll!(&mut applying).is_pending());
        drop(writing);
        let worker = tokio::spawn(worker.run());
        assert_eq!(applying.await.unwrap(), [Some(Response::Done(Vec::new()))]);
        applier.stop().await;
        worker.await.unwrap();
    }
}
