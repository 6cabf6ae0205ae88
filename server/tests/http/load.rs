//! Loads over HTTP.

use std::{io::Write as _, time::Instant};

use genomdb_server::Config;
use serde_json::{Value, json};

use super::{
    Served,
    client::{call, call_with, send_head},
};

const HEADER: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:100000\n";

fn sam(records: std::ops::Range<u32>) -> String {
    let line = |number: u32| format!("r{number}\t0\tchr1\t{}\t60\t4M\t*\t0\t0\tACGT\tIIII\n", number + 1);
    HEADER.to_owned() + &records.map(line).collect::<String>()
}

fn rows(served: &Served, table: &str) -> Value {
    served.post(&format!("SELECT count(*) AS n FROM {table}"), &[]).json()["rows"][0]["n"].clone()
}

#[test]
fn what_is_sent_is_loaded() {
    let served = Served::start();
    let to = served.address();
    let reply = call(to, "POST", "/v1/load?table=t&name=a.sam", &[], &sam(0..1000));
    let report = reply.json();
    assert_eq!((reply.status, &report["records"], &report["source"]), (200, &json!(1000), &json!("a.sam")));
    assert_eq!((&report["format"], &report["dataset"]), (&json!("SAM"), &json!("main")), "{report}");
    assert!(reply.header("x-genomdb-query-id").is_some());
    assert_eq!(rows(&served, "t"), 1000);
    // Compressed, told by its content.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(sam(1000..1100).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let reply = call_with(to, "POST", "/v1/load?table=t", &["Accept: application/x-ndjson"], &packed);
    let lines: Vec<Value> = reply.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.last().unwrap()["report"]["records"], 100, "{lines:?}");
    assert_eq!(rows(&served, "t"), 1100);
    let twice = call(to, "POST", "/v1/load?table=t", &[], &sam(0..1000));
    assert_eq!((twice.status, &twice.json()["code"]), (409, &json!("duplicate")));
    assert_eq!(call(to, "POST", "/v1/load?table=t&force=true", &[], &sam(0..1000)).status, 200);
    served.wait_until_nothing_runs();
}

#[test]
fn what_is_wrong_is_named_and_nothing_of_it_stays() {
    let served = Served::start();
    let to = served.address();
    let wrong = sam(0..10).replace("r7\t0", "r7\tx");
    let reply = call(to, "POST", "/v1/load?table=t&name=wrong.sam", &[], &wrong);
    let problem = reply.json();
    assert_eq!((reply.status, reply.header("content-type")), (422, Some("application/problem+json")));
    assert_eq!(
        (&problem["code"], &problem["file"]),
        (&json!("damaged_file"), &json!("wrong.sam")),
        "{problem}"
    );
    assert_eq!((&problem["record"], &problem["field"]), (&json!(8), &json!("FLAG")), "{problem}");
    assert_eq!(served.post("SELECT * FROM t", &[]).status, 400, "there is no table");
    for (path, headers, body, status) in [
        ("/v1/load", &[][..], "no alignments", 422),
        ("/v1/load", &[], "", 422),
        ("/v1/load?table=", &[], "", 400),
        ("/v1/load?table=a%00b", &[], "", 400),
        ("/v1/load?force=1", &[], "", 400),
        ("/v1/load?other=1", &[], "", 400),
        ("/v1/load?dataset=none", &[], &sam(0..1), 404),
        ("/v1/load", &["Accept: image/png"], "", 406),
        ("/v1/load", &["Content-Type: application/json"], "{}", 400),
        ("/v1/load", &["Content-Type: application/json"], r#"{"path": "/etc/passwd"}"#, 403),
    ] {
        let reply = call(to, "POST", path, headers, body);
        assert_eq!(reply.status, status, "{path} {headers:?}: {reply:?}");
    }
    let lines = call(to, "POST", "/v1/load", &["Accept: application/x-ndjson"], &wrong);
    let last: Value = serde_json::from_str(lines.text().lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["record"], 8, "{last}");
}

#[test]
fn a_file_of_the_server_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.sam"), sam(0..5)).unwrap();
    let config = Config { load_folders: vec![folder.path().to_owned()], ..Config::default() };
    let served = Served::start_with(&config);
    let load = |path: &std::path::Path| {
        let body = json!({ "path": path }).to_string();
        call(served.address(), "POST", "/v1/load", &["Content-Type: application/json"], &body)
    };
    let report = load(&folder.path().join("a.sam")).json();
    assert_eq!((&report["records"], &report["source"]), (&json!(5), &json!("a.sam")), "{report}");
    assert_eq!(rows(&served, "reads"), 5);
    assert_eq!(load(&folder.path().join("../none.sam")).status, 403);
    assert_eq!(load(std::path::Path::new("/etc/passwd")).status, 403);
}

/// An upload that ends too early is never taken for a whole one, and one that is stopped leaves nothing.
#[test]
fn an_upload_that_breaks_off_is_taken_back() {
    let served = Served::start();
    let to = served.address();
    let text = sam(0..100_000);
    for stop in [false, true] {
        let mut stream = send_head(to, "POST", "/v1/load?table=t", &[], text.len() + 1000);
        stream.write_all(text.as_bytes()).unwrap();
        let begun = Instant::now();
        let id = loop {
            let list = call(to, "GET", "/v1/queries", &[], "").json();
            if let Some(id) = list[0]["id"].as_str() {
                assert_eq!(list[0]["text"], "LOAD t FROM an upload");
                break id.to_owned();
            }
            assert!(begun.elapsed().as_secs() < 60, "it never began");
        };
        match stop {
            true => assert_eq!(call(to, "DELETE", &format!("/v1/queries/{id}"), &[], "").status, 204),
            false => drop(stream),
        }
        served.wait_until_nothing_runs();
        assert_eq!(served.post("SELECT * FROM t", &[]).status, 400, "there is no table");
    }
}
