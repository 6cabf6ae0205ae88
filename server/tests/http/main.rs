//! The HTTP server as its clients see it: bytes over a socket.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod client;
mod cluster;
mod connections;
mod kv;
mod limits;
mod load;
mod metrics;
mod openapi;
mod tls;
mod tokens;

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use genomdb_server::{
    Config, Node,
    cluster::{ClusterNode, NodeConfig},
    http::{Options, Server},
};
use serde_json::json;

use self::client::{Reply, call, send};

struct Served {
    server: Option<Server>,
    node: Arc<Node>,
    /// The node of a cluster, if it is one.
    _cluster: Option<ClusterNode>,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        Self::start_as(&Config::default(), Options::default())
    }

    fn start_with(config: &Config) -> Self {
        Self::start_as(config, Options::default())
    }

    fn start_as(config: &Config, options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = Arc::new(Node::open(folder.path(), config).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start_with(Arc::clone(&node), listener, options).unwrap();
        Self { server: Some(server), node, _cluster: None, _folder: folder }
    }

    /// A cluster of one node, as `genomdb serve` runs it.
    fn start_cluster() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(folder.path());
        config.report_every = Duration::from_millis(50);
        let cluster = ClusterNode::start(config).unwrap();
        let node = Arc::new(Node::within(&cluster, folder.path(), &Config::default()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start(Arc::clone(&node), listener).unwrap();
        Self { server: Some(server), node, _cluster: Some(cluster), _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address()
    }

    fn post(&self, query: &str, headers: &[&str]) -> Reply {
        call(self.address(), "POST", "/v1/query", headers, query)
    }

    fn wait_until_nothing_runs(&self) {
        let begun = Instant::now();
        loop {
            let running = self.node.queries().list();
            if running.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "it goes on without a reader: {running:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
    }
}

/// A query of so many rows, in a column `n` from 0 on.
fn numbers(digits: usize) -> String {
    let values = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))";
    let from: Vec<String> = (0..digits).map(|digit| format!("{values} AS t{digit}(d{digit})")).collect();
    let sum: Vec<String> =
        (0..digits as u32).map(|digit| format!("{} * d{digit}", 10_u64.pow(digit))).collect();
    format!("SELECT {} AS n FROM {}", sum.join(" + "), from.join(" CROSS JOIN "))
}

#[test]
fn every_format_is_written_as_it_is_asked_for() {
    let served = Served::start();
    let query = "SELECT 1 + 1 AS two, 'a' AS letter";
    for (accept, media_type, body) in [
        ("text/csv", "text/csv", "two,letter\n2,a\n"),
        ("text/tab-separated-values", "text/tab-separated-values", "two\tletter\n2\ta\n"),
        ("application/x-ndjson", "application/x-ndjson", "{\"two\":2,\"letter\":\"a\"}\n"),
    ] {
        let reply = served.post(query, &[&format!("Accept: {accept}")]);
        assert_eq!((reply.status, reply.text()), (200, body), "{reply:?}");
        assert!(reply.header("content-type").unwrap().starts_with(media_type), "{reply:?}");
        assert!(reply.whole);
    }
    let table = call(served.address(), "POST", "/v1/query?format=table", &[], query);
    assert!(table.text().contains("two  letter"), "{table:?}");
    let arrow = served.post(query, &["Accept: application/vnd.apache.arrow.stream"]);
    let mut batches = arrow::ipc::reader::StreamReader::try_new(arrow.body.as_slice(), None).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().num_rows(), 1);
    let parquet = served.post(query, &["Accept: application/vnd.apache.parquet"]);
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    assert_eq!(served.post(query, &["Accept: image/png"]).status, 406);
    assert_eq!(served.post(query, &["Content-Type: text/html"]).status, 415);
}

#[test]
fn json_says_what_the_rows_are_and_how_many() {
    let served = Served::start();
    let reply = served.post(&numbers(2), &["TE: trailers"]);
    let document = reply.json();
    assert_eq!(document["query_id"], *reply.header("x-genomdb-query-id").unwrap());
    assert_eq!(document["schema"][0], json!({"name": "n", "type": "Int64", "nullable": false}));
    assert_eq!(document["rows"].as_array().unwrap().len(), 100);
    assert_eq!(document["stats"]["rows"], 100);
    assert!(reply.trailers.contains("x-genomdb-rows: 100"), "{reply:?}");
    let none = served.post(&format!("{} WHERE d0 > 9", numbers(1)), &[]).json();
    assert_eq!((&none["rows"], &none["stats"]["rows"]), (&json!([]), &json!(0)));
}

#[test]
fn errors_say_where() {
    let served = Served::start();
    let reply = served.post("SELECT 1,\n  nothing\nFROM reads", &[]);
    assert_eq!((reply.status, reply.header("content-type")), (400, Some("application/problem+json")));
    let problem = reply.json();
    assert_eq!(problem["code"], "not_found");
    assert_eq!(served.post("SELECT nothing", &[]).json()["code"], "invalid");
    assert_eq!(served.post("CREATE DATASET main", &[]).json()["code"], "exists");
    assert!(problem["detail"].as_str().unwrap().contains("unknown table `reads`"), "{problem}");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(3), &json!(6)));
    assert!(problem["query_id"].is_string() && problem["hint"].is_string(), "{problem}");
    let syntax = served.post("SELECT 1 +", &[]).json();
    assert_eq!((&syntax["code"], &syntax["status"]), (&json!("syntax"), &json!(400)));
    for (method, path, status) in
        [("GET", "/nowhere", 404), ("PUT", "/v1/query", 405), ("GET", "/v1/query", 400)]
    {
        let reply = call(served.address(), method, path, &[], "");
        assert_eq!((reply.status, &reply.json()["status"]), (status, &json!(status)), "{reply:?}");
    }
    assert_eq!(served.post("{\"query\": 1}", &["Content-Type: application/json"]).status, 400);
    assert_eq!(call(served.address(), "GET", "/v1/query?q=SELECT+1&wrong=1", &[], "").status, 400);
    assert_eq!(served.post("SELECT 1 / 0", &[]).json()["code"], "failed");
}

#[test]
fn values_are_bound_never_pasted() {
    let served = Served::start();
    let body = json!({
        "query": "SELECT $1 + 1 AS n, $2 AS text",
        "params": [41, "'; DROP TABLE reads; --"],
        "format": "csv",
    });
    let reply = served.post(&body.to_string(), &["Content-Type: application/json"]);
    assert_eq!(reply.text(), "n,text\n42,'; DROP TABLE reads; --\n");
    let missing = json!({ "query": "SELECT $1 AS n, $2 AS m", "params": [1] });
    assert_eq!(served.post(&missing.to_string(), &["Content-Type: application/json"]).status, 400);
    assert_eq!(served.post("CREATE TABLE t AS SELECT 1 AS n, 'a' AS text WHERE false", &[]).status, 200);
    let insert = json!({ "query": "INSERT INTO t VALUES ($1, $2), ($1 + 1, 'b')", "params": [41, "'); --"] });
    let reply = served.post(&insert.to_string(), &["Content-Type: application/json"]);
    assert_eq!((reply.status, &reply.json()["message"]), (200, &json!("INSERT 2")), "{reply:?}");
    assert_eq!(
        served.post("SELECT * FROM t ORDER BY n", &["Accept: text/csv"]).text(),
        "n,text\n41,'); --\n42,b\n"
    );
}

#[test]
fn a_get_only_reads_and_no_request_has_a_session() {
    let served = Served::start();
    let get = |query: &str| {
        let path = format!("/v1/query?q={}", query.replace(' ', "%20"));
        call(served.address(), "GET", &path, &[], "")
    };
    assert_eq!(get("SHOW DATASETS").json()["rows"], json!([{"dataset": "main"}]));
    assert_eq!(get("CREATE VIEW v AS SELECT 1 AS one").status, 403);
    let created = served.post("CREATE VIEW v AS SELECT 1 AS one", &[]);
    assert_eq!((created.status, &created.json()["message"]), (200, &json!("CREATE VIEW")));
    assert_eq!(get("SELECT one FROM v").json()["rows"], json!([{"one": 1}]));
    assert_eq!(served.post("SET datafusion.execution.batch_size = 1", &[]).status, 403);
    assert_eq!(served.post("COPY t FROM '/etc/passwd'", &[]).status, 403);
}

#[test]
fn a_query_is_stopped_by_its_name() {
    let served = Served::start();
    let query = format!("SELECT count(*) AS n, sum(n) AS s FROM ({}) WHERE n % 7 = 1", numbers(10));
    let address = served.address();
    let running = std::thread::spawn(move || call(address, "POST", "/v1/query", &[], &query));
    let begun = Instant::now();
    let id = loop {
        let list = call(address, "GET", "/v1/queries", &[], "").json();
        if let Some(id) = list[0]["id"].as_str() {
            break id.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
    };
    assert_eq!(call(address, "DELETE", &format!("/v1/queries/{id}"), &[], "").status, 204);
    let reply = running.join().unwrap();
    assert_eq!((reply.status, &reply.json()["code"]), (409, &json!("cancelled")), "{reply:?}");
    assert_eq!(reply.json()["query_id"], *id);
    served.wait_until_nothing_runs();
    assert_eq!(call(address, "DELETE", &format!("/v1/queries/{id}"), &[], "").status, 404);
}

#[test]
fn a_query_ends_with_its_reader() {
    let served = Served::start();
    // One that sends nothing yet, and one in the midst of its rows.
    let counting = format!("SELECT count(*) AS n FROM ({}) WHERE n % 7 = 1", numbers(10));
    for query in [counting, numbers(8)] {
        let stream = send(served.address(), "POST", "/v1/query", &["Accept: text/csv"], &query);
        let begun = Instant::now();
        while served.node.queries().list().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(60), "it never began");
        }
        drop(stream);
        served.wait_until_nothing_runs();
    }
}

#[test]
fn a_timeout_ends_a_query() {
    let served = Served::start();
    let query = format!("SELECT count(*) AS n FROM ({}) WHERE n % 7 = 1", numbers(10));
    let reply = call(served.address(), "POST", "/v1/query?timeout_ms=50", &[], &query);
    assert_eq!((reply.status, &reply.json()["code"]), (504, &json!("timeout")));
    let cut = call(served.address(), "POST", "/v1/query?timeout_ms=300&format=csv", &[], &numbers(9));
    assert!(cut.status == 504 || !cut.whole, "{} {}", cut.status, cut.body.len());
    served.wait_until_nothing_runs();
}

/// What came before the error must never be taken for the whole.
#[test]
fn an_error_in_the_middle_breaks_the_connection() {
    let served = Served::start();
    let query = format!("SELECT 1 / (999999 - n) AS r FROM ({}) AS t", numbers(6));
    for format in ["csv", "json", "ndjson", "arrow"] {
        let path = format!("/v1/query?format={format}");
        let reply = call(served.address(), "POST", &path, &[], &query);
        assert!(reply.status == 422 || !reply.whole, "{format}: {} of {}", reply.status, reply.body.len());
    }
    served.wait_until_nothing_runs();
}

#[test]
fn it_is_well() {
    let served = Served::start();
    for path in ["/healthz", "/readyz"] {
        let reply = call(served.address(), "GET", path, &[], "");
        assert_eq!((reply.status, reply.text()), (200, "ok\n"));
    }
}

#[test]
fn kill_and_show_queries() {
    let served = Served::start();
    let none = served.post("SHOW QUERIES", &[]).json();
    assert_eq!(none["rows"], json!([]), "the one that asks is not among them");
    let reply = served.post("KILL QUERY '0123456789abcdef'", &[]);
    assert_eq!(reply.status, 400);
    assert!(reply.json()["detail"].as_str().unwrap().contains("0123456789abcdef"), "{reply:?}");
}

#[test]
fn what_is_compressed_is_the_same_and_breaks_the_same() {
    let served = Served::start();
    let query = format!("{} ORDER BY n", numbers(4));
    let plain = served.post(&query, &["Accept: text/csv"]);
    let gzip = ["Accept: text/csv", "Accept-Encoding: gzip", "TE: trailers"];
    let packed = served.post(&query, &gzip);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len() / 2 && packed.whole);
    let mut body = String::new();
    flate2::read::GzDecoder::new(packed.body.as_slice()).read_to_string(&mut body).unwrap();
    assert_eq!(body, plain.text());
    assert!(packed.trailers.contains("x-genomdb-rows: 10000"), "{}", packed.trailers);
    let broken = served.post(&format!("SELECT 1 / (n - 99999) AS q FROM ({})", numbers(5)), &gzip);
    assert_eq!((broken.status, broken.whole), (200, false));
}
