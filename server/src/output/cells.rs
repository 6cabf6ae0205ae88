//! The values of a batch as texts for people.

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};

use super::{OutputError, nested::flatten};

/// What stands for a missing value.
pub(super) const NULL: &str = "NULL";

/// Calls `take` with the cells of each row; `schema` is the flat one.
pub(super) fn each_row(
    batch: &RecordBatch,
    schema: &SchemaRef,
    mut take: impl FnMut(Vec<String>) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    let batch = flatten(batch, schema)?;
    let options = FormatOptions::default().with_null(NULL);
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        take(columns.iter().map(|column| column.value(row).to_string()).collect())?;
    }
    Ok(())
}
