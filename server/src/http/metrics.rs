//! `/metrics`: figures for Prometheus, as OpenMetrics text, which it reads best.

mod process;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http_body::{Frame, SizeHint};
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{App, problem::Problem};
use crate::cluster::{Admin, Status};

/// What the page is.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// How long whoever places ranges may take to say how the cluster stands; without an answer the page has no
/// figures of it.
const CLUSTER_WITHIN: Duration = Duration::from_secs(1);
/// Stands for a path that means nothing.
const UNKNOWN: &str = "unknown";

/// Figures of this node, for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "state",
    responses(
        (status = 200, description = "OpenMetrics text.", body = String, content_type = "application/openmetrics-text"),
        (status = 500, description = "The page cannot be written.", body = super::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn page(State(app): State<App>) -> Result<Response, Problem> {
    let mut registry = Registry::default();
    app.node.queries().metrics().register(&mut registry);
    let running = app.node.queries().list();
    gauge(&mut registry, "genomdb_queries_running", "Queries that run or wait for their turn", running.len());
    let watches = super::WATCHES_MAX.saturating_sub(app.watches.available_permits());
    gauge(&mut registry, "genomdb_kv_watches", "Clients that watch keys", watches);
    store(&app, &mut registry).await;
    if let Some(status) = cluster(&app).await {
        of_cluster(&status, &mut registry);
    }
    process::register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::internal("the page cannot be written"))?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: impl TryInto<i64>) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value.try_into().unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

fn bytes(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value.try_into().unwrap_or(i64::MAX));
    registry.register_with_unit(name, help, Unit::Bytes, gauge);
}

/// What the store of this process says of itself.
async fn store(app: &App, registry: &mut Registry) {
    // A store that is closing has no figures.
    let Ok(stats) = app.node.storage().stats().await else { return };
    gauge(registry, "genomdb_storage_keys", "Keys that this node has, of all its ranges", stats.keys);
    bytes(registry, "genomdb_storage_state", "Bytes of the state files", stats.state_bytes);
    bytes(registry, "genomdb_storage_log", "Bytes of the log", stats.log_bytes);
    let applied: Counter = Counter::default();
    applied.inc_by(stats.applied_index);
    registry.register(
        "genomdb_raft_first_range_applied",
        "Entries that the first range has applied here",
        applied,
    );
}

async fn cluster(app: &App) -> Option<Status> {
    let admin = app.node.storage().admin()?;
    let asking = tokio::task::spawn_blocking(move || Admin::status(&admin));
    tokio::time::timeout(CLUSTER_WITHIN, asking).await.ok()?.ok()?.ok()
}

/// How the cluster stands; all nodes say the same.
fn of_cluster(status: &Status, registry: &mut Registry) {
    let live = status.nodes.iter().filter(|node| node.live).count();
    gauge(registry, "genomdb_cluster_nodes", "Nodes of the cluster", status.nodes.len());
    gauge(registry, "genomdb_cluster_nodes_live", "Nodes that report", live);
    gauge(registry, "genomdb_cluster_ranges", "Ranges of keys", status.ranges.len());
    let help = "Ranges with fewer healthy voters than they shall have";
    gauge(registry, "genomdb_cluster_ranges_under_replicated", help, status.under_replicated);
    let help = "Ranges without a leader or a quorum";
    gauge(registry, "genomdb_cluster_ranges_unavailable", help, status.unavailable);
    gauge(registry, "genomdb_cluster_operators", "Changes of ranges under way", status.operators.len());
    let bytes_in_all = status.ranges.iter().map(|range| range.bytes).sum();
    bytes(
        registry,
        "genomdb_cluster_data",
        "Bytes of keys and values of all ranges, each once, about",
        bytes_in_all,
    );
}

/// Counts a request, how long its answer took to begin, and the bytes of that.
pub(super) async fn count(State(app): State<App>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "PATCH" | "OPTIONS") => known,
        // Anybody can think of methods, and each would be a figure for ever.
        _ => UNKNOWN,
    };
    let method = method.to_owned();
    let path = request.extensions().get::<MatchedPath>().map_or(UNKNOWN, MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let metrics = app.node.queries().metrics();
    let status = response.status().as_u16().to_string();
    metrics.request_answered([("method", method), ("path", path), ("status", status)], began.elapsed());
    let sent = metrics.response_bytes();
    response.map(|body| Body::new(Sent { body, sent }))
}

/// A body whose bytes are counted as they go.
struct Sent {
    body: Body,
    sent: Counter,
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.sent.inc_by(data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    // What is known of its length stays known, so that it is said in the answer.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
