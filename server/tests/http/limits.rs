//! What a query may take, whose turn it is, and what is known of it.

use std::time::{Duration, Instant};

use genomdb_server::{AdmissionConfig, Config};
use serde_json::json;

use super::{
    Served,
    client::{call, receive, send},
    numbers,
};

/// Asks about a query until it is in a state.
fn wait_for_state(served: &Served, id: &str, state: &str) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let reply = call(served.address(), "GET", &format!("/v1/queries/{id}"), &[], "");
        let listed = if reply.status == 200 { reply.json() } else { serde_json::Value::Null };
        if listed["state"] == state {
            return listed;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{listed}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_query_is_known_by_the_name_that_its_client_chose() {
    let served = Served::start();
    let name = "X-GenomDB-Query-Id: 00000000000000ab";
    let reply = served.post("SELECT 1 AS one", &[name]);
    assert_eq!((reply.status, reply.header("x-genomdb-query-id")), (200, Some("00000000000000ab")));
    let listed = wait_for_state(&served, "00000000000000ab", "ended");
    assert_eq!((&listed["outcome"], &listed["rows"]), (&json!("done"), &json!(1)), "{listed}");
    let reply = served.post("SELECT 2 AS two", &[name]);
    assert_eq!((reply.status, reply.json()["code"].clone()), (409, json!("conflict")));
    let reply = served.post("SELECT 2 AS two", &["X-GenomDB-Query-Id: ab"]);
    assert_eq!(reply.status, 400);
    let reply = call(served.address(), "GET", "/v1/queries/00000000000000ff", &[], "");
    assert_eq!(reply.status, 404);
}

#[test]
fn limits_are_settings_of_one_request() {
    let served = Served::start();
    let ask = |settings: serde_json::Value, query: &str| {
        let body = json!({ "query": query, "settings": settings, "format": "csv" }).to_string();
        served.post(&body, &["Content-Type: application/json"])
    };
    let reply = ask(json!({ "query.max_result_rows": 3 }), "SELECT * FROM (VALUES (1), (2), (3)) AS t(n)");
    assert_eq!((reply.status, reply.text()), (200, "n\n1\n2\n3\n"));
    let reply = ask(json!({ "query.max_result_rows": 2 }), "SELECT * FROM (VALUES (1), (2), (3)) AS t(n)");
    assert_eq!((reply.status, reply.json()["code"].clone()), (422, json!("limit")), "{}", reply.text());
    let sorted = format!("{} ORDER BY n DESC", numbers(6));
    let reply = ask(json!({ "query.max_memory": "1MiB" }), &sorted);
    assert_eq!((reply.status, reply.json()["code"].clone()), (503, json!("resources")), "{}", reply.text());
    let reply = ask(json!({ "query.timeout": "50ms" }), &format!("SELECT sum(n) FROM ({})", numbers(10)));
    assert_eq!((reply.status, reply.json()["code"].clone()), (504, json!("timeout")), "{}", reply.text());
    let id = reply.json()["query_id"].as_str().unwrap().to_owned();
    let listed = wait_for_state(&served, &id, "ended");
    assert_eq!(listed["outcome"], "failed", "{listed}");
    let reply = ask(json!({ "query.max_memori": "1MiB" }), "SELECT 1");
    assert_eq!(reply.status, 400, "{}", reply.text());
    // Another request begins with the settings of the node.
    let reply = served.post("SELECT value FROM system.settings WHERE name = 'query.max_memory'", &[]);
    assert_eq!(reply.json()["rows"], json!([{ "value": "2GiB" }]));
}

#[test]
fn what_ran_is_in_the_log_and_what_runs_is_in_the_list() {
    let served = Served::start();
    served.post("SELECT 1 AS one", &[]);
    assert_eq!(served.post("SELECT 1 / 0 AS none", &[]).status, 422);
    let reply = served.post(
        "SELECT outcome, error IS NULL AS well, rows, text FROM system.query_log ORDER BY began, text",
        &["Accept: text/csv"],
    );
    assert_eq!(
        reply.text(),
        "outcome,well,rows,text\ndone,true,1,SELECT 1 AS one\nfailed,false,0,SELECT 1 / 0 AS none\n"
    );
    let reply = served.post("SELECT state, user, rows FROM system.queries", &["Accept: text/csv"]);
    assert_eq!(reply.text(), "state,user,rows\nplanning,local,0\n");
}

#[test]
fn who_comes_when_too_many_wait_is_told_when_to_come_again() {
    let admission = AdmissionConfig { heavy_max: 1, queued_max: 0, ..AdmissionConfig::default() };
    let served = Served::start_with(&Config { admission, ..Config::default() });
    let name = "X-GenomDB-Query-Id: 0000000000000001";
    let heavy = format!("SELECT sum(n) FROM ({})", numbers(12));
    let mut first = send(served.address(), "POST", "/v1/query", &[name], &heavy);
    wait_for_state(&served, "0000000000000001", "running");
    let reply = served.post(&heavy, &[]);
    assert_eq!((reply.status, reply.header("retry-after")), (429, Some("1")), "{}", reply.text());
    assert_eq!(reply.json()["code"], "busy");
    // A light one does not wait for it.
    assert_eq!(served.post("SELECT 1 AS one", &[]).status, 200);
    let reply = call(served.address(), "DELETE", "/v1/queries/0000000000000001", &[], "");
    assert_eq!(reply.status, 204);
    assert_eq!(receive(&mut first).status, 409);
    served.wait_until_nothing_runs();
}

#[test]
fn a_result_can_be_fetched_later_as_often_as_wanted() {
    let served = Served::start();
    let query = format!("SELECT n FROM ({}) ORDER BY n", numbers(3));
    let reply = served.post(&query, &["Prefer: respond-async"]);
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")));
    let location = reply.header("location").unwrap().to_owned();
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/v1/queries/{id}"));
    wait_for_state(&served, &id, "ended");
    let result = format!("{location}/result");
    let fetch = |format: &str| loop {
        // The last row is counted before it is in the file.
        let reply = call(served.address(), "GET", &format!("{result}?format={format}"), &[], "");
        if reply.status != 409 {
            return reply;
        }
        assert_eq!(reply.json()["code"], "running");
    };
    for _ in 0..2 {
        let csv = fetch("csv");
        assert_eq!((csv.status, csv.text().lines().count(), csv.whole), (200, 1001, true));
        assert_eq!(csv.text().lines().last(), Some("999"));
    }
    assert_eq!(fetch("json").json()["rows"][7], json!({ "n": 7 }));
    assert_eq!(call(served.address(), "DELETE", &location, &[], "").status, 204);
    assert_eq!(call(served.address(), "GET", &result, &[], "").status, 404);
    assert_eq!(call(served.address(), "DELETE", &location, &[], "").status, 404);
}

#[test]
fn what_is_ready_soon_is_answered_at_once_all_the_same() {
    let served = Served::start();
    let reply = served.post("SELECT 1 AS one", &["Prefer: respond-async, wait=60", "Accept: text/csv"]);
    assert_eq!((reply.status, reply.text()), (200, "one\n1\n"));
    let reply = served.post("SELECT 1 / 0 AS none", &["Prefer: respond-async, wait=60"]);
    assert_eq!(reply.status, 422, "{}", reply.text());
    let endless = format!("SELECT sum(n) FROM ({})", numbers(15));
    let reply = served.post(&endless, &["Prefer: respond-async"]);
    let location = reply.header("location").unwrap().to_owned();
    let reply = call(served.address(), "GET", &format!("{location}/result"), &[], "");
    assert_eq!((reply.status, reply.header("retry-after")), (409, Some("1")));
    assert_eq!(call(served.address(), "DELETE", &location, &[], "").status, 204);
    served.wait_until_nothing_runs();
}
