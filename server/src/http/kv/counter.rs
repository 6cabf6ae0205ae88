//! Counters: values that are decimal numbers.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, Uri},
};
use genomdb_storage::{OperationResult, Transaction, WriteBatch};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Call, may_write, request, whole};
use crate::{
    Principal,
    http::{App, openapi::Changing, problem::Problem},
};

/// A counter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Counter {
    /// Its value after the change.
    value: i64,
}

/// Adds to a counter.
///
/// The body is a whole number of 64 bits, in decimal digits. A key without a value counts as 0; one that has
/// another value than a decimal number is refused (409). A time to live stays as it is.
#[utoipa::path(
    post, path = "/v1/kv/{key}/add", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255),
    ),
    request_body(content((i64 = "application/json"), (String = "text/plain")), description = "What is added; it may be negative."),
    responses((status = 200, description = "The new value.", body = Counter), Changing),
)]
pub(super) async fn add(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Counter>, Problem> {
    may_write(&principal)?;
    let body = whole(body)?;
    let call = Call::of(&app, &uri, "/add")?;
    call.parameters.finish()?;
    let text = std::str::from_utf8(&body).ok().map(str::trim);
    let change: i64 = text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        Problem::bad_request("the body is what is added, a whole number of 64 bits").with_hint("curl -d 5 …")
    })?;
    let request = request(&principal, (&method, &uri), &headers, &body)?;
    let mut batch = WriteBatch::new();
    batch.add(call.key.clone(), change);
    let transaction = Transaction { conditions: Vec::new(), batch };
    let done = call.kv.change(transaction, request.as_ref()).await;
    match done.map_err(|error| Problem::of_kv(&error))?.1.pop() {
        Some(OperationResult::Counter(value)) => Ok(Json(Counter { value })),
        _ => Err(Problem::internal("the counter gave no value")),
    }
}
