//! What runs, how far it is, and stopping it.

use axum::{
    Extension, Json,
    extract::{Path, Query as UrlQuery, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, asked, format, openapi::Answered, problem::Problem};
use crate::{Principal, RunningQuery, milliseconds};

/// A query that runs, or ran.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedQuery)]
pub(super) struct Listed {
    id: String,
    user: String,
    text: String,
    /// `planning`, `queued`, `running` or `ended`.
    state: &'static str,
    /// Of one that ended: `done`, `cancelled`, `abandoned`, `refused` or `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// `low`, `normal` or `high`.
    priority: String,
    /// Milliseconds since 1970.
    began_ms: u64,
    elapsed_ms: u64,
    queued_ms: u64,
    /// Rows returned so far.
    rows: u64,
    rows_read: u64,
    bytes_read: u64,
    blocks_read: u64,
    /// Blocks that the index made it unnecessary to read.
    blocks_pruned: u64,
    memory_bytes: u64,
}

impl From<&RunningQuery> for Listed {
    fn from(query: &RunningQuery) -> Self {
        let (used, outcome) = (query.used(), query.outcome());
        Self {
            id: query.id.to_string(),
            user: query.principal.name.to_string(),
            text: query.text.to_string(),
            state: query.state().name(),
            outcome: outcome.map(crate::Outcome::name),
            error: outcome.and_then(crate::Outcome::error).map(str::to_owned),
            priority: query.priority().to_string(),
            began_ms: milliseconds::since_1970(query.began),
            elapsed_ms: milliseconds::of(query.elapsed()),
            queued_ms: milliseconds::of(query.queued()),
            rows: query.rows(),
            rows_read: used.rows_read,
            bytes_read: used.bytes_read,
            blocks_read: used.blocks_read,
            blocks_pruned: used.blocks_pruned(),
            memory_bytes: used.memory,
        }
    }
}

/// The queries that run on this node, the oldest first; of others, only an admin sees them.
#[utoipa::path(
    get, path = "/v1/queries", tag = "queries",
    responses((status = 200, description = "What runs on this node.", body = [Listed])),
)]
pub(super) async fn list(
    State(App { node, .. }): State<App>,
    Extension(principal): Extension<Principal>,
) -> Json<Vec<Listed>> {
    let queries = node.queries().list();
    let own = queries.iter().filter(|query| crate::queries::is_of(query, &principal));
    Json(own.map(|query| query.as_ref().into()).collect())
}

/// One query: how far it is, or how it ended.
#[utoipa::path(
    get, path = "/v1/queries/{id}", tag = "queries",
    params(("id" = String, Path, description = "The query's name, as X-GenomDB-Query-Id said it.")),
    responses(
        (status = 200, description = "How far it is.", body = Listed),
        (status = 400, description = "The path is not UTF-8.", body = super::problem::Details, content_type = "application/problem+json"),
        (status = 404, description = "This node knows none of that name, or it is another's.", body = super::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(
    State(App { node, .. }): State<App>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<Listed>, Problem> {
    let query = id.parse().ok().and_then(|id| node.queries().find(id, &principal));
    let query = query.ok_or_else(|| Problem::not_found(format!("this node knows no query `{id}`")))?;
    Ok(Json(query.as_ref().into()))
}

/// The result of a query that was asked before, with `Prefer: respond-async`.
#[utoipa::path(
    get, path = "/v1/queries/{id}/result", tag = "queries",
    params(
        ("id" = String, Path, description = "The query's name, as X-GenomDB-Query-Id said it."),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, tsv, arrow, parquet or table; wins over Accept."),
        ("Accept" = Option<String>, Header, description = "The media type of the answer."),
    ),
    responses(
        Answered,
        (status = 404, description = "No result of a query of that name waits here.", body = super::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn result(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
    options: Result<UrlQuery<ResultOptions>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let UrlQuery(options) = options.map_err(|error| Problem::bad_request(error.body_text()))?;
    let format = format::choose(options.format.as_deref(), &headers)?;
    let unknown = || Problem::not_found(format!("no result of a query `{id}` waits here"));
    let id = id.parse().map_err(|_| unknown())?;
    let result = app.results.find(id, &principal).ok_or_else(unknown)?;
    asked::fetch(&app, id, result, format).await
}

/// What the address of a result may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultOptions {
    format: Option<String>,
}

/// Stops a query, and deletes its result.
#[utoipa::path(
    delete, path = "/v1/queries/{id}", tag = "queries",
    params(("id" = String, Path, description = "The query's name, as X-GenomDB-Query-Id said it.")),
    responses(
        (status = 204, description = "It is stopped."),
        (status = 400, description = "The path is not UTF-8.", body = super::problem::Details, content_type = "application/problem+json"),
        (status = 404, description = "None of that name runs here, or it is another's.", body = super::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn cancel(
    State(App { node, results, .. }): State<App>,
    Extension(principal): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let gone = id.parse().is_ok_and(|id| {
        let stopped = node.queries().cancel(id, &principal);
        results.forget(id, &principal) || stopped
    });
    match gone {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found(format!("no query `{id}` runs on this node"))),
    }
}
