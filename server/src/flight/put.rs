//! `DoPut`: statements that return no rows, values of parameters, and rows.

use std::{pin::Pin, sync::Arc};

use arrow_flight::{
    FlightData, PutResult,
    sql::{Any, Command, DoPutPreparedStatementResult, DoPutUpdateResult},
};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use tonic::{Status, Streaming};

use super::{
    Caller, Flight,
    handle::{self, Handle},
    info::{no_substrait, no_transaction},
    ingest, parameters, statement,
};
use crate::parameters::Parameters;

/// Bytes of values that are bound to a statement that is carried out at once; they are held in memory.
const UPDATE_BYTES_MAX: usize = 64 << 20;

/// Does what the first message says, with the rows of those behind it.
pub(super) async fn put(
    flight: &Flight,
    caller: &Caller,
    messages: Streaming<FlightData>,
) -> Result<PutResult, Status> {
    let mut messages = messages.peekable();
    let descriptor = match Pin::new(&mut messages).peek().await {
        Some(Ok(first)) => first.flight_descriptor.clone(),
        Some(Err(status)) => return Err(status.clone()),
        None => None,
    };
    let descriptor = descriptor.ok_or_else(|| {
        Status::invalid_argument("the first message says not what is to be done: it lacks a descriptor")
    })?;
    let command = Any::decode(descriptor.cmd.as_ref()).ok().and_then(|any| Command::try_from(any).ok());
    let app_metadata = match command {
        Some(Command::CommandStatementUpdate(update)) => {
            no_transaction(update.transaction_id.as_ref())?;
            self::update(flight, caller, &Handle::of(update.query), Parameters::default()).await?
        }
        Some(Command::CommandPreparedStatementUpdate(update)) => {
            let handle = Handle::from_bytes(&update.prepared_statement_handle)?;
            let bound = parameters::receive(messages, UPDATE_BYTES_MAX).await?;
            let bound = if bound.are_bound() { bound } else { parameters::from_bytes(&handle.parameters)? };
            self::update(flight, caller, &handle, bound).await?
        }
        Some(Command::CommandPreparedStatementQuery(query)) => {
            let handle = Handle::from_bytes(&query.prepared_statement_handle)?;
            let bound = parameters::receive(messages, handle::BYTES_MAX).await?;
            let parameters = parameters::to_bytes(&bound)?;
            let handle = Handle { parameters, ..handle }.to_bytes()?;
            // The values are in the handle: it is another one from here on.
            DoPutPreparedStatementResult { prepared_statement_handle: Some(handle) }.encode_to_vec().into()
        }
        Some(Command::CommandStatementIngest(command)) => {
            let record_count = ingest::ingest(flight, caller, command, messages).await?;
            DoPutUpdateResult { record_count }.encode_to_vec().into()
        }
        Some(Command::CommandStatementSubstraitPlan(_)) => return Err(no_substrait()),
        _ => return Err(Status::invalid_argument("nothing that can be put is meant by the descriptor")),
    };
    Ok(PutResult { app_metadata })
}

/// Carries out a statement; rows that it returns are read and forgotten.
async fn update(
    flight: &Flight,
    caller: &Caller,
    handle: &Handle,
    parameters: Parameters,
) -> Result<Bytes, Status> {
    let statement = statement::parse(&handle.text, caller)?;
    let (node, session) = (Arc::clone(&flight.node), flight.session(caller, &statement)?);
    let registration = node.queries().begin(statement.text.clone(), &caller.principal);
    let work = async move {
        let run = statement::run(&node, &session, &statement, &parameters, None, registration).await?;
        run.rows.try_for_each(|_| futures::future::ready(Ok(()))).await?;
        Ok(run.changed)
    };
    let record_count = flight.run(work).await?;
    Ok(DoPutUpdateResult { record_count }.encode_to_vec().into())
}
