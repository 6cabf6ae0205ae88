//! `DoGet`: rows on their way to a reader who may be slow, or gone.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef, error::ArrowError};
use arrow_flight::{
    FlightData, Ticket,
    encode::{DictionaryHandling, FlightDataEncoderBuilder},
    error::FlightError,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{runtime::Handle, sync::mpsc};
use tonic::{Response, Status};

use super::{
    Caller, Flight, Stream, info::Asked, metadata, parameters, statement, statement::Rows, wire_schema,
};
use crate::QueryId;

/// The longest message that is sent, if a row is not longer: clients refuse long ones.
const MESSAGE_BYTES: usize = 2 << 20;
/// Messages that wait for a slow reader; the query waits with them.
const MESSAGES_MAX: usize = 4;

/// Sends the rows that a ticket stands for.
pub(super) async fn get(
    flight: &Flight,
    caller: &Caller,
    ticket: Ticket,
) -> Result<Response<Stream<FlightData>>, Status> {
    let handle = match Asked::of_bytes(&ticket.ticket)? {
        Asked::Statement(handle) => handle,
        Asked::Metadata(command) => {
            let (node, session) = (Arc::clone(&flight.node), flight.sessions.find(caller));
            let batch = flight.run(async move { metadata::rows(&node, &session, command).await }).await?;
            let (schema, rows) = (batch.schema(), stream::iter([Ok(batch)]).boxed());
            return Ok(caller.answer(send(&flight.queries, schema, rows)));
        }
    };
    let statement = statement::parse(&handle.text, caller)?;
    if handle.is_done && !statement::returns_rows(&statement) {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        return Ok(caller.answer(send(&flight.queries, schema, stream::empty().boxed())));
    }
    let (node, session) = (Arc::clone(&flight.node), flight.session(caller, &statement)?);
    let planned = flight.plans.take(handle.query, caller);
    let registration = statement::register(&node, &handle, caller);
    let id = registration.id();
    let work = async move {
        let parameters = parameters::from_bytes(&handle.parameters)?;
        statement::run(&node, &session, &statement, &parameters, planned, registration).await
    };
    let run = flight.run(work).await?;
    let mut response = caller.answer(send(&flight.queries, run.schema, run.rows));
    if let Ok(id) = id.to_string().parse() {
        response.metadata_mut().insert(QueryId::HEADER, id);
    }
    Ok(response)
}

/// Sends rows; the query goes on as fast as they are read, and ends when nobody does any more.
fn send(queries: &Handle, schema: SchemaRef, rows: Rows) -> Stream<FlightData> {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    queries.spawn(async move {
        let mut messages = encode(schema, rows);
        loop {
            let next = tokio::select! {
                biased;
                () = sender.closed() => return,
                next = messages.next() => next,
            };
            let is_last = !matches!(next, Some(Ok(_)));
            if sender.send(next).await.is_err() || is_last {
                return;
            }
        }
    });
    received(receiver)
}

/// What comes, up to the end or an error. If neither comes, as when the query's task panicked, it is an error
/// too: nothing but the end ends a result well.
fn received(receiver: mpsc::Receiver<Option<Result<FlightData, Status>>>) -> Stream<FlightData> {
    let messages = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        let lost = || Some(Err(Status::internal("the query failed in an unexpected way")));
        let message = receiver.recv().await.unwrap_or_else(lost)?;
        let goes_on = message.is_ok();
        Some((message, goes_on.then_some(receiver)))
    });
    messages.boxed()
}

fn encode(schema: SchemaRef, rows: Rows) -> Stream<FlightData> {
    let wanted = Arc::clone(&schema);
    let pieces = rows.and_then(move |batch| {
        let batch = wire_schema::apply(&wanted, &batch);
        let pieces = batch.and_then(|batch| {
            let mut pieces = Vec::new();
            cut(batch, &mut pieces)?;
            Ok(stream::iter(pieces.into_iter().map(Ok::<_, Status>)))
        });
        futures::future::ready(pieces.map_err(|error| Status::internal(error.to_string())))
    });
    let encoder = FlightDataEncoderBuilder::new()
        .with_schema(schema)
        // There are none: the schema has been made plain, and the batches are cut.
        .with_dictionary_handling(DictionaryHandling::Resend)
        .with_max_flight_data_size(usize::MAX);
    encoder.build(pieces.try_flatten().map_err(FlightError::from)).map_err(Status::from).boxed()
}

/// Cuts a batch until each piece fits a message, or is a row.
fn cut(batch: RecordBatch, pieces: &mut Vec<RecordBatch>) -> Result<(), ArrowError> {
    let rows = batch.num_rows();
    if rows <= 1 || bytes(&batch)? <= MESSAGE_BYTES {
        pieces.push(batch);
        return Ok(());
    }
    let half = rows / 2;
    cut(batch.slice(0, half), pieces)?;
    cut(batch.slice(half, rows - half), pieces)
}

/// What a message of a batch takes: of what it shares with others, only its own.
fn bytes(batch: &RecordBatch) -> Result<usize, ArrowError> {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size()).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    async fn of(sent: Vec<Option<Result<FlightData, Status>>>) -> Vec<Result<FlightData, Status>> {
        let (sender, receiver) = mpsc::channel(8);
        for message in sent {
            sender.send(message).await.unwrap();
        }
        drop(sender);
        received(receiver).collect().await
    }

    #[tokio::test]
    async fn only_the_end_ends_a_result_well() {
        let data = || Some(Ok(FlightData::default()));
        assert!(matches!(of(vec![data(), None]).await.as_slice(), [Ok(_)]));
        assert!(matches!(of(vec![data()]).await.as_slice(), [Ok(_), Err(_)]));
        let failed = Some(Err(Status::cancelled("")));
        assert!(matches!(of(vec![data(), failed, data()]).await.as_slice(), [Ok(_), Err(_)]));
    }

    #[test]
    fn a_batch_is_cut_by_what_its_rows_take() {
        let long = "x".repeat(1 << 20);
        let texts: StringArray = (0..10).map(|row| Some(if row < 5 { long.as_str() } else { "y" })).collect();
        let batch = RecordBatch::try_from_iter([("text", Arc::new(texts) as _)]).unwrap();
        let mut pieces = Vec::new();
        cut(batch.clone(), &mut pieces).unwrap();
        assert!(pieces.len() > 2, "{}", pieces.len());
        assert_eq!(pieces.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
        for piece in &pieces {
            assert!(piece.num_rows() == 1 || bytes(piece).unwrap() <= MESSAGE_BYTES);
        }
        // Five short rows of the same buffers are no reason to cut.
        let mut pieces = Vec::new();
        cut(batch.slice(5, 5), &mut pieces).unwrap();
        assert_eq!(pieces.len(), 1);
    }
}
