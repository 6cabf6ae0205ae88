//! The way of a write: queue → log thread (append, one fsync for all that wait) → state thread
//! (apply, answer, checkpoint) → queue (what the log may forget).
//!
//! Two threads, so that one group is on its way to the disk while the one before is applied.

mod log_thread;
mod state_thread;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::{
    config::Config,
    error::StorageError,
    kv::{Outcome, Transaction},
    state::State,
    wal::{Log, LogPosition},
};

/// What both threads and the front door share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The data folder, for messages and for asking how much space there is.
    pub(crate) folder: PathBuf,
    pub(crate) state: State,
    /// Bytes of the log's segments.
    pub(crate) log_bytes: Arc<AtomicU64>,
    /// Bytes in the log that no checkpoint has.
    pub(crate) unflushed_bytes: AtomicU64,
    /// Up to here the log is no longer needed.
    pub(crate) durable: Mutex<LogPosition>,
    /// Why nothing is written any more.
    poison: Mutex<Option<Arc<str>>>,
}

impl Shared {
    pub(crate) fn new(config: Config, folder: PathBuf, state: State, durable: LogPosition) -> Self {
        Self {
            config,
            folder,
            state,
            log_bytes: Arc::default(),
            unflushed_bytes: AtomicU64::new(0),
            durable: Mutex::new(durable),
            poison: Mutex::new(None),
        }
    }

    /// The error that every write gets, if one failed for good.
    pub(crate) fn poisoned(&self) -> Option<StorageError> {
        let reason = self.poison.lock().clone()?;
        Some(StorageError::Poisoned { reason })
    }

    /// Free space without which a write of so many bytes is refused, if the log needs `log_bytes`.
    fn needed_bytes(&self, bytes: u64, log_bytes: u64) -> u64 {
        /// How much more space a write may take in the state than its bytes: redb's pages are powers
        /// of two, the smallest of which hold keys alone.
        const STATE_FACTOR: u64 = 2;
        let on_the_way = self.unflushed_bytes.load(Ordering::Relaxed) + bytes;
        self.config.disk_reserve_bytes + on_the_way.saturating_mul(STATE_FACTOR) + log_bytes
    }

    /// The error for a write of so many bytes that a full disk refused.
    fn disk_full(&self, bytes: u64, log_bytes: u64) -> StorageError {
        let available = self.config.disk.free_bytes(&self.folder).unwrap_or(0);
        let (path, needed) = (self.folder.clone(), self.needed_bytes(bytes, log_bytes));
        StorageError::DiskFull { path, available, needed }
    }

    /// Stops all writing; the first reason stays.
    pub(crate) fn poison(&self, reason: &dyn fmt::Display) -> StorageError {
        tracing::error!(%reason, "writing has stopped");
        let reason = Arc::clone(self.poison.lock().get_or_insert_with(|| Arc::from(reason.to_string())));
        StorageError::Poisoned { reason }
    }
}

/// Stops all writing if its thread panics: what became of the writes in its hands is unknown.
struct PoisonOnPanic<'a>(&'a Shared);

impl Drop for PoisonOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.poison(&"a thread of the store panicked");
        }
    }
}

/// The answer that a writer waits for.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

/// A write on its way.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) transaction: Transaction,
    pub(crate) reply: Reply<Outcome>,
    /// Its share of what may be in flight, given back when it is dropped.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// What comes to the log thread.
#[derive(Debug)]
pub(crate) enum Message {
    Write(Request),
    /// Handed on to the state thread, behind all writes before.
    Maintain(Maintenance),
    /// The state thread made a checkpoint.
    Purge,
    Close,
}

/// Work of the state thread that somebody asked for.
#[derive(Debug)]
pub(crate) enum Maintenance {
    /// Make everything durable in the state file.
    Checkpoint(Reply<()>),
    /// Make the state file small.
    Compact(Reply<()>),
}

/// A running writer.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) messages: mpsc::Sender<Message>,
    log_thread: JoinHandle<Log>,
    state_thread: JoinHandle<()>,
}

impl Writer {
    /// Starts both threads.
    pub(crate) fn start(shared: &Arc<Shared>, log: Log) -> Result<Self, StorageError> {
        /// Groups between the threads: one being applied, one waiting.
        const GROUPS_MAX: usize = 2;
        let (messages, inbox) = mpsc::channel();
        let (groups, applied) = mpsc::sync_channel(GROUPS_MAX);
        let failed = |error| StorageError::io("start a thread for", &shared.folder, error);
        let state_thread = thread::Builder::new()
            .name("storage-state".to_owned())
            .spawn({
                let (shared, messages) = (Arc::clone(shared), messages.clone());
                move || state_thread::run(&shared, &applied, &messages)
            })
            .map_err(failed)?;
        let log_thread = thread::Builder::new()
            .name("storage-log".to_owned())
            .spawn({
                let shared = Arc::clone(shared);
                move || log_thread::run(&shared, log, &inbox, &groups)
            })
            .map_err(failed)?;
        Ok(Self { messages, log_thread, state_thread })
    }

    /// Finishes all writes and stops; returns where the log goes on, unless a thread had died.
    pub(crate) fn stop(self) -> Option<LogPosition> {
        let _told = self.messages.send(Message::Close);
        let log = self.log_thread.join().ok();
        let state = self.state_thread.join().ok();
        state.and(log).map(|log| log.next_position())
    }
}

/// Takes a number of bytes off a counter.
fn subtract(counter: &AtomicU64, bytes: u64) {
    counter.fetch_sub(bytes, Ordering::Relaxed);
}
