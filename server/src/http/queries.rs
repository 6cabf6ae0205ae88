//! What runs, and stopping it.

use std::time::UNIX_EPOCH;

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Serialize;

use super::{App, problem::Problem};
use crate::{Principal, RunningQuery};

/// A query that runs.
#[derive(Debug, Serialize)]
pub(super) struct Running {
    id: String,
    user: String,
    text: String,
    /// Milliseconds since 1970.
    began_ms: u64,
    elapsed_ms: u64,
    rows: u64,
}

impl From<&RunningQuery> for Running {
    fn from(query: &RunningQuery) -> Self {
        let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: query.id.to_string(),
            user: query.principal.name.to_string(),
            text: query.text.to_string(),
            began_ms: ms(query.began.duration_since(UNIX_EPOCH).unwrap_or_default()),
            elapsed_ms: ms(query.elapsed()),
            rows: query.rows(),
        }
    }
}

/// The queries of this node, the oldest first.
pub(super) async fn list(State(App { node, .. }): State<App>) -> Json<Vec<Running>> {
    Json(node.queries().list().iter().map(|query| query.as_ref().into()).collect())
}

/// Stops a query.
pub(super) async fn cancel(
    State(App { node, .. }): State<App>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match id.parse().ok().filter(|id| node.queries().cancel(*id, &principal)) {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Problem::not_found(format!("no query `{id}` runs on this node"))),
    }
}
