//! `/v1/kv`: what clients keep under keys of their own.
//!
//! A key is any bytes: percent-encoded in the path, or in Base64 in `key_base64`, with `-` in its place in the
//! path. In JSON, bytes that are no text are `{"base64": "…"}`.

mod batch;
mod conditions;
mod counter;
mod deque;
mod freshness;
mod json_bytes;
mod scan;
mod span;
mod transaction;
mod value;
mod watch;

use std::time::SystemTime;

use axum::{
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
};
use genomdb_storage::{Key, Timestamp};
use utoipa_axum::{router::OpenApiRouter, routes};
use xxhash_rust::xxh3::Xxh3;

use super::{
    App,
    parameters::{self, Parameters},
    problem::Problem,
    request_body::{json, only, whole},
};
use crate::{
    Principal, Role,
    kv::{KeyValues, Request},
    milliseconds,
};

/// The longest body: a value of the longest, in Base64, and JSON around it.
const BODY_BYTES_MAX: usize = 16 << 20;
/// The path in front of a key.
const KEYS: &str = "/v1/kv/";
/// Stands in the path for a key that is said in `key_base64`.
const ELSEWHERE: &str = "-";
/// What a client calls a request that it may send again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(scan::scan))
        .routes(routes!(batch::get))
        .routes(routes!(transaction::transact))
        .routes(routes!(watch::watch))
        .routes(routes!(value::get, value::put, value::delete))
        .routes(routes!(value::expiry))
        .routes(routes!(counter::add))
        .routes(routes!(deque::push))
        .routes(routes!(deque::pop))
        .routes(routes!(deque::peek))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// A request about one key.
struct Call {
    kv: KeyValues,
    /// What the client calls it.
    name: Vec<u8>,
    /// What the store calls it.
    key: Key,
    parameters: Parameters,
}

impl Call {
    /// Takes the key from the path, or from `key_base64`; `operation` stands behind it.
    fn of(app: &App, uri: &Uri, operation: &str) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(uri)?;
        let path = uri.path().strip_prefix(KEYS).unwrap_or_default();
        let text = path.strip_suffix(operation).unwrap_or(path);
        let name = match parameters.base64("key_base64")? {
            Some(name) if text == ELSEWHERE => name,
            Some(_) => {
                let problem = Problem::bad_request("the key stands in the path and in key_base64");
                return Err(problem.with_hint("/v1/kv/-?key_base64=…"));
            }
            None => parameters::decode(text)?,
        };
        let kv = KeyValues::new(app.node.storage().clone());
        let key = kv.key(&name).map_err(|error| Problem::of_kv(&error))?;
        Ok(Self { kv, name, key, parameters })
    }
}

/// The name that the client gave to its request, with a digest of what it asks for.
fn request(
    principal: &Principal,
    (method, uri): (&Method, &Uri),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Request>, Problem> {
    let Some(name) = only(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    let mut digest = Xxh3::new();
    let header = |name| headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
    let target = uri.path_and_query().map_or("", |target| target.as_str()).as_bytes();
    let parts =
        [method.as_str().as_bytes(), target, header(header::IF_MATCH), header(header::IF_NONE_MATCH), body];
    for part in parts {
        // With their lengths, so that no two requests read alike.
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let request = Request::new(&principal.name, name, digest.digest128());
    request.map(Some).map_err(|error| Problem::of_kv(&error))
}

fn may_write(principal: &Principal) -> Result<(), Problem> {
    Problem::unless_allowed(principal, Role::Writer)
}

/// The moment from which a value is gone, said as a moment or as a time from now on.
fn until(expires_at: Option<u64>, ttl_ms: Option<u64>) -> Result<Option<Timestamp>, Problem> {
    match (expires_at, ttl_ms) {
        (None, None) => Ok(None),
        (Some(moment), None) => Ok(Some(Timestamp(moment))),
        (None, Some(0)) => Err(Problem::bad_request("`ttl_ms` is 1 or more")),
        (None, Some(ttl_ms)) => {
            let until = milliseconds::since_1970(SystemTime::now()).checked_add(ttl_ms);
            until.map(|until| Some(Timestamp(until))).ok_or_else(|| {
                Problem::bad_request("`ttl_ms` is beyond the end of time; without it, the value stays")
            })
        }
        (Some(_), Some(_)) => Err(Problem::bad_request("either `expires_at` or `ttl_ms`")),
    }
}
