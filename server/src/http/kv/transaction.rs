//! Changes of many keys, all or none.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, Uri},
};
use genomdb_storage::{Condition, Transaction, WriteBatch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{deque::Side, json, json_bytes::JsonBytes, may_write, request, until, whole};
use crate::{
    Principal,
    http::{App, openapi::Changing, parameters::Parameters, problem::Problem},
    kv::KeyValues,
};

/// Conditions and writes of one transaction.
const STEPS_MAX: usize = 10_000;

/// A transaction: the writes take effect, all at one moment, if all conditions hold then.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = Transaction)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What must hold.
    #[serde(default)]
    conditions: Vec<Wish>,
    /// What is then written, in this order.
    #[serde(default)]
    writes: Vec<Write>,
}

/// What must hold of a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Wish {
    /// It has no value.
    Absent { key: JsonBytes },
    /// It has a value.
    Present { key: JsonBytes },
    /// It has this value.
    Equal { key: JsonBytes, value: JsonBytes },
}

/// What is done to a key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Write {
    /// Stores a value.
    Put {
        key: JsonBytes,
        value: JsonBytes,
        /// From this moment on it is gone: milliseconds since 1970.
        expires_at: Option<u64>,
        /// After so many milliseconds it is gone.
        #[schema(minimum = 1)]
        ttl_ms: Option<u64>,
    },
    /// Removes value and deque.
    Delete { key: JsonBytes },
    /// Adds to a counter.
    Add { key: JsonBytes, delta: i64 },
    /// Puts an element at an end of a deque.
    Push {
        key: JsonBytes,
        value: JsonBytes,
        #[serde(default)]
        side: Side,
    },
}

/// What became of a transaction.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcome {
    /// True.
    committed: bool,
}

/// Changes many keys, all or none, wherever they lie.
///
/// If a condition does not hold, nothing is written and the answer is 412. Sent again with the same
/// `Idempotency-Key`, it counts once and is answered as at first.
#[utoipa::path(
    post, path = "/v1/kv/transaction", tag = "keys and values",
    params(("Idempotency-Key" = Option<String>, Header, description = "The name of the request, for it to count once; known for 30 minutes.", min_length = 1, max_length = 255)),
    request_body = Wanted,
    responses((status = 200, description = "All is written.", body = Outcome), Changing),
)]
pub(super) async fn transact(
    State(app): State<App>,
    Extension(principal): Extension<Principal>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Outcome>, Problem> {
    may_write(&principal)?;
    let body = whole(body)?;
    Parameters::of(&uri)?.finish()?;
    let wanted: Wanted = json(&headers, &body)?;
    if wanted.conditions.len() + wanted.writes.len() > STEPS_MAX {
        return Err(Problem::too_large(format!("more than {STEPS_MAX} conditions and writes")));
    }
    let kv = KeyValues::new(app.node.storage().clone());
    let transaction = transaction(&kv, wanted)?;
    let request = request(&principal, (&method, &uri), &headers, &body)?;
    let done = kv.transact(transaction, request.as_ref()).await;
    match done.map_err(|error| Problem::of_kv(&error))? {
        None => Ok(Json(Outcome { committed: true })),
        Some(condition) => {
            let detail = format!("condition {condition}, counted from 0, does not hold; nothing is written");
            Err(Problem::precondition_failed(detail))
        }
    }
}

fn transaction(kv: &KeyValues, wanted: Wanted) -> Result<Transaction, Problem> {
    let stored = |key: &JsonBytes| kv.key(&key.0).map_err(|error| Problem::of_kv(&error));
    let mut conditions = Vec::with_capacity(wanted.conditions.len());
    for wish in &wanted.conditions {
        conditions.push(match wish {
            Wish::Absent { key } => Condition::Absent(stored(key)?),
            Wish::Present { key } => Condition::Present(stored(key)?),
            Wish::Equal { key, value } => Condition::Equals(stored(key)?, value.0.clone().into()),
        });
    }
    let mut batch = WriteBatch::new();
    for write in wanted.writes {
        match write {
            Write::Put { key, value, expires_at, ttl_ms } => match until(expires_at, ttl_ms)? {
                Some(until) => batch.put_until(stored(&key)?, value.0, until),
                None => batch.put(stored(&key)?, value.0),
            },
            Write::Delete { key } => batch.delete(stored(&key)?),
            Write::Add { key, delta } => batch.add(stored(&key)?, delta),
            Write::Push { key, value, side } => batch.push(stored(&key)?, side.into(), value.0),
        };
    }
    Ok(Transaction { conditions, batch })
}
