//! `/v1/query`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Bytes,
    extract::{Query as UrlQuery, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use datafusion::{execution::SendableRecordBatchStream, scalar::ScalarValue};
use futures::StreamExt as _;
use genomdb_grammar::ast;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    App,
    body::{ELAPSED, ROWS, Rows},
    format,
    problem::Problem,
};
use crate::{Answer, Observer, Principal, QueryError, QueryId, Silent, Statement};

/// What a query is called: the name by which it is stopped.
pub(super) const QUERY_ID: HeaderName = HeaderName::from_static("x-genomdb-query-id");

/// What the address may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Options {
    q: Option<String>,
    format: Option<String>,
    timeout_ms: Option<u64>,
}

/// A request in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    query: String,
    #[serde(default)]
    params: Vec<Value>,
    format: Option<String>,
    timeout_ms: Option<u64>,
}

/// Runs `q`, which only reads.
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
    answer(&app, &principal, Request { query, params: Vec::new(), format, timeout_ms }, &headers, true).await
}

/// Runs the body: a statement, or JSON with one.
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
            Request { query, params: Vec::new(), format: None, timeout_ms: None }
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

async fn answer(
    app: &App,
    principal: &Principal,
    request: Request,
    headers: &HeaderMap,
    only_reads: bool,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let format = format::choose(request.format.as_deref(), headers)?;
    let parsed = Statement::parse(request.query.trim_end().trim_end_matches(';'));
    let statement = parsed.map_err(|error| Problem::of_statement(&error, &request.query))?;
    allow(&statement.ast, only_reads)?;
    let parameters = request.params.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
    let node = Arc::clone(&app.node);
    let registration = node.queries().begin(statement.text.clone(), principal);
    let session = node.session(principal.clone());
    let id = registration.id();
    let running = statement.clone();
    let work = async move {
        let statement = running;
        let problem = |error: QueryError| Problem::of_statement(&error, &statement.text).of_query(id);
        let answer = if parameters.is_empty() {
            let observer: Arc<dyn Observer> = Arc::new(Silent);
            node.answer(&session, &statement, &observer, registration).await
        } else {
            let prepared = node.prepare(&session, &statement).await.map_err(problem)?;
            prepared.run_as(&node, &session, parameters, registration).await.map(Answer::Rows)
        };
        match answer.map_err(problem)? {
            Answer::Done(message) => Ok(Begun::Done(message)),
            // An error before the first row is still an answer of its own.
            Answer::Rows(mut rows) => match rows.next().await.transpose() {
                Ok(first) => Ok(Begun::Rows(first, rows)),
                Err(error) => Err(problem(statement.error(error))),
            },
        }
    };
    let timeout = request.timeout_ms.map(Duration::from_millis);
    let mut work = Work(app.queries.spawn(work));
    let begun = match timeout {
        Some(timeout) => match tokio::time::timeout(timeout, &mut work.0).await {
            Ok(begun) => begun,
            Err(_) => return Err(Problem::timed_out().of_query(id)),
        },
        None => (&mut work.0).await,
    };
    match begun.map_err(|_| Problem::internal("the query failed in an unexpected way").of_query(id))?? {
        Begun::Done(message) => Ok(done(id, &message)),
        Begun::Rows(first, rest) => {
            let rows = Rows { id, statement, format, first, rest, began };
            let deadline = timeout.map(|timeout| began + timeout);
            let mut response = rows.into_body(&app.queries, deadline).into_response();
            let headers = response.headers_mut();
            headers.insert(QUERY_ID, id_value(id));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format::media_type(format)));
            if let Ok(names) = HeaderValue::from_str(&format!("{ROWS}, {ELAPSED}")) {
                headers.insert(header::TRAILER, names);
            }
            Ok(response)
        }
    }
}

/// A query that begins; it ends with whoever waits for it.
struct Work(JoinHandle<Result<Begun, Problem>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Begun {
    Done(String),
    Rows(Option<arrow::array::RecordBatch>, SendableRecordBatchStream),
}

/// What is answered to a statement that returns no rows.
fn done(id: QueryId, message: &str) -> Response {
    let body = json!({ "query_id": id.to_string(), "message": message });
    let mut response = (StatusCode::OK, axum::Json(body)).into_response();
    response.headers_mut().insert(QUERY_ID, id_value(id));
    response
}

fn id_value(id: QueryId) -> HeaderValue {
    // Hexadecimal digits are always a value.
    HeaderValue::from_str(&id.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Refuses statements that mean nothing to a server, or change something in a GET.
fn allow(statement: &ast::Statement, only_reads: bool) -> Result<(), Problem> {
    match statement {
        ast::Statement::Query(_)
        | ast::Statement::Explain(_)
        | ast::Statement::Show(_)
        | ast::Statement::Describe(_) => Ok(()),
        ast::Statement::Set(_) | ast::Statement::Reset(_) => Err(Problem::forbidden(
            "requests share no session, so that a setting would be lost or meet others",
        )),
        ast::Statement::Copy(_) => {
            Err(Problem::forbidden("COPY reads and writes files of the server, which requests may not do"))
        }
        _ if only_reads => {
            Err(Problem::forbidden("a GET changes nothing").with_hint("send the statement with POST"))
        }
        _ => Ok(()),
    }
}

/// The value of `$1`, …
fn parameter(value: &Value) -> Result<ScalarValue, Problem> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => ScalarValue::Int64(Some(number)),
            (None, Some(number)) => ScalarValue::Float64(Some(number)),
            (None, None) => return Err(Problem::bad_request("a parameter is out of the range of numbers")),
        },
        Value::Array(_) | Value::Object(_) => {
            return Err(Problem::bad_request("a parameter is a number, a string, true, false or null"));
        }
    })
}
