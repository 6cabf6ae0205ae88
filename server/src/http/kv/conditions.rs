//! `If-Match` and `If-None-Match`: compare and set over HTTP.
//!
//! The tag of a value is a digest of it. A request that names one is judged twice: the value that is read has
//! the tag, and the store changes it only if it is still that value.

use axum::http::{HeaderMap, HeaderName, header};
use genomdb_storage::{Condition, Value};
use xxhash_rust::xxh3::xxh3_128;

use super::Call;
use crate::http::problem::Problem;

/// The tag of a value.
pub(super) fn tag(value: &[u8]) -> String {
    format!("\"{:032x}\"", xxh3_128(value))
}

/// What a header names.
enum Tags {
    Any,
    These(Vec<String>),
}

impl Tags {
    fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, Problem> {
        let mut tags = Vec::new();
        for value in headers.get_all(name) {
            let text = value.to_str().map_err(|_| Problem::bad_request(format!("{name} is no text")))?;
            tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
        }
        match tags.iter().any(|tag| tag == "*") {
            _ if tags.is_empty() => Ok(None),
            true if tags.len() == 1 => Ok(Some(Self::Any)),
            true => Err(Problem::bad_request(format!("{name} is `*` or tags"))),
            false => Ok(Some(Self::These(tags))),
        }
    }

    fn name(&self, found: Option<&Value>) -> bool {
        match (self, found) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::These(tags), Some(value)) => tags.contains(&tag(value)),
        }
    }
}

/// Whether whoever reads has the value already.
pub(super) fn is_known(headers: &HeaderMap, value: &Value) -> Result<bool, Problem> {
    let tags = Tags::of(headers, &header::IF_NONE_MATCH)?;
    Ok(tags.is_some_and(|tags| tags.name(Some(value))))
}

/// What must hold for a key to be changed.
pub(super) async fn of_change(call: &Call, headers: &HeaderMap) -> Result<Vec<Condition>, Problem> {
    let key = || call.key.clone();
    match (Tags::of(headers, &header::IF_MATCH)?, Tags::of(headers, &header::IF_NONE_MATCH)?) {
        (None, None) => Ok(Vec::new()),
        (None, Some(Tags::Any)) => Ok(vec![Condition::Absent(key())]),
        (Some(Tags::Any), None) => Ok(vec![Condition::Present(key())]),
        (Some(tags), None) => {
            let found = call.kv.get(&call.name).await.map_err(|error| Problem::of_kv(&error))?;
            Ok(match found.filter(|found| tags.name(Some(found))) {
                Some(found) => vec![Condition::Equals(key(), found)],
                // Never both: it fails in the store, where an earlier attempt of the same request may have
                // had its answer.
                None => vec![Condition::Present(key()), Condition::Absent(key())],
            })
        }
        (None, Some(Tags::These(_))) => {
            Err(Problem::bad_request("If-None-Match of a change is `*`: only if there is nothing"))
        }
        (Some(_), Some(_)) => Err(Problem::bad_request("either If-Match or If-None-Match")),
    }
}
