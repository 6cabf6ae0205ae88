//! Clients in Python against the real `genomdb serve`.
//!
//! They run where `GENOMDB_PYTHON` names an interpreter that has what `requirements.txt` lists, as in
//! `.ci/run`; elsewhere they are skipped, and say so.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic and says what it skips")]

mod curl;

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const GENOMDB: &str = env!("CARGO_BIN_EXE_genomdb");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A server with a table `reads` of 3,278 records.
struct Served {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Self {
        Self::on(loaded(), &[])
    }

    /// The same for nobody but who has the token that comes with it, of a reader.
    fn for_a_reader() -> (Self, String) {
        let folder = loaded();
        let data = folder.path().join("data");
        let create = ["token", "create", "fuzz", "--role", "reader", "--data"].map(OsStr::new);
        let token = genomdb(create.into_iter().chain([data.as_os_str()]));
        (Self::on(folder, &["--auth", "on"]), token.trim().to_owned())
    }

    fn on(folder: tempfile::TempDir, options: &[&str]) -> Self {
        let mut child = Command::new(GENOMDB)
            .args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .args(options)
            .arg("--data")
            .arg(folder.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            if said.read_line(&mut line).unwrap() == 0 {
                let mut why = String::new();
                child.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("it ended before it said where it answers: {why}");
            }
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        // What it logs is read, so that it never waits for a reader.
        let mut log = child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, address, _folder: folder }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs a command to its end, and returns what it printed.
fn genomdb<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
    let output = Command::new(GENOMDB).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A data folder with the table, within another.
fn loaded() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let bam = repository().join("examples/data/NA12878.chr11_chr20.bam");
    genomdb(["load".as_ref(), bam.as_os_str(), "--data".as_ref(), data.as_os_str()]);
    folder
}

/// Runs a script against a server.
fn run(script: &str) {
    run_against(script, || (Served::start(), None));
}

/// Runs a script with where the server is; its last words are told if it fails.
fn run_against(script: &str, start: impl FnOnce() -> (Served, Option<String>)) {
    let Some(python) = std::env::var_os("GENOMDB_PYTHON") else {
        println!(
            "skipped: {script} needs GENOMDB_PYTHON, an interpreter with tests/clients/requirements.txt"
        );
        return;
    };
    let (served, token) = start();
    let output = Command::new(python)
        .arg(repository().join("tests/clients").join(script))
        .env("GENOMDB_ADDRESS", &served.address)
        .envs(token.map(|token| ("GENOMDB_TOKEN", token)))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    println!("{}", text(&output.stderr));
}

#[test]
fn schemathesis() {
    run("fuzz_http.py");
}

#[test]
fn schemathesis_with_a_token_that_only_reads() {
    run_against("fuzz_http.py", || {
        let (served, token) = Served::for_a_reader();
        (served, Some(token))
    });
}

#[test]
fn adbc() {
    run("adbc.py");
}

#[test]
fn pyarrow_flight() {
    run("flight.py");
}
