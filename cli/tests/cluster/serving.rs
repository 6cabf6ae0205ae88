//! Answers over HTTP under strain: a reader who is slow, one who goes away, and far too many at once.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Instant,
};

use super::process::{Cluster, Node, PATIENCE};

/// Rows of a result that is too large to be held.
const ROWS: usize = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };
/// What such a result may cost beside what the node holds anyway.
const RESIDENT_BYTES_MAX: u64 = 64 << 20;

/// A query of 10 to the power of `digits` rows, in a column `n` from 0 on.
fn numbers(digits: u32) -> String {
    let values = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))";
    let from: Vec<String> = (0..digits).map(|digit| format!("{values} AS t{digit}(d{digit})")).collect();
    let sum: Vec<String> = (0..digits).map(|digit| format!("{} * d{digit}", 10_u64.pow(digit))).collect();
    format!("SELECT {} AS n FROM {}", sum.join(" + "), from.join(" CROSS JOIN "))
}

fn ask(address: &str, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = query.len();
    let request = format!(
        "POST /v1/query?format=csv HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n\
         {query}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads an answer to its end: its status, and its body as it was sent.
fn answer(mut stream: TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

fn get(address: &str, path: &str) -> serde_json::Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let (_, text) = answer(stream);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

/// The number of the only query that runs, of rows that it has returned.
fn rows_returned(address: &str) -> u64 {
    let list = get(address, "/v1/queries");
    list.get(0).and_then(|query| query.get("rows")?.as_u64()).unwrap()
}

#[test]
fn a_slow_reader_costs_no_memory_and_loses_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("node"), &["--replicas", "1"]);
    let http = node.http.clone().unwrap();
    answer(ask(&http, "SELECT 1"));
    let before = node.resident_bytes();
    // Long rows: what the sockets hold by themselves is little beside them.
    let query = format!("SELECT n, '{}' AS padding FROM ({})", "x".repeat(100), numbers(ROWS.ilog10()));
    let mut stream = ask(&http, &query);
    let mut buffer = vec![0; 1 << 20];
    stream.read_exact(&mut buffer).unwrap();
    // The reader takes a break. The query does too: it returns no more rows, however long one watches.
    let (mut rows, mut still) = (0, 0);
    while still < 20 {
        let now = rows_returned(&http);
        still = if now == rows { still + 1 } else { 0 };
        rows = now;
    }
    assert!(rows < ROWS as u64 / 2, "all was computed for a reader who does not read: {rows} rows");
    let mut peak = node.resident_bytes();
    let mut lines = buffer.iter().filter(|byte| **byte == b'\n').count();
    let mut end = Vec::new();
    loop {
        let read = stream.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        let came = buffer.get(..read).unwrap();
        lines += came.iter().filter(|byte| **byte == b'\n').count();
        end.extend_from_slice(came);
        end.drain(..end.len().saturating_sub(64));
        peak = peak.max(node.resident_bytes());
    }
    let text = String::from_utf8_lossy(&end).into_owned();
    assert!(text.ends_with("\r\n0\r\n\r\n"), "the result ends in its middle: {text:?}");
    // Lines of the head and of the chunks' sizes stand beside those of the rows.
    assert!(lines > ROWS, "{lines} lines");
    let grown = peak.saturating_sub(before);
    eprintln!("{ROWS} rows to a slow reader: {} MiB more than at rest", grown >> 20);
    assert!(grown < RESIDENT_BYTES_MAX, "{} MiB more than at rest", grown >> 20);
}

#[test]
fn a_reader_who_is_gone_frees_the_query() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(&folder.path().join("node"), &["--replicas", "1"]);
    let http = node.http.clone().unwrap();
    let mut stream = ask(&http, &numbers(9));
    stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
    drop(stream);
    let gone = Instant::now();
    while get(&http, "/v1/queries").as_array().is_some_and(|list| !list.is_empty()) {
        assert!(gone.elapsed() < PATIENCE, "it goes on without a reader");
    }
    eprintln!("freed after {} ms", gone.elapsed().as_millis());
}

#[test]
fn far_too_many_at_once_are_answered_or_told_to_wait() {
    let cluster = Cluster::start(tempfile::tempdir().unwrap(), 3);
    let leaders = |cluster: &Cluster| -> Vec<serde_json::Value> {
        let ranges = cluster.ask(&["ranges"]);
        let all = ranges.as_array().cloned().unwrap_or_default();
        all.iter().map(|range| range.get("leader").cloned().unwrap_or_default()).collect()
    };
    let before = leaders(&cluster);
    let heavy = format!("SELECT sum(n) AS s, count(DISTINCT n) AS d FROM ({})", numbers(6));
    let ask_all = |count: usize, query: &str, threads: &mut Vec<std::thread::JoinHandle<(u16, String)>>| {
        for number in 0..count {
            let http = cluster.nodes.get(number % 3).unwrap().http.clone().unwrap();
            let query = query.to_owned();
            threads.push(std::thread::spawn(move || answer(ask(&http, &query))));
        }
    };
    let mut threads = Vec::new();
    ask_all(20, &heavy, &mut threads);
    ask_all(500, "SELECT value FROM system.settings WHERE name = 'query.priority'", &mut threads);
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let count = |status| answers.iter().filter(|(given, _)| *given == status).count();
    eprintln!("{} answered, {} told to wait", count(200), count(429));
    let others: Vec<_> = answers.iter().filter(|(status, _)| ![200, 429].contains(status)).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(count(200) > 260, "most were turned away");
    assert_eq!(leaders(&cluster), before, "a range has another leader: its heartbeats were late");
}
