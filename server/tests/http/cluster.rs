//! A cluster over HTTP, and keys and values in several ranges of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Served, client::call};

/// Asks until the answer is as it shall be.
fn until(what: &str, mut ask: impl FnMut() -> Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if is_so(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {answer}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_operator_sees_and_changes_it() {
    let served = Served::start_cluster();
    let to = served.address();
    let get = |path: &str| call(to, "GET", path, &[], "").json();
    let status =
        until("a leader", || get("/v1/cluster"), |status| status["nodes"][0]["leaders"].as_u64() >= Some(1));
    assert_eq!((&status["nodes"][0]["id"], &status["nodes"][0]["state"]), (&json!(1), &json!("active")));
    // The only node has nowhere to leave its ranges.
    let refused = call(to, "POST", "/v1/cluster/nodes/1/drain", &[], "");
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("refused")), "{refused:?}");
    assert_eq!(call(to, "DELETE", "/v1/cluster/nodes/1/drain", &[], "").status, 200);
    assert_eq!(get("/v1/cluster")["nodes"][0]["state"], "active");
    let check = call(to, "POST", "/v1/cluster/ranges/2/check", &[], "").json();
    assert_eq!((&check["equal"], &check["range"]), (&json!(true), &json!(2)), "{check}");
    for (method, path, body, status) in [
        ("POST", "/v1/cluster/nodes/7/drain", "", 409),
        ("POST", "/v1/cluster/nodes/x/drain", "", 400),
        ("POST", "/v1/cluster/nodes/1/drain?x=1", "", 400),
        ("DELETE", "/v1/cluster/nodes/1", "", 409),
        ("POST", "/v1/cluster/ranges/2/leader", "{}", 400),
        ("POST", "/v1/cluster/ranges/2/split", r#"{"at": "\\q"}"#, 400),
        ("POST", "/v1/cluster/ranges/99/split", "", 409),
        ("POST", "/v1/cluster/ranges/99/check", "", 404),
        ("GET", "/v1/cluster?x=1", "", 400),
    ] {
        let reply = call(to, method, path, &[], body);
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
    }
}

/// Two keys, with the beginning of a range between them.
#[test]
fn a_split_changes_nothing_for_those_who_ask() {
    let served = Served::start_cluster();
    let to = served.address();
    let post = |path: &str, headers: &[&str], body: &str| call(to, "POST", path, headers, body);
    let name = "Idempotency-Key: before the split";
    assert_eq!(post("/v1/kv/z/add", &[name], "5").json(), json!({"value": 5}));
    let watched = call(to, "GET", "/v1/kv/watch?timeout_ms=1", &[], "");
    let position: Value = serde_json::from_str(watched.text().lines().next().unwrap()).unwrap();
    let position = position["position"].as_str().unwrap();
    // Whoever places ranges hears of their leaders a little later, and refuses until then.
    let cut = || json!(post("/v1/cluster/ranges/2/split", &[], r#"{"at": "\\x10m"}"#).status);
    until("the split is taken", cut, |status| *status == json!(202));
    let ranges = || call(to, "GET", "/v1/cluster/ranges", &[], "").json();
    let begins = |range: &Value| range["start"] == "\\x10m";
    until("the split", ranges, |ranges| ranges["ranges"].as_array().unwrap().iter().any(begins));
    // The range that has the key now knows the request of before.
    assert_eq!(post("/v1/kv/z/add", &[name], "5").json(), json!({"value": 5}));
    assert_eq!(call(to, "GET", "/v1/kv/z", &[], "").text(), "5");
    // All or nothing, over both.
    let transaction = json!({
        "conditions": [{"key": "a", "is": "absent"}, {"key": "z", "is": "equal", "value": "5"}],
        "writes": [{"do": "put", "key": "a", "value": "1"}, {"do": "add", "key": "z", "delta": 1}],
    })
    .to_string();
    for _ in 0..2 {
        assert_eq!(post("/v1/kv/transaction", &["Idempotency-Key: both"], &transaction).status, 200);
    }
    assert_eq!(post("/v1/kv/transaction", &[], &transaction).status, 412);
    let all = call(to, "GET", "/v1/kv", &[], "").json();
    assert_eq!(all["entries"], json!([{"key": "a", "value": "1"}, {"key": "z", "value": "6"}]));
    // Whoever watched before goes on in both ranges.
    let path = format!("/v1/kv/watch?position={position}&timeout_ms=60");
    let told = until(
        "both changes",
        || Value::String(call(to, "GET", &path, &[], "").text().to_owned()),
        |told| {
            told.as_str().is_some_and(|told| told.contains(r#""key":"a""#) && told.contains(r#""key":"z""#))
        },
    );
    assert!(told.as_str().unwrap().contains(r#""event":"put""#), "{told}");
}
