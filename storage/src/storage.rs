//! The handle that callers hold: blocking inside, async at the door.

use std::{
    future::Future,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    block_on::block_on,
    config::Config,
    data_folder::DataFolder,
    error::StorageError,
    kv::{
        Key, KeyRange, Outcome, ScanLimit, ScanPage, Transaction, Value, WriteBatch, check_limits,
        check_range,
    },
    recovery::{Recovered, recover},
    wal::{self, Log, LogOptions},
    writer::{Maintenance, Message, Reply, Request, Shared, Writer},
};

/// Writes in flight are counted in units of this many bytes.
const PERMIT_BYTES: u64 = 1024;

/// An ordered key-value store in one folder; cheap to clone, all clones are the same store.
///
/// What was acknowledged is durable and seen by every read that begins later. A write whose future is
/// dropped may still take effect. Dropping the last handle closes the store and waits for that.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), genomdb_storage::StorageError> {
/// use genomdb_storage::{Config, KeyRange, ScanLimit, Storage, WriteBatch};
///
/// let folder = tempfile::tempdir().unwrap();
/// let storage = Storage::open(folder.path(), Config::default())?;
/// let mut batch = WriteBatch::new();
/// batch.put("chr1", "ACGT").put("chr2", "TTTT").delete("chr3");
/// storage.write_blocking(batch)?;
/// assert_eq!(storage.batch_get_blocking(&["chr1".into()])?, [Some("ACGT".into())]);
/// let page = storage.scan_blocking(&KeyRange::all(), ScanLimit::default())?;
/// assert_eq!(page.entries.len(), 2);
/// storage.close_blocking()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Storage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    writes_in_flight: Arc<Semaphore>,
    /// Threads are started by the first write: a process that only reads has none.
    writer: Mutex<WriterState>,
    /// Held until everything else is closed.
    folder: Mutex<Option<DataFolder>>,
}

#[derive(Debug)]
enum WriterState {
    /// Waits for the first write.
    Waiting(Log),
    Running(Writer),
    Closed,
}

/// How large the store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Keys present.
    pub keys: u64,
    /// Bytes that the state files take on the disk, checksums included.
    pub state_bytes: u64,
    /// Bytes in the log's segments.
    pub log_bytes: u64,
    /// Number of the last applied entry.
    pub applied_index: u64,
}

impl Storage {
    /// Opens the store in `folder`, creating it if absent, and replays what a crash left in the log.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] names the process that has the folder open;
    /// [`StorageError::Corrupt`] the bytes that are not what was written.
    pub fn open(folder: impl AsRef<Path>, config: Config) -> Result<Self, StorageError> {
        config.validate()?;
        let folder = DataFolder::open(folder.as_ref(), config.disk.as_ref())?;
        let Recovered { state, durable, next_segment, next_index } = recover(&folder, &config)?;
        let in_flight = config.write_bytes_in_flight_max / PERMIT_BYTES;
        let options = LogOptions {
            folder: folder.wal(),
            disk: Arc::clone(&config.disk),
            segment_bytes: config.segment_bytes,
            spare_segments_max: usize::try_from(config.spare_segments_max).unwrap_or(0),
        };
        let shared = Arc::new(Shared::new(config, folder.path().to_owned(), state, durable));
        let log = Log::new(options, next_segment, next_index, Arc::clone(&shared.log_bytes));
        Ok(Self(Arc::new(Inner {
            shared,
            writes_in_flight: Arc::new(Semaphore::new(in_flight as usize)),
            writer: Mutex::new(WriterState::Waiting(log)),
            folder: Mutex::new(Some(folder)),
        })))
    }

    /// The settings it was opened with.
    pub fn config(&self) -> &Config {
        &self.0.shared.config
    }

    /// Reads values, all at one moment; they come in the order of `keys`.
    pub async fn batch_get(&self, keys: Vec<Key>) -> Result<Vec<Option<Value>>, StorageError> {
        self.read(move |storage| storage.batch_get_blocking(&keys)).await
    }

    /// As [`Storage::batch_get`], for callers that may block.
    pub fn batch_get_blocking(&self, keys: &[Key]) -> Result<Vec<Option<Value>>, StorageError> {
        self.0.shared.state.batch_get(keys)
    }

    /// Reads entries of a range in key order, up to `limit`; [`ScanPage::next`] is what is left.
    ///
    /// Each page is read at one moment; pages of one scan may be of different moments.
    pub async fn scan(
        &self,
        range: KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<(Key, Value)>, StorageError> {
        self.read(move |storage| storage.scan_blocking(&range, limit)).await
    }

    /// As [`Storage::scan`], for callers that may block.
    pub fn scan_blocking(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<(Key, Value)>, StorageError> {
        check_range(range, self.config())?;
        self.0.shared.state.scan(range, limit, |key, value| {
            let entry = (Key::copy_from_slice(key), Value::copy_from_slice(value));
            (entry, key.len() + value.len())
        })
    }

    /// Reads keys of a range in order, without their values.
    pub async fn scan_keys(&self, range: KeyRange, limit: ScanLimit) -> Result<ScanPage<Key>, StorageError> {
        self.read(move |storage| storage.scan_keys_blocking(&range, limit)).await
    }

    /// As [`Storage::scan_keys`], for callers that may block.
    pub fn scan_keys_blocking(
        &self,
        range: &KeyRange,
        limit: ScanLimit,
    ) -> Result<ScanPage<Key>, StorageError> {
        check_range(range, self.config())?;
        self.0.shared.state.scan(range, limit, |key, _| (Key::copy_from_slice(key), key.len()))
    }

    /// Writes a batch: all of it or nothing; durable and visible when it returns.
    ///
    /// Several may be in flight at once; they take effect in the order of the calls' first poll, and
    /// share fsyncs.
    ///
    /// # Errors
    ///
    /// After [`StorageError::Poisoned`] it is unknown whether the batch took effect; after any other
    /// error it did not and will not.
    pub async fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let transaction = Transaction { conditions: Vec::new(), batch };
        // Without conditions there is none to fail.
        self.transact(transaction).await.map(|_committed| ())
    }

    /// As [`Storage::write`], for callers that may block.
    pub fn write_blocking(&self, batch: WriteBatch) -> Result<(), StorageError> {
        block_on(self.write(batch))
    }

    /// Writes a batch if its conditions hold, judged at the moment at which it takes effect.
    ///
    /// # Errors
    ///
    /// As [`Storage::write`]. A failed condition is no error but an [`Outcome`].
    pub async fn transact(&self, transaction: Transaction) -> Result<Outcome, StorageError> {
        let shared = &self.0.shared;
        check_limits(&transaction, &shared.config)?;
        if let Some(error) = shared.poisoned() {
            return Err(error);
        }
        if transaction.conditions.is_empty() && transaction.batch.is_empty() {
            return Ok(Outcome::Committed);
        }
        let max = shared.config.write_bytes_in_flight_max / PERMIT_BYTES;
        let units = (transaction.batch.bytes() / PERMIT_BYTES + 1).min(max);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.0.writes_in_flight).acquire_many_owned(units).await;
        let permit = permit.map_err(|_| StorageError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.0.send(Message::Write(Request { transaction, reply, _permit: permit }))?;
        self.0.answer(answer.await)
    }

    /// As [`Storage::transact`], for callers that may block.
    pub fn transact_blocking(&self, transaction: Transaction) -> Result<Outcome, StorageError> {
        block_on(self.transact(transaction))
    }

    /// Moves everything written so far from the log to the state file, durably.
    ///
    /// Nobody needs to: it happens by itself. It makes the next opening after a crash faster.
    pub async fn checkpoint(&self) -> Result<(), StorageError> {
        self.maintain(Maintenance::Checkpoint).await
    }

    /// Gives space that deleted keys took back to the file system.
    ///
    /// Reads and writes wait meanwhile, which may be long.
    pub async fn compact(&self) -> Result<(), StorageError> {
        self.maintain(Maintenance::Compact).await
    }

    /// Measures the store.
    pub async fn stats(&self) -> Result<Stats, StorageError> {
        self.read(Self::stats_blocking).await
    }

    /// As [`Storage::stats`], for callers that may block.
    pub fn stats_blocking(&self) -> Result<Stats, StorageError> {
        let Shared { state, log_bytes, .. } = self.0.shared.as_ref();
        Ok(Stats {
            keys: state.keys()?,
            state_bytes: state.pages().allocated_bytes()?,
            log_bytes: log_bytes.load(Ordering::Relaxed),
            applied_index: state.applied()?.index,
        })
    }

    /// Finishes the writes in flight, makes a checkpoint and gives the folder free.
    ///
    /// Later calls on any clone answer [`StorageError::Closed`]; closing twice does nothing.
    pub async fn close(&self) -> Result<(), StorageError> {
        let storage = self.clone();
        joined(tokio::task::spawn_blocking(move || storage.close_blocking())).await
    }

    /// As [`Storage::close`], for callers that may block.
    pub fn close_blocking(&self) -> Result<(), StorageError> {
        self.0.close()
    }

    /// Runs a read off the reactor.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let storage = self.clone();
        joined(tokio::task::spawn_blocking(move || read(&storage))).await
    }

    async fn maintain(&self, work: impl FnOnce(Reply<()>) -> Maintenance) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Message::Maintain(work(reply)))?;
        self.0.answer(answer.await)
    }
}

/// What a blocking task returned. It is never cancelled; if it panicked, so do we.
async fn joined<T>(
    task: impl Future<Output = Result<Result<T, StorageError>, tokio::task::JoinError>>,
) -> Result<T, StorageError> {
    match task.await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StorageError::Closed),
    }
}

impl Inner {
    fn send(&self, message: Message) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if matches!(&*writer, WriterState::Waiting(_))
            && let WriterState::Waiting(log) = std::mem::replace(&mut *writer, WriterState::Closed)
        {
            *writer = WriterState::Running(Writer::start(&self.shared, log)?);
        }
        match &*writer {
            WriterState::Running(running) => running.messages.send(message).map_err(|_| StorageError::Closed),
            WriterState::Waiting(_) | WriterState::Closed => Err(StorageError::Closed),
        }
    }

    /// Without an answer the request was dropped: by closing, before anything was done for it, or by
    /// a thread that panicked.
    fn answer<T>(
        &self,
        answer: Result<Result<T, StorageError>, oneshot::error::RecvError>,
    ) -> Result<T, StorageError> {
        answer.unwrap_or_else(|_| {
            Err(match self.shared.poisoned() {
                Some(error) => error,
                None if self.writes_in_flight.is_closed() => StorageError::Closed,
                None => self.shared.poison(&"a thread of the store stopped"),
            })
        })
    }

    fn close(&self) -> Result<(), StorageError> {
        let mut folder = self.folder.lock();
        let Some(open) = folder.take() else { return Ok(()) };
        self.writes_in_flight.close();
        let writer = std::mem::replace(&mut *self.writer.lock(), WriterState::Closed);
        let done = match writer {
            WriterState::Running(writer) => self.finish(writer, &open),
            WriterState::Waiting(_) | WriterState::Closed => Ok(()),
        };
        self.shared.state.close();
        drop(open);
        done
    }

    /// Leaves a state that needs no log, and no log.
    fn finish(&self, writer: Writer, folder: &DataFolder) -> Result<(), StorageError> {
        let next = writer.stop();
        if let Some(error) = self.shared.poisoned() {
            return Err(error);
        }
        let Some(next) = next else { return Err(StorageError::Closed) };
        // Where that fails, the log still has everything for the next opening.
        let _detached = self.shared.state.pages().attach();
        if let Some(durable) = self.shared.state.checkpoint(Some(next))? {
            let wal = folder.wal();
            wal::remove_segments(&wal, self.shared.config.disk.as_ref(), durable.segment)
                .map_err(|error| StorageError::io("remove segments in", wal, error))?;
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the store was not closed cleanly; the log has what is missing");
        }
    }
}
