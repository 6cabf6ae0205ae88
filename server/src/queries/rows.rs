//! The rows of a query on their way to its reader: counted, bounded, and stopped when it is to stop.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    error::DataFusionError,
    execution::{RecordBatchStream, SendableRecordBatchStream},
};
use futures::Stream;

use super::{Interruption, Outcome, Registration, RunningQuery};
use crate::admission::Permit;

/// Ends with an error when the query is stopped or returns more than it may.
pub(super) struct Rows {
    /// None behind the end: dropping them ends the work.
    rows: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    stopped: Pin<Box<dyn Future<Output = Interruption> + Send>>,
    /// Given back with the rows.
    permit: Option<Permit>,
    rows_max: u64,
    bytes_max: u64,
    query: Arc<RunningQuery>,
    /// None behind the end: then it is on the list no more.
    registration: Option<Registration>,
}

impl Rows {
    pub(super) fn new(
        rows: SendableRecordBatchStream,
        permit: Permit,
        (rows_max, bytes_max): (u64, u64),
        registration: Registration,
    ) -> Self {
        let schema = rows.schema();
        let query = Arc::clone(&registration.query);
        let (waiting, deadline) = (Arc::clone(&query), registration.deadline);
        let stopped = Box::pin(async move { super::interrupted(&waiting, deadline).await });
        let permit = Some(permit);
        Self {
            rows: Some(rows),
            schema,
            stopped,
            permit,
            rows_max,
            bytes_max,
            query,
            registration: Some(registration),
        }
    }

    /// What a batch makes of the query.
    fn bounded(&self, batch: &RecordBatch) -> Result<(), Interruption> {
        let bytes = batch.get_array_memory_size() as u64;
        let (rows, bytes) = self.query.count(batch.num_rows() as u64, bytes);
        match (self.rows_max, self.bytes_max) {
            (max, _) if max != 0 && rows > max => Err(Interruption::ResultRows(max)),
            (_, max) if max != 0 && bytes > max => Err(Interruption::ResultBytes(max)),
            _ => Ok(()),
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.query.end(outcome);
        (self.rows, self.permit, self.registration) = (None, None, None);
    }

    fn interrupt(
        &mut self,
        interruption: Interruption,
    ) -> Poll<Option<Result<RecordBatch, DataFusionError>>> {
        self.end(Outcome::of(Some(&interruption), &interruption));
        Poll::Ready(Some(Err(interruption.into())))
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rows.is_some()
            && let Poll::Ready(interruption) = self.stopped.as_mut().poll(context)
        {
            return self.interrupt(interruption);
        }
        let Some(rows) = self.rows.as_mut() else { return Poll::Ready(None) };
        let next = std::task::ready!(rows.as_mut().poll_next(context));
        match next {
            Some(Ok(batch)) => match self.bounded(&batch) {
                Ok(()) => Poll::Ready(Some(Ok(batch))),
                Err(interruption) => self.interrupt(interruption),
            },
            Some(Err(error)) => {
                self.end(Outcome::of(Interruption::of(&error), &error));
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.end(Outcome::Done);
                Poll::Ready(None)
            }
        }
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
