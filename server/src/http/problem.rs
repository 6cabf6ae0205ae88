//! Errors as the body of an answer: RFC 9457.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use datafusion::error::DataFusionError;
use genomdb_grammar::{LineColumn, line_column};
use genomdb_storage::StorageError;
use serde::Serialize;

use crate::{Interruption, QueryError, QueryErrorKind, QueryId};

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Details>);

#[derive(Clone, Debug, Serialize)]
struct Details {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    /// For programs: one of few words.
    code: &'static str,
    /// Line and column in the statement, from 1, and the byte from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<String>,
    /// Seconds after which it may be tried again.
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            line: None,
            column: None,
            offset: None,
            hint: None,
            query_id: None,
            retry_after: None,
        }))
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the path takes other methods")
    }

    pub(super) fn not_acceptable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    }

    pub(super) fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub(super) fn busy(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail);
        problem.0.retry_after = Some(5);
        problem
    }

    /// A result is asked for before it is there.
    pub(super) fn not_yet() -> Self {
        let mut problem = Self::new(StatusCode::CONFLICT, "running", "the query has not ended yet");
        problem.0.retry_after = Some(1);
        problem
    }

    /// A result cannot be kept or read back.
    pub(super) fn spool(error: std::io::Error) -> Self {
        let detail = format!("the result cannot be kept: {error}");
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "result_not_kept", detail)
    }

    pub(super) fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body of the request came too slowly")
    }

    pub(super) fn internal(detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub(super) fn timed_out() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "the query took longer than its timeout")
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        problem.0.retry_after = Some(1);
        problem
    }

    pub(super) fn with_hint(mut self, hint: &str) -> Self {
        self.0.hint = Some(hint.to_owned());
        self
    }

    pub(super) fn of_query(mut self, id: QueryId) -> Self {
        self.0.query_id = Some(id.to_string());
        self
    }

    /// What is wrong with the statement `text`.
    pub(super) fn of_statement(error: &QueryError, text: &str) -> Self {
        let (status, code) = class(error.kind());
        let mut problem = Self::new(status, code, error.to_string());
        if let Some(span) = error.span() {
            let LineColumn { line, column } = line_column(text, span.range().start);
            let details = problem.0.as_mut();
            (details.line, details.column, details.offset) = (Some(line), Some(column), Some(span.start));
        }
        problem.0.hint = error.hint().map(str::to_owned);
        problem.0.retry_after = match Interruption::of_query(error) {
            Some(Interruption::Busy(busy)) => u32::try_from(busy.retry_after.as_secs()).ok(),
            _ => (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
        };
        problem
    }
}

fn class(kind: &QueryErrorKind) -> (StatusCode, &'static str) {
    match kind {
        QueryErrorKind::Parse(_) => (StatusCode::BAD_REQUEST, "syntax"),
        QueryErrorKind::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
        QueryErrorKind::Denied(_) => (StatusCode::FORBIDDEN, "forbidden"),
        QueryErrorKind::Engine(error) => match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => (StatusCode::SERVICE_UNAVAILABLE, "resources"),
            DataFusionError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::Configuration(_) => (StatusCode::BAD_REQUEST, "invalid"),
            DataFusionError::NotImplemented(_) => (StatusCode::BAD_REQUEST, "not_implemented"),
            DataFusionError::External(source) => {
                match (source.downcast_ref::<StorageError>(), source.downcast_ref::<Interruption>()) {
                    (Some(error), _) => of_storage(error),
                    (None, Some(interruption)) => of_interruption(interruption),
                    (None, None) => (StatusCode::UNPROCESSABLE_ENTITY, "failed"),
                }
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "failed"),
        },
        QueryErrorKind::Load(_) => (StatusCode::UNPROCESSABLE_ENTITY, "load"),
        QueryErrorKind::Storage(error) => of_storage(error),
        QueryErrorKind::Layout(_) => (StatusCode::INTERNAL_SERVER_ERROR, "corrupt"),
    }
}

fn of_interruption(interruption: &Interruption) -> (StatusCode, &'static str) {
    match interruption {
        Interruption::Cancelled => (StatusCode::CONFLICT, "cancelled"),
        Interruption::Timeout(_) => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        Interruption::ResultRows(_) | Interruption::ResultBytes(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "limit")
        }
        Interruption::Busy(_) => (StatusCode::TOO_MANY_REQUESTS, "busy"),
    }
}

fn of_storage(error: &StorageError) -> (StatusCode, &'static str) {
    match error {
        StorageError::Unavailable { .. } | StorageError::Unknown { .. } | StorageError::Closed => {
            (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        }
        StorageError::NodeFull { .. } | StorageError::DiskFull { .. } => {
            (StatusCode::INSUFFICIENT_STORAGE, "disk_full")
        }
        StorageError::Corrupt { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "corrupt"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "storage"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Strings and numbers only: there is nothing that could not be written.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(id) = self.0.query_id.and_then(|id| HeaderValue::from_str(&id).ok()) {
            headers.insert(super::query::QUERY_ID, id);
        }
        response
    }
}
