//! The document says what is answered.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Served, client::call};

const METHODS: [&str; 6] = ["get", "head", "post", "put", "delete", "patch"];

fn document(served: &Served) -> Value {
    let reply = call(served.address(), "GET", "/openapi.json", &[], "");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    reply.json()
}

/// What is documented is answered by its handler, and nothing else is at the same path.
#[test]
fn documented_methods_are_those_that_are_answered() {
    let served = Served::start();
    let document = document(&served);
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 10, "{:?}", paths.keys());
    for (path, item) in paths {
        let mut documented: BTreeSet<&str> = item.as_object().unwrap().keys().map(String::as_str).collect();
        documented.retain(|name| METHODS.contains(name));
        // A reading method is answered without its body, too.
        documented.extend(documented.contains("get").then_some("head"));
        let reply = call(served.address(), "PATCH", path, &[], "");
        assert_eq!(reply.status, 405, "{path}: {reply:?}");
        assert_eq!(reply.json()["code"], "method_not_allowed");
        let allowed = reply.header("allow").unwrap_or_else(|| panic!("{path}: {reply:?}")).to_lowercase();
        let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
        assert_eq!(allowed, documented, "{path}");
    }
}

/// A route that does not describe itself would be in no document.
#[test]
fn every_route_describes_itself() {
    let composed = include_str!("../../src/http.rs");
    assert!(!composed.contains(".route("), "routes are added with `routes!`, so that they are documented");
    assert_eq!(
        include_str!("../../src/http/openapi.rs").matches(".route(").count(),
        1,
        "the document itself"
    );
}

#[test]
fn every_error_is_a_problem_and_every_reference_leads_somewhere() {
    let served = Served::start();
    let document = document(&served);
    let mut errors = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} says nothing");
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = &response["content"];
                if status.starts_with(['4', '5']) {
                    assert!(content["application/problem+json"].is_object(), "{method} {path} {status}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 50, "{errors}");
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Two types of one name would be one schema.
#[test]
fn every_body_has_a_schema_of_its_own() {
    let served = Served::start();
    let document = document(&served);
    for (path, field) in [
        ("/v1/kv/batch", "keys"),
        ("/v1/kv/transaction", "writes"),
        ("/v1/tokens", "role"),
        ("/v1/load", "path"),
        ("/v1/cluster/ranges/{range}/leader", "node"),
    ] {
        let content = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let reference = content["schema"]["$ref"].as_str().unwrap_or_else(|| panic!("{path}: {content}"));
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        assert!(schema["properties"][field].is_object(), "{path} takes {schema}");
    }
    for (path, field) in
        [("/v1/kv", "entries"), ("/v1/cluster", "operators"), ("/v1/cluster/ranges", "ranges")]
    {
        let content = &document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"];
        let reference = content["schema"]["$ref"].as_str().unwrap();
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        assert!(schema["properties"][field].is_object(), "{path} gives {schema}");
    }
}

fn collect<'d>(value: &'d Value, references: &mut Vec<&'d str>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
