//! `/v1/cluster`: how the cluster stands, and what an operator changes about it. Any node answers: it asks
//! whoever places ranges.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    App,
    openapi::{Operating, Reading},
    parameters::Parameters,
    problem::Problem,
    request_body,
};
use crate::{
    Principal, Role,
    cluster::{Admin, NodeId, RangeId, StorageError, key_text, report},
};

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(ranges))
        .routes(routes!(drain, undrain))
        .routes(routes!(remove))
        .routes(routes!(split))
        .routes(routes!(transfer_leader))
        .routes(routes!(check))
}

/// What was done, or was begun.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// In words.
    done: String,
}

/// Where a range is cut.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Cut {
    /// The first key of the second part, as `/v1/cluster/ranges` writes keys; in the middle without it.
    at: Option<String>,
}

/// Who shall lead a range.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Leader {
    /// The number of a node that votes in the range.
    node: u64,
}

/// How the cluster stands: nodes, what is missing, what is being done.
#[utoipa::path(
    get, path = "/v1/cluster", tag = "cluster",
    responses((status = 200, description = "How it stands.", body = report::Cluster), Reading,
        (status = 409, description = "This is a folder by itself, and no cluster.", body = super::problem::Details, content_type = "application/problem+json")),
)]
pub(super) async fn status(State(app): State<App>, uri: Uri) -> Result<Json<report::Cluster>, Problem> {
    Parameters::of(&uri)?.finish()?;
    Ok(Json(report::Cluster::from(&ask(&app, Admin::status).await?)))
}

/// The ranges: their keys, where their copies are, how large and how busy they are.
#[utoipa::path(
    get, path = "/v1/cluster/ranges", tag = "cluster",
    responses((status = 200, description = "By their keys.", body = report::Ranges), Reading,
        (status = 409, description = "This is a folder by itself, and no cluster.", body = super::problem::Details, content_type = "application/problem+json")),
)]
pub(super) async fn ranges(State(app): State<App>, uri: Uri) -> Result<Json<report::Ranges>, Problem> {
    Parameters::of(&uri)?.finish()?;
    Ok(Json(report::Ranges::from(&ask(&app, Admin::status).await?)))
}

/// Moves leaders and copies off a node, which stays a member.
#[utoipa::path(
    post, path = "/v1/cluster/nodes/{node}/drain", tag = "cluster",
    params(("node" = u64, Path, description = "The number of the node.")),
    responses((status = 202, description = "It is being drained; `replicas` of the status falls to 0.", body = Done), Operating),
)]
pub(super) async fn drain(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let node = NodeId(number(&app, &principal, &uri)?);
    ask(&app, move |admin| admin.drain(node, true)).await?;
    Ok((StatusCode::ACCEPTED, Json(Done { done: format!("node {node} is being drained") })))
}

/// Uses a node again that was drained.
#[utoipa::path(
    delete, path = "/v1/cluster/nodes/{node}/drain", tag = "cluster",
    params(("node" = u64, Path, description = "The number of the node.")),
    responses((status = 200, description = "It is used again.", body = Done), Operating),
)]
pub(super) async fn undrain(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
) -> Result<Json<Done>, Problem> {
    let node = NodeId(number(&app, &principal, &uri)?);
    ask(&app, move |admin| admin.drain(node, false)).await?;
    Ok(Json(Done { done: format!("node {node} is used again") }))
}

/// Ends the membership of a node that was drained, or that is gone for good.
#[utoipa::path(
    delete, path = "/v1/cluster/nodes/{node}", tag = "cluster",
    params(
        ("node" = u64, Path, description = "The number of the node; it is never used again."),
        ("force" = Option<bool>, Query, description = "The node is gone with its disk: what it held is built anew elsewhere."),
    ),
    responses((status = 200, description = "It is no member any more.", body = Done), Operating),
)]
pub(super) async fn remove(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
) -> Result<Json<Done>, Problem> {
    let mut parameters = Parameters::of(&uri)?;
    let force = parameters.flag("force")?;
    parameters.finish()?;
    let node = NodeId(number_of_path(&app, &principal, &uri)?);
    ask(&app, move |admin| admin.remove(node, force)).await?;
    Ok(Json(Done { done: format!("node {node} is no member any more") }))
}

/// Cuts a range in two.
#[utoipa::path(
    post, path = "/v1/cluster/ranges/{range}/split", tag = "cluster",
    params(("range" = u64, Path, description = "The number of the range.")),
    request_body(content = Option<Cut>, description = "Where; in the middle without it."),
    responses((status = 202, description = "It is being split.", body = Done), Operating),
)]
pub(super) async fn split(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let range = RangeId(number(&app, &principal, &uri)?);
    let body = request_body::whole(body)?;
    let cut: Option<Cut> = match body.is_empty() {
        true => None,
        false => request_body::json(&headers, &body)?,
    };
    let at = cut.and_then(|cut| cut.at).map(|at| key_text::parse(&at)).transpose();
    let at = at.map_err(|error| Problem::bad_request(error.to_string()))?;
    ask(&app, move |admin| admin.split(range, at)).await?;
    Ok((StatusCode::ACCEPTED, Json(Done { done: format!("range {range} is being split") })))
}

/// Lets another node lead a range.
#[utoipa::path(
    post, path = "/v1/cluster/ranges/{range}/leader", tag = "cluster",
    params(("range" = u64, Path, description = "The number of the range.")),
    request_body = Leader,
    responses((status = 202, description = "It is being handed over.", body = Done), Operating),
)]
pub(super) async fn transfer_leader(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Done>), Problem> {
    let range = RangeId(number(&app, &principal, &uri)?);
    let Leader { node } = request_body::json(&headers, &request_body::whole(body)?)?;
    let node = NodeId(node);
    ask(&app, move |admin| admin.transfer_leader(range, node)).await?;
    let done = format!("range {range} is being handed to node {node}");
    Ok((StatusCode::ACCEPTED, Json(Done { done })))
}

/// Compares the copies of a range: each computes a checksum as of the same entry of its log.
#[utoipa::path(
    post, path = "/v1/cluster/ranges/{range}/check", tag = "cluster",
    params(("range" = u64, Path, description = "The number of the range.")),
    responses((status = 200, description = "What each copy has.", body = report::Check), Operating),
)]
pub(super) async fn check(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
) -> Result<Json<report::Check>, Problem> {
    let range = RangeId(number(&app, &principal, &uri)?);
    let replicas = ask(&app, move |admin| admin.check(range)).await?;
    Ok(Json(report::Check::from(&(range, replicas))))
}

/// The number in the path, of an administrator's request without parameters.
fn number(app: &App, principal: &Principal, uri: &Uri) -> Result<u64, Problem> {
    Parameters::of(uri)?.finish()?;
    number_of_path(app, principal, uri)
}

fn number_of_path(app: &App, principal: &Principal, uri: &Uri) -> Result<u64, Problem> {
    Problem::unless_allowed(principal, Role::Admin)?;
    if !app.node.storage().is_shared() {
        return Err(no_cluster());
    }
    // /v1/cluster/nodes/{node}…, /v1/cluster/ranges/{range}…
    let number = uri.path().split('/').nth(4).and_then(|text| text.parse().ok());
    number.ok_or_else(|| Problem::bad_request("nodes and ranges have numbers"))
}

/// Asks whoever places ranges; it may take long, and so has a thread of its own.
async fn ask<T: Send + 'static>(
    app: &App,
    question: impl FnOnce(&Admin) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, Problem> {
    let admin = app.node.storage().admin().ok_or_else(no_cluster)?;
    let answer = tokio::task::spawn_blocking(move || question(&admin)).await;
    let answer = answer.map_err(|_| Problem::internal("the cluster could not be asked"))?;
    answer.map_err(|error| Problem::of_storage(&error))
}

fn no_cluster() -> Problem {
    Problem::conflict("this is a folder by itself, and no cluster")
}
