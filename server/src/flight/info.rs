//! `GetFlightInfo` and `GetSchema`: what is asked for, and what will come of it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    flight_descriptor::DescriptorType,
    sql::{Any, Command, ProstMessageExt as _, TicketStatementQuery},
};
use bytes::Bytes;
use prost::Message as _;
use tonic::Status;

use super::{
    Caller, Flight,
    handle::Handle,
    metadata, parameters,
    statement::{self, Described},
    wire_schema,
};

/// What a descriptor or a ticket asks for.
pub(super) enum Asked {
    /// The rows of a statement.
    Statement(Handle),
    /// The rows of a catalog call.
    Metadata(Command),
}

impl Asked {
    fn of(descriptor: &FlightDescriptor) -> Result<Self, Status> {
        match descriptor.r#type() {
            DescriptorType::Path => match descriptor.path.as_slice() {
                [table] => Ok(Self::Statement(Handle::of(metadata::select(None, table)))),
                [dataset, table] => Ok(Self::Statement(Handle::of(metadata::select(Some(dataset), table)))),
                _ => Err(Status::invalid_argument("a path is `table` or `dataset`, `table`")),
            },
            DescriptorType::Cmd => Self::of_bytes(&descriptor.cmd),
            DescriptorType::Unknown => Err(Status::invalid_argument("the descriptor is of no known type")),
        }
    }

    /// Reads a command of Flight SQL. Any other text is a statement, for clients of Flight alone.
    pub(super) fn of_bytes(bytes: &Bytes) -> Result<Self, Status> {
        let any = Any::decode(bytes.as_ref()).ok().filter(|any| any.type_url.contains("arrow.flight"));
        let Some(any) = any else {
            let text = std::str::from_utf8(bytes);
            let text = text.map_err(|_| Status::invalid_argument("neither a command nor a text"))?;
            return Ok(Self::Statement(Handle::of(text)));
        };
        let command = Command::try_from(any);
        match command.map_err(|error| Status::invalid_argument(error.to_string()))? {
            Command::CommandStatementQuery(query) => {
                no_transaction(query.transaction_id.as_ref())?;
                Ok(Self::Statement(Handle::of(query.query)))
            }
            Command::CommandPreparedStatementQuery(query) => {
                Handle::from_bytes(&query.prepared_statement_handle).map(Self::Statement)
            }
            Command::TicketStatementQuery(ticket) => {
                Handle::from_bytes(&ticket.statement_handle).map(Self::Statement)
            }
            Command::CommandStatementSubstraitPlan(_) => Err(no_substrait()),
            other => Ok(Self::Metadata(other)),
        }
    }
}

/// Refuses what names a transaction: there are none.
pub(super) fn no_transaction(id: Option<&Bytes>) -> Result<(), Status> {
    match id {
        Some(id) if !id.is_empty() => Err(Status::invalid_argument("there is no such transaction")),
        _ => Ok(()),
    }
}

pub(super) fn no_substrait() -> Status {
    Status::unimplemented("plans are taken as text, not as Substrait")
}

/// Plans what is asked for; what returns no rows is carried out.
pub(super) async fn execute(
    flight: &Flight,
    caller: &Caller,
    descriptor: FlightDescriptor,
) -> Result<FlightInfo, Status> {
    let (schema, ticket) = match Asked::of(&descriptor)? {
        Asked::Statement(mut handle) => {
            statement::reserve(&mut handle);
            let statement = statement::parse(&handle.text, caller)?;
            let schema = match statement::returns_rows(&statement) {
                true => {
                    let described = self::describe(flight, caller, handle.clone()).await?;
                    if let Some(prepared) = described.prepared {
                        flight.plans.keep(handle.query, caller, prepared);
                    }
                    described.schema
                }
                false => {
                    handle.is_done = true;
                    let (node, session) = (Arc::clone(&flight.node), flight.session(caller, &statement)?);
                    let registration = statement::register(&node, &handle, caller);
                    let parameters = handle.parameters.clone();
                    let work = async move {
                        let parameters = parameters::from_bytes(&parameters)?;
                        statement::run(&node, &session, &statement, &parameters, None, registration).await
                    };
                    flight.run(work).await?.schema
                }
            };
            let ticket = TicketStatementQuery { statement_handle: handle.to_bytes()? };
            (schema, ticket.as_any())
        }
        Asked::Metadata(command) => {
            let any = command.clone().into_any();
            (metadata_schema(flight, caller, command).await?, any)
        }
    };
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket.encode_to_vec()));
    Ok(FlightInfo {
        schema: wire_schema::to_bytes(&schema)?,
        flight_descriptor: Some(descriptor),
        endpoint: vec![endpoint],
        ..FlightInfo::new()
    })
}

/// Plans what is asked for, and does no more.
pub(super) async fn schema(
    flight: &Flight,
    caller: &Caller,
    descriptor: FlightDescriptor,
) -> Result<SchemaRef, Status> {
    match Asked::of(&descriptor)? {
        Asked::Statement(handle) => Ok(self::describe(flight, caller, handle).await?.schema),
        Asked::Metadata(command) => metadata_schema(flight, caller, command).await,
    }
}

/// Finds out what a statement returns.
pub(super) async fn describe(flight: &Flight, caller: &Caller, handle: Handle) -> Result<Described, Status> {
    let statement = statement::parse(&handle.text, caller)?;
    let (node, session) = (Arc::clone(&flight.node), flight.sessions.find(caller));
    let work = async move { statement::describe(&node, &session, &statement, &handle).await };
    flight.run(work).await
}

async fn metadata_schema(flight: &Flight, caller: &Caller, command: Command) -> Result<SchemaRef, Status> {
    let (node, session) = (Arc::clone(&flight.node), flight.sessions.find(caller));
    let batch = flight.run(async move { metadata::rows(&node, &session, command).await }).await?;
    Ok(batch.schema())
}
