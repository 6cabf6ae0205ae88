//! The last result, kept to be drawn.

use arrow::{array::RecordBatch, datatypes::SchemaRef};

/// Rows that are kept.
pub const ROWS_MAX: usize = 1_000_000;
/// Bytes that are kept.
pub const BYTES_MAX: usize = 512 << 20;

/// The last result, or as much of it as is kept.
#[derive(Clone, Debug)]
pub struct LastResult {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    is_whole: bool,
}

impl LastResult {
    /// A result that begins.
    pub const fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new(), rows: 0, bytes: 0, is_whole: true }
    }

    /// Keeps a batch, up to the bound.
    pub fn push(&mut self, batch: &RecordBatch) {
        let rows = self.rows + batch.num_rows();
        let bytes = self.bytes + batch.get_array_memory_size();
        if !self.is_whole || rows > ROWS_MAX || bytes > BYTES_MAX {
            // A part would be drawn as if it were the whole.
            self.is_whole = false;
            self.batches.clear();
            return;
        }
        (self.rows, self.bytes) = (rows, bytes);
        self.batches.push(batch.clone());
    }

    /// The columns.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows; `None` if there were too many to keep.
    pub fn batches(&self) -> Option<&[RecordBatch]> {
        self.is_whole.then_some(&self.batches)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int8Array};

    use super::*;

    #[test]
    fn all_of_it_or_nothing() {
        let column: ArrayRef = Arc::new(Int8Array::from(vec![1; ROWS_MAX / 2]));
        let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let mut last = LastResult::new(batch.schema());
        last.push(&batch);
        last.push(&batch);
        assert_eq!(last.batches().map(<[_]>::len), Some(2));
        last.push(&batch);
        assert!(last.batches().is_none());
        last.push(&batch.slice(0, 1));
        assert!(last.batches().is_none(), "once too long, always too long");
    }
}
