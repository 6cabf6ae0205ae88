//! Whether the node lives, and whether it can answer.

use std::time::Duration;

use axum::extract::State;

use super::{App, problem::Problem};

/// How long the catalog may take to be read.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// 200: the process lives.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// 200 if the catalog can be read: then statements can be answered.
pub(super) async fn ready(State(App { node, .. }): State<App>) -> Result<&'static str, Problem> {
    match tokio::time::timeout(READY_WITHIN, node.ready()).await {
        Ok(Ok(())) => Ok("ok\n"),
        Ok(Err(error)) => Err(Problem::unavailable(error.to_string())),
        Err(_) => Err(Problem::unavailable("the catalog cannot be read in time")),
    }
}
