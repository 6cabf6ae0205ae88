//! The rows of a result, decoded while they come.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use arrow::{
    array::RecordBatch, buffer::Buffer, datatypes::SchemaRef, error::ArrowError, ipc::reader::StreamDecoder,
};
use futures_util::{Stream, future::poll_fn};
use hyper::{
    HeaderMap,
    body::{Body as _, Incoming},
};

use crate::{Error, QueryId, connection::Lease};

/// The rows of a result, as batches. Dropping them ends the query.
pub struct Rows {
    id: Option<QueryId>,
    schema: SchemaRef,
    source: Source,
    /// A batch that came with the schema.
    first: Option<RecordBatch>,
}

/// What the server says of a result behind its last row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many rows it had.
    pub rows: Option<u64>,
    /// How many milliseconds it took.
    pub elapsed_ms: Option<u64>,
}

impl Rows {
    /// Reads up to the schema.
    pub(crate) async fn begin(id: Option<QueryId>, body: Incoming, lease: Lease) -> Result<Self, Error> {
        let mut source = Source {
            body,
            lease: Some(lease),
            decoder: StreamDecoder::new(),
            bytes: Buffer::from(Vec::<u8>::new()),
            rows: 0,
            totals: Totals::default(),
            is_over: false,
        };
        let first = poll_fn(|context| source.poll_batch(context)).await.transpose()?;
        let schema = source.decoder.schema().ok_or(Error::Truncated("it has no schema"))?;
        Ok(Self { id, schema, source, first })
    }

    /// What the server calls the query.
    pub const fn id(&self) -> Option<QueryId> {
        self.id
    }

    /// The columns.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the server says behind the last row; nothing before.
    pub const fn totals(&self) -> Totals {
        self.source.totals
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Rows")
            .field("id", &self.id)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Stream for Rows {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.first.take() {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            None => this.source.poll_batch(context),
        }
    }
}

struct Source {
    body: Incoming,
    /// Given back at the end of the body.
    lease: Option<Lease>,
    decoder: StreamDecoder,
    /// Bytes that came and are not decoded yet.
    bytes: Buffer,
    rows: u64,
    totals: Totals,
    is_over: bool,
}

impl Source {
    fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_next_batch(context));
        match next {
            Ok(Some(batch)) => {
                self.rows += batch.num_rows() as u64;
                Poll::Ready(Some(Ok(batch)))
            }
            Ok(None) => {
                self.is_over = true;
                let whole = self.end();
                Poll::Ready(whole.err().map(Err))
            }
            Err(error) => {
                self.is_over = true;
                self.lease = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn poll_next_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>, Error>> {
        loop {
            while !self.bytes.is_empty() {
                if let Some(batch) = self.decoder.decode(&mut self.bytes).map_err(Error::Decode)? {
                    return Poll::Ready(Ok(Some(batch)));
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Ok(None)),
                Some(Err(error)) => return Poll::Ready(Err(Error::Broken(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.bytes = Buffer::from(data),
                    Err(frame) => self.totals = frame.trailers_ref().map(totals).unwrap_or_default(),
                },
            }
        }
    }

    /// The body came to its end; so must the stream in it have.
    fn end(&mut self) -> Result<(), Error> {
        self.decoder.finish().map_err(|_| Error::Truncated("it ends in the middle of a batch"))?;
        // The decoder takes an end between two batches for good. Behind the mark of the end it takes no
        // further byte, and before it takes one.
        let mut probe = Buffer::from(vec![0_u8]);
        let is_marked = matches!(self.decoder.decode(&mut probe), Err(ArrowError::IpcError(_)));
        if !is_marked {
            return Err(Error::Truncated("it has no mark of its end"));
        }
        if self.totals.rows.is_some_and(|rows| rows != self.rows) {
            return Err(Error::Truncated("rows are missing"));
        }
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        Ok(())
    }
}

fn totals(trailers: &HeaderMap) -> Totals {
    let number = |name| trailers.get(name)?.to_str().ok()?.parse().ok();
    Totals { rows: number("x-genomdb-rows"), elapsed_ms: number("x-genomdb-elapsed-ms") }
}
