//! Tokens: making, listing and revoking them, for admins.

use std::time::Duration;

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, openapi::Operating, problem::Problem};
use crate::{
    Principal, Role,
    accounts::{Account, AccountError},
    milliseconds,
};

/// A token that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = TokenWanted)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What it is called, and whoever shows it.
    name: String,
    /// `reader`, `writer` or `admin`.
    role: String,
    /// Seconds until it is not accepted any more.
    expires_in_s: Option<u64>,
}

/// A token without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(super) struct Shown {
    name: String,
    role: &'static str,
    /// Milliseconds since 1970.
    created_ms: u64,
    expires_ms: Option<u64>,
    expired: bool,
}

impl From<&Account> for Shown {
    fn from(account: &Account) -> Self {
        Self {
            name: account.name.clone(),
            role: account.role.name(),
            created_ms: milliseconds::since_1970(account.created),
            expires_ms: account.expires.map(milliseconds::since_1970),
            expired: account.is_expired(),
        }
    }
}

/// A token that was made; the only time that its secret is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = TokenMade)]
pub(super) struct Made<'a> {
    #[serde(flatten)]
    shown: Shown,
    token: &'a str,
}

/// All tokens, by name, without their secrets.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "tokens",
    responses((status = 200, description = "By name.", body = Vec<Shown>), Operating),
)]
pub(super) async fn list(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
) -> Result<Json<Vec<Shown>>, Problem> {
    Problem::unless_allowed(&principal, Role::Admin)?;
    let accounts = app.node.accounts().list().await.map_err(problem)?;
    Ok(Json(accounts.iter().map(Shown::from).collect()))
}

/// Makes a token, and shows its secret this once.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens",
    request_body = Wanted,
    responses((status = 201, description = "It is accepted from now on.", body = Made), Operating),
)]
pub(super) async fn create(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    body: Bytes,
) -> Result<Response, Problem> {
    Problem::unless_allowed(&principal, Role::Admin)?;
    let wanted: Wanted = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("the body is not a token that is wanted: {error}"))
            .with_hint(r#"{"name": "pipeline", "role": "reader", "expires_in_s": 86400}"#)
    })?;
    let role =
        wanted.role.parse().map_err(|error: crate::UnknownRole| Problem::bad_request(error.to_string()))?;
    let lifetime = wanted.expires_in_s.map(Duration::from_secs);
    let made = app.node.accounts().create(&wanted.name, role, lifetime).await;
    let (account, token) = made.map_err(problem)?;
    let made = Made { shown: (&account).into(), token: token.reveal() };
    let mut response = (StatusCode::CREATED, Json(made)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Revokes a token; within seconds no node accepts it any more.
#[utoipa::path(
    delete, path = "/v1/tokens/{name}", tag = "tokens",
    params(("name" = String, Path, description = "What it is called.")),
    responses((status = 204, description = "It is revoked."), Operating),
)]
pub(super) async fn revoke(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    Problem::unless_allowed(&principal, Role::Admin)?;
    match app.node.accounts().revoke(&name).await.map_err(problem)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("there is no token of that name")),
    }
}

fn problem(error: AccountError) -> Problem {
    let detail = error.to_string();
    match error {
        AccountError::Name | AccountError::Expired => Problem::bad_request(detail),
        AccountError::Exists(_) | AccountError::Full => Problem::conflict(detail),
        AccountError::Chance(_) => Problem::internal(&detail),
        AccountError::Storage(_) | AccountError::Late => Problem::unavailable(detail),
    }
}
