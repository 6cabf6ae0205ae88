//! A question.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use crate::QueryId;

/// One statement, with all that belongs to it.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    query: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    params: Vec<Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip)]
    pub(crate) id: Option<QueryId>,
}

impl Request {
    /// A statement.
    pub fn new(statement: impl Into<String>) -> Self {
        let (params, settings) = (Vec::new(), BTreeMap::new());
        Self { query: statement.into(), params, settings, timeout_ms: None, id: None }
    }

    /// Adds the value of the next of `$1`, `$2`, …: a number, a string, true, false or null. It is bound, and
    /// never becomes a part of the text.
    pub fn with_parameter(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }

    /// Runs the statement with a setting, as after `SET name = value`.
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// Ends the query after so long.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Gives the query a name, by which it can be watched and stopped before it answers.
    pub fn with_id(mut self, id: QueryId) -> Self {
        self.id = Some(id);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_is_sent() {
        let json = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(json(&Request::new("SELECT 1")), r#"{"query":"SELECT 1"}"#);
        let request = Request::new("SELECT $1, $2")
            .with_parameter(1)
            .with_parameter("a'b")
            .with_setting("query.timeout", "1s")
            .with_timeout(Duration::from_secs(2))
            .with_id(QueryId::random());
        assert_eq!(
            json(&request),
            r#"{"query":"SELECT $1, $2","params":[1,"a'b"],"settings":{"query.timeout":"1s"},"timeout_ms":2000}"#
        );
    }
}
