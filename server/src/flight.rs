//! Arrow Flight SQL, on the port of HTTP: for ADBC, JDBC and whoever reads Arrow over gRPC.
//!
//! | call | what it does |
//! |---|---|
//! | `Handshake` | a token for a name and a password |
//! | `GetFlightInfo`, `PollFlightInfo` | plans a statement, or carries it out if it returns no rows |
//! | `GetSchema` | plans a statement and does no more |
//! | `DoGet` | rows: of a statement, or of what a catalog call asks for |
//! | `DoPut` | carries a statement out, binds parameters, takes rows in |
//! | `DoAction` | prepared statements, cancelling, options of the session |
//! | `ListFlights` | the tables |
//!
//! The schema that is promised and the one that comes are one value ([`wire_schema`]); a ticket says all that
//! it takes to run its statement ([`handle`]), so that any node answers it, at any time.

mod action;
mod caller;
mod handle;
mod handshake;
mod info;
mod ingest;
mod metadata;
mod parameters;
mod plans;
mod put;
mod rows;
mod session_options;
mod sessions;
mod sql_info;
mod statement;
mod status;
mod type_info;
mod wire_schema;

use std::sync::Arc;

use arrow_flight::{
    Action, ActionType, Criteria, Empty, FlightData, FlightDescriptor, FlightInfo, HandshakeRequest,
    HandshakeResponse, PollInfo, PutResult, SchemaResult, Ticket,
    flight_service_server::{FlightService, FlightServiceServer},
};
use axum::Router;
use futures::stream::BoxStream;
use genomdb_grammar::ast;
use tokio::runtime::Handle;
use tonic::{Request, Response, Status, Streaming};

use self::{caller::Caller, plans::Plans, sessions::Sessions};
use crate::{Node, Session, Statement, owned_task::OwnedTask};

/// The longest message that is taken: a batch of rows that somebody puts into a table.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// The name of the one catalog.
const CATALOG: &str = "genomdb";

/// What comes from a server piece by piece.
type Stream<T> = BoxStream<'static, Result<T, Status>>;

/// Returns the paths of the service.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(node: Arc<Node>, queries: Handle) -> Router<S> {
    let sessions = Arc::new(Sessions::new(Arc::clone(&node)));
    let flight = Flight { sessions, node, queries, plans: Plans::default() };
    let service = FlightServiceServer::new(flight).max_decoding_message_size(MESSAGE_BYTES_MAX);
    Router::new().route_service("/arrow.flight.protocol.FlightService/{method}", service)
}

/// The service.
#[derive(Clone)]
struct Flight {
    node: Arc<Node>,
    /// Where queries run.
    queries: Handle,
    sessions: Arc<Sessions>,
    plans: Plans,
}

impl Flight {
    /// Runs work where queries run; it ends with whoever waits for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let done = OwnedTask::spawn(&self.queries, work).await;
        done.unwrap_or_else(|_| Err(Status::internal("the query failed in an unexpected way")))
    }

    /// The session in which a statement runs; it is kept if the statement changes it.
    fn session(&self, caller: &Caller, statement: &Statement) -> Result<Arc<Session>, Status> {
        match (&statement.ast, caller.session) {
            (ast::Statement::Set(_) | ast::Statement::Reset(_), Some(key)) => self.sessions.keep(key, caller),
            _ => Ok(self.sessions.find(caller)),
        }
    }
}

#[tonic::async_trait]
impl FlightService for Flight {
    type HandshakeStream = Stream<HandshakeResponse>;
    type ListFlightsStream = Stream<FlightInfo>;
    type DoGetStream = Stream<FlightData>;
    type DoPutStream = Stream<PutResult>;
    type DoActionStream = Stream<arrow_flight::Result>;
    type ListActionsStream = Stream<ActionType>;
    type DoExchangeStream = Stream<FlightData>;

    async fn handshake(
        &self,
        request: Request<Streaming<HandshakeRequest>>,
    ) -> Result<Response<Self::HandshakeStream>, Status> {
        handshake::answer(request).await
    }

    async fn list_flights(
        &self,
        request: Request<Criteria>,
    ) -> Result<Response<Self::ListFlightsStream>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        let session = self.sessions.find(&caller);
        let node = Arc::clone(&self.node);
        let flights = self.run(async move { metadata::flights(&node, &session).await }).await?;
        Ok(caller.answer(Box::pin(futures::stream::iter(flights.into_iter().map(Ok)))))
    }

    async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        let info = info::execute(self, &caller, request.into_inner()).await?;
        Ok(caller.answer(info))
    }

    async fn poll_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<PollInfo>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        let info = info::execute(self, &caller, request.into_inner()).await?;
        // Without a descriptor there is nothing more to ask for: all endpoints are told.
        let poll = PollInfo { info: Some(info), progress: Some(1.0), ..PollInfo::default() };
        Ok(caller.answer(poll))
    }

    async fn get_schema(&self, request: Request<FlightDescriptor>) -> Result<Response<SchemaResult>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        let schema = info::schema(self, &caller, request.into_inner()).await?;
        Ok(caller.answer(SchemaResult { schema: wire_schema::to_bytes(&schema)? }))
    }

    async fn do_get(&self, request: Request<Ticket>) -> Result<Response<Self::DoGetStream>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        rows::get(self, &caller, request.into_inner()).await
    }

    async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoPutStream>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        let result = put::put(self, &caller, request.into_inner()).await?;
        Ok(caller.answer(Box::pin(futures::stream::iter([Ok(result)]))))
    }

    async fn do_action(&self, request: Request<Action>) -> Result<Response<Self::DoActionStream>, Status> {
        let caller = Caller::of(&request, &self.sessions)?;
        action::act(self, caller, request.into_inner()).await
    }

    async fn list_actions(&self, _: Request<Empty>) -> Result<Response<Self::ListActionsStream>, Status> {
        Ok(Response::new(Box::pin(futures::stream::iter(action::list().map(Ok)))))
    }

    async fn do_exchange(
        &self,
        _: Request<Streaming<FlightData>>,
    ) -> Result<Response<Self::DoExchangeStream>, Status> {
        Err(Status::unimplemented("nothing is exchanged: rows come with DoGet and go with DoPut"))
    }
}
