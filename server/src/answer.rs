//! What a statement gives back, and how a small answer becomes a stream.

use std::{fmt, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{Field, Schema},
};
use datafusion::{execution::SendableRecordBatchStream, physical_plan::memory::MemoryStream};

use crate::QueryError;

/// What a statement gives back.
pub enum Answer {
    /// Rows, streamed; dropping the stream stops the query.
    Rows(SendableRecordBatchStream),
    /// Something was done; what, in the words of psql: `CREATE TABLE`, `COPY 39918`.
    Done(String),
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => f.debug_tuple("Rows").field(&rows.schema()).finish(),
            Self::Done(message) => f.debug_tuple("Done").field(message).finish(),
        }
    }
}

impl Answer {
    /// Makes rows of whole columns; a column may hold NULL if one of its values is NULL.
    pub(crate) fn from_columns(
        columns: impl IntoIterator<Item = (&'static str, ArrayRef)>,
    ) -> Result<Self, QueryError> {
        let (fields, arrays): (Vec<_>, Vec<_>) = columns
            .into_iter()
            .map(|(name, array)| {
                let nullable = array.null_count() > 0;
                (Field::new(name, array.data_type().clone(), nullable), array)
            })
            .unzip();
        let schema = Arc::new(Schema::new(fields));
        let batch =
            RecordBatch::try_new(schema.clone(), arrays).map_err(datafusion::error::DataFusionError::from)?;
        Ok(Self::Rows(Box::pin(MemoryStream::try_new(vec![batch], schema, None)?)))
    }
}
