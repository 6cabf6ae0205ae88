//! `/v1/load`: a file that is sent, or one of the server, becomes a source of a table.
//!
//! An upload goes into the loader as it comes, no faster than it is loaded; whoever leaves takes it back. A
//! load is on the list of queries, and is stopped there.

mod failure;
mod local_file;
mod progress;
mod upload;

use std::{sync::Arc, time::Instant};

use axum::{
    Extension, Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Response},
};
use genomdb_formats::Source;
use genomdb_loader::{CancelToken, LoadReport};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::progress::{Latest, Told};
use super::{App, openapi::Loading, parameters::Parameters, problem::Problem, query::QUERY_ID, request_body};
use crate::{LoadRequest, Observer, Principal, QueryError, QueryErrorKind, QueryId, Role, milliseconds};

/// The longest request that names a file.
const JSON_BYTES_MAX: usize = 64 << 10;
/// The table, if nobody says which.
const TABLE: &str = "reads";
const LINES: &str = "application/x-ndjson";

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(load))
}

/// A file of the server that is to be loaded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    /// Its path, in one of the folders of `--allow-load-from`.
    path: String,
    /// FASTA with the reference sequences of a CRAM, in such a folder, too.
    reference: Option<String>,
}

/// What a load did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Report {
    /// The dataset.
    dataset: String,
    /// The table.
    table: String,
    /// The name of the source that the file became.
    source: String,
    /// What the file was: SAM, BAM or CRAM.
    format: String,
    /// Its records.
    records: u64,
    /// The blocks that they became.
    blocks: u32,
    /// Bytes of all values written.
    stored_bytes: u64,
    /// Bytes of the file that were read.
    bytes_read: u64,
    /// Whether the records had to be sorted.
    sorted: bool,
    /// How long it took.
    elapsed_ms: u64,
}

/// Loads a file into a table: all of it, or nothing.
///
/// The body is SAM, BAM or CRAM, compressed or not, which its content tells; or, for administrators, JSON that
/// names a file of the server. With `Accept: application/x-ndjson` the answer tells how far it is about once a
/// second, and its last line is `{"report": …}` or `{"error": …}`; without it the answer is the report.
#[utoipa::path(
    post, path = "/v1/load", tag = "loads",
    params(
        ("table" = Option<String>, Query, description = "The table; created if there is none. `reads`, if nothing is said."),
        ("dataset" = Option<String>, Query, description = "Its dataset; `main`, if nothing is said."),
        ("name" = Option<String>, Query, description = "What the source is called, instead of the file's name."),
        ("sample" = Option<String>, Query, description = "The sample of every read, whatever its read group says."),
        ("force" = Option<bool>, Query, description = "Even if the table has the same content already."),
        ("Accept" = Option<String>, Header, description = "`application/json` (default) or `application/x-ndjson`."),
    ),
    request_body(content((Vec<u8> = "application/octet-stream"), (ServerFile = "application/json"))),
    responses(
        (status = 200, description = "It is loaded; or, as lines, how far it is.",
            content((Report = "application/json"), (Told = "application/x-ndjson")),
            headers(("X-GenomDB-Query-Id" = String, description = "The name by which it is stopped."))),
        Loading,
    ),
)]
pub(super) async fn load(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    Problem::unless_allowed(&principal, Role::Writer)?;
    let as_lines = as_lines(&headers)?;
    let mut parameters = Parameters::of(&uri)?;
    let mut request = LoadRequest {
        table: parameters.text("table")?.unwrap_or_else(|| TABLE.to_owned()),
        dataset: parameters.text("dataset")?.unwrap_or_default(),
        name: parameters.text("name")?,
        sample: parameters.text("sample")?,
        force: parameters.flag("force")?,
        ..LoadRequest::default()
    };
    parameters.finish()?;
    check_names(&request)?;
    let running = match request_body::media_type(&headers)?.as_deref() {
        Some("application/json") => {
            Problem::unless_allowed(&principal, Role::Admin)?;
            let body = axum::body::to_bytes(body, JSON_BYTES_MAX).await;
            let body = body.map_err(|_| Problem::too_large("a request that names a file is short"))?;
            let file: ServerFile = request_body::json(&headers, &body)?;
            request.path = Some(local_file::find(&app, &file.path).await?);
            if let Some(reference) = &file.reference {
                request.reference = Some(local_file::find(&app, reference).await?);
            }
            Running::begin(&app, &principal, request, None)
        }
        // What a client says of a file's media type is no more than a guess: the content tells.
        _ => Running::begin(&app, &principal, request, Some(body)),
    };
    let id = running.id;
    let mut response = match as_lines {
        true => {
            let headers = [(header::CONTENT_TYPE, LINES)];
            (headers, Extension(super::Report), progress::lines(running)).into_response()
        }
        false => Json(running.end().await.map_err(|problem| problem.of_query(id))?).into_response(),
    };
    if let Ok(id) = header::HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(QUERY_ID, id);
    }
    Ok(response)
}

/// Whether lines that tell how far it is are wanted.
fn as_lines(headers: &HeaderMap) -> Result<bool, Problem> {
    let Some(wish) = request_body::only(headers, &header::ACCEPT)? else { return Ok(false) };
    let text = std::str::from_utf8(wish).map_err(|_| Problem::bad_request("the Accept header is no text"))?;
    for media_type in text.split(',').map(|part| part.split(';').next().unwrap_or_default().trim()) {
        match media_type.to_ascii_lowercase().as_str() {
            LINES => return Ok(true),
            "application/json" | "application/*" | "*/*" => return Ok(false),
            _ => {}
        }
    }
    Err(Problem::not_acceptable(format!("an answer can be application/json or {LINES}")))
}

/// Names that could not be said in a statement, or only there, are mistakes.
fn check_names(request: &LoadRequest) -> Result<(), Problem> {
    /// Longer names are no names.
    const NAME_BYTES_MAX: usize = 255;
    let names = [
        ("table", Some(request.table.as_str())),
        ("dataset", Some(request.dataset.as_str())),
        ("name", request.name.as_deref()),
        ("sample", request.sample.as_deref()),
    ];
    for (what, name) in names {
        let Some(name) = name else { continue };
        let is_missing = name.is_empty() && what != "dataset";
        if is_missing || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let detail =
                format!("`{what}` has 1 to {NAME_BYTES_MAX} bytes, none of them a control character");
            return Err(Problem::bad_request(detail));
        }
    }
    Ok(())
}

/// A load that runs; it ends, and takes back what it wrote, with whoever waits for it.
struct Running {
    id: QueryId,
    work: JoinHandle<Result<LoadReport, Problem>>,
    latest: Arc<Latest>,
    dataset: String,
    table: String,
    began: Instant,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Running {
    /// Begins to load the file of the request, or the body.
    fn begin(app: &App, principal: &Principal, request: LoadRequest, body: Option<Body>) -> Self {
        let what =
            request.path.as_ref().map_or_else(|| "an upload".to_owned(), |path| path.display().to_string());
        let text = format!("LOAD {} FROM {what}", request.table);
        let registration = app.node.queries().begin(text.into(), principal);
        let latest = Arc::new(Latest::default());
        let (id, node, told) = (registration.id(), Arc::clone(&app.node), Arc::clone(&latest));
        let dataset = match request.dataset.as_str() {
            "" => crate::command::DEFAULT_DATASET.to_owned(),
            dataset => dataset.to_owned(),
        };
        let table = request.table.clone();
        let work = async move {
            let cancel = CancelToken::new();
            let observer: Arc<dyn Observer> = told;
            let done = async {
                match body {
                    Some(body) => {
                        let (reader, feed) = upload::pipe(body);
                        // Made unique in the table, unless the client says it.
                        let name = request.name.clone().unwrap_or_else(|| "upload".to_owned());
                        let source = Source::Reader { name, reader: Box::new(reader) };
                        let (loaded, ()) =
                            tokio::join!(node.load_from(&request, source, &observer, &cancel), feed);
                        Ok::<_, QueryError>(loaded?)
                    }
                    None => Ok(node.load(&request, &observer, &cancel).await?),
                }
            };
            registration.unless_stopped(done).await.map_err(|error| match error.kind() {
                QueryErrorKind::Load(error) => failure::problem(error),
                _ => Problem::of_statement(&error, ""),
            })
        };
        Self { id, work: app.queries.spawn(work), latest, dataset, table, began: Instant::now() }
    }

    /// Waits for its end.
    async fn end(mut self) -> Result<Report, Problem> {
        let loaded = (&mut self.work).await;
        self.report(loaded)
    }

    fn report(
        &self,
        loaded: Result<Result<LoadReport, Problem>, tokio::task::JoinError>,
    ) -> Result<Report, Problem> {
        let report = loaded.map_err(|_| Problem::internal("the load failed in an unexpected way"))??;
        Ok(Report {
            dataset: self.dataset.clone(),
            table: self.table.clone(),
            source: report.name,
            format: report.format.to_string(),
            records: report.records,
            blocks: report.blocks,
            stored_bytes: report.stored_bytes,
            bytes_read: report.bytes_read,
            sorted: report.sorted_here,
            elapsed_ms: milliseconds::of(self.began.elapsed()),
        })
    }
}
