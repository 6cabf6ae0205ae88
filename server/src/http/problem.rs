//! Errors as the body of an answer: RFC 9457.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use genomdb_grammar::{LineColumn, line_column};
use serde::Serialize;

use crate::{Interruption, QueryError, QueryId, error::ErrorClass};

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

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
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
        let class = error.class();
        let status = status(class);
        let mut problem = Self::new(status, class.code(), error.to_string());
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

const fn status(class: ErrorClass) -> StatusCode {
    match class {
        ErrorClass::Syntax | ErrorClass::Invalid | ErrorClass::NotImplemented => StatusCode::BAD_REQUEST,
        ErrorClass::Forbidden => StatusCode::FORBIDDEN,
        ErrorClass::Cancelled => StatusCode::CONFLICT,
        ErrorClass::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorClass::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorClass::Failed | ErrorClass::Load | ErrorClass::Limit => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorClass::Resources | ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorClass::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorClass::Corrupt | ErrorClass::Storage | ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
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
