//! Batches of any size become chunks of about one size.

use arrow_array::{Array, RecordBatch};
use arrow_schema::SchemaRef;
use arrow_select::concat::concat_batches;
use genomdb_layout::{
    LayoutError,
    rows::{CHUNK_ROWS_MAX, EncodedChunk, encode_chunk},
};

use crate::LoadError;

/// Gathers rows until they are worth a chunk.
pub(super) struct Chunker {
    schema: SchemaRef,
    chunk_bytes: usize,
    pending: Vec<RecordBatch>,
    pending_rows: usize,
    pending_bytes: usize,
    /// Rows that are in chunks.
    rows: u64,
}

/// Where finished chunks go.
type Sink<'a> = dyn FnMut(EncodedChunk) + 'a;

impl Chunker {
    pub(super) fn new(schema: SchemaRef, chunk_bytes: usize) -> Self {
        Self { schema, chunk_bytes, pending: Vec::new(), pending_rows: 0, pending_bytes: 0, rows: 0 }
    }

    /// Takes rows of the schema.
    pub(super) fn push(&mut self, batch: RecordBatch, sink: &mut Sink<'_>) -> Result<(), LoadError> {
        let rows = batch.num_rows();
        let bytes = bytes(&batch);
        // A batch may be a whole table; its rows are about the same size.
        let fitting = rows.saturating_mul(self.chunk_bytes) / bytes.max(1);
        let step = fitting.clamp(1, CHUNK_ROWS_MAX);
        for start in (0..rows).step_by(step) {
            let slice = batch.slice(start, step.min(rows - start));
            if self.pending_rows + slice.num_rows() > CHUNK_ROWS_MAX {
                self.flush(sink)?;
            }
            self.pending_rows += slice.num_rows();
            self.pending_bytes += bytes * slice.num_rows() / rows;
            self.pending.push(slice);
            if self.pending_bytes >= self.chunk_bytes {
                self.flush(sink)?;
            }
        }
        Ok(())
    }

    /// Makes a chunk of what is left.
    pub(super) fn finish(mut self, sink: &mut Sink<'_>) -> Result<(), LoadError> {
        self.flush(sink)
    }

    fn flush(&mut self, sink: &mut Sink<'_>) -> Result<(), LoadError> {
        let pending = std::mem::take(&mut self.pending);
        (self.pending_rows, self.pending_bytes) = (0, 0);
        match concat_batches(&self.schema, &pending) {
            Ok(joined) if joined.num_rows() > 0 => self.encode(&joined, sink),
            Ok(_) => Ok(()),
            // Dictionaries, say, that together have more values than their keys can number.
            Err(_) => pending.iter().try_for_each(|batch| self.encode(batch, sink)),
        }
    }

    /// Makes a chunk of rows, or several where one would be too large.
    fn encode(&mut self, batch: &RecordBatch, sink: &mut Sink<'_>) -> Result<(), LoadError> {
        let rows = batch.num_rows();
        match encode_chunk(batch) {
            Ok(chunk) => {
                sink(chunk);
                self.rows += rows as u64;
                Ok(())
            }
            Err(LayoutError::RecordTooLarge { .. }) if rows > 1 => {
                self.encode(&batch.slice(0, rows / 2), sink)?;
                self.encode(&batch.slice(rows / 2, rows - rows / 2), sink)
            }
            Err(source) => Err(LoadError::Row { row: self.rows + 1, source }),
        }
    }
}

/// About how many bytes the rows of a batch take.
fn bytes(batch: &RecordBatch) -> usize {
    let column = |column: &arrow_array::ArrayRef| {
        // Of a slice, only what is its own.
        let slice = column.to_data().get_slice_memory_size();
        slice.unwrap_or_else(|_| column.get_array_memory_size())
    };
    batch.columns().iter().map(column).sum()
}
