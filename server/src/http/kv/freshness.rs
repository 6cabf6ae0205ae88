//! How fresh an answer must be, and how it says so.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use genomdb_storage::Freshness;

use crate::http::{parameters::Parameters, problem::Problem};

/// How fresh an answer is at least.
pub(super) const FRESHNESS: HeaderName = HeaderName::from_static("x-genomdb-freshness");

/// What `freshness` and `stale_ms` ask for.
pub(super) fn choose(parameters: &mut Parameters) -> Result<Freshness, Problem> {
    let stale_ms: Option<u64> = parameters.number("stale_ms")?;
    match (parameters.text("freshness")?.as_deref(), stale_ms) {
        (None | Some("stale"), Some(bound)) => Ok(Freshness::Stale(Duration::from_millis(bound))),
        (None | Some("linearizable"), None) => Ok(Freshness::Linearizable),
        (Some("nearby"), None) => Ok(Freshness::LinearizableNearby),
        (Some("stale"), None) => Err(Problem::bad_request("`stale_ms` says how old it may be")),
        (Some("linearizable" | "nearby"), Some(_)) => {
            Err(Problem::bad_request("what may be old, as `stale_ms` says, is `freshness=stale`"))
        }
        (Some(_), _) => Err(Problem::bad_request("`freshness` is linearizable, nearby or stale")),
    }
}

/// What the answer says of itself.
pub(super) fn header(freshness: Freshness) -> (HeaderName, HeaderValue) {
    let text = match freshness {
        Freshness::Linearizable => return (FRESHNESS, HeaderValue::from_static("linearizable")),
        Freshness::LinearizableNearby => return (FRESHNESS, HeaderValue::from_static("nearby")),
        Freshness::Stale(bound) => format!("stale; max_ms={}", bound.as_millis()),
    };
    // Digits and a few letters are always a value.
    (FRESHNESS, HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("stale")))
}
