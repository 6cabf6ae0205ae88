//! Keys and values over HTTP.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
};

use serde_json::{Value, json};

use super::{
    Served,
    client::{Reply, call, call_with, send},
};

struct Kv(SocketAddr);

impl Kv {
    fn get(&self, path: &str) -> Reply {
        call(self.0, "GET", path, &[], "")
    }

    fn put(&self, path: &str, headers: &[&str], value: &str) -> u16 {
        call(self.0, "PUT", path, headers, value).status
    }

    fn post(&self, path: &str, headers: &[&str], body: &str) -> Reply {
        call(self.0, "POST", path, headers, body)
    }
}

#[test]
fn a_value_is_what_was_put() {
    let served = Served::start();
    let kv = Kv(served.address());
    assert_eq!(kv.get("/v1/kv/a").status, 404);
    assert_eq!(kv.put("/v1/kv/a", &[], "one"), 204);
    let reply = kv.get("/v1/kv/a");
    assert_eq!((reply.status, reply.text()), (200, "one"));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.header("x-genomdb-freshness"), Some("linearizable"));
    for (freshness, said) in [("freshness=nearby", "nearby"), ("stale_ms=5000", "stale; max_ms=5000")] {
        let reply = kv.get(&format!("/v1/kv/a?{freshness}"));
        assert_eq!((reply.text(), reply.header("x-genomdb-freshness")), ("one", Some(said)));
    }
    assert_eq!(call(served.address(), "DELETE", "/v1/kv/a", &[], "").status, 204);
    assert_eq!(kv.get("/v1/kv/a").status, 404);
    assert_eq!(call(served.address(), "DELETE", "/v1/kv/a", &[], "").status, 204);
}

#[test]
fn keys_and_values_are_any_bytes() {
    let served = Served::start();
    let kv = Kv(served.address());
    let value: Vec<u8> = (0..=255).collect();
    let put = call_with(served.address(), "PUT", "/v1/kv/%00%FF%2Fx", &[], &value);
    assert_eq!(put.status, 204, "{put:?}");
    assert_eq!(kv.get("/v1/kv/%00%ff%2fx").body, value);
    assert_eq!(kv.get("/v1/kv/-?key_base64=AP8veA==").body, value);
    assert_eq!(kv.get("/v1/kv/other?key_base64=AP8veA==").status, 400);
    let page = kv.get("/v1/kv?prefix=%00").json();
    assert_eq!(page["entries"][0]["key"], json!({"base64": "AP8veA=="}));
    // Names of paths are keys like others, if they are written otherwise.
    assert_eq!(kv.put("/v1/kv/%77atch", &[], "w"), 204);
    assert_eq!(kv.get("/v1/kv/%77atch").text(), "w");
    for (path, status) in [
        (format!("/v1/kv/{}", "k".repeat(1023)), 204),
        (format!("/v1/kv/{}", "k".repeat(1024)), 400),
        ("/v1/kv/%zz".to_owned(), 400),
        ("/v1/kv/a?nothing=1".to_owned(), 400),
        ("/v1/kv/".to_owned(), 404),
        ("/v1/kv/a/b".to_owned(), 404),
    ] {
        assert_eq!(kv.put(&path, &[], "x"), status, "{path}");
    }
    let long = vec![0; (8 << 20) + 1];
    let refused = call_with(served.address(), "PUT", "/v1/kv/long", &[], &long);
    assert_eq!((refused.status, &refused.json()["code"]), (413, &json!("too_large")));
}

/// A client's keys are a world of their own: those of tables are neither seen nor touched.
#[test]
fn nothing_else_is_reached() {
    let served = Served::start();
    let kv = Kv(served.address());
    served.post("CREATE VIEW v AS SELECT 1 AS one", &[]);
    // What the catalog lies under.
    for path in ["/v1/kv/%01", "/v1/kv/-?key_base64=AQ=="] {
        assert_eq!(kv.get(path).status, 404);
        assert_eq!(kv.put(path, &[], "mine"), 204);
        assert_eq!(kv.get(path).text(), "mine");
        assert_eq!(call(served.address(), "DELETE", path, &[], "").status, 204);
    }
    assert_eq!(kv.put("/v1/kv/%01", &[], "mine"), 204);
    for query in ["", "?from=", "?prefix=%01", "?from=%00&to=%FF", "?from_base64=AA==&keys_only=true"] {
        let keys = kv.get(&format!("/v1/kv{query}")).json();
        let keys: Vec<&Value> =
            keys["entries"].as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
        assert_eq!(keys, [&json!("\u{1}")], "{query}");
    }
    assert_eq!(served.post("SELECT one FROM v", &[]).json()["rows"], json!([{"one": 1}]));
}

#[test]
fn a_value_is_compared_and_set() {
    let served = Served::start();
    let kv = Kv(served.address());
    assert_eq!(kv.put("/v1/kv/c", &["If-Match: *"], "0"), 412);
    assert_eq!(kv.put("/v1/kv/c", &["If-None-Match: *"], "1"), 204);
    assert_eq!(kv.put("/v1/kv/c", &["If-None-Match: *"], "2"), 412);
    let tag = kv.get("/v1/kv/c").header("etag").unwrap().to_owned();
    assert_eq!(kv.put("/v1/kv/c", &[&format!("If-Match: \"other\", {tag}")], "2"), 204);
    assert_eq!(kv.put("/v1/kv/c", &[&format!("If-Match: {tag}")], "3"), 412);
    assert_eq!(kv.get("/v1/kv/c").text(), "2");
    let tag = kv.get("/v1/kv/c").header("etag").unwrap().to_owned();
    assert_eq!(
        call(served.address(), "GET", "/v1/kv/c", &[&format!("If-None-Match: {tag}")], "").status,
        304
    );
    assert_eq!(call(served.address(), "DELETE", "/v1/kv/c", &["If-Match: \"no\""], "").status, 412);
    assert_eq!(call(served.address(), "DELETE", "/v1/kv/c", &[&format!("If-Match: {tag}")], "").status, 204);
    assert_eq!(kv.put("/v1/kv/c", &["If-Match: *", "If-None-Match: *"], "x"), 400);
}

#[test]
fn a_time_to_live() {
    let served = Served::start();
    let kv = Kv(served.address());
    assert_eq!(kv.put("/v1/kv/t?ttl_ms=3600000", &[], "x"), 204);
    let ttl = kv.get("/v1/kv/t/ttl").json();
    assert!((1..=3_600_000).contains(&ttl["ttl_ms"].as_u64().unwrap()), "{ttl}");
    assert_eq!(kv.put("/v1/kv/t?expires_at=4102444800000", &[], "x"), 204);
    assert_eq!(kv.get("/v1/kv/t/ttl").json()["expires_at"], 4_102_444_800_000_u64);
    assert_eq!(kv.put("/v1/kv/t", &[], "x"), 204);
    assert_eq!(kv.get("/v1/kv/t/ttl").json(), json!({"expires_at": null, "ttl_ms": null}));
    // Gone as soon as it comes.
    assert_eq!(kv.put("/v1/kv/t?expires_at=1", &[], "x"), 204);
    assert_eq!((kv.get("/v1/kv/t").status, kv.get("/v1/kv/t/ttl").status), (404, 404));
    for wrong in ["ttl_ms=0", "ttl_ms=-1", "ttl_ms=1&expires_at=1", "ttl_ms=18446744073709551615"] {
        assert_eq!(kv.put(&format!("/v1/kv/t?{wrong}"), &[], "x"), 400, "{wrong}");
    }
}

#[test]
fn counters_and_deques() {
    let served = Served::start();
    let kv = Kv(served.address());
    assert_eq!(kv.post("/v1/kv/n/add", &[], "5").json(), json!({"value": 5}));
    assert_eq!(kv.post("/v1/kv/n/add", &[], "-7").json(), json!({"value": -2}));
    assert_eq!(kv.get("/v1/kv/n").text(), "-2");
    for wrong in ["", "1.5", "x", "9223372036854775808"] {
        assert_eq!(kv.post("/v1/kv/n/add", &[], wrong).status, 400, "{wrong}");
    }
    kv.put("/v1/kv/n", &[], "9223372036854775807");
    assert_eq!(kv.post("/v1/kv/n/add", &[], "1").status, 409);
    kv.put("/v1/kv/n", &[], "no number");
    assert_eq!(kv.post("/v1/kv/n/add", &[], "1").status, 409);

    assert_eq!(kv.post("/v1/kv/q/push?side=back", &[], "b").json(), json!({"length": 1}));
    assert_eq!(kv.post("/v1/kv/q/push?side=front", &[], "a").json(), json!({"length": 2}));
    let shown = kv.get("/v1/kv/q/deque").json();
    assert_eq!(shown, json!({"length": 2, "from": 0, "elements": ["a", "b"]}));
    assert_eq!(kv.get("/v1/kv/q/deque?from=1&limit=5").json()["elements"], json!(["b"]));
    assert_eq!(kv.get("/v1/kv/q/deque?limit=0").json()["elements"], json!([]));
    assert_eq!(kv.post("/v1/kv/q/pop?side=back", &[], "").text(), "b");
    assert_eq!(kv.post("/v1/kv/q/pop?side=back", &[], "").text(), "a");
    assert_eq!(kv.post("/v1/kv/q/pop?side=back", &[], "").status, 204);
    assert_eq!(kv.post("/v1/kv/q/pop", &[], "").status, 400);
    assert_eq!(kv.get("/v1/kv/none/deque").json()["length"], 0);
}

#[test]
fn a_scan_goes_on_where_a_page_ended() {
    let served = Served::start();
    let kv = Kv(served.address());
    for number in 0..25 {
        kv.put(&format!("/v1/kv/s%2F{number:02}"), &[], &number.to_string());
    }
    kv.put("/v1/kv/t", &[], "other");
    let (mut found, mut next) = (Vec::new(), String::new());
    let pages = loop {
        let page = kv.get(&format!("/v1/kv?prefix=s%2F&limit=10{next}")).json();
        found.extend(page["entries"].as_array().unwrap().clone());
        match page["continue"].as_str() {
            Some(token) => next = format!("&continue={token}"),
            None => break found.len().div_ceil(10),
        }
    };
    assert_eq!((found.len(), pages), (25, 3));
    assert_eq!(found[24], json!({"key": "s/24", "value": "24"}));
    let between = kv.get("/v1/kv?from=s%2F05&to=s%2F07&keys_only=true").json();
    assert_eq!(between["entries"], json!([{"key": "s/05"}, {"key": "s/06"}]));
    for wrong in ["limit=0", "limit=x", "prefix=a&from=b", "continue=%21", "prefix=a&prefix=b", "keys_only=1"]
    {
        assert_eq!(kv.get(&format!("/v1/kv?{wrong}")).status, 400, "{wrong}");
    }
    let batch = kv.post("/v1/kv/batch", &[], r#"{"keys": ["s/01", "none", {"base64": "dA=="}]}"#).json();
    assert_eq!(batch["entries"][0], json!({"key": "s/01", "value": "1"}));
    assert_eq!(batch["entries"][1], json!({"key": "none", "value": null}));
    assert_eq!(batch["entries"][2], json!({"key": "t", "value": "other"}));
}

#[test]
fn all_of_a_transaction_or_nothing() {
    let served = Served::start();
    let kv = Kv(served.address());
    let transaction = json!({
        "conditions": [{"key": "a", "is": "absent"}],
        "writes": [
            {"do": "put", "key": "a", "value": "1"},
            {"do": "add", "key": "n", "delta": 2},
            {"do": "push", "key": "q", "value": {"base64": "/w=="}, "side": "front"},
            {"do": "delete", "key": "b"},
        ],
    })
    .to_string();
    assert_eq!(kv.post("/v1/kv/transaction", &[], &transaction).json(), json!({"committed": true}));
    let again = kv.post("/v1/kv/transaction", &[], &transaction);
    assert_eq!((again.status, &again.json()["code"]), (412, &json!("precondition_failed")));
    assert_eq!((kv.get("/v1/kv/a").text(), kv.get("/v1/kv/n").text()), ("1", "2"));
    assert_eq!(kv.get("/v1/kv/q/deque").json()["length"], 1);
    for wrong in ["", "{", r#"{"writes": [{"do": "put", "key": "a"}]}"#, r#"{"other": 1}"#, "[]"] {
        assert_eq!(kv.post("/v1/kv/transaction", &[], wrong).status, 400, "{wrong}");
    }
    let text = kv.post("/v1/kv/transaction", &["Content-Type: text/html"], "{}");
    assert_eq!(text.status, 415);
}

#[test]
fn a_named_request_counts_once() {
    let served = Served::start();
    let kv = Kv(served.address());
    let named = |name: &str| format!("Idempotency-Key: {name}");
    for _ in 0..3 {
        assert_eq!(kv.post("/v1/kv/n/add", &[&named("one")], "5").json(), json!({"value": 5}));
    }
    assert_eq!(kv.post("/v1/kv/n/add", &[&named("two")], "5").json(), json!({"value": 10}));
    // Another body, another path: another request.
    for (path, body) in [("/v1/kv/n/add", "6"), ("/v1/kv/m/add", "5")] {
        let other = kv.post(path, &[&named("one")], body);
        assert_eq!((other.status, &other.json()["code"]), (422, &json!("other_request")));
    }
    kv.post("/v1/kv/q/push?side=back", &[], "a");
    kv.post("/v1/kv/q/push?side=back", &[], "b");
    for _ in 0..2 {
        assert_eq!(kv.post("/v1/kv/q/pop?side=front", &[&named("pop")], "").text(), "a");
    }
    // What did not hold at first does not hold later, and the other way round.
    kv.put("/v1/kv/c", &[], "1");
    let tag = kv.get("/v1/kv/c").header("etag").unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(kv.put("/v1/kv/c", &[&named("set"), &format!("If-Match: {tag}")], "2"), 204);
        assert_eq!(kv.put("/v1/kv/c", &[&named("not"), "If-Match: \"x\""], "3"), 412);
        assert_eq!(kv.put("/v1/kv/new", &[&named("new"), "If-None-Match: *"], "3"), 204);
    }
    let transaction = r#"{"conditions": [{"key": "x", "is": "absent"}], "writes": [{"do": "add", "key": "x", "delta": 1}]}"#;
    for _ in 0..2 {
        assert_eq!(kv.post("/v1/kv/transaction", &[&named("first")], transaction).status, 200);
        assert_eq!(kv.post("/v1/kv/transaction", &[&named("second")], transaction).status, 412);
    }
    call(served.address(), "DELETE", "/v1/kv/x", &[], "");
    assert_eq!(kv.post("/v1/kv/transaction", &[&named("second")], transaction).status, 412);
    assert_eq!(kv.put("/v1/kv/a", &[&named(&"n".repeat(256))], "x"), 400);
    assert_eq!(kv.put("/v1/kv/a", &[&named("a"), &named("b")], "x"), 400);
    // What is remembered of requests is nobody's key.
    let keys = kv.get("/v1/kv?keys_only=true").json();
    assert_eq!(keys["entries"], json!([{"key": "c"}, {"key": "n"}, {"key": "new"}]));
}

/// The lines of a watch, until one is what is waited for.
fn told(to: SocketAddr, path: &str, act: impl FnOnce(), last: &Value) -> Vec<Value> {
    let stream = send(to, "GET", path, &[], "");
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap).filter(|line| line.starts_with('{'));
    let mut read = || serde_json::from_str::<Value>(&lines.next().expect("it goes on")).unwrap();
    let first = read();
    assert!(path.contains("position=") || first["event"] == "position", "{first}");
    act();
    let mut events = vec![first];
    while events.last() != Some(last) {
        events.push(read());
    }
    while events.last().unwrap()["event"] != "position" {
        events.push(read());
    }
    events
}

#[test]
fn a_watch_tells_changes_and_goes_on_where_it_was() {
    let served = Served::start();
    let (to, kv) = (served.address(), Kv(served.address()));
    let put = json!({"event": "put", "key": "w/a", "value": "1"});
    let events =
        told(to, "/v1/kv/watch?prefix=w%2F", || assert_eq!(kv.put("/v1/kv/w%2Fa", &[], "1"), 204), &put);
    let position = events.last().unwrap()["position"].as_str().unwrap().to_owned();
    // Nobody watches while this happens.
    kv.put("/v1/kv/other", &[], "1");
    call(to, "DELETE", "/v1/kv/w%2Fa", &[], "");
    kv.post("/v1/kv/w%2Fq/push?side=front", &[], "e");
    let pushed = json!({"event": "pushed", "key": "w/q", "side": "front", "value": "e"});
    let events = told(to, &format!("/v1/kv/watch?position={position}"), || {}, &pushed);
    assert_eq!(events[0], json!({"event": "deleted", "key": "w/a"}), "{events:?}");
    assert!(!events.iter().any(|event| event["key"] == "other"), "{events:?}");
    let short = kv.get("/v1/kv/watch?timeout_ms=1");
    assert!(short.whole && short.text().starts_with("{\"event\":\"position\""), "{short:?}");
    let form = call(to, "GET", "/v1/kv/watch?timeout_ms=1", &["Accept: text/event-stream"], "");
    assert!(form.text().starts_with("id: ") && form.text().contains("\ndata: {"), "{form:?}");
    for wrong in ["position=AAAA", "position=%21", "timeout_ms=x", "prefix=a&to=b"] {
        assert_eq!(kv.get(&format!("/v1/kv/watch?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(kv.get(&format!("/v1/kv/watch?prefix=a&position={position}")).status, 400);
    assert_eq!(call(to, "GET", "/v1/kv/watch", &["Accept: image/png"], "").status, 406);
}
