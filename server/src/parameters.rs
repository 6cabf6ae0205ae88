//! The values of `$1`, `$2`, …: a column for each, a row for each run.

use arrow::array::{ArrayRef, RecordBatch};
use datafusion::{common::ParamValues, error::DataFusionError, scalar::ScalarValue};
use serde_json::Value;

/// Values of parameters; none at all where nobody bound any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<RecordBatch>);

impl Parameters {
    /// Those of batches that all have the same columns.
    pub(crate) const fn new(batches: Vec<RecordBatch>) -> Self {
        Self(batches)
    }

    /// Those of one run: `$1`, `$2`, …
    pub(crate) fn of_one_run(values: &[ScalarValue]) -> Result<Self, DataFusionError> {
        if values.is_empty() {
            return Ok(Self::default());
        }
        let column = |(value, number): (&ScalarValue, usize)| -> Result<(String, ArrayRef), DataFusionError> {
            Ok((number.to_string(), value.to_array_of_size(1)?))
        };
        let columns = values.iter().zip(1..).map(column).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(vec![RecordBatch::try_from_iter(columns)?]))
    }

    /// Tells whether there is a value.
    pub(crate) fn are_bound(&self) -> bool {
        self.0.iter().any(|batch| batch.num_columns() > 0)
    }

    /// The values as they came.
    pub(crate) fn batches(&self) -> &[RecordBatch] {
        &self.0
    }

    /// The values of each run; one run without values where nobody bound any. Those of a query that names its
    /// parameters go by the names of the columns.
    pub(crate) fn runs(&self, by_name: bool) -> Result<Vec<Option<ParamValues>>, DataFusionError> {
        if !self.are_bound() {
            return Ok(vec![None]);
        }
        let mut runs = Vec::new();
        for batch in &self.0 {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
                let values = values.collect::<Result<Vec<_>, _>>()?;
                runs.push(Some(match by_name {
                    false => ParamValues::from(values),
                    true => {
                        let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
                        ParamValues::from(names.zip(values).collect::<Vec<_>>())
                    }
                }));
            }
        }
        Ok(runs)
    }
}

/// Returns the value that a parameter in JSON stands for.
///
/// # Errors
///
/// In words, if it stands for none.
pub fn sql_value(value: &Value) -> Result<ScalarValue, &'static str> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => ScalarValue::Int64(Some(number)),
            (None, Some(number)) => ScalarValue::Float64(Some(number)),
            (None, None) => return Err("a parameter is out of the range of numbers"),
        },
        Value::Array(_) | Value::Object(_) => {
            return Err("a parameter is a number, a string, true, false or null");
        }
    })
}
