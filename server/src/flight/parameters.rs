//! The values of parameters on their way: from a client, and into the handle of a statement.

use arrow::ipc::{reader::StreamReader, writer::StreamWriter};
use arrow_flight::{FlightData, decode::FlightRecordBatchStream, error::FlightError};
use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use tonic::Status;

use crate::parameters::Parameters;

/// Takes in what a client binds, at most so many bytes of it.
pub(super) async fn receive(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
    bytes_max: usize,
) -> Result<Parameters, Status> {
    // The first message may say what it is about and nothing else.
    let messages = messages.try_filter(|message| {
        let says_something = !message.data_header.is_empty();
        async move { says_something }
    });
    let mut decoded = FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from));
    let (mut batches, mut bytes) = (Vec::new(), 0);
    while let Some(batch) = decoded.try_next().await.map_err(refused)? {
        bytes += batch.get_array_memory_size();
        if bytes > bytes_max {
            let message =
                format!("the parameters are longer than {bytes_max} bytes; bulk ingest takes any number");
            return Err(Status::invalid_argument(message));
        }
        batches.push(batch);
    }
    Ok(Parameters::new(batches))
}

/// Reads what [`to_bytes`] wrote, or somebody else.
pub(super) fn from_bytes(bytes: &Bytes) -> Result<Parameters, Status> {
    if bytes.is_empty() {
        return Ok(Parameters::default());
    }
    let refused = |_| Status::invalid_argument("the handle is none of ours");
    let reader = StreamReader::try_new(bytes.as_ref(), None).map_err(refused)?;
    Ok(Parameters::new(reader.collect::<Result<_, _>>().map_err(refused)?))
}

/// Writes them for the handle of a statement.
pub(super) fn to_bytes(parameters: &Parameters) -> Result<Bytes, Status> {
    let batches = parameters.batches();
    let Some(first) = batches.first() else { return Ok(Bytes::new()) };
    let write = || {
        let mut writer = StreamWriter::try_new(Vec::new(), first.schema_ref())?;
        batches.iter().try_for_each(|batch| writer.write(batch))?;
        writer.into_inner()
    };
    Ok(write().map_err(|error| Status::internal(error.to_string()))?.into())
}

fn refused(error: FlightError) -> Status {
    match error {
        FlightError::Tonic(status) => *status,
        other => Status::invalid_argument(format!("the rows cannot be read: {other}")),
    }
}
