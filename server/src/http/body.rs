//! A result on its way to a reader who may be slow, or gone.

use std::{io, sync::Arc, time::Instant};

use arrow::array::RecordBatch;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue},
};
use datafusion::{common::runtime::SpawnedTask, execution::SendableRecordBatchStream};
use futures::{Stream, StreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use parking_lot::Mutex;
use serde_json::json;
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    QueryError, QueryId, Statement, milliseconds,
    output::{Format, OutputError, ResultWriter, writer},
};

/// Bytes that are gathered before they are sent.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a slow reader; the query waits with them.
const CHUNKS_MAX: usize = 4;

/// Told behind the rows.
pub(super) const ROWS: &str = "x-genomdb-rows";
/// Told behind the rows.
pub(super) const ELAPSED: &str = "x-genomdb-elapsed-ms";

type Chunk = Result<Frame<Bytes>, Broken>;

/// A result that ends in its middle; whoever reads it sees a broken connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the query took longer than its timeout")]
    Timeout,
    #[error("the query failed in an unexpected way")]
    Lost,
}

/// Rows that have begun to come.
pub(super) struct Rows {
    pub(super) id: QueryId,
    pub(super) statement: Statement,
    pub(super) format: Format,
    /// The first rows, which came before anything was sent.
    pub(super) first: Option<RecordBatch>,
    pub(super) rest: SendableRecordBatchStream,
    pub(super) began: Instant,
}

impl Rows {
    /// Sends them; the query goes on as fast as they are read, and ends when nobody does any more, or at the
    /// deadline.
    pub(super) fn into_body(self, queries: &Handle, deadline: Option<Instant>) -> Body {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        let end = deadline.map(|deadline| SpawnedTask::spawn(end_at(deadline, sender.clone())));
        queries.spawn(async move {
            let (id, text) = (self.id, self.statement.text.clone());
            if let Err(broken) = self.send(&sender).await {
                tracing::warn!(%id, %text, %broken, "a result ends in its middle");
                // The reader may be gone, too.
                let _gone = sender.send(Err(broken)).await;
            }
        });
        Body::new(StreamBody::new(chunks(receiver, end)))
    }

    async fn send(mut self, sender: &mpsc::Sender<Chunk>) -> Result<(), Broken> {
        let sink = Sink::default();
        let mut document = Document::begin(&self, &sink)?;
        let mut rows = 0;
        let mut next = self.first.take();
        loop {
            if let Some(batch) = next.take() {
                rows += batch.num_rows() as u64;
                document.writer.write(&batch)?;
                if sink.len() >= CHUNK_BYTES && !sink.send(sender).await {
                    return Ok(());
                }
            }
            let batch = tokio::select! {
                biased;
                () = sender.closed() => return Ok(()),
                batch = self.rest.next() => batch,
            };
            match batch {
                Some(batch) => next = Some(batch.map_err(|error| self.statement.error(error))?),
                None => break,
            }
        }
        let elapsed = milliseconds::of(self.began.elapsed());
        document.end(&sink, rows, elapsed)?;
        if sink.send(sender).await {
            let mut trailers = HeaderMap::new();
            trailers.insert(ROWS, HeaderValue::from(rows));
            trailers.insert(ELAPSED, HeaderValue::from(elapsed));
            let _gone = sender.send(Ok(Frame::trailers(trailers))).await;
        }
        Ok(())
    }
}

/// What comes, up to the totals or an error. If neither comes, as when the query's task panicked, it is an
/// error too: nothing but the totals ends a result well.
fn chunks(
    receiver: mpsc::Receiver<Chunk>,
    end: Option<SpawnedTask<()>>,
) -> impl Stream<Item = Chunk> + Send + 'static {
    stream::unfold(Some((receiver, end)), |state| async {
        let (mut receiver, end) = state?;
        let chunk = receiver.recv().await.unwrap_or(Err(Broken::Lost));
        let is_last = chunk.as_ref().map_or(true, Frame::is_trailers);
        Some((chunk, (!is_last).then_some((receiver, end))))
    })
}

/// Breaks a result off at a moment.
async fn end_at(deadline: Instant, sender: mpsc::Sender<Chunk>) {
    tokio::time::sleep_until(deadline.into()).await;
    let _gone = sender.send(Err(Broken::Timeout)).await;
}

/// What a writer wrote and nobody has taken yet.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Sends what there is; false if the reader is gone.
    async fn send(&self, sender: &mpsc::Sender<Chunk>) -> bool {
        let bytes = std::mem::take(&mut *self.0.lock());
        bytes.is_empty() || sender.send(Ok(Frame::data(bytes.into()))).await.is_ok()
    }
}

/// A result as a document: in JSON, the rows stand between what they are and how many they were.
struct Document {
    writer: Box<dyn ResultWriter>,
    is_json: bool,
}

impl Document {
    fn begin(rows: &Rows, sink: &Sink) -> Result<Self, Broken> {
        let is_json = rows.format == Format::Json;
        let schema = rows.rest.schema();
        if is_json {
            let fields = schema.fields().iter().map(|field| {
                json!({
                    "name": field.name(),
                    "type": field.data_type().to_string(),
                    "nullable": field.is_nullable(),
                })
            });
            let fields = serde_json::Value::Array(fields.collect());
            let begin = format!("{{\"query_id\":\"{}\",\"schema\":{fields},\"rows\":", rows.id);
            sink.0.lock().extend_from_slice(begin.as_bytes());
        }
        let writer = writer(rows.format, schema, sink.clone())?;
        Ok(Self { writer, is_json })
    }

    fn end(self, sink: &Sink, rows: u64, elapsed_ms: u64) -> Result<(), Broken> {
        self.writer.finish()?;
        if self.is_json {
            let stats = json!({ "rows": rows, "elapsed_ms": elapsed_ms });
            sink.0.lock().extend_from_slice(format!(",\"stats\":{stats}}}\n").as_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(sent: Vec<Chunk>) -> Vec<Chunk> {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        for chunk in sent {
            sender.send(chunk).await.unwrap();
        }
        drop(sender);
        chunks(receiver, None).collect().await
    }

    #[tokio::test]
    async fn only_the_totals_end_a_result_well() {
        let data = || Ok(Frame::data(Bytes::from_static(b"1\n")));
        let whole = received(vec![data(), Ok(Frame::trailers(HeaderMap::new()))]).await;
        assert!(matches!(whole.as_slice(), [Ok(_), Ok(last)] if last.is_trailers()));
        // Its task is gone without a word.
        let lost = received(vec![data()]).await;
        assert!(matches!(lost.as_slice(), [Ok(_), Err(Broken::Lost)]));
        let broken = received(vec![data(), Err(Broken::Timeout), data()]).await;
        assert!(matches!(broken.as_slice(), [Ok(_), Err(Broken::Timeout)]));
    }
}
