//! What the file says of queries: how many run, and what each may take.

use std::{collections::BTreeMap, time::Duration};

use genomdb_server::{AdmissionConfig, Config};
use serde::Deserialize;

/// How many queries run and wait; the bounds are those of [`AdmissionConfig`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Queries {
    light_max: Option<usize>,
    heavy_max: Option<usize>,
    queued_max: Option<usize>,
    queue_timeout_s: Option<u64>,
    light_bytes_max: Option<u64>,
}

/// Settings that sessions begin with, by their names in `SET`.
pub(super) type SessionSettings = BTreeMap<String, Scalar>;

/// A value as YAML has it: `10`, `true` and `512MiB` need no quotes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Number(u64),
    Boolean(bool),
    Text(String),
}

impl From<Scalar> for String {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Number(number) => number.to_string(),
            Scalar::Boolean(boolean) => boolean.to_string(),
            Scalar::Text(text) => text,
        }
    }
}

/// Puts together what the server obeys.
pub(super) fn config(
    queries: &Queries,
    settings: SessionSettings,
    users: BTreeMap<String, SessionSettings>,
) -> Config {
    let usual = AdmissionConfig::default();
    let admission = AdmissionConfig {
        light_max: queries.light_max.unwrap_or(usual.light_max),
        heavy_max: queries.heavy_max.unwrap_or(usual.heavy_max),
        queued_max: queries.queued_max.unwrap_or(usual.queued_max),
        queue_timeout: queries.queue_timeout_s.map_or(usual.queue_timeout, Duration::from_secs),
        light_bytes_max: queries.light_bytes_max.unwrap_or(usual.light_bytes_max),
    };
    let texts = |settings: SessionSettings| {
        settings.into_iter().map(|(name, value)| (name, value.into())).collect::<BTreeMap<String, String>>()
    };
    Config {
        admission,
        settings: texts(settings),
        users: users.into_iter().map(|(user, settings)| (user, texts(settings))).collect(),
        ..Config::default()
    }
}
