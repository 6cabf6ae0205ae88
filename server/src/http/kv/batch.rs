//! Many values at once.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Uri},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{freshness, json, json_bytes::JsonBytes, whole};
use crate::{
    http::{App, openapi::Reading, parameters::Parameters, problem::Problem},
    kv::KeyValues,
};

/// Keys that are read at most.
const KEYS_MAX: usize = 1_000;
/// Keys that are read at once: values are long at worst.
const KEYS_AT_ONCE: usize = 16;
/// When values have so many bytes, no more are read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// Keys whose values are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = KeysWanted)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// At most 1,000.
    #[schema(max_items = 1000)]
    keys: Vec<JsonBytes>,
}

/// A key and what it has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyAndValue)]
pub(super) struct Entry {
    key: JsonBytes,
    /// Null if the key has none.
    value: Option<JsonBytes>,
}

/// Values.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Values {
    /// In the order of the request.
    entries: Vec<Entry>,
    /// How many keys at the end were left, as the values of those before have 8 MiB; ask for them again.
    left: usize,
}

/// Reads the values of many keys.
///
/// Values of one range, of 16 keys, are of one moment.
#[utoipa::path(
    post, path = "/v1/kv/batch", tag = "keys and values",
    params(
        ("freshness" = Option<String>, Query, description = "`linearizable` (default), `nearby` or `stale`."),
        ("stale_ms" = Option<u64>, Query, description = "How old the answer may be, in milliseconds."),
    ),
    request_body = Wanted,
    responses(
        (status = 200, description = "The values.", body = Values,
            headers(("X-GenomDB-Freshness" = String, description = "How fresh it is at least."))),
        Reading,
        (status = 413, description = "The body is too large.", body = crate::http::problem::Details, content_type = "application/problem+json"),
        (status = 415, description = "The body is not JSON.", body = crate::http::problem::Details, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn get(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = whole(body)?;
    let mut parameters = Parameters::of(&uri)?;
    let freshness = freshness::choose(&mut parameters)?;
    parameters.finish()?;
    let Wanted { keys } = json(&headers, &body)?;
    if keys.len() > KEYS_MAX {
        return Err(Problem::bad_request(format!("{} keys, more than {KEYS_MAX}", keys.len())));
    }
    let kv = KeyValues::new(app.node.storage().with_freshness(freshness));
    let (mut entries, mut bytes) = (Vec::new(), 0);
    for some in keys.chunks(KEYS_AT_ONCE) {
        if bytes >= ANSWER_BYTES_MAX {
            break;
        }
        let names: Vec<&[u8]> = some.iter().map(|key| key.0.as_slice()).collect();
        let values = kv.get_many(&names).await.map_err(|error| Problem::of_kv(&error))?;
        bytes += values.iter().flatten().map(|value| value.len()).sum::<usize>();
        entries.extend(some.iter().zip(values).map(|(key, value)| Entry {
            key: key.clone(),
            value: value.map(|value| JsonBytes(value.to_vec())),
        }));
    }
    let left = keys.len() - entries.len();
    let mut response = Json(Values { entries, left }).into_response();
    response.headers_mut().extend([freshness::header(freshness)]);
    Ok(response)
}
