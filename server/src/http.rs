//! HTTP: queries, what runs, and whether the node is well.
//!
//! | method and path | what it does |
//! |---|---|
//! | `POST /v1/query` | runs one statement: the body is its text, or JSON with parameters |
//! | `GET /v1/query?q=…` | the same for statements that only read |
//! | `GET /v1/queries` | the queries that run on this node |
//! | `GET /v1/queries/{id}` | how far one is, or how it ended |
//! | `GET /v1/queries/{id}/result` | the rows of one that was asked with `Prefer: respond-async` |
//! | `DELETE /v1/queries/{id}` | stops one, and deletes its result |
//! | `POST /v1/load` | loads a file: the body, or one of the server |
//! | `/v1/cluster…` | how the cluster stands, and changes of it |
//! | `/v1/kv/…` | what clients keep beside the tables: see `docs/kv.md` |
//! | `GET /metrics` | figures for Prometheus |
//! | `GET /openapi.json` | what is answered, and how |
//! | `GET`, `POST /v1/tokens`, `DELETE /v1/tokens/{name}` | who may ask, for admins |
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 while statements can be answered |
//!
//! Errors are `application/problem+json` (RFC 9457). An error behind the first byte of a result ends the
//! connection in the middle of the body: what came is never taken for the whole.

mod activity;
mod asked;
mod auth;
mod body;
mod cluster;
mod format;
mod health;
mod kv;
mod limits;
mod listen;
mod load;
mod metrics;
mod openapi;
mod pace;
mod parameters;
mod problem;
mod queries;
mod query;
mod request_body;
mod results;
mod tls;
mod tokens;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Extensions, HeaderMap, StatusCode, Version},
    middleware,
};
use tokio::{
    runtime::{Handle, Runtime},
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use tower_http::compression::{CompressionLayer, DefaultPredicate, Predicate as _};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::limits::{Limits, OutOfBounds};
pub use self::tls::{Tls, TlsError};
use self::{auth::Gate, problem::Problem, results::Results};
use crate::{Node, flight};

/// The longest text of a request: that of a statement, and as much again for JSON around it.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How long answers that are on their way may take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How many may watch keys at once.
const WATCHES_MAX: usize = 1_000;

/// How a server answers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What connections may take.
    pub limits: Limits,
    /// The certificate with which it encrypts; without one, it does not.
    pub tls: Option<Tls>,
    /// Whether requests must say who sends them, with a token of [`Accounts`](crate::Accounts).
    pub authentication: bool,
}

/// An HTTP server, on threads of its own; its queries run on others, so that no query keeps a timeout, a
/// cancellation or another reader waiting.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    queries: Runtime,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Answers on what `listener` listens at, with the limits that are the default, and asks nobody who they
    /// are.
    ///
    /// # Errors
    ///
    /// If the listener or threads cannot be used.
    pub fn start(node: Arc<Node>, listener: TcpListener) -> std::io::Result<Self> {
        Self::start_with(node, listener, Options::default())
    }

    /// Answers on what `listener` listens at.
    ///
    /// # Errors
    ///
    /// If a limit is out of its bounds, or the listener or threads cannot be used.
    pub fn start_with(node: Arc<Node>, listener: TcpListener, options: Options) -> std::io::Result<Self> {
        options.limits.check().map_err(std::io::Error::other)?;
        let threads =
            |name: &str| tokio::runtime::Builder::new_multi_thread().thread_name(name).enable_all().build();
        let (runtime, queries) = (threads("http")?, threads("query")?);
        let results = Results::new(node.spill_folder().join("results"));
        let watches = Arc::new(Semaphore::new(WATCHES_MAX));
        let gate = Gate { node: Arc::clone(&node), is_closed: options.authentication };
        let app = App { node, queries: queries.handle().clone(), results, watches };
        let metrics = app.node.queries().metrics();
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopping) = watch::channel(false);
        let serving = runtime.spawn(listen::serve(listener, router(app, gate), (options, metrics), stopping));
        Ok(Self { runtime, queries, address, stop, serving })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, lets those that run end, and ends those that do not.
    pub fn stop(self) {
        self.stop.send_replace(true);
        // What takes longer is cut off with the threads.
        let serving = self.serving;
        let _late = self.runtime.block_on(async { tokio::time::timeout(STOP_TIMEOUT, serving).await });
        self.queries.shutdown_background();
        self.runtime.shutdown_background();
    }
}

/// What requests share.
#[derive(Clone, Debug)]
struct App {
    node: Arc<Node>,
    /// Where queries run.
    queries: Handle,
    results: Results,
    /// How many more may watch keys.
    watches: Arc<Semaphore>,
}

/// Marks an answer that tells what happens when it happens: packed, its lines would wait for more of them.
#[derive(Clone, Copy, Debug)]
struct Report;

fn is_no_report(_: StatusCode, _: Version, _: &HeaderMap, extensions: &Extensions) -> bool {
    extensions.get::<Report>().is_none()
}

fn router(app: App, gate: Gate) -> Router {
    openapi::with_document(routes())
        .merge(flight::routes(Arc::clone(&app.node), app.queries.clone()))
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::map_response(problem::instead_of_text))
        // For those who take gzip; gRPC has a compression of its own.
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(is_no_report)))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(middleware::from_fn_with_state(gate, auth::authenticate))
        .with_state(app)
}

/// Everything that is answered; each handler says of itself what it is (`utoipa::path`).
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(query::get, query::post))
        .routes(routes!(queries::list))
        .routes(routes!(queries::get, queries::cancel))
        .routes(routes!(queries::result))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::page))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .merge(load::router())
        .merge(kv::router())
        .merge(cluster::router())
}
