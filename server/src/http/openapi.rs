//! The description of everything that HTTP answers: OpenAPI, made from the handlers themselves.

use std::collections::BTreeMap;

use axum::{Json, Router, http::StatusCode, routing};
use utoipa::{
    IntoResponses, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, OpenApi as OpenApiDocument, Ref, RefOr, Response, ResponseBuilder,
        schema::{ObjectBuilder, Type},
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{App, auth::HEALTH, format, problem};
use crate::output::Format;

/// Where it is.
pub(super) const PATH: &str = "/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "GenomDB",
        description = "Genomic files, loaded once and asked questions. Every error before the first byte of a result is `application/problem+json` (RFC 9457); an error behind it breaks the connection.",
    ),
    components(schemas(problem::Details)),
    tags(
        (name = "queries", description = "Statements in GQL"),
        (name = "loads", description = "Files to tables"),
        (name = "keys and values", description = "What clients keep beside the tables"),
        (name = "cluster", description = "Nodes and ranges"),
        (name = "tokens", description = "Who may ask"),
        (name = "state", description = "Whether the node is well"),
    ),
)]
struct Document;

/// Adds the document to routes that describe themselves.
pub(super) fn with_document(routes: OpenApiRouter<App>) -> Router<App> {
    let (router, mut document) =
        OpenApiRouter::with_openapi(Document::openapi()).merge(routes).split_for_parts();
    add_what_connections_answer(&mut document);
    router.route(PATH, routing::get(async move || Json(document.clone())))
}

/// Adds what is answered before a handler is asked.
fn add_what_connections_answer(document: &mut OpenApiDocument) {
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("token", token);
    // A server that asks nobody who they are takes requests without one.
    let nobody = SecurityRequirement::default();
    document.security = Some(vec![nobody, SecurityRequirement::new("token", Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            if !HEALTH.contains(&path.as_str()) {
                operation.responses.responses.extend(problems(&[401]));
            }
            if operation.request_body.is_some() {
                operation.responses.responses.extend(problems(&[408]));
            }
        }
    }
}

/// What can go wrong with every request that reads.
pub(super) struct Reading;

impl IntoResponses for Reading {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 406, 500, 503])
    }
}

/// What can go wrong with every request that changes keys.
pub(super) struct Changing;

impl IntoResponses for Changing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 403, 409, 412, 413, 415, 422, 500, 503, 507])
    }
}

/// What can go wrong with what an operator asks for.
pub(super) struct Operating;

impl IntoResponses for Operating {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 403, 404, 409, 413, 415, 500, 503])
    }
}

/// What can go wrong with a load.
pub(super) struct Loading;

impl IntoResponses for Loading {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 403, 404, 406, 409, 413, 415, 422, 500, 503, 507])
    }
}

/// What a statement is answered: rows in the format that was asked for, or a problem.
pub(super) struct Answered;

impl IntoResponses for Answered {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let text =
            |what: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(what)).build();
        let string = || ObjectBuilder::new().schema_type(Type::String);
        let mut rows =
            ResponseBuilder::new().description("Rows; behind them, trailers with their number and the time.");
        for format in Format::ALL {
            let media_type = format::bare(format);
            let content = match format {
                // One of two documents: rows, or what a statement without rows did.
                Format::Json => {
                    ContentBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Object)))
                }
                _ => ContentBuilder::new().schema(Some(text(format.description()))),
            };
            rows = rows.content(media_type, content.build());
        }
        let id =
            HeaderBuilder::new().schema(Some(string())).description(Some("The name of the query.")).build();
        let rows = rows.header("X-GenomDB-Query-Id", id).build();
        let mut all = problems(&[400, 403, 406, 409, 413, 415, 422, 429, 500, 503, 504, 507]);
        all.insert("200".to_owned(), RefOr::T(rows));
        all
    }
}

/// Problems by their status.
pub(super) fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let problem = |status: &u16| (status.to_string(), RefOr::T(problem(*status)));
    statuses.iter().map(problem).collect()
}

fn problem(status: u16) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response =
        ResponseBuilder::new().description(meaning(status)).content("application/problem+json", content);
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer);
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build();
        response = response.header("Retry-After", header);
    }
    response.build()
}

/// What a status says here.
fn meaning(status: u16) -> &'static str {
    match status {
        400 => "The request is wrong.",
        401 => "Who asks? The server wants a token.",
        403 => "Whoever asks may not do that.",
        404 => "It does not exist.",
        406 => "No such format of an answer.",
        408 => "The body comes too slowly.",
        409 => "It contradicts what there is.",
        412 => "A condition does not hold; nothing is changed.",
        413 => "It is too large.",
        415 => "No such media type of a request.",
        429 => "As much runs and waits as there may; try again.",
        422 => "What was sent cannot be worked with.",
        503 => "The cluster does not answer, or has no capacity left; try again.",
        504 => "It took longer than its timeout.",
        507 => "The disk is full.",
        _ => {
            StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error")
        }
    }
}
