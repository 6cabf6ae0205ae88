//! Whether the node lives, and whether it can answer.

use std::time::Duration;

use axum::extract::State;

use super::{App, problem::Problem};

/// How long the catalog may take to be read.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// 200: the process lives.
#[utoipa::path(
    get, path = "/healthz", tag = "state",
    responses((status = 200, description = "The process lives.", body = String, content_type = "text/plain")),
)]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 if the catalog can be read: then statements can be answered.
#[utoipa::path(
    get, path = "/readyz", tag = "state",
    responses(
        (status = 200, description = "Statements can be answered.", body = String, content_type = "text/plain"),
        (status = 503, description = "They cannot.", body = super::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn ready(State(App { node, .. }): State<App>) -> Result<&'static str, Problem> {
    match tokio::time::timeout(READY_WITHIN, node.ready()).await {
        Ok(Ok(())) => Ok("ok\n"),
        Ok(Err(error)) => Err(Problem::unavailable(error.to_string())),
        Err(_) => Err(Problem::unavailable("the catalog cannot be read in time")),
    }
}
