//! Bodies of requests: read as a whole, and in JSON.

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// A body that was read.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|rejection| Problem::of_rejection(rejection.status(), rejection.body_text()))
}

/// A body in JSON.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    match media_type(headers)?.as_deref() {
        // What curl says of itself when it is told nothing.
        None | Some("application/json" | "application/x-www-form-urlencoded") => {}
        Some(other) => {
            return Err(Problem::unsupported(format!("the body is application/json, not {other}")));
        }
    }
    // A list with the fields in their order would be read as well.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::bad_request("the body is not an object in JSON"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not a request in JSON: {error}")))
}

/// What a body says of itself, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(said) = only(headers, &header::CONTENT_TYPE)? else { return Ok(None) };
    let text = std::str::from_utf8(said).map_err(|_| Problem::bad_request("the Content-Type is no text"))?;
    Ok(Some(text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()))
}

/// The value of a header that may stand there once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h [u8]>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        (_, Some(_)) => Err(Problem::bad_request(format!("the header {name} stands there twice"))),
    }
}
