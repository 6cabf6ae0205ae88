//! A statement that was asked over HTTP, from its text to its answer: now, or later.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::array::RecordBatch;
use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use datafusion::{execution::SendableRecordBatchStream, scalar::ScalarValue};
use futures::{StreamExt as _, future::BoxFuture};
use genomdb_grammar::ast;
use serde_json::{Value, json};

use super::{
    App,
    body::{ELAPSED, ROWS, Rows},
    format,
    problem::Problem,
    queries::Listed,
    query::{QUERY_ID, Request},
    results::{Later, Results},
};
use crate::{
    Answer, NoQueryId, Node, Observer, Principal, QueryError, QueryId, RunningQuery, Session, Silent,
    Statement,
    output::{self, Format},
    owned_task::OwnedTask,
    parameters::Parameters,
    queries::Registration,
    sql_value,
};

/// A query says by itself that its time is over; so much later nobody waits for that any more, such as while
/// a long text is planned.
const GRACE: Duration = Duration::from_millis(500);

/// A statement that was asked, and has not begun.
pub(super) struct Asked {
    id: QueryId,
    query: Arc<RunningQuery>,
    statement: Statement,
    format: Format,
    timeout: Option<Duration>,
    began: Instant,
    work: BoxFuture<'static, Result<Begun, Problem>>,
}

enum Begun {
    Done(String),
    Rows(Option<RecordBatch>, SendableRecordBatchStream),
}

impl Asked {
    pub(super) fn new(
        app: &App,
        principal: &Principal,
        request: &Request,
        headers: &HeaderMap,
        only_reads: bool,
    ) -> Result<Self, Problem> {
        let began = Instant::now();
        let format = format::choose(request.format.as_deref(), headers)?;
        let parsed = Statement::parse(request.query.trim_end().trim_end_matches(';'));
        let statement = parsed.map_err(|error| Problem::of_statement(&error, &request.query))?;
        allow(&statement.ast, only_reads)?;
        let parameters = request.params.iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
        let node = Arc::clone(&app.node);
        let session = node.session(principal.clone());
        for (name, value) in &request.settings {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            session.set(name, &value).map_err(|error| Problem::of_statement(&error, &request.query))?;
        }
        let mut registration = begin(&node, &statement, principal, headers)?;
        let own = session.query_options().timeout.limit();
        let timeout = [own, request.timeout_ms.map(Duration::from_millis)].into_iter().flatten().min();
        if let Some(timeout) = timeout {
            registration.set_timeout(timeout);
        }
        let (id, query) = (registration.id(), Arc::clone(registration.query()));
        let work = Box::pin(work(node, session, statement.clone(), parameters, registration));
        Ok(Self { id, query, statement, format, timeout, began, work })
    }

    /// Answers when the first rows are there.
    pub(super) async fn now(self, app: &App) -> Result<Response, Problem> {
        let Self { id, statement, format, timeout, began, work, .. } = self;
        let work = OwnedTask::spawn(&app.queries, work);
        let begun = match timeout.and_then(|timeout| timeout.checked_add(GRACE)) {
            Some(timeout) => match tokio::time::timeout(timeout, work).await {
                Ok(begun) => begun,
                Err(_) => return Err(Problem::timed_out().of_query(id)),
            },
            None => work.await,
        };
        match begun.map_err(|_| Problem::internal("the query failed in an unexpected way").of_query(id))?? {
            Begun::Done(message) => Ok(done(id, &message)),
            Begun::Rows(first, rest) => {
                let rows = Rows { id, statement, format, first, rest, began };
                let deadline = timeout.and_then(|timeout| began.checked_add(timeout));
                Ok(respond(app, rows, deadline))
            }
        }
    }

    /// Answers when all rows are there and `wait` is not over, or else says where they will be.
    pub(super) async fn later(
        self,
        app: &App,
        principal: &Principal,
        wait: Duration,
    ) -> Result<Response, Problem> {
        let Self { id, query, statement, format, work, .. } = self;
        app.results.expect(id, principal)?;
        let work = app.queries.spawn(store(app.results.clone(), id, statement, work));
        app.results.work(id, work.abort_handle());
        let is_over = !wait.is_zero() && tokio::time::timeout(wait, work).await.is_ok();
        let applied = HeaderValue::from_static("respond-async");
        if is_over && let Some(result) = app.results.find(id, principal) {
            let mut response = fetch(app, id, result, format).await?;
            response.headers_mut().insert("preference-applied", applied);
            return Ok(response);
        }
        let mut response = (StatusCode::ACCEPTED, axum::Json(Listed::from(query.as_ref()))).into_response();
        let headers = response.headers_mut();
        headers.insert(QUERY_ID, id_value(id));
        headers.insert("preference-applied", applied);
        if let Ok(location) = HeaderValue::from_str(&format!("/v1/queries/{id}")) {
            headers.insert(header::LOCATION, location);
        }
        Ok(response)
    }
}

/// Runs a statement up to its first rows.
async fn work(
    node: Arc<Node>,
    session: Session,
    statement: Statement,
    parameters: Vec<ScalarValue>,
    registration: Registration,
) -> Result<Begun, Problem> {
    let id = registration.id();
    let problem = |error: QueryError| Problem::of_statement(&error, &statement.text).of_query(id);
    let answer = match &statement.ast {
        ast::Statement::Query(_) if !parameters.is_empty() => {
            match node.prepare(&session, &statement).await {
                Ok(prepared) => {
                    let parameters = Some(parameters.into());
                    prepared.run_as(&node, &session, parameters, registration).await.map(Answer::Rows)
                }
                Err(error) => {
                    registration.query().fail(&error);
                    Err(error)
                }
            }
        }
        _ => {
            let parameters = Parameters::of_one_run(&parameters).map_err(|error| problem(error.into()))?;
            let observer: Arc<dyn Observer> = Arc::new(Silent);
            node.answer(&session, &statement, &parameters, &observer, registration).await
        }
    };
    match answer.map_err(problem)? {
        Answer::Done(message) => Ok(Begun::Done(message)),
        // An error before the first row is still an answer of its own.
        Answer::Rows(mut rows) => match rows.next().await.transpose() {
            Ok(first) => Ok(Begun::Rows(first, rows)),
            Err(error) => Err(problem(statement.error(error))),
        },
    }
}

/// Runs a statement to its end, and keeps what it gives.
async fn store(
    results: Results,
    id: QueryId,
    statement: Statement,
    work: BoxFuture<'static, Result<Begun, Problem>>,
) {
    let result = match work.await {
        Ok(Begun::Done(message)) => Later::Done(message),
        Ok(Begun::Rows(first, rest)) => match results.store(statement, first, rest).await {
            Ok(stored) => Later::Rows(Arc::new(stored)),
            Err(problem) => Later::Failed(problem.of_query(id)),
        },
        Err(problem) => Later::Failed(problem),
    };
    results.keep(id, result);
}

/// Hands out a result that was asked for before.
pub(super) async fn fetch(
    app: &App,
    id: QueryId,
    result: Later,
    format: Format,
) -> Result<Response, Problem> {
    match result {
        Later::Running => Err(Problem::not_yet().of_query(id)),
        Later::Failed(problem) => Err(problem),
        Later::Done(message) => Ok(done(id, &message)),
        Later::Rows(stored) => {
            let (began, rest) = (Instant::now(), stored.rows().await?);
            let rows = Rows { id, statement: stored.statement.clone(), format, first: None, rest, began };
            Ok(respond(app, rows, None))
        }
    }
}

/// Begins to send rows.
fn respond(app: &App, rows: Rows, deadline: Option<Instant>) -> Response {
    let (id, format) = (rows.id, rows.format);
    if let Err(error) = output::check(format, &rows.rest.schema()) {
        return Problem::not_acceptable(error.to_string()).of_query(id).into_response();
    }
    let mut response = rows.into_body(&app.queries, deadline).into_response();
    let headers = response.headers_mut();
    headers.insert(QUERY_ID, id_value(id));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format::media_type(format)));
    if let Ok(names) = HeaderValue::from_str(&format!("{ROWS}, {ELAPSED}")) {
        headers.insert(header::TRAILER, names);
    }
    response
}

/// Lists the query, under the name that the client chose if it did.
fn begin(
    node: &Node,
    statement: &Statement,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<Registration, Problem> {
    let Some(id) = headers.get(&QUERY_ID) else {
        return Ok(node.queries().begin(statement.text.clone(), principal));
    };
    let id = id.to_str().map_err(|_| NoQueryId).and_then(str::parse);
    let id = id.map_err(|error: NoQueryId| Problem::bad_request(error.to_string()))?;
    let registration = node.queries().begin_as(id, statement.text.clone(), principal);
    registration.ok_or_else(|| Problem::conflict(format!("there is a query `{id}` already")))
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
    sql_value(value).map_err(Problem::bad_request)
}
