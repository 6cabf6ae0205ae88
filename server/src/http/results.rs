//! Results that are fetched later: of queries that were asked with `Prefer: respond-async`.
//!
//! A result lies in a file without a name, as an Arrow stream, until it is deleted, until its time is over,
//! or until the server ends: then the file system has the space back.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use datafusion::{
    error::DataFusionError, execution::SendableRecordBatchStream,
    physical_plan::stream::RecordBatchReceiverStreamBuilder,
};
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::problem::Problem;
use crate::{Principal, QueryId, Statement};

/// How long a result waits to be fetched, and again after each fetch.
const KEPT_FOR: Duration = Duration::from_secs(3600);
/// Bytes of all results that wait.
const BYTES_MAX: u64 = 10 << 30;
/// Queries whose results wait or are on their way.
const RESULTS_MAX: usize = 1_000;
/// Batches that are read ahead of a reader.
const READ_AHEAD: usize = 2;
const BUFFER_BYTES: usize = 1 << 20;

/// All results of a server; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Results(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    kept: Mutex<BTreeMap<QueryId, Kept>>,
    bytes: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Kept {
    owner: Principal,
    /// When it is forgotten; none while it is on its way.
    until: Option<Instant>,
    work: Option<AbortHandle>,
    result: Later,
}

/// What became of a query.
#[derive(Clone, Debug)]
pub(super) enum Later {
    /// It runs.
    Running,
    /// It is answered in a word.
    Done(String),
    /// It has rows.
    Rows(Arc<Stored>),
    /// It failed.
    Failed(Problem),
}

/// The rows of a result.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    bytes: u64,
    held: Arc<AtomicU64>,
    pub(super) statement: Statement,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Results {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(Arc::new(Shared { folder, kept: Mutex::default(), bytes: Arc::default() }))
    }

    /// Takes note of a query whose result comes later.
    pub(super) fn expect(&self, id: QueryId, owner: &Principal) -> Result<(), Problem> {
        let mut kept = self.0.kept.lock();
        let now = Instant::now();
        kept.retain(|_, kept| kept.until.is_none_or(|until| until > now));
        if kept.len() >= RESULTS_MAX {
            return Err(Problem::busy(format!("{RESULTS_MAX} results wait to be fetched")));
        }
        kept.insert(id, Kept { owner: owner.clone(), until: None, work: None, result: Later::Running });
        Ok(())
    }

    /// Says what works on it, so that [`Results::forget`] ends it.
    pub(super) fn work(&self, id: QueryId, work: AbortHandle) {
        if let Some(kept) = self.0.kept.lock().get_mut(&id) {
            kept.work = Some(work);
        }
    }

    /// Keeps what became of it.
    pub(super) fn keep(&self, id: QueryId, result: Later) {
        if let Some(kept) = self.0.kept.lock().get_mut(&id) {
            (kept.result, kept.work) = (result, None);
            kept.until = Instant::now().checked_add(KEPT_FOR);
        }
    }

    /// What became of a query, if it is one of these and `principal` asked it.
    pub(super) fn find(&self, id: QueryId, principal: &Principal) -> Option<Later> {
        let mut kept = self.0.kept.lock();
        let now = Instant::now();
        kept.retain(|_, kept| kept.until.is_none_or(|until| until > now));
        let kept = kept.get_mut(&id).filter(|kept| kept.owner == *principal)?;
        if kept.until.is_some() {
            kept.until = now.checked_add(KEPT_FOR);
        }
        Some(kept.result.clone())
    }

    /// Deletes a result, or ends the work on it; false if there is none.
    pub(super) fn forget(&self, id: QueryId, principal: &Principal) -> bool {
        let mut kept = self.0.kept.lock();
        if kept.get(&id).is_none_or(|kept| kept.owner != *principal) {
            return false;
        }
        let gone = kept.remove(&id);
        if let Some(work) = gone.and_then(|kept| kept.work) {
            work.abort();
        }
        true
    }

    /// Writes rows into a file.
    pub(super) async fn store(
        &self,
        statement: Statement,
        first: Option<RecordBatch>,
        mut rest: SendableRecordBatchStream,
    ) -> Result<Stored, Problem> {
        let folder = self.0.folder.clone();
        let schema = rest.schema();
        let held = Arc::clone(&self.0.bytes);
        let begun = blocking(move || Spool::begin(&folder, &schema, held)).await;
        let mut spool = begun.map_err(Problem::spool)?;
        let mut next = first;
        loop {
            if let Some(batch) = next.take() {
                spool = blocking(move || spool.write(&batch)).await.map_err(Problem::spool)?;
            }
            match rest.next().await {
                Some(Ok(batch)) => next = Some(batch),
                Some(Err(error)) => {
                    return Err(Problem::of_statement(&statement.error(error), &statement.text));
                }
                None => break,
            }
        }
        blocking(move || spool.finish(statement)).await.map_err(Problem::spool)
    }
}

/// Runs what waits for the disk off the reactor.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|lost| Err(io::Error::other(lost)))
}

/// A result while it is written; what it takes is given back unless it is finished.
struct Spool {
    writer: StreamWriter<BufWriter<Counted>>,
}

/// A file whose bytes count among those of all results.
struct Counted {
    file: File,
    bytes: u64,
    held: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len() as u64;
        if self.held.fetch_add(count, Ordering::Relaxed) + count > BYTES_MAX {
            self.held.fetch_sub(count, Ordering::Relaxed);
            return Err(io::Error::other(format!("results that wait take more than {BYTES_MAX} bytes")));
        }
        self.bytes += count;
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Spool {
    fn begin(folder: &std::path::Path, schema: &SchemaRef, held: Arc<AtomicU64>) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = Counted { file: tempfile::tempfile_in(folder)?, bytes: 0, held };
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { writer: StreamWriter::try_new(file, schema).map_err(io::Error::other)? })
    }

    fn write(mut self, batch: &RecordBatch) -> io::Result<Self> {
        self.writer.write(batch).map_err(io::Error::other)?;
        Ok(self)
    }

    fn finish(self, statement: Statement) -> io::Result<Stored> {
        let buffered = self.writer.into_inner().map_err(io::Error::other)?;
        let mut counted = buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        let file = counted.file.try_clone()?;
        // From here on they are counted by what is stored.
        let bytes = std::mem::take(&mut counted.bytes);
        Ok(Stored { file, bytes, held: Arc::clone(&counted.held), statement })
    }
}

/// Reads a file from its beginning, whoever else reads it.
struct FromBeginning {
    stored: Arc<Stored>,
    offset: u64,
}

impl Read for FromBeginning {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stored.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

impl Stored {
    /// The rows, as often as they are wanted. Needs a runtime; reads off the reactor.
    pub(super) async fn rows(self: &Arc<Self>) -> Result<SendableRecordBatchStream, Problem> {
        let source = FromBeginning { stored: Arc::clone(self), offset: 0 };
        let opened = blocking(move || {
            let source = BufReader::with_capacity(BUFFER_BYTES, source);
            StreamReader::try_new(source, None).map_err(io::Error::other)
        });
        let reader = opened.await.map_err(Problem::spool)?;
        let mut builder = RecordBatchReceiverStreamBuilder::new(reader.schema(), READ_AHEAD);
        let sender = builder.tx();
        builder.spawn_blocking(move || {
            for batch in reader {
                if sender.blocking_send(batch.map_err(DataFusionError::from)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        Ok(builder.build())
    }
}
