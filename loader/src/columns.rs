//! Whether the columns of rows agree with their table's.

use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};

/// The columns of rows contradict their table's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnMismatch {
    /// A column has another type.
    #[error("column `{column}` is of type {found}, in the table of type {known}")]
    Type {
        /// The column.
        column: String,
        /// The type in the rows.
        found: String,
        /// The type in the table.
        known: String,
    },
    /// At one place there are columns of different names.
    #[error("column {position} is named `{found}`, in the table `{known}`")]
    Name {
        /// The place, from 1.
        position: usize,
        /// The name in the rows.
        found: String,
        /// The name in the table.
        known: String,
    },
    /// The table has more columns.
    #[error("column `{column}` of type {known} is missing")]
    Missing {
        /// The first column that is missing.
        column: String,
        /// Its type.
        known: String,
    },
    /// The rows have more columns.
    #[error("the table has no column `{column}`, which is of type {found}")]
    Unknown {
        /// The first column that the table does not have.
        column: String,
        /// Its type.
        found: String,
    },
    /// A column that cannot hold it has a NULL.
    #[error("column `{column}` has a NULL, which the table does not allow there")]
    Null {
        /// The column.
        column: String,
    },
}

/// Checks that rows of the columns `found` can be rows of a table: the same names and types in the same order.
///
/// Whether a column may hold NULL is no part of it: what counts is whether it does.
pub(crate) fn check_columns(known: &Schema, found: &Schema) -> Result<(), ColumnMismatch> {
    for (index, (known, found)) in known.fields().iter().zip(found.fields()).enumerate() {
        if known.name() != found.name() {
            let (found, known) = (found.name().clone(), known.name().clone());
            return Err(ColumnMismatch::Name { position: index + 1, found, known });
        }
        if known.data_type() != found.data_type() {
            let (column, found) = (found.name().clone(), found.data_type().to_string());
            return Err(ColumnMismatch::Type { column, found, known: known.data_type().to_string() });
        }
    }
    let (known, found) = (known.fields(), found.fields());
    if let Some(more) = known.get(found.len()) {
        let (column, known) = (more.name().clone(), more.data_type().to_string());
        return Err(ColumnMismatch::Missing { column, known });
    }
    if let Some(more) = found.get(known.len()) {
        let (column, found) = (more.name().clone(), more.data_type().to_string());
        return Err(ColumnMismatch::Unknown { column, found });
    }
    Ok(())
}

/// Gives rows the columns of their table.
pub(crate) fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ColumnMismatch> {
    check_columns(schema, batch.schema_ref())?;
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(ColumnMismatch::Null { column: field.name().clone() });
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let fitting = RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options);
    Ok(fitting.expect("names, types and NULLs were checked"))
}
