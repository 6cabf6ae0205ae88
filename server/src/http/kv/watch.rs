//! Watching keys: changes as they happen, and a position to go on from.
//!
//! Lines of JSON, or server-sent events. Behind the changes of one moment comes a position; whoever was cut
//! off says it and misses nothing, or hears that it was too long ago.

use std::time::{Duration, Instant};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures::{Stream, StreamExt as _, stream};
use genomdb_storage::Position;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::{deque::Side, json_bytes::JsonBytes, only, span};
use crate::{
    http::{App, Report, openapi::Reading, parameters::Parameters, problem::Problem},
    kv::{KeyValues, KvError, position, watch::Change},
};

/// How long one question waits for a change; then the position is told, so that both sides know that the
/// other is there.
const WAIT: Duration = Duration::from_secs(10);
/// Of a server-sent event, where the last position stands when a reader comes again.
const LAST_EVENT_ID: axum::http::HeaderName = axum::http::HeaderName::from_static("last-event-id");
const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "text/event-stream";

/// What is told, a line each.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A key has a value.
    Put {
        key: JsonBytes,
        /// Absent if it is longer than 4 KiB; it can be read.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<JsonBytes>,
    },
    /// A key was deleted, or its time was over.
    Deleted { key: JsonBytes },
    /// All keys from one up to another were deleted.
    DeletedSpan {
        from: JsonBytes,
        /// Absent for all that follow.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<JsonBytes>,
    },
    /// A deque has one more element.
    Pushed {
        key: JsonBytes,
        side: Side,
        /// Absent if it is longer than 4 KiB.
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<JsonBytes>,
    },
    /// A deque was asked for an element.
    Popped { key: JsonBytes, side: Side },
    /// All changes up to here were told.
    Position {
        /// To be said as `position`, to go on from here.
        position: String,
    },
    /// Nothing more is told; the position before this is the last.
    Failed {
        /// In words.
        detail: String,
    },
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Lines,
    Events,
}

/// Tells the changes of keys as they happen.
///
/// It goes on until the reader leaves, or for `timeout_ms`. The first thing told is a position, and one comes
/// after the changes of each moment and every ten seconds. Changes are told in their order within a range of
/// keys; a key that changes quickly may be told only as it last was.
#[utoipa::path(
    get, path = "/v1/kv/watch", tag = "keys and values",
    params(
        ("prefix" = Option<String>, Query, description = "Keys that begin so."),
        ("prefix_base64" = Option<String>, Query, description = "The same in Base64."),
        ("from" = Option<String>, Query, description = "The first key, present or not."),
        ("from_base64" = Option<String>, Query, description = "The same in Base64."),
        ("to" = Option<String>, Query, description = "The first key behind."),
        ("to_base64" = Option<String>, Query, description = "The same in Base64."),
        ("position" = Option<String>, Query, description = "Where to go on; it says which keys, too. Now, if nothing is said."),
        ("timeout_ms" = Option<u64>, Query, description = "It ends after so long."),
        ("Last-Event-ID" = Option<String>, Header, description = "The same as `position`, as browsers say it."),
        ("Accept" = Option<String>, Header, description = "`application/x-ndjson` (default) or `text/event-stream`."),
    ),
    responses(
        (status = 200, description = "Changes and positions, a line or an event each.",
            content((Event = "application/x-ndjson"), (String = "text/event-stream"))),
        Reading,
        (status = 410, description = "The position is too old: read the keys, and watch from now on.", body = crate::http::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn watch(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri)?;
    let mut token = parameters.base64("position")?;
    let timeout = parameters.number("timeout_ms")?.map(Duration::from_millis);
    let has_keys = parameters.names().next().is_some();
    let span = span::choose(&mut parameters)?;
    parameters.finish()?;
    if token.is_none()
        && let Some(last) = only(&headers, &LAST_EVENT_ID)?
    {
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(last);
        token = Some(decoded.map_err(|_| Problem::of_kv(&KvError::Position))?);
    }
    let form = form(&headers)?;
    let permit = std::sync::Arc::clone(&app.watches).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("as many watch as can be served"))?;
    let kv = KeyValues::new(app.node.storage().clone());
    let failed = |error: KvError| Problem::of_kv(&error);
    let (changes, positions) = match token {
        Some(_) if has_keys => return Err(Problem::bad_request("a position says which keys are watched")),
        // Whether it is too old is an answer of its own.
        Some(token) => {
            let positions = position::from_bytes(&token).map_err(failed)?;
            kv.watch(positions, Duration::ZERO).await.map_err(failed)?
        }
        None => (Vec::new(), kv.watch_from_now(&span).await.map_err(failed)?),
    };
    let first = written(changes, &positions, form);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let watching = Watching { kv, positions: Some(positions), deadline, form, _permit: permit };
    let body = Body::from_stream(chunks(first, watching));
    let media_type = if form == Form::Lines { LINES } else { EVENTS };
    let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Extension(Report), body).into_response())
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let mut wishes = headers.get_all(header::ACCEPT).iter().peekable();
    if wishes.peek().is_none() {
        return Ok(Form::Lines);
    }
    for wish in wishes {
        let text = wish.to_str().map_err(|_| Problem::bad_request("the Accept header is no text"))?;
        for media_type in text.split(',').map(|part| part.split(';').next().unwrap_or_default().trim()) {
            match media_type {
                EVENTS => return Ok(Form::Events),
                LINES | "application/*" | "*/*" => return Ok(Form::Lines),
                _ => {}
            }
        }
    }
    Err(Problem::not_acceptable(format!("an answer can be {LINES} or {EVENTS}")))
}

/// A watch that goes on.
struct Watching {
    kv: KeyValues,
    /// None when nothing more is told.
    positions: Option<Vec<Position>>,
    deadline: Option<Instant>,
    form: Form,
    _permit: OwnedSemaphorePermit,
}

fn chunks(
    first: Bytes,
    watching: Watching,
) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static {
    let rest = stream::unfold(watching, |mut watching| async {
        let chunk = watching.next().await?;
        Some((Ok(chunk), watching))
    });
    stream::once(async { Ok(first) }).chain(rest)
}

impl Watching {
    async fn next(&mut self) -> Option<Bytes> {
        let positions = self.positions.take()?;
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        let wait = left.map_or(WAIT, |left| left.min(WAIT));
        Some(match self.kv.watch(positions, wait).await {
            Ok((changes, positions)) => {
                let chunk = written(changes, &positions, self.form);
                self.positions = Some(positions);
                chunk
            }
            Err(error) => {
                let mut out = Vec::new();
                write(&Event::Failed { detail: error.to_string() }, self.form, &mut out);
                out.into()
            }
        })
    }
}

/// Changes, and the position behind them.
fn written(changes: Vec<Change>, positions: &[Position], form: Form) -> Bytes {
    let mut out = Vec::new();
    changes.into_iter().for_each(|change| write(&change.into(), form, &mut out));
    let position = BASE64_URL_SAFE_NO_PAD.encode(position::to_bytes(positions));
    if form == Form::Events {
        out.extend_from_slice(format!("id: {position}\n").as_bytes());
    }
    write(&Event::Position { position }, form, &mut out);
    out.into()
}

fn write(event: &Event, form: Form, out: &mut Vec<u8>) {
    // Strings and numbers only: there is nothing that could not be written.
    let json = serde_json::to_string(event).unwrap_or_default();
    match form {
        Form::Lines => out.extend_from_slice(format!("{json}\n").as_bytes()),
        Form::Events => out.extend_from_slice(format!("data: {json}\n\n").as_bytes()),
    }
}

impl From<Change> for Event {
    fn from(change: Change) -> Self {
        let value = |value: genomdb_storage::Value| JsonBytes(value.to_vec());
        match change {
            Change::Put { key, value: new } => Self::Put { key: JsonBytes(key), value: new.map(value) },
            Change::Deleted { key } => Self::Deleted { key: JsonBytes(key) },
            Change::DeletedSpan { from, to } => {
                Self::DeletedSpan { from: JsonBytes(from), to: to.map(JsonBytes) }
            }
            Change::Pushed { key, end, value: new } => {
                Self::Pushed { key: JsonBytes(key), side: end.into(), value: new.map(value) }
            }
            Change::Popped { key, end } => Self::Popped { key: JsonBytes(key), side: end.into() },
        }
    }
}
