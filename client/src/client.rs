//! A server that is asked.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderValue},
};
use serde::Deserialize;

use crate::{
    Config, Error, Load, Loaded, Problem, Progress, QueryId, Request, Rows,
    connection::{Body, Connections, Lease},
    load,
};

/// The media type of results.
const ARROW: &str = "application/vnd.apache.arrow.stream";
const QUERY_ID: &str = "x-genomdb-query-id";
/// The longest answer that is not rows.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// How much of a strange answer is quoted.
const QUOTE_CHARACTERS: usize = 200;

/// A server that is asked. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    connections: Connections,
    authorization: Option<HeaderValue>,
}

/// What a statement gives back.
#[derive(Debug)]
pub enum Answer {
    /// Rows, as they come.
    Rows(Box<Rows>),
    /// Something was done; what, in the words of psql: `CREATE TABLE`.
    Done(String),
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Client").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares to ask a server; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// If the address, the token or the file of trusted certificates is wrong.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let authorization = config.token.as_ref().map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
                .map_err(|_| Error::Request("a token with such characters"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self { connections: Connections::new(config)?, authorization: authorization.transpose()? })
    }

    /// Where the server is.
    pub fn address(&self) -> String {
        self.connections.address().to_string()
    }

    /// Runs one statement.
    ///
    /// Dropping the future, or the rows, ends the query.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses, or the query fails before its first row.
    pub async fn query(&self, request: &Request) -> Result<Answer, Error> {
        // Strings, numbers and maps of strings: there is nothing that could not be written.
        let body = serde_json::to_vec(request).map_err(|_| Error::Request("the statement"))?;
        let mut http = self.request(Method::POST, "/v1/query", body)?;
        let headers = http.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static(ARROW));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(id) = request.id {
            // Hexadecimal digits are always a value.
            headers.extend(HeaderValue::try_from(id.to_string()).map(|value| (QUERY_ID_NAME, value)));
        }
        let (response, lease) = self.connections.send(http).await?;
        let id = response.headers().get(QUERY_ID).and_then(|id| id.to_str().ok()?.parse().ok());
        if response.status().is_success() && media_type(&response) == ARROW {
            return Ok(Answer::Rows(Box::new(Rows::begin(id, response.into_body(), lease).await?)));
        }
        #[derive(Deserialize)]
        struct Done {
            message: String,
        }
        let done: Done = json(response, lease).await?;
        Ok(Answer::Done(done.message))
    }

    /// Sends a file of alignments into a table: all of it becomes visible at once, or nothing.
    ///
    /// Dropping the future takes back what was loaded.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the server cannot be reached or refuses.
    pub async fn load(&self, load: &Load, file: &Path) -> Result<Loaded, Error> {
        let mut request = self.request(Method::POST, &load.path(), Vec::new())?;
        *request.body_mut() = load::body(file).await?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let (response, lease) = self.connections.send(request).await?;
        json(response, lease).await
    }

    /// Asks how far a query is; `None` if none of that name runs.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses.
    pub async fn progress(&self, id: QueryId) -> Result<Option<Progress>, Error> {
        let request = self.request(Method::GET, &format!("/v1/queries/{id}"), Vec::new())?;
        let (response, lease) = self.connections.send(request).await?;
        match response.status() {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                text(response, lease).await?;
                Ok(None)
            }
            _ => json(response, lease).await.map(Some),
        }
    }

    /// Stops a query; false if none of that name runs.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses.
    pub async fn cancel(&self, id: QueryId) -> Result<bool, Error> {
        let request = self.request(Method::DELETE, &format!("/v1/queries/{id}"), Vec::new())?;
        let (response, lease) = self.connections.send(request).await?;
        match response.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => {
                text(response, lease).await?;
                Ok(status.is_success())
            }
            _ => Err(refusal(response, lease).await),
        }
    }

    /// Checks that the server can answer statements.
    ///
    /// # Errors
    ///
    /// If it cannot be reached, or is not ready.
    pub async fn ready(&self) -> Result<(), Error> {
        let request = self.request(Method::GET, "/readyz", Vec::new())?;
        let (response, lease) = self.connections.send(request).await?;
        match response.status().is_success() {
            true => text(response, lease).await.map(drop),
            false => Err(refusal(response, lease).await),
        }
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<hyper::Request<Body>, Error> {
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.connections.address().authority())
            .header(header::USER_AGENT, concat!("genomdb-client/", env!("CARGO_PKG_VERSION")))
            .body(body)
            .map_err(|_| Error::Request("a request with such a path"))?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}

const QUERY_ID_NAME: header::HeaderName = header::HeaderName::from_static(QUERY_ID);

/// What the answer says it is, without parameters.
fn media_type(response: &Response<Incoming>) -> &str {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// Reads a short answer to its end.
async fn text(response: Response<Incoming>, lease: Lease) -> Result<Bytes, Error> {
    let mut body = response.into_body();
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(Error::Broken)?.into_data() {
            if bytes.len() + data.len() > TEXT_BYTES_MAX {
                return Err(Error::Truncated("it is longer than such an answer can be"));
            }
            bytes.extend_from_slice(&data);
        }
    }
    lease.give_back();
    Ok(bytes.freeze())
}

/// Reads an answer in JSON; what is no success is an error.
async fn json<T: for<'de> Deserialize<'de>>(response: Response<Incoming>, lease: Lease) -> Result<T, Error> {
    let status = response.status();
    if !status.is_success() || media_type(&response) != "application/json" {
        return Err(refusal(response, lease).await);
    }
    let bytes = text(response, lease).await?;
    serde_json::from_slice(&bytes).map_err(|_| unexpected(status, &bytes))
}

/// What an answer that is no success says.
async fn refusal(response: Response<Incoming>, lease: Lease) -> Error {
    let status = response.status();
    let is_problem = media_type(&response) == "application/problem+json";
    match text(response, lease).await {
        Err(error) => error,
        Ok(bytes) => match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) if is_problem => Error::Refused(Box::new(problem)),
            _ => unexpected(status, &bytes),
        },
    }
}

fn unexpected(status: StatusCode, bytes: &[u8]) -> Error {
    let text = String::from_utf8_lossy(bytes);
    let detail: String = text.chars().filter(|c| !c.is_control()).take(QUOTE_CHARACTERS).collect();
    Error::Unexpected { status: status.as_u16(), detail }
}
