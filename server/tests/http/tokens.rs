//! Who may ask what.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use genomdb_server::{Config, Role, Token, http::Options};
use serde_json::json;

use crate::{
    Served,
    client::{Reply, call, send},
    numbers,
};

/// A server that asks who sends a request.
fn served() -> Served {
    Served::start_as(&Config::default(), Options { authentication: true, ..Options::default() })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn made(served: &Served, name: &str, role: Role) -> Token {
    block_on(served.node.accounts().create(name, role, None)).unwrap().1
}

fn bearer(token: &Token) -> String {
    format!("Authorization: Bearer {}", token.reveal())
}

fn ask(served: &Served, token: &Token, query: &str) -> Reply {
    served.post(query, &[&bearer(token)])
}

#[test]
fn nobody_is_asked_unless_it_is_wanted() {
    let served = Served::start();
    assert_eq!(served.post("SELECT 1", &["Authorization: Bearer whatever"]).status, 200);
}

#[test]
fn who_says_nothing_learns_nothing() {
    let served = served();
    for (method, path) in [
        ("POST", "/v1/query"),
        ("GET", "/v1/query?q=SELECT%201"),
        ("GET", "/v1/queries"),
        ("GET", "/v1/tokens"),
        ("GET", "/metrics"),
        ("GET", "/nowhere"),
        ("PUT", "/v1/query"),
    ] {
        let reply = call(served.address(), method, path, &[], "");
        assert_eq!((reply.status, &reply.json()["code"]), (401, &json!("unauthorized")), "{method} {path}");
        assert!(reply.head.contains("www-authenticate: Bearer realm=\"genomdb\"\r\n"), "{}", reply.head);
        assert!(reply.head.contains("www-authenticate: Basic "), "{}", reply.head);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(call(served.address(), "GET", path, &["Authorization: Bearer x"], "").status, 200);
    }
    let grpc = call(served.address(), "POST", "/a.b/C", &["Content-Type: application/grpc"], "");
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("16")), "{grpc:?}");
    assert!(grpc.header("grpc-message").unwrap().contains("Send a token"), "{grpc:?}");
    // A body is not waited for.
    let mut stream = TcpStream::connect(served.address()).unwrap();
    let head = b"POST /v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nSELECT";
    stream.write_all(head).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 401");
}

#[test]
fn a_token_opens_as_far_as_its_role() {
    let served = served();
    let (reader, writer) = (made(&served, "r", Role::Reader), made(&served, "w", Role::Writer));
    let admin = made(&served, "a", Role::Admin);
    for token in [&reader, &writer, &admin] {
        assert_eq!(ask(&served, token, "SELECT 1").status, 200);
    }
    let create = "CREATE VIEW v AS SELECT 1 AS one";
    let refused = ask(&served, &reader, create);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")));
    assert!(refused.text().contains("r is a reader"), "{}", refused.text());
    assert_eq!(ask(&served, &writer, create).status, 200);
    for (token, status) in [(&reader, 403), (&writer, 403), (&admin, 200)] {
        assert_eq!(call(served.address(), "GET", "/v1/tokens", &[&bearer(token)], "").status, status);
    }
    let unknown = [
        "Bearer gdb_0000".to_owned(),
        "Digest x".to_owned(),
        format!("Bearer {}x", reader.reveal()),
        "Bearer".to_owned(),
    ];
    for value in unknown {
        let reply = served.post("SELECT 1", &[&format!("Authorization: {value}")]);
        assert_eq!(reply.status, 401, "{value}");
        assert!(reply.head.contains("error=\"invalid_token\""), "{}", reply.head);
        assert!(!reply.text().contains(reader.reveal()));
    }
    let twice = served.post("SELECT 1", &[&bearer(&reader), &bearer(&admin)]);
    assert_eq!(twice.status, 401, "nobody is two");
}

#[test]
fn tokens_are_made_and_revoked_over_http() {
    let served = served();
    let admin = bearer(&made(&served, "admin", Role::Admin));
    let post =
        |body: serde_json::Value| call(served.address(), "POST", "/v1/tokens", &[&admin], &body.to_string());
    let reply = post(json!({ "name": "pipeline", "role": "reader", "expires_in_s": 3600 }));
    assert_eq!((reply.status, reply.header("cache-control")), (201, Some("no-store")), "{}", reply.text());
    let token = Token::parse(reply.json()["token"].as_str().unwrap()).unwrap();
    assert_eq!(ask(&served, &token, "SELECT 1").status, 200, "it counts at once");
    let again = post(json!({ "name": "pipeline", "role": "reader" }));
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("conflict")));
    for wrong in [
        json!({ "name": "", "role": "reader" }),
        json!({ "name": "local", "role": "reader" }),
        json!({ "name": "a b", "role": "reader" }),
        json!({ "name": token.reveal(), "role": "reader" }),
        json!({ "name": "x", "role": "root" }),
        json!({ "name": "x", "role": "reader", "expires_in_s": 0 }),
        json!({ "name": "x", "role": "reader", "more": 1 }),
    ] {
        let reply = post(wrong.clone());
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text());
        assert!(!reply.text().contains(token.reveal()));
    }
    let list = call(served.address(), "GET", "/v1/tokens", &[&admin], "");
    assert!(!list.text().contains("gdb_"), "{}", list.text());
    let names: Vec<_> = list.json().as_array().unwrap().iter().map(|token| token["name"].clone()).collect();
    assert_eq!(names, [json!("admin"), json!("pipeline")]);
    let delete = |name: &str| call(served.address(), "DELETE", &format!("/v1/tokens/{name}"), &[&admin], "");
    assert_eq!((delete("pipeline").status, delete("pipeline").status), (204, 404));
    assert_eq!(ask(&served, &token, "SELECT 1").status, 401, "here it ends at once");
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let served = served();
    let lifetime = Some(Duration::from_millis(1));
    let (_, token) = block_on(served.node.accounts().create("brief", Role::Reader, lifetime)).unwrap();
    let began = Instant::now();
    while ask(&served, &token, "SELECT 1").status != 401 {
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    assert!(block_on(served.node.accounts().list()).unwrap()[0].is_expired());
}

#[test]
fn others_queries_are_nobodys_business() {
    let served = served();
    let (one, two) = (made(&served, "one", Role::Writer), made(&served, "two", Role::Writer));
    let admin = made(&served, "admin", Role::Admin);
    let mut long = send(served.address(), "POST", "/v1/query", &[&bearer(&one)], &numbers(9));
    let mut byte = [0];
    long.read_exact(&mut byte).unwrap();
    let id = served.node.queries().list()[0].id;
    let seen = |token: &Token| {
        let list = call(served.address(), "GET", "/v1/queries", &[&bearer(token)], "").json();
        list.as_array().unwrap().iter().any(|query| query["id"] == id.to_string())
    };
    assert_eq!((seen(&one), seen(&two), seen(&admin)), (true, false, true));
    let stop = |token: &Token| {
        call(served.address(), "DELETE", &format!("/v1/queries/{id}"), &[&bearer(token)], "").status
    };
    assert_eq!((stop(&two), stop(&admin)), (404, 204));
    served.wait_until_nothing_runs();
}
