//! Bulk ingest: rows that a client sends become rows of a table, all of them or none.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::{
    FlightData,
    decode::FlightRecordBatchStream,
    error::FlightError,
    sql::{CommandStatementIngest, TableExistsOption, TableNotExistOption},
};
use datafusion::{error::DataFusionError, physical_plan::stream::RecordBatchStreamAdapter};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use tonic::Status;

use super::{CATALOG, Caller, Flight, info::no_transaction, status, wire_schema};
use crate::{IngestMode, IngestRequest, command::DEFAULT_DATASET, queries::Outcome};

/// Puts the rows of the messages into a table; returns how many there were.
pub(super) async fn ingest(
    flight: &Flight,
    caller: &Caller,
    command: CommandStatementIngest,
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<i64, Status> {
    let request = request(&command)?;
    let (node, session) = (Arc::clone(&flight.node), flight.sessions.find(caller));
    let text = format!("ingest into {}.{}", request.dataset, request.table);
    let registration = node.queries().begin(text.into(), &caller.principal);
    let work = async move {
        let (schema, rows) = rows(messages).await?;
        let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
        // Stopped, the ingest is dropped, and so takes back what it wrote.
        match registration.unless_stopped(node.ingest(&session, request, rows)).await {
            Ok(count) => {
                registration.query().end(Outcome::Done);
                Ok(i64::try_from(count).unwrap_or(i64::MAX))
            }
            Err(error) => {
                registration.query().fail(&error);
                Err(status::of(error))
            }
        }
    };
    flight.run(work).await
}

fn request(command: &CommandStatementIngest) -> Result<IngestRequest, Status> {
    no_transaction(command.transaction_id.as_ref())?;
    if command.temporary {
        return Err(Status::unimplemented("there are no temporary tables"));
    }
    if let Some(catalog) = command.catalog.as_deref().filter(|name| !name.is_empty() && *name != CATALOG) {
        return Err(Status::invalid_argument(format!("there is no catalog `{catalog}`, only `{CATALOG}`")));
    }
    if command.table.is_empty() {
        return Err(Status::invalid_argument("the table that rows are put into has no name"));
    }
    let options = command.table_definition_options.unwrap_or_default();
    let mode = match (options.if_not_exist(), options.if_exists()) {
        (TableNotExistOption::Create, TableExistsOption::Append) => IngestMode::CreateOrAppend,
        (TableNotExistOption::Create, TableExistsOption::Fail) => IngestMode::Create,
        (TableNotExistOption::Create, TableExistsOption::Replace) => IngestMode::Replace,
        (TableNotExistOption::Fail, TableExistsOption::Append) => IngestMode::Append,
        _ => {
            return Err(Status::invalid_argument(
                "rows are put into a new table, added to one, or both, or replace one; the options say none \
                 of that",
            ));
        }
    };
    let dataset = command.schema.as_deref().filter(|dataset| !dataset.is_empty()).unwrap_or(DEFAULT_DATASET);
    Ok(IngestRequest { dataset: dataset.to_owned(), table: command.table.clone(), mode })
}

/// Decodes rows; the schema comes with the first message.
async fn rows(
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> Result<
    (SchemaRef, impl Stream<Item = Result<arrow::array::RecordBatch, DataFusionError>> + Send + 'static),
    Status,
> {
    let mut decoded = FlightRecordBatchStream::new_from_flight_data(messages.map_err(FlightError::from));
    let first = decoded.try_next().await.map_err(|error| match error {
        FlightError::Tonic(status) => *status,
        other => Status::invalid_argument(format!("the rows cannot be read: {other}")),
    })?;
    let given = decoded.schema().cloned();
    let given = given.ok_or_else(|| Status::invalid_argument("no schema came with the rows"))?;
    let schema = wire_schema::of(&given);
    let wanted = Arc::clone(&schema);
    let batches = stream::iter(first.map(Ok)).chain(decoded);
    let batches = batches.map(move |batch| {
        let batch = batch.map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(wire_schema::apply(&wanted, &batch)?)
    });
    Ok((schema, batches))
}
