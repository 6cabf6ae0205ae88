//! What a server answers is written as what a data folder answers: byte for byte, errors too.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use genomdb_server::{Config, Node, http::Server};
use tempfile::TempDir;

const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");

fn run(binary: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("GENOMDB_")) {
        command.env_remove(name);
    }
    let Output { status, stdout, stderr } =
        command.args(arguments).env("GQL_CONFIG", "none").stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

fn gql(arguments: &[&str]) -> (i32, String, String) {
    run(env!("CARGO_BIN_EXE_gql"), arguments)
}

fn loaded() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let (code, out, err) = run(env!("CARGO_BIN_EXE_genomdb"), &["load", "--quiet", "--data", data, BAM]);
    assert_eq!(code, 0, "{out}{err}");
    folder
}

/// Serves a folder on a port that the system chooses.
fn serve(folder: &Path) -> (Server, String) {
    let node = Arc::new(Node::open(folder, &Config::default()).unwrap());
    let server = Server::start(node, TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let address = format!("http://{}", server.address());
    (server, address)
}

#[test]
fn a_server_answers_as_a_folder_does() {
    let folder = loaded();
    let data = folder.path().to_str().unwrap();
    let cases: &[&[&str]] = &[
        &["-c", "SELECT chrom, count(*) AS n FROM reads GROUP BY chrom ORDER BY n"],
        &["-c", "SELECT * FROM reads ORDER BY qname, flag LIMIT 50", "--format", "json"],
        &["-c", "SELECT * FROM reads ORDER BY qname, flag LIMIT 50", "--format", "sam"],
        &["-c", "SELECT qname, tags FROM reads ORDER BY qname, flag LIMIT 3", "--format", "vertical"],
        &["-c", "SELECT chrom, pos FROM reads ORDER BY qname, flag LIMIT 3", "--format", "markdown"],
        &["-c", "SELECT 1 AS a; SHOW TABLES;\n  SELECT mapp FROM reads"],
        &["-c", "SELECT 1 AS a;\n SELECT FROM"],
        &["-c", "SELECT 1 FROM reads WHERE interval INTERSECTS 'chr11'"],
        &["-c", "SELECT pos FROM reads LIMIT 1", "--format", "sam"],
        &["-c", "CREATE VIEW v AS SELECT 1; DROP VIEW v", "--format", "table"],
        &[
            "-c",
            "SELECT count(*) AS n FROM reads WHERE mapq >= $q AND chrom = $c",
            "--param",
            "q=30",
            "--param",
            "c=\"20\"",
        ],
        &["-c", "SELECT $q", "--param", "r=30"],
        &["-c", "SELECT 1/0", "--format", "csv"],
    ];
    let embedded: Vec<_> = cases.iter().map(|case| gql(&[&["--data", data], *case].concat())).collect();
    let (server, address) = serve(folder.path());
    for (case, embedded) in cases.iter().zip(embedded) {
        let remote = gql(&[&["--host", &address], *case].concat());
        assert_eq!(remote, embedded, "{case:?}");
    }
    server.stop();
}

#[test]
fn whoever_cannot_be_reached_is_another_error_than_a_wrong_statement() {
    let folder = loaded();
    let (server, address) = serve(folder.path());
    assert_eq!(gql(&["--host", &address, "-c", "SELECT nothing"]).0, 1);
    let (code, out, _) = run(env!("CARGO_BIN_EXE_genomdb"), &["query", "--host", &address, "SELECT 1 AS a"]);
    assert_eq!((code, out.as_str()), (0, "a\n1\n"));
    let slow = "SELECT count(*) FROM reads a, reads b, reads c WHERE a.pos + b.pos + c.pos = 1";
    let (code, _, err) = gql(&["--host", &address, "--timeout", "100ms", "-c", slow]);
    assert!(code == 1 && err.contains("longer than its timeout"), "{err}");
    server.stop();
    let (code, out, err) = gql(&["--host", &address, "-c", "SELECT 1"]);
    assert!(code == 3 && out.is_empty() && err.contains("cannot reach"), "{err}");
    assert_eq!(gql(&["--host", "ftp://x", "-c", "SELECT 1"]).0, 3);
    assert_eq!(gql(&["--host", &address, "--data", "x", "-c", "SELECT 1"]).0, 2);
    assert_eq!(gql(&["--host", &address, "--token-file", "/no/such", "-c", "SELECT 1"]).0, 2);
}
