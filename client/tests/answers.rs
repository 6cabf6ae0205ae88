//! The client against a server of a few lines, which answers what a test tells it to: also what no good
//! server says.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::{BufReader, Read as _, Write as _},
    net::TcpListener,
    sync::Arc,
    thread::JoinHandle,
};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    ipc::writer::StreamWriter,
};
use futures_util::TryStreamExt as _;
use genomdb_client::{Answer, Client, Config, Error, QueryId, Request, Token};

/// A server of one connection: answers each request in turn, then closes. Gives back what it was asked.
fn serve(answers: Vec<Vec<u8>>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = answers.into_iter().map(|answer| {
            let asked = request(&mut stream);
            stream.write_all(&answer).unwrap();
            asked
        });
        asked.collect()
    });
    (address, thread)
}

/// Reads one request: its head, and as much body as the head says.
fn request(stream: &mut impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let mut stream = BufReader::new(stream).bytes().map(Result::unwrap);
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.next().unwrap());
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    bytes.extend(stream.take(length));
    String::from_utf8(bytes).unwrap()
}

fn stream_of_rows(rows: i64, with_end: bool) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let batch = RecordBatch::try_from_iter([("n", column)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let unfinished = writer.get_ref().clone();
    writer.finish().unwrap();
    if with_end { writer.into_inner().unwrap() } else { unfinished }
}

/// Pieces of a body that has trailers, unless it is cut off.
fn chunked(body: &[u8], trailers: Option<&str>) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apache.arrow.stream\r\n\
        X-GenomDB-Query-Id: 00000000000000ab\r\nTransfer-Encoding: chunked\r\nTrailer: X-GenomDB-Rows\r\n\r\n"
        .to_vec();
    for piece in body.chunks(100) {
        answer.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        answer.extend_from_slice(piece);
        answer.extend(b"\r\n");
    }
    if let Some(trailers) = trailers {
        answer.extend(format!("0\r\n{trailers}\r\n").into_bytes());
    }
    answer
}

fn plain(status: &str, media_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Rows, totals and id of the answer, or the error.
async fn count(client: &Client) -> Result<(usize, Option<u64>, Option<QueryId>), Error> {
    match client.query(&Request::new("SELECT n")).await? {
        Answer::Done(message) => panic!("{message}"),
        Answer::Rows(mut rows) => {
            let mut count = 0;
            while let Some(batch) = rows.try_next().await? {
                count += batch.num_rows();
            }
            Ok((count, rows.totals().rows, rows.id()))
        }
    }
}

#[tokio::test]
async fn rows_come_whole_and_the_connection_serves_again() {
    let rows = chunked(&stream_of_rows(3000, true), Some("X-GenomDB-Rows: 3000\r\n"));
    let none = chunked(&stream_of_rows(0, true), Some(""));
    let done = plain("200 OK", "application/json", r#"{"query_id":"ab","message":"CREATE VIEW"}"#);
    let (address, server) = serve(vec![rows, none, done]);
    let mut config = Config::new(address);
    config.token = Some(Token::new("secret"));
    let client = Client::new(&config).unwrap();
    assert_eq!(count(&client).await.unwrap(), (3000, Some(3000), "ab".parse().ok()));
    assert_eq!(count(&client).await.unwrap().0, 0);
    let id = QueryId::random();
    let request = Request::new("CREATE VIEW v AS SELECT 1").with_parameter("x").with_id(id);
    match client.query(&request).await.unwrap() {
        Answer::Done(message) => assert_eq!(message, "CREATE VIEW"),
        Answer::Rows(rows) => panic!("{rows:?}"),
    }
    let asked = server.join().unwrap();
    let last = asked.last().unwrap().to_lowercase();
    for part in [
        "post /v1/query http/1.1",
        "authorization: bearer secret",
        "te: trailers",
        r#""params":["x"]"#,
        "host: 127",
    ] {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert!(last.contains(&format!("x-genomdb-query-id: {id}")), "{last}");
}

#[tokio::test]
async fn a_short_result_is_never_taken_for_the_whole() {
    let whole = stream_of_rows(3000, true);
    let cases = [
        ("cut off in a batch", chunked(&whole[..whole.len() / 2], None)),
        ("cut off behind the last batch", chunked(&stream_of_rows(3000, false), None)),
        ("ended well in a batch", chunked(&whole[..whole.len() / 2], Some(""))),
        ("ended well without the mark", chunked(&stream_of_rows(3000, false), Some(""))),
        ("with other totals", chunked(&whole, Some("X-GenomDB-Rows: 3001\r\n"))),
        ("with bytes behind the mark", chunked(&[whole.as_slice(), b"more"].concat(), Some(""))),
        ("without a schema", chunked(b"", Some(""))),
    ];
    for (what, answer) in cases {
        let (address, server) = serve(vec![answer]);
        let client = Client::new(&Config::new(address)).unwrap();
        let result = count(&client).await;
        let is_named = matches!(result, Err(Error::Broken(_) | Error::Truncated(_) | Error::Decode(_)));
        assert!(is_named, "{what}: {result:?}");
        server.join().unwrap();
    }
    let (address, _server) = serve(vec![chunked(&whole, Some("X-GenomDB-Rows: 3000\r\n"))]);
    assert!(count(&Client::new(&Config::new(address)).unwrap()).await.is_ok(), "the same, unharmed");
}

#[tokio::test]
async fn refusals_and_strangers() {
    let problem = r#"{"status":400,"detail":"unknown column `x`","code":"invalid","line":1,"column":8,"offset":7,"hint":"did you mean `n`?"}"#;
    let (address, _server) = serve(vec![
        plain("400 Bad Request", "application/problem+json", problem),
        plain("200 OK", "text/html", "<html>welcome"),
        plain("404 Not Found", "application/problem+json", "{}"),
        plain("404 Not Found", "application/problem+json", "{}"),
    ]);
    let client = Client::new(&Config::new(address)).unwrap();
    match count(&client).await {
        Err(Error::Refused(problem)) => {
            assert_eq!((problem.line, problem.column, problem.offset), (Some(1), Some(8), Some(7)));
            assert_eq!(problem.hint.as_deref(), Some("did you mean `n`?"));
        }
        other => panic!("{other:?}"),
    }
    match count(&client).await {
        Err(error @ Error::Unexpected { status: 200, .. }) => assert!(error.is_unreachable(), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.progress(QueryId::random()).await.unwrap(), None);
    assert!(!client.cancel(QueryId::random()).await.unwrap());
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = count(&Client::new(&Config::new(address)).unwrap()).await.unwrap_err();
    assert!(error.is_unreachable() && matches!(error, Error::Connect { .. }), "{error}");
    let mut config = Config::new("https://localhost");
    config.ca_file = Some("/dev/null".into());
    assert!(matches!(Client::new(&config), Err(Error::Certificates { .. })));
}
