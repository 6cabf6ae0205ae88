//! The binaries as a user runs them: what they print where, and with which code they end.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");

/// Runs a binary on a data folder, with a text on its standard input.
fn run(binary: &str, data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(binary)
        .args(arguments)
        .env("GENOMDB_DATA", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn genomdb(data: &Path, arguments: &[&str]) -> (i32, String, String) {
    parts(run(env!("CARGO_BIN_EXE_genomdb"), data, arguments, ""))
}

fn gql(data: &Path, arguments: &[&str], input: &str) -> (i32, String, String) {
    parts(run(env!("CARGO_BIN_EXE_gql"), data, arguments, input))
}

fn parts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn loaded() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, err) = genomdb(folder.path(), &["load", BAM]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("NA12878.chr11_chr20.bam: 3,278 records into `reads`"), "{out}");
    folder
}

#[test]
fn what_is_loaded_can_be_asked_for_in_every_format() {
    let folder = loaded();
    let count = "SELECT chrom, count(*) AS n FROM reads GROUP BY chrom ORDER BY n";
    for (format, expected) in [
        ("tsv", "chrom\tn\n\t200\n20\t829\n11\t2249\n"),
        ("csv", "chrom,n\n,200\n20,829\n11,2249\n"),
        (
            "ndjson",
            "{\"chrom\":null,\"n\":200}\n{\"chrom\":\"20\",\"n\":829}\n{\"chrom\":\"11\",\"n\":2249}\n",
        ),
        ("table", "chrom     n\n─────  ────\nNULL    200\n20      829\n11     2249\n(3 rows)\n"),
    ] {
        let (code, out, err) = genomdb(folder.path(), &["query", "--format", format, count]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, expected, ""), "{format}");
    }
    let file = folder.path().join("all.parquet");
    let arguments =
        ["query", "--format", "parquet", "--output", file.to_str().unwrap(), "SELECT * FROM reads"];
    assert_eq!(genomdb(folder.path(), &arguments).0, 0);
    assert!(std::fs::read(&file).unwrap().starts_with(b"PAR1"));
}

#[test]
fn errors_point_and_the_code_says_which_kind() {
    let folder = loaded();
    let (code, out, err) = genomdb(folder.path(), &["query", "SELECT mapp FROM reads"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("line 1, column 8") && err.contains("did you mean `mapq`?"), "{err}");
    let (code, _, err) =
        genomdb(folder.path(), &["query", "SELECT 1 FROM reads WHERE interval INTERSECTS 'chr11'"]);
    assert!(code == 1 && err.contains("has no contig `chr11`"), "{err}");
    assert_eq!(genomdb(folder.path(), &["query"]).0, 2, "clap refuses a missing argument");
    assert_eq!(genomdb(folder.path(), &["query", "-F", "json", "SELECT 1; SELECT 2"]).0, 2);
    let file = folder.path().join("a file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(genomdb(&file, &["query", "SELECT 1"]).0, 3, "a file is no data folder");
}

#[test]
fn a_load_is_whole_or_leaves_nothing() {
    let folder = loaded();
    let (code, _, err) = genomdb(folder.path(), &["load", BAM]);
    assert!(code == 1 && err.contains("content"), "the same content twice is refused: {err}");
    let mut bytes = std::fs::read(BAM).unwrap();
    bytes.truncate(bytes.len() / 2);
    let cut = folder.path().join("cut.bam");
    std::fs::write(&cut, bytes).unwrap();
    let (code, _, err) = genomdb(folder.path(), &["load", cut.to_str().unwrap(), "--into", "other"]);
    assert!(code == 1 && err.contains("cut.bam"), "{err}");
    let (code, out, _) = genomdb(folder.path(), &["query", "SHOW TABLES"]);
    assert!(code == 0 && out.contains("reads") && !out.contains("other"), "{out}");
}

#[test]
fn gql_reads_commands_files_and_pipes() {
    let folder = loaded();
    let script = folder.path().join("script.gql");
    std::fs::write(&script, "SELECT 2 AS b;").unwrap();
    let (code, out, _) = gql(folder.path(), &["-c", "SELECT 1 AS a", "-f", script.to_str().unwrap()], "");
    assert_eq!((code, out.as_str()), (0, "a\n1\nb\n2\n"));
    let (code, out, _) = gql(folder.path(), &[], "SELECT count(*) AS n FROM reads");
    assert_eq!((code, out.as_str()), (0, "n\n3278\n"));
    let (code, out, _) = gql(folder.path(), &[], "SELECT 1 AS a; SELECT nothing; SELECT 3");
    assert_eq!((code, out.as_str()), (1, "a\n1\n"), "a script stops at its first error");
}

#[test]
fn keys_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let kv = |arguments: &[&str]| genomdb(folder.path(), &[&["kv"], arguments].concat());
    let out = |arguments: &[&str]| match kv(arguments) {
        (0, out, _) => out,
        other => panic!("{arguments:?}: {other:?}"),
    };
    assert_eq!(kv(&["get", "a"]).0, 1);
    assert_eq!(out(&["put", "a/\\xFF", "one"]), "");
    assert_eq!(out(&["get", "a/\\xFF"]), "one");
    assert_eq!(kv(&["put", "a/\\xFF", "two", "--if-absent"]).0, 1);
    let piped = run(env!("CARGO_BIN_EXE_genomdb"), folder.path(), &["kv", "put", "a/b"], "tab\there");
    assert!(piped.status.success());
    assert_eq!(out(&["scan", "a/"]), "a/b\ttab\\there\na/\\xff\tone\n");
    assert_eq!(out(&["scan", "--keys-only", "--limit", "1"]), "a/b\n");
    assert_eq!((out(&["add", "n", "5"]), out(&["add", "n", "-7"])), ("5\n".to_owned(), "-2\n".to_owned()));
    assert_eq!(
        (out(&["push", "q", "x"]), out(&["push", "q", "y", "--front"])),
        ("1\n".to_owned(), "2\n".to_owned())
    );
    assert_eq!(out(&["deque", "q"]), "y\nx\n");
    assert_eq!((out(&["pop", "q"]), out(&["pop", "q", "--back"])), ("y".to_owned(), "x".to_owned()));
    assert_eq!(kv(&["pop", "q"]).0, 1);
    assert_eq!(out(&["delete", "a/b"]), "");
    assert_eq!(kv(&["get", "a/b"]).0, 1);
    for wrong in [&["get", ""][..], &["get", "\\q"], &["add", "n", "x"]] {
        assert_eq!(kv(wrong).0, 2, "{wrong:?}");
    }
    // The tables are not there.
    assert_eq!(genomdb(folder.path(), &["load", BAM]).0, 0);
    assert_eq!(out(&["scan", "--keys-only"]), "a/\\xff\nn\n");
}

#[test]
fn nodes_that_cannot_be_reached_are_named_and_so_is_what_is_no_node() {
    let folder = tempfile::tempdir().unwrap();
    // Taken, and nobody listens there.
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for binary in [env!("CARGO_BIN_EXE_genomdb"), env!("CARGO_BIN_EXE_gql")] {
        let asks: &[&str] =
            if binary.ends_with("gql") { &["-c", "SELECT 1"] } else { &["query", "SELECT 1"] };
        let ask =
            |address: &str| parts(run(binary, folder.path(), &[asks, &["--connect", address]].concat(), ""));
        let (code, out, err) = ask(&taken);
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains("does not answer") && err.contains(&taken), "{err}");
        let (code, _, err) = ask("http://127.0.0.1:7480");
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("--host"), "{err}");
    }
}
