//! The ingest path: record batches that a client sends, or a query yields, become rows of a table.

use arrow::array::RecordBatch;
use datafusion::{error::DataFusionError, execution::SendableRecordBatchStream};
use futures::StreamExt;
use genomdb_loader::{CancelToken, IngestReport, LoadError};
use tokio::sync::mpsc;

pub use genomdb_loader::IngestMode;

use crate::{Node, QueryError, Role, Session, command::DEFAULT_DATASET, load::CancelOnDrop};

/// Batches that wait between the stream and the store.
const BATCHES_WAITING_MAX: usize = 1;

/// Where rows go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestRequest {
    /// The dataset of the table; empty is the default one.
    pub dataset: String,
    /// The table, by its exact name.
    pub table: String,
    /// What happens if the table exists, or does not.
    pub mode: IngestMode,
}

impl Node {
    /// Writes the rows of a stream into a table of rows, all of them or none; returns how many there were.
    ///
    /// The stream is read as fast as the store writes. Readers see the table as it was until all of its rows
    /// are written, and then with all of them. Dropping the future cancels the ingest; [`Node::close`] waits
    /// until what it wrote is taken back.
    ///
    /// # Errors
    ///
    /// If whoever asks may not write; if the table is not as the mode wants it, is of another kind, or has other
    /// columns; what the stream yields as an error; if the rows cannot be stored. The table is then as it was.
    pub async fn ingest(
        &self,
        session: &Session,
        request: IngestRequest,
        batches: SendableRecordBatchStream,
    ) -> Result<u64, QueryError> {
        session.require(Role::Writer, "an ingest")?;
        let running = self.begin_load().await;
        let cancel = CancelToken::new();
        let stop_when_dropped = CancelOnDrop(cancel.clone());
        let IngestRequest { dataset, table, mode } = request;
        let dataset = if dataset.is_empty() { DEFAULT_DATASET.to_owned() } else { dataset };
        let (schema, config) = (batches.schema(), self.loader_config());
        let request = genomdb_loader::IngestRequest { dataset, table, mode, schema, config };
        // `None` is the end; a channel that closes without it belongs to a future that was dropped.
        let (sender, mut receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        let (storage, catalogs) = (self.storage().clone(), self.catalogs_shared());
        let work = tokio::task::spawn_blocking(move || {
            let _running = running;
            let mut next = || receiver.blocking_recv().unwrap_or(Err(LoadError::Cancelled));
            let mut report = genomdb_loader::ingest(&storage, &request, &mut next, &cancel)?;
            if let Some(garbage) = report.garbage.take() {
                catalogs.leave(garbage);
                if let Err(error) = catalogs.collect() {
                    // The new rows are there; the old ones lie in nobody's way.
                    tracing::warn!(%error, "replaced rows were not deleted");
                }
            }
            Ok(report)
        });
        let failed = feed(batches, sender).await;
        let result: Result<IngestReport, LoadError> =
            work.await.unwrap_or_else(|failure| match failure.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(LoadError::Cancelled),
            });
        std::mem::forget(stop_when_dropped);
        match (failed, result) {
            (Some(error), Err(LoadError::Cancelled)) => Err(error.into()),
            (_, result) => Ok(result?.rows),
        }
    }
}

/// What goes from the stream to the store; `None` is the end.
type Item = Result<Option<RecordBatch>, LoadError>;

/// Sends the batches of a stream; returns the error that ended it.
async fn feed(mut batches: SendableRecordBatchStream, sender: mpsc::Sender<Item>) -> Option<DataFusionError> {
    loop {
        let batch = tokio::select! {
            biased;
            // The ingest has failed, and says itself why.
            () = sender.closed() => return None,
            batch = batches.next() => batch,
        };
        match batch.transpose() {
            Ok(Some(batch)) => drop(sender.send(Ok(Some(batch))).await),
            Ok(None) => {
                // It may hold rows that the new ones replace.
                drop(batches);
                drop(sender.send(Ok(None)).await);
                return None;
            }
            Err(error) => return Some(error),
        }
    }
}
