//! Deques: queues with two ends.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use genomdb_storage::{End, OperationResult, ScanLimit, Transaction, WriteBatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Call, freshness, json_bytes::JsonBytes, may_write, request, whole};
use crate::{
    Principal,
    http::{
        App,
        openapi::{Changing, Reading},
        parameters::Parameters,
        problem::Problem,
    },
};

/// Elements that are shown if nobody says how many.
const ELEMENTS_DEFAULT: usize = 100;
/// Elements that are shown at most.
const ELEMENTS_MAX: usize = 10_000;
/// Bytes of elements that are shown at most, and the element that reaches the bound.
const ELEMENT_BYTES_MAX: usize = 4 << 20;

/// An end of a deque.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Side {
    /// Where the first element is.
    Front,
    /// Where the last element is.
    #[default]
    Back,
}

impl From<Side> for End {
    fn from(side: Side) -> Self {
        match side {
            Side::Front => Self::Front,
            Side::Back => Self::Back,
        }
    }
}

impl From<End> for Side {
    fn from(end: End) -> Self {
        match end {
            End::Front => Self::Front,
            End::Back => Self::Back,
        }
    }
}

/// How long a deque is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Length {
    /// Its elements.
    length: u64,
}

/// A deque, or a part of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Elements {
    /// All its elements.
    length: u64,
    /// The number of the first one that is shown, from 0.
    from: u64,
    /// Those that are shown, from front to back.
    elements: Vec<JsonBytes>,
}

fn side(parameters: &mut Parameters) -> Result<End, Problem> {
    match parameters.text("side")?.as_deref() {
        Some("front") => Ok(End::Front),
        Some("back") => Ok(End::Back),
        Some(_) => Err(Problem::bad_request("`side` is front or back")),
        None => Err(Problem::bad_request("which side? front or back").with_hint("?side=back")),
    }
}

/// Puts an element at an end of a deque, which begins to exist with its first element.
#[utoipa::path(
    post, path = "/v1/kv/{key}/push", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("side" = inline(Side), Query, description = "At which end."),
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The element."),
    responses((status = 200, description = "How long the deque is now.", body = Length), Changing),
)]
pub(super) async fn push(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Length>, Problem> {
    may_write(&principal)?;
    let body = whole(body)?;
    let mut call = Call::of(&app, &uri, "/push")?;
    let end = side(&mut call.parameters)?;
    call.parameters.finish()?;
    let request = request(&principal, (&method, &uri), &headers, &body)?;
    let mut batch = WriteBatch::new();
    batch.push(call.key.clone(), end, body);
    let transaction = Transaction { conditions: Vec::new(), batch };
    let done = call.kv.change(transaction, request.as_ref()).await;
    match done.map_err(|error| Problem::of_kv(&error))?.1.pop() {
        Some(OperationResult::Length(length)) => Ok(Json(Length { length })),
        _ => Err(Problem::internal("the deque gave no length")),
    }
}

/// Takes the element at an end of a deque.
#[utoipa::path(
    post, path = "/v1/kv/{key}/pop", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("side" = inline(Side), Query, description = "At which end."),
        ("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255),
    ),
    responses(
        (status = 200, description = "The element.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 204, description = "The deque is empty."),
        Changing,
    ),
)]
pub(super) async fn pop(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    may_write(&principal)?;
    let mut call = Call::of(&app, &uri, "/pop")?;
    let end = side(&mut call.parameters)?;
    call.parameters.finish()?;
    let request = request(&principal, (&method, &uri), &headers, b"")?;
    let mut batch = WriteBatch::new();
    batch.pop(call.key.clone(), end);
    let transaction = Transaction { conditions: Vec::new(), batch };
    let done = call.kv.change(transaction, request.as_ref()).await;
    match done.map_err(|error| Problem::of_kv(&error))?.1.pop() {
        Some(OperationResult::Element(Some(element))) => Ok(element.into_response()),
        Some(OperationResult::Element(None)) => Ok(StatusCode::NO_CONTENT.into_response()),
        _ => Err(Problem::internal("the deque gave no element")),
    }
}

/// Shows a deque without taking anything: its length, and elements from front to back.
#[utoipa::path(
    get, path = "/v1/kv/{key}/deque", tag = "keys and values",
    params(
        ("key" = String, Path, description = "Any bytes, percent-encoded; `-` if `key_base64` says it."),
        ("key_base64" = Option<String>, Query, description = "The key in Base64."),
        ("from" = Option<u64>, Query, description = "The number of the first element to show, from 0."),
        ("limit" = Option<u32>, Query, description = "Elements at most; 100 if nothing is said.", maximum = 10_000),
        ("freshness" = Option<String>, Query, description = "`linearizable` (default), `nearby` or `stale`."),
        ("stale_ms" = Option<u64>, Query, description = "How old the answer may be, in milliseconds."),
    ),
    responses(
        (status = 200, description = "The deque; one that does not exist has no elements.", body = Elements,
            headers(("X-GenomDB-Freshness" = String, description = "How fresh it is at least."))),
        Reading,
    ),
)]
pub(super) async fn peek(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let mut call = Call::of(&app, &uri, "/deque")?;
    let freshness = freshness::choose(&mut call.parameters)?;
    let from = call.parameters.number("from")?.unwrap_or(0);
    let entries = call.parameters.number("limit")?.unwrap_or(ELEMENTS_DEFAULT).min(ELEMENTS_MAX);
    call.parameters.finish()?;
    let limit = ScanLimit { entries, bytes: ELEMENT_BYTES_MAX };
    let found = call.kv.with_freshness(freshness).deque(&call.name, from, limit).await;
    let (length, elements) = found.map_err(|error| Problem::of_kv(&error))?;
    let elements = match entries {
        0 => Vec::new(),
        _ => elements.iter().map(|element| JsonBytes(element.to_vec())).collect(),
    };
    let mut response = Json(Elements { length, from, elements }).into_response();
    response.headers_mut().extend([freshness::header(freshness)]);
    Ok(response)
}
