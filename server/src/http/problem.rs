//! Errors as the body of an answer: RFC 9457.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use genomdb_grammar::{LineColumn, line_column};
use genomdb_storage::StorageError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Interruption, Principal, QueryError, QueryId, Role, error::ErrorClass, kv::KvError};

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem(Box<Details>);

/// What went wrong (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Details {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    /// In words.
    detail: String,
    /// For programs: one of few words.
    code: &'static str,
    /// Line of the statement, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// In characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    /// In bytes, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
    /// The byte behind what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u32>,
    /// What may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Which file cannot be loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Which of its records, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<u64>,
    /// Which field of that, as the specification of the format names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Which query.
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<String>,
    /// Seconds after which it may be tried again.
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            line: None,
            column: None,
            offset: None,
            end: None,
            hint: None,
            file: None,
            record: None,
            field: None,
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

    /// What `role` may not do, or nothing to say.
    pub(super) fn unless_allowed(principal: &Principal, role: Role) -> Result<(), Self> {
        let Principal { name, role: has } = principal;
        match *has >= role {
            true => Ok(()),
            false => Err(Self::forbidden(format!("{name} is a {has}; this needs a {role}"))),
        }
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", detail)
    }

    pub(super) fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail)
    }

    pub(super) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// What is wrong with a request whose body or path could not be taken.
    pub(super) fn of_rejection(status: StatusCode, detail: impl Into<String>) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(detail),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported(detail),
            _ => Self::bad_request(detail),
        }
    }

    /// What the store refuses.
    pub(super) fn of_storage(error: &StorageError) -> Self {
        let (status, code) = of_storage(error);
        Self::new(status, code, error.to_string()).with_retry()
    }

    /// What is wrong with a request about keys and values.
    pub(super) fn of_kv(error: &KvError) -> Self {
        match error {
            KvError::Storage(error) => Self::of_storage(error),
            KvError::KeyLength { .. } | KvError::RequestName | KvError::Position => {
                Self::bad_request(error.to_string())
            }
            KvError::OtherRequest => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "other_request", error.to_string())
            }
            KvError::Layout(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt", error.to_string()),
        }
    }

    /// Says when to try again what may work then.
    pub(super) fn with_retry(mut self) -> Self {
        if self.0.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() {
            self.0.retry_after = Some(1);
        }
        self
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

    /// Says which record of which file is meant.
    pub(super) fn of_record(mut self, file: &str, record: u64, field: Option<&str>) -> Self {
        (self.0.record, self.0.field) = (Some(record), field.map(str::to_owned));
        self.of_file(file)
    }

    pub(super) fn of_file(mut self, file: &str) -> Self {
        self.0.file = Some(file.to_owned());
        self
    }

    /// As a part of a longer answer.
    pub(super) fn into_details(self) -> Details {
        *self.0
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
            (details.line, details.column) = (Some(line), Some(column));
            (details.offset, details.end) = (Some(span.start), Some(span.end));
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
        // The statement is wrong, not the path: whatever it names, the resource is there.
        ErrorClass::Syntax
        | ErrorClass::Invalid
        | ErrorClass::NotFound
        | ErrorClass::Exists
        | ErrorClass::NotImplemented => StatusCode::BAD_REQUEST,
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

/// What the store says of a request about keys, which may be wrong in more ways than a statement.
fn of_storage(error: &StorageError) -> (StatusCode, &'static str) {
    match error {
        StorageError::Poisoned { .. } => (StatusCode::SERVICE_UNAVAILABLE, "stopped"),
        StorageError::KeyLength { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
        StorageError::ValueLength { .. } | StorageError::BatchSize { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large")
        }
        StorageError::RangeAbsent { .. } => (StatusCode::NOT_FOUND, "not_found"),
        StorageError::Refused { .. } => (StatusCode::CONFLICT, "refused"),
        StorageError::Compacted { .. } => (StatusCode::GONE, "gone"),
        other => {
            let class = ErrorClass::of_storage(other);
            (status(class), class.code())
        }
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

/// Makes a problem of an error that is plain text, as what takes requests apart gives it.
pub(super) async fn instead_of_text(response: Response) -> Response {
    /// What says why is short.
    const TEXT_BYTES_MAX: usize = 4 << 10;
    let status = response.status();
    let is_text = response.headers().get(header::CONTENT_TYPE).is_some_and(|media_type| {
        let media_type = media_type.to_str().unwrap_or_default();
        media_type.starts_with("text/plain")
    });
    if !(status.is_client_error() || status.is_server_error()) || !is_text {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), TEXT_BYTES_MAX).await.unwrap_or_default();
    Problem::of_rejection(status, String::from_utf8_lossy(&text)).into_response()
}
