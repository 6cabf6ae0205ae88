//! Many keys, in order.

use axum::{
    Json,
    extract::State,
    http::Uri,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use genomdb_storage::ScanLimit;
use serde::Serialize;
use utoipa::ToSchema;

use super::{freshness, json_bytes::JsonBytes, span};
use crate::{
    http::{App, openapi::Reading, parameters::Parameters, problem::Problem},
    kv::KeyValues,
};

/// Entries of a page if nobody says how many.
const ENTRIES_DEFAULT: usize = 1_000;
/// Entries of a page at most.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of keys and values of a page at most, and the entry that reaches the bound.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A key and its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScanEntry)]
pub(super) struct Entry {
    key: JsonBytes,
    /// Absent if only keys were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<JsonBytes>,
}

/// Entries of a scan.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page {
    /// In the order of their keys, bytewise.
    entries: Vec<Entry>,
    /// To be said as `continue` for what follows; absent at the end.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists keys with their values, in order.
///
/// A page has as many entries as `limit` says, or 4 MiB of them. Pages of one scan may be of different
/// moments. Deques are not listed.
#[utoipa::path(
    get, path = "/v1/kv", tag = "keys and values",
    params(
        ("prefix" = Option<String>, Query, description = "Keys that begin so."),
        ("prefix_base64" = Option<String>, Query, description = "The same in Base64."),
        ("from" = Option<String>, Query, description = "The first key, present or not."),
        ("from_base64" = Option<String>, Query, description = "The same in Base64."),
        ("to" = Option<String>, Query, description = "The first key behind."),
        ("to_base64" = Option<String>, Query, description = "The same in Base64."),
        ("limit" = Option<u32>, Query, description = "Entries of a page; 1,000 if nothing is said.", minimum = 1, maximum = 10_000),
        ("continue" = Option<String>, Query, description = "What the page before said."),
        ("keys_only" = Option<bool>, Query, description = "Without values."),
        ("freshness" = Option<String>, Query, description = "`linearizable` (default), `nearby` or `stale`."),
        ("stale_ms" = Option<u64>, Query, description = "How old the answer may be, in milliseconds."),
    ),
    responses(
        (status = 200, description = "A page.", body = Page,
            headers(("X-GenomDB-Freshness" = String, description = "How fresh it is at least."))),
        Reading,
    ),
)]
pub(super) async fn scan(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri)?;
    let span = span::choose(&mut parameters)?;
    let freshness = freshness::choose(&mut parameters)?;
    let after = parameters.base64("continue")?;
    let keys_only = parameters.flag("keys_only")?;
    let entries: usize = parameters.number("limit")?.unwrap_or(ENTRIES_DEFAULT);
    parameters.finish()?;
    if entries == 0 {
        return Err(Problem::bad_request("`limit` is 1 or more"));
    }
    let limit = ScanLimit { entries: entries.min(ENTRIES_MAX), bytes: PAGE_BYTES_MAX };
    let kv = KeyValues::new(app.node.storage().with_freshness(freshness));
    let page = match keys_only {
        true => kv.scan_keys(&span, after.as_deref(), limit).await.map(|page| Page {
            entries: page.entries.into_iter().map(|key| Entry { key: JsonBytes(key), value: None }).collect(),
            next: page.next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)),
        }),
        false => kv.scan(&span, after.as_deref(), limit).await.map(|page| {
            let entry = |(key, value): (Vec<u8>, genomdb_storage::Value)| Entry {
                key: JsonBytes(key),
                value: Some(JsonBytes(value.to_vec())),
            };
            Page {
                entries: page.entries.into_iter().map(entry).collect(),
                next: page.next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)),
            }
        }),
    };
    let mut response = Json(page.map_err(|error| Problem::of_kv(&error))?).into_response();
    response.headers_mut().extend([freshness::header(freshness)]);
    Ok(response)
}
