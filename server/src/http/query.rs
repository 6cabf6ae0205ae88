//! `/v1/query`.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Extension,
    body::Bytes,
    extract::{Query as UrlQuery, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, header},
    response::Response,
};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{App, asked::Asked, openapi::Answered, problem::Problem};
use crate::{Principal, QueryId};

/// What a query is called: the name by which it is stopped.
pub(super) const QUERY_ID: HeaderName = HeaderName::from_static(QueryId::HEADER);

/// How long a client can have the server wait for a result that may come later.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What the address may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    q: Option<String>,
    format: Option<String>,
    timeout_ms: Option<u64>,
}

/// A request in JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// The statement.
    pub(super) query: String,
    /// Values of `$1`, `$2`, …: numbers, strings, true, false, null.
    #[serde(default)]
    pub(super) params: Vec<Value>,
    /// json, ndjson, csv, tsv, arrow, parquet or table; wins over Accept.
    pub(super) format: Option<String>,
    /// The query ends after so long.
    pub(super) timeout_ms: Option<u64>,
    /// Settings for this statement alone, as `SET` takes them.
    #[serde(default)]
    pub(super) settings: BTreeMap<String, Value>,
}

impl Request {
    fn new(query: String) -> Self {
        Self { query, params: Vec::new(), format: None, timeout_ms: None, settings: BTreeMap::new() }
    }
}

/// Runs `q`, which only reads.
#[utoipa::path(
    get, path = "/v1/query", tag = "queries",
    params(
        ("q" = String, Query, description = "The statement: SELECT, SHOW, DESCRIBE or EXPLAIN."),
        ("format" = Option<String>, Query, description = "json, ndjson, csv, tsv, arrow, parquet or table; wins over Accept."),
        ("timeout_ms" = Option<u64>, Query, description = "The query ends after so long."),
        ("Accept" = Option<String>, Header, description = "The media type of the answer."),
        ("X-GenomDB-Query-Id" = Option<String>, Header, description = "A name for the query that no other has or had: 16 hexadecimal digits."),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: the result comes later; `wait=N`: unless it is there within so many seconds."),
    ),
    responses(Answered),
)]
pub(super) async fn get(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    options: Result<UrlQuery<Options>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let UrlQuery(options) = options.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Options { q, format, timeout_ms } = options;
    let query = q.ok_or_else(|| {
        Problem::bad_request("the statement is missing").with_hint("GET /v1/query?q=SHOW%20TABLES")
    })?;
    let request = Request { format, timeout_ms, ..Request::new(query) };
    answer(&app, &principal, request, &headers, true).await
}

/// Runs the body: a statement, or JSON with one.
#[utoipa::path(
    post, path = "/v1/query", tag = "queries",
    params(
        ("format" = Option<String>, Query, description = "json, ndjson, csv, tsv, arrow, parquet or table; wins over Accept."),
        ("timeout_ms" = Option<u64>, Query, description = "The query ends after so long."),
        ("Accept" = Option<String>, Header, description = "The media type of the answer."),
        ("X-GenomDB-Query-Id" = Option<String>, Header, description = "A name for the query that no other has or had: 16 hexadecimal digits."),
        ("Prefer" = Option<String>, Header, description = "`respond-async`: the result comes later; `wait=N`: unless it is there within so many seconds."),
    ),
    request_body(content((Request = "application/json"), (String = "text/plain"), (String = "application/sql"))),
    responses(Answered),
)]
pub(super) async fn post(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    options: Result<UrlQuery<Options>, QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let UrlQuery(options) = options.map_err(|error| Problem::bad_request(error.body_text()))?;
    if options.q.is_some() {
        return Err(Problem::bad_request("the statement is the body of a POST"));
    }
    let media_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let media_type = media_type.map(|text| text.split(';').next().unwrap_or_default().trim());
    let mut request = match media_type.map(str::to_ascii_lowercase).as_deref() {
        Some("application/json") => serde_json::from_slice(&body)
            .map_err(|error| Problem::bad_request(format!("the body is not a request in JSON: {error}")))?,
        // What curl says of itself when it is told nothing.
        None | Some("text/plain" | "application/sql" | "application/x-www-form-urlencoded") => {
            let query = String::from_utf8(body.into())
                .map_err(|_| Problem::bad_request("the statement is not UTF-8"))?;
            Request::new(query)
        }
        Some(other) => {
            let detail = format!("a statement is text/plain or application/json, not {other}");
            return Err(Problem::unsupported(detail));
        }
    };
    request.format = request.format.or(options.format);
    request.timeout_ms = request.timeout_ms.or(options.timeout_ms);
    answer(&app, &principal, request, &headers, false).await
}

/// Answers at once, or later if the client prefers that.
async fn answer(
    app: &App,
    principal: &Principal,
    request: Request,
    headers: &HeaderMap,
    only_reads: bool,
) -> Result<Response, Problem> {
    let prefer = Prefer::of(headers);
    let asked = Asked::new(app, principal, &request, headers, only_reads)?;
    if prefer.later { asked.later(app, principal, prefer.wait).await } else { asked.now(app).await }
}

/// What `Prefer` says (RFC 7240); what is not known there is ignored, as the header wants it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Prefer {
    /// The result may come later.
    later: bool,
    /// But it would be good to have within so long.
    wait: Duration,
}

impl Prefer {
    fn of(headers: &HeaderMap) -> Self {
        let mut prefer = Self::default();
        let values = headers.get_all("prefer").into_iter().filter_map(|value| value.to_str().ok());
        for preference in values.flat_map(|value| value.split([',', ';'])) {
            match preference.trim().split_once('=') {
                None => prefer.later |= preference.trim().eq_ignore_ascii_case("respond-async"),
                Some((name, seconds)) if name.trim().eq_ignore_ascii_case("wait") => {
                    let seconds = seconds.trim().trim_matches('"').parse().unwrap_or(0);
                    prefer.wait = Duration::from_secs(seconds).min(WAIT_MAX);
                }
                Some(_) => {}
            }
        }
        prefer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_and_what_is_unknown_is_ignored() {
        let of = |value: &'static str| {
            Prefer::of(&HeaderMap::from_iter([(
                HeaderName::from_static("prefer"),
                axum::http::HeaderValue::from_static(value),
            )]))
        };
        let later = |seconds| Prefer { later: true, wait: Duration::from_secs(seconds) };
        assert_eq!(of("respond-async"), later(0));
        assert_eq!(of("return=minimal, Respond-Async, wait=10"), later(10));
        assert_eq!(of("respond-async; wait=\"7\""), later(7));
        assert_eq!(of("respond-async, wait=soon"), later(0));
        assert_eq!(of("respond-async, wait=99999999"), later(WAIT_MAX.as_secs()));
        assert!(!of("respond-asynchronously, wait=1").later);
    }
}
