//! Reading, writing and removing one value.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use genomdb_storage::{Condition, Outcome, Transaction, WriteBatch};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Call, conditions, freshness, may_write, request, until, whole};
use crate::{
    Principal,
    http::{
        App,
        openapi::{Changing, Reading},
        problem::Problem,
    },
    milliseconds,
};

/// When a value is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Expiry {
    /// Milliseconds since 1970; null if it stays.
    expires_at: Option<u64>,
    /// Milliseconds from now on; null if it stays.
    ttl_ms: Option<u64>,
}

/// Reads the value of a key.
///
/// The answer is the bytes as they were put. A counter is a decimal number.
#[utoipa::path(
    get, path = "/v1/kv/{key}", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("freshness" = Option<String>, Query, description = "`linearizable` (default): from the leader. `nearby`: the same, from a replica near by. `stale`: as old as `stale_ms`."),
        ("stale_ms" = Option<u64>, Query, description = "How old the answer may be, in milliseconds."),
        ("If-None-Match" = Option<String>, Header, description = "A tag: 304 if the value still has it."),
    ),
    responses(
        (status = 200, description = "The value.", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("ETag" = String, description = "A digest of the value."), ("X-GenomDB-Freshness" = String, description = "How fresh it is at least."))),
        (status = 304, description = "The value has the tag.", headers(("ETag" = String))),
        Reading,
        (status = 404, description = "The key has no value.", body = crate::http::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut call = Call::of(&app, &uri, "")?;
    let freshness = freshness::choose(&mut call.parameters)?;
    call.parameters.finish()?;
    let found = call.kv.with_freshness(freshness).get(&call.name).await;
    let value = found.map_err(|error| Problem::of_kv(&error))?.ok_or_else(absent)?;
    let known = conditions::is_known(&headers, &value)?;
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => value.clone().into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, tag(&value));
    headers.extend([freshness::header(freshness)]);
    Ok(response)
}

/// Stores a value.
///
/// The body is the value. With `If-Match` or `If-None-Match: *` it is stored only if the key has the value
/// with that tag, or none. Sent again with the same `Idempotency-Key`, it counts once.
#[utoipa::path(
    put, path = "/v1/kv/{key}", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("ttl_ms" = Option<u64>, Query, description = "After so many milliseconds the value is gone.", minimum = 1),
        ("expires_at" = Option<u64>, Query, description = "From this moment on the value is gone: milliseconds since 1970."),
        ("If-Match" = Option<String>, Header, description = "Tags, one of which the value has; or `*`: there is a value."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is no value."),
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The value."),
    responses((status = 204, description = "It is stored.", headers(("ETag" = String))), Changing),
)]
pub(super) async fn put(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    may_write(&principal)?;
    let body = whole(body)?;
    let mut call = Call::of(&app, &uri, "")?;
    let until = until(call.parameters.number("expires_at")?, call.parameters.number("ttl_ms")?)?;
    call.parameters.finish()?;
    let mut batch = WriteBatch::new();
    match until {
        Some(until) => batch.put_until(call.key.clone(), body.clone(), until),
        None => batch.put(call.key.clone(), body.clone()),
    };
    let request = request(&principal, (&method, &uri), &headers, &body)?;
    let conditions = conditions::of_change(&call, &headers).await?;
    change(&call, Transaction { conditions, batch }, request.as_ref()).await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(header::ETAG, tag(&body));
    Ok(response)
}

/// Removes a key, its value and its deque; nothing happens if it has none.
#[utoipa::path(
    delete, path = "/v1/kv/{key}", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("If-Match" = Option<String>, Header, description = "Tags, one of which the value has; or `*`: there is a value."),
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255),
    ),
    responses((status = 204, description = "The key has nothing."), Changing),
)]
pub(super) async fn delete(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    may_write(&principal)?;
    let call = Call::of(&app, &uri, "")?;
    call.parameters.finish()?;
    let mut batch = WriteBatch::new();
    batch.delete(call.key.clone());
    let request = request(&principal, (&method, &uri), &headers, b"")?;
    let conditions = conditions::of_change(&call, &headers).await?;
    change(&call, Transaction { conditions, batch }, request.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells when the value of a key is gone.
#[utoipa::path(
    get, path = "/v1/kv/{key}/ttl", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
    ),
    responses(
        (status = 200, description = "When.", body = Expiry),
        Reading,
        (status = 404, description = "The key has no value.", body = crate::http::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn expiry(State(app): State<App>, uri: Uri) -> Result<Json<Expiry>, Problem> {
    let call = Call::of(&app, &uri, "/ttl")?;
    call.parameters.finish()?;
    let failed = |error| Problem::of_kv(&error);
    let expires = call.kv.expires(&call.name).await.map_err(failed)?;
    call.kv.get(&call.name).await.map_err(failed)?.ok_or_else(absent)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let expires_at = expires.map(|moment| moment.0);
    let ttl_ms = expires_at.map(|moment| moment.saturating_sub(milliseconds::of(now)));
    Ok(Json(Expiry { expires_at, ttl_ms }))
}

/// Changes the key if its conditions hold.
async fn change(
    call: &Call,
    transaction: Transaction,
    request: Option<&crate::kv::Request>,
) -> Result<(), Problem> {
    let wants_nothing = matches!(transaction.conditions.as_slice(), [Condition::Absent(_)]);
    let (outcome, _) = call.kv.change(transaction, request).await.map_err(|error| Problem::of_kv(&error))?;
    match outcome {
        Outcome::Committed => Ok(()),
        Outcome::ConditionFailed { .. } => Err(Problem::precondition_failed(match wants_nothing {
            true => "the key has a value",
            false => "the key has no value with this tag",
        })),
    }
}

fn absent() -> Problem {
    Problem::not_found("the key has no value")
}

fn tag(value: &[u8]) -> HeaderValue {
    // Hexadecimal digits between quotes are always a value.
    HeaderValue::from_str(&conditions::tag(value)).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}
