//! The values of `$1`, `$2`, …: a column for each, a row for each run.

use arrow::{
    array::RecordBatch,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use arrow_flight::{FlightData, decode::FlightRecordBatchStream, error::FlightError};
use bytes::Bytes;
use datafusion::{common::ParamValues, scalar::ScalarValue};
use futures::{Stream, TryStreamExt as _};
use tonic::Status;

use super::handle;

/// Values of parameters; none at all where nobody bound any.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(Vec<RecordBatch>);

impl Parameters {
    /// Takes in what a client binds.
    pub(super) async fn receive(
        messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    ) -> Result<Self, Status> {
        // The first message may say what it is about and nothing else.
        let messages = messages.try_filter(|message| {
            let says_something = !message.data_header.is_empty();
            async move { says_something }
        });
        let mut decoded = FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from));
        let (mut batches, mut bytes) = (Vec::new(), 0);
        while let Some(batch) = decoded.try_next().await.map_err(refused)? {
            bytes += batch.get_array_memory_size();
            if bytes > handle::BYTES_MAX {
                let message = format!("the parameters are longer than {} bytes", handle::BYTES_MAX);
                return Err(Status::invalid_argument(message));
            }
            batches.push(batch);
        }
        Ok(Self(batches))
    }

    /// Reads what [`Parameters::to_bytes`] wrote, or somebody else.
    pub(super) fn from_bytes(bytes: &Bytes) -> Result<Self, Status> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let refused = |_| Status::invalid_argument("the handle is none of ours");
        let reader = StreamReader::try_new(bytes.as_ref(), None).map_err(refused)?;
        Ok(Self(reader.collect::<Result<_, _>>().map_err(refused)?))
    }

    pub(super) fn to_bytes(&self) -> Result<Bytes, Status> {
        let Some(first) = self.0.first() else { return Ok(Bytes::new()) };
        let write = || {
            let mut writer = StreamWriter::try_new(Vec::new(), first.schema_ref())?;
            self.0.iter().try_for_each(|batch| writer.write(batch))?;
            writer.into_inner()
        };
        Ok(write().map_err(|error| Status::internal(error.to_string()))?.into())
    }

    /// Tells whether there is a value.
    pub(super) fn are_bound(&self) -> bool {
        self.0.iter().any(|batch| batch.num_columns() > 0)
    }

    /// The values of each run; one run without values where nobody bound any. Those of a query that names its
    /// parameters go by the names of the columns.
    pub(super) fn runs(&self, by_name: bool) -> Result<Vec<Option<ParamValues>>, Status> {
        if !self.are_bound() {
            return Ok(vec![None]);
        }
        let mut runs = Vec::new();
        for batch in &self.0 {
            for row in 0..batch.num_rows() {
                let values = batch.columns().iter().map(|column| ScalarValue::try_from_array(column, row));
                let values = values.collect::<Result<Vec<_>, _>>();
                let values = values.map_err(|error| Status::invalid_argument(error.to_string()))?;
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

fn refused(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::invalid_argument(format!("the rows cannot be read: {other}")),
    }
}
