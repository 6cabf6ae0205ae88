//! A result on its way to a reader who may be slow, or gone.

use std::{io, sync::Arc, time::Instant};

use arrow::{array::RecordBatch, buffer::Buffer, ipc::writer::StreamEncoder};
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
    output::{self, Format, OutputError, ResultWriter},
};

/// Bytes that are gathered before they are sent.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a slow reader; the query waits with them.
const CHUNKS_MAX: usize = 4;
/// Bytes of a column's buffer from which it is sent as it lies in memory; smaller ones are copied together.
const WHOLE_BYTES: usize = 16 << 10;

/// Told behind the rows.
pub(super) const ROWS: &str = "x-genomdb-rows";
/// Told behind the rows.
pub(super) const ELAPSED: &str = "x-genomdb-elapsed-ms";

/// Part of a result.
enum Chunk {
    /// Its bytes, in pieces that follow one another.
    Data(Vec<Bytes>),
    /// What is told behind them, at its end.
    Totals(HeaderMap),
}

type Sender = mpsc::Sender<Result<Chunk, Broken>>;

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
        Body::new(StreamBody::new(frames(receiver, end)))
    }

    async fn send(mut self, sender: &Sender) -> Result<(), Broken> {
        let sink = Sink::default();
        let mut document = Document::begin(&self, &sink)?;
        let mut rows = 0;
        let mut next = self.first.take();
        loop {
            if let Some(batch) = next.take() {
                rows += batch.num_rows() as u64;
                document.write(&sink, &batch)?;
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
            let _gone = sender.send(Ok(Chunk::Totals(trailers))).await;
        }
        Ok(())
    }
}

/// What comes, up to the totals or an error. If neither comes, as when the query's task panicked, it is an
/// error too: nothing but the totals ends a result well.
fn frames(
    receiver: mpsc::Receiver<Result<Chunk, Broken>>,
    end: Option<SpawnedTask<()>>,
) -> impl Stream<Item = Result<Frame<Bytes>, Broken>> + Send + 'static {
    let chunks = stream::unfold(Some((receiver, end)), |state| async {
        let (mut receiver, end) = state?;
        let chunk = receiver.recv().await.unwrap_or(Err(Broken::Lost));
        let is_last = !matches!(chunk, Ok(Chunk::Data(_)));
        Some((chunk, (!is_last).then_some((receiver, end))))
    });
    chunks.flat_map(|chunk| {
        let frames = match chunk {
            Ok(Chunk::Data(pieces)) => pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect(),
            Ok(Chunk::Totals(trailers)) => vec![Ok(Frame::trailers(trailers))],
            Err(broken) => vec![Err(broken)],
        };
        stream::iter(frames)
    })
}

/// Breaks a result off at a moment.
async fn end_at(deadline: Instant, sender: Sender) {
    tokio::time::sleep_until(deadline.into()).await;
    let _gone = sender.send(Err(Broken::Timeout)).await;
}

/// What a writer wrote and nobody has taken yet.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Written>>);

#[derive(Default)]
struct Written {
    /// Pieces that nothing is added to any more.
    pieces: Vec<Bytes>,
    pieces_bytes: usize,
    /// The last one.
    open: Vec<u8>,
}

impl Written {
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.pieces_bytes += self.open.len();
            self.pieces.push(std::mem::take(&mut self.open).into());
        }
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().open.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink {
    fn len(&self) -> usize {
        let written = self.0.lock();
        written.pieces_bytes + written.open.len()
    }

    /// Takes buffers as they are, without copying what is long.
    fn push(&self, buffers: Vec<Buffer>) {
        let mut written = self.0.lock();
        for buffer in buffers {
            if buffer.len() < WHOLE_BYTES {
                written.open.extend_from_slice(&buffer);
            } else {
                written.close();
                written.pieces_bytes += buffer.len();
                written.pieces.push(Bytes::from_owner(Whole(buffer)));
            }
        }
    }

    /// Sends what there is; false if the reader is gone.
    async fn send(&self, sender: &Sender) -> bool {
        let pieces = {
            let mut written = self.0.lock();
            written.close();
            std::mem::take(&mut *written).pieces
        };
        pieces.is_empty() || sender.send(Ok(Chunk::Data(pieces))).await.is_ok()
    }
}

/// A buffer of a column, sent from where it lies.
struct Whole(Buffer);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A result as a document.
enum Document {
    Arrow(Box<StreamEncoder>),
    /// The rows stand between what they are and how many they were.
    Json(Box<dyn ResultWriter>),
    Other(Box<dyn ResultWriter>),
}

impl Document {
    fn begin(rows: &Rows, sink: &Sink) -> Result<Self, Broken> {
        let schema = rows.rest.schema();
        match rows.format {
            Format::Arrow => {
                let encoder = StreamEncoder::try_new(&schema).map_err(OutputError::from)?;
                Ok(Self::Arrow(Box::new(encoder)))
            }
            Format::Json => {
                let fields = schema.fields().iter().map(|field| {
                    json!({
                        "name": field.name(),
                        "type": field.data_type().to_string(),
                        "nullable": field.is_nullable(),
                    })
                });
                let fields = serde_json::Value::Array(fields.collect());
                let begin = format!("{{\"query_id\":\"{}\",\"schema\":{fields},\"rows\":", rows.id);
                sink.0.lock().open.extend_from_slice(begin.as_bytes());
                Ok(Self::Json(output::writer(Format::Json, schema, sink.clone())?))
            }
            format => Ok(Self::Other(output::writer(format, schema, sink.clone())?)),
        }
    }

    fn write(&mut self, sink: &Sink, batch: &RecordBatch) -> Result<(), OutputError> {
        match self {
            Self::Arrow(encoder) => sink.push(encoder.encode(batch)?),
            Self::Json(writer) | Self::Other(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    fn end(self, sink: &Sink, rows: u64, elapsed_ms: u64) -> Result<(), OutputError> {
        match self {
            Self::Arrow(encoder) => sink.push(encoder.finish()?),
            Self::Other(writer) => writer.finish()?,
            Self::Json(writer) => {
                writer.finish()?;
                let stats = json!({ "rows": rows, "elapsed_ms": elapsed_ms });
                sink.0.lock().open.extend_from_slice(format!(",\"stats\":{stats}}}\n").as_bytes());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn received(sent: Vec<Result<Chunk, Broken>>) -> Vec<Result<Frame<Bytes>, Broken>> {
        let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
        for chunk in sent {
            sender.send(chunk).await.unwrap();
        }
        drop(sender);
        frames(receiver, None).collect().await
    }

    #[tokio::test]
    async fn only_the_totals_end_a_result_well() {
        let data = || Ok(Chunk::Data(vec![Bytes::from_static(b"1"), Bytes::from_static(b"\n")]));
        let whole = received(vec![data(), Ok(Chunk::Totals(HeaderMap::new()))]).await;
        assert!(matches!(whole.as_slice(), [Ok(_), Ok(_), Ok(last)] if last.is_trailers()));
        // Its task is gone without a word.
        let lost = received(vec![data()]).await;
        assert!(matches!(lost.as_slice(), [Ok(_), Ok(_), Err(Broken::Lost)]));
        let broken = received(vec![data(), Err(Broken::Timeout), data()]).await;
        assert!(matches!(broken.as_slice(), [Ok(_), Ok(_), Err(Broken::Timeout)]));
    }

    #[test]
    fn long_buffers_stay_where_they_lie_and_nothing_changes_its_place() {
        let sink = Sink::default();
        let long = Buffer::from(vec![7_u8; WHOLE_BYTES]);
        let short = Buffer::from(vec![1_u8, 2]);
        sink.push(vec![short.clone(), short.clone(), long.clone(), short]);
        assert_eq!(sink.len(), WHOLE_BYTES + 6);
        let mut written = sink.0.lock();
        written.close();
        let pieces = std::mem::take(&mut *written).pieces;
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [4, WHOLE_BYTES, 2]);
        assert_eq!(pieces.get(1).unwrap().as_ptr(), long.as_ptr());
        assert_eq!(pieces.concat(), [&[1, 2, 1, 2][..], &vec![7; WHOLE_BYTES], &[1, 2]].concat());
    }
}
