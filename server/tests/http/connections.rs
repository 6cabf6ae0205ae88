//! Clients that send too much, too slowly, or nothing, and how they are ended.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use genomdb_server::{
    Config,
    http::{Limits, Options},
};

use crate::{Served, client::send, numbers};

/// Longer than any limit of these tests, shorter than those that are the default.
const PATIENCE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

fn served(limits: Limits) -> Served {
    Served::start_as(&Config::default(), Options { limits, ..Options::default() })
}

/// Connects, writes this, and leaves the connection open.
fn begin(to: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Everything up to the end of the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection did not end: {error}"),
    }
    String::from_utf8(bytes).unwrap()
}

/// Reads one answer with a `Content-Length`, and leaves the connection open.
fn one_answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lengths =
        head.lines().filter_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = lengths.next_back().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    head + std::str::from_utf8(&body).unwrap()
}

#[test]
fn who_says_nothing_or_half_a_head_is_cut() {
    let served = served(Limits { header_timeout: SHORT, ..Limits::default() });
    for text in ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        assert_eq!(rest(begin(served.address(), text)), "", "{text:?}");
    }
    assert!(rest(begin(served.address(), "GET /healthz HTTP/1.0\r\n\r\n")).ends_with("ok\n"));
}

#[test]
fn a_connection_is_used_again_until_it_is_idle_too_long() {
    let served = served(Limits { idle_timeout: SHORT * 10, ..Limits::default() });
    let mut stream = begin(served.address(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(one_answer(&mut stream).ends_with("ok\n"));
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(one_answer(&mut stream).ends_with("ok\n"));
    // Half of the next head is no excuse.
    stream.write_all(b"GET /readyz HTTP/1.1\r\n").unwrap();
    assert_eq!(rest(stream), "");
}

#[test]
fn a_body_that_drips_is_refused() {
    let served = served(Limits { body_timeout: SHORT, ..Limits::default() });
    let head = "POST /v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nSELECT";
    let answer = rest(begin(served.address(), head));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("connection: close") && answer.contains("\"code\":\"request_timeout\""),
        "{answer}"
    );
    let head = "POST /v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\nConnection: close\r\n\r\nSELECT 1";
    assert!(rest(begin(served.address(), head)).starts_with("HTTP/1.1 200 "));
}

#[test]
fn heads_have_a_size() {
    let served = served(Limits { header_bytes_max: 8 << 10, headers_max: 16, ..Limits::default() });
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(9 << 10));
    assert!(rest(begin(served.address(), &long)).starts_with("HTTP/1.1 431 "));
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X-One: 1\r\n".repeat(17));
    assert!(rest(begin(served.address(), &many)).starts_with("HTTP/1.1 431 "));
    let enough = format!("GET /healthz HTTP/1.0\r\n{}\r\n", "X-One: 1\r\n".repeat(16));
    assert!(rest(begin(served.address(), &enough)).starts_with("HTTP/1.0 200 "));
}

#[test]
fn a_full_house_lets_one_in_for_each_that_leaves() {
    let served = served(Limits { connections_max: 2, ..Limits::default() });
    // One that is being answered, and one that waits for its next request.
    let busy = send(served.address(), "POST", "/v1/query", &[], &numbers(8));
    let mut idle = begin(served.address(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(one_answer(&mut idle).ends_with("ok\n"));
    let late = begin(served.address(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(rest(idle), "", "it makes room");
    let mut late = late;
    assert!(one_answer(&mut late).ends_with("ok\n"));
    let queued = begin(served.address(), "GET /healthz HTTP/1.0\r\n\r\n");
    drop((busy, late));
    assert!(rest(queued).ends_with("ok\n"));
    served.wait_until_nothing_runs();
}

#[test]
fn an_answer_that_nobody_reads_ends_with_its_query() {
    let served = served(Limits { write_timeout: SHORT, ..Limits::default() });
    let stream = send(served.address(), "POST", "/v1/query", &[], &numbers(8));
    let mut byte = [0];
    stream.peek(&mut byte).unwrap();
    assert_eq!(served.node.queries().list().len(), 1);
    served.wait_until_nothing_runs();
    drop(stream);
}

#[test]
fn stopping_does_not_wait_for_those_who_ask_nothing() {
    let mut served = served(Limits::default());
    let mut used = begin(served.address(), "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(one_answer(&mut used).ends_with("ok\n"));
    let unused = begin(served.address(), "");
    let began = Instant::now();
    served.server.take().unwrap().stop();
    // What is cut off takes five seconds.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!((rest(used), rest(unused)), (String::new(), String::new()));
}

#[test]
fn http_2_is_spoken_at_the_same_port() {
    let served = served(Limits::default());
    let curl = Command::new("curl")
        .args(["--http2-prior-knowledge", "--silent", "--show-error", "--data", &numbers(5)])
        .args(["--write-out", "%{http_version}", "--output", "/dev/null"])
        .arg(format!("http://{}/v1/query?format=csv", served.address()))
        .output();
    let Ok(curl) = curl else {
        eprintln!("skipped: there is no curl");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "2", "{curl:?}");
}
