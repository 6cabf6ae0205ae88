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
                // The disk is full; the log keeps what is needed.
                self.postpone();
                Err(self.health.disk_full(0))
            }
            Err(error) => {
                self.postpone();
                Err(self.failed(&error))
            }
        }
    }

    /// A checkpoint that failed is tried again after the next interval, not at once and for ever.
    fn postpone(&mut self) {
        self.due = Some(<Runtime as AsyncRuntime>::Instant::now() + self.checkpoint_interval);
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
mod tests;
