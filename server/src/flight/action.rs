//! `DoAction`: prepared statements, cancelling, the session.

use arrow_flight::{
    Action, ActionType, CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo,
    RenewFlightEndpointRequest,
    sql::{
        ActionCancelQueryRequest, ActionCancelQueryResult, ActionClosePreparedStatementRequest,
        ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult, Any, ProstMessageExt,
    },
};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use tonic::{Response, Status};

use super::{
    Caller, Flight, Stream,
    handle::Handle,
    info::{self, Asked, no_substrait, no_transaction},
    session_options, wire_schema,
};
use crate::QueryId;

/// What can be done, in the words of `ListActions`.
const ACTIONS: [(&str, &str); 8] = [
    ("CreatePreparedStatement", "Plans a statement, to be run with parameters."),
    ("ClosePreparedStatement", "Ends a prepared statement."),
    ("CancelQuery", "Stops the query of a FlightInfo; CancelFlightInfo is its newer name."),
    ("CancelFlightInfo", "Stops the query of a FlightInfo."),
    ("RenewFlightEndpoint", "Returns the endpoint as it is: tickets do not expire."),
    ("SetSessionOptions", "Changes settings of the session: schema, genomdb.…, datafusion.…"),
    ("GetSessionOptions", "Returns the settings of the session."),
    ("CloseSession", "Forgets the settings of the session."),
];

/// What can be done.
pub(super) fn list() -> impl Iterator<Item = ActionType> {
    ACTIONS.into_iter().map(|(name, description)| ActionType {
        r#type: name.to_owned(),
        description: description.to_owned(),
    })
}

/// Does what is asked for.
pub(super) async fn act(
    flight: &Flight,
    mut caller: Caller,
    action: Action,
) -> Result<Response<Stream<arrow_flight::Result>>, Status> {
    let body = &action.body;
    let result: Option<Bytes> = match action.r#type.as_str() {
        "CreatePreparedStatement" => Some(prepare(flight, &caller, unpack(body)?).await?),
        "ClosePreparedStatement" => {
            let request: ActionClosePreparedStatementRequest = unpack(body)?;
            // All that it was is in the handle.
            Handle::from_bytes(&request.prepared_statement_handle)?;
            None
        }
        "CancelQuery" => {
            let request: ActionCancelQueryRequest = unpack(body)?;
            // The numbers of both enumerations mean the same.
            let result = cancel(flight, &caller, &decode(&request.info)?)? as i32;
            Some(ActionCancelQueryResult { result }.as_any().encode_to_vec().into())
        }
        "CancelFlightInfo" => {
            let request: CancelFlightInfoRequest = decode(body)?;
            let status = cancel(flight, &caller, &request.info.unwrap_or_default())? as i32;
            Some(CancelFlightInfoResult { status }.encode_to_vec().into())
        }
        "RenewFlightEndpoint" => {
            let request: RenewFlightEndpointRequest = decode(body)?;
            let endpoint = request.endpoint.unwrap_or_default();
            Asked::of_bytes(&endpoint.ticket.clone().unwrap_or_default().ticket)?;
            Some(endpoint.encode_to_vec().into())
        }
        "SetSessionOptions" => Some(session_options::set(flight, &caller, decode(body)?).await?),
        "GetSessionOptions" => Some(session_options::get(flight, &caller)),
        "CloseSession" => Some(session_options::close(flight, &mut caller)),
        "CreatePreparedSubstraitPlan" => return Err(no_substrait()),
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            return Err(Status::unimplemented("there are no transactions: a statement is one by itself"));
        }
        other => return Err(Status::unimplemented(format!("there is no action `{other}`"))),
    };
    let results = result.into_iter().map(|body| Ok(arrow_flight::Result { body }));
    Ok(caller.answer(Box::pin(stream::iter(results.collect::<Vec<_>>()))))
}

async fn prepare(
    flight: &Flight,
    caller: &Caller,
    request: ActionCreatePreparedStatementRequest,
) -> Result<Bytes, Status> {
    no_transaction(request.transaction_id.as_ref())?;
    let handle = Handle::of(request.query);
    let described = info::describe(flight, caller, handle.clone()).await?;
    let result = ActionCreatePreparedStatementResult {
        prepared_statement_handle: handle.to_bytes()?,
        // Without fields it says to JDBC that the statement returns no rows.
        dataset_schema: wire_schema::to_bytes(&described.schema)?,
        parameter_schema: wire_schema::to_bytes(&described.parameters)?,
    };
    Ok(result.as_any().encode_to_vec().into())
}

/// Stops the queries of a result. One that does not run yet, or no more, is none that can be stopped.
fn cancel(flight: &Flight, caller: &Caller, info: &FlightInfo) -> Result<CancelStatus, Status> {
    let mut stopped = false;
    for endpoint in &info.endpoint {
        let ticket = endpoint.ticket.clone().unwrap_or_default();
        if let Asked::Statement(handle) = Asked::of_bytes(&ticket.ticket)? {
            let id = QueryId::from_number(handle.query);
            stopped |= flight.node.queries().cancel(id, &caller.principal);
        }
    }
    Ok(if stopped { CancelStatus::Cancelled } else { CancelStatus::NotCancellable })
}

fn decode<M: Message + Default>(bytes: &Bytes) -> Result<M, Status> {
    let refused = |error| Status::invalid_argument(format!("the body of the action cannot be read: {error}"));
    M::decode(bytes.as_ref()).map_err(refused)
}

fn unpack<M: ProstMessageExt>(bytes: &Bytes) -> Result<M, Status> {
    let any: Any = decode(bytes)?;
    let message = any.unpack().map_err(|error| Status::invalid_argument(error.to_string()))?;
    message.ok_or_else(|| Status::invalid_argument("the body of the action is of another action"))
}
