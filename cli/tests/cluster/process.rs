//! Processes of `genomdb`: nodes that run until they are told to stop, and commands that end.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");
/// How long anything may take on a machine that does other things besides.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A command of `genomdb` that sees nothing of the environment of the test.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_genomdb"));
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("GENOMDB_"));
    for name in ours {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a command to its end: code, standard output, standard error.
pub(crate) fn genomdb(arguments: &[&str]) -> (i32, String, String) {
    parts(command(arguments).output().unwrap())
}

pub(crate) fn parts(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Runs a command that must do what is asked, and returns what it printed.
#[track_caller]
pub(crate) fn succeed(arguments: &[&str]) -> String {
    let (code, out, err) = genomdb(arguments);
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    out
}

/// Runs a command again and again until it succeeds: what it asks for may need a moment.
#[track_caller]
pub(crate) fn succeed_in_time(arguments: &[&str]) -> String {
    let began = Instant::now();
    loop {
        let (code, out, err) = genomdb(arguments);
        if code == 0 {
            return out;
        }
        assert!(began.elapsed() < PATIENCE, "{arguments:?}: {out}{err}");
        // The command itself waits for an answer; this only spares the processor.
        std::thread::yield_now();
    }
}

/// A node that runs; killed when the test ends.
pub(crate) struct Node {
    pub(crate) address: String,
    /// Where it answers HTTP, if it does.
    pub(crate) http: Option<String>,
    pub(crate) first_line: String,
    pub(crate) folder: PathBuf,
    process: Child,
}

impl Node {
    /// Starts a node on a folder, at a port that the system chooses unless `more` says another one.
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        // What it logs is shown only if the test fails.
        Self::start_with(folder, more, |_| {})
    }

    /// The same, with a command that is changed before.
    pub(crate) fn start_with(folder: &Path, more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let data = folder.to_str().unwrap();
        let mut arguments = vec!["serve", "--data", data];
        if !more.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        arguments.extend(more);
        // The disk of a machine that runs tests may be fuller than a node's should be.
        let settings = folder.with_extension("yaml");
        if !more.contains(&"--config") {
            std::fs::write(&settings, "placement: {disk_used_percent_max: 99}\n").unwrap();
            arguments.extend(["--config", settings.to_str().unwrap()]);
        }
        let mut command = command(&arguments);
        change(command.stdout(Stdio::piped()));
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let (mut first_line, mut second_line) = (String::new(), String::new());
        lines.read_line(&mut first_line).unwrap();
        if !more.windows(2).any(|pair| pair == ["--http", "off"]) {
            lines.read_line(&mut second_line).unwrap();
        }
        let http = second_line.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let http = http.map(|(address, _)| address.to_owned());
        let address =
            first_line.trim_end().rsplit_once(" listens at ").map(|(_, address)| address.to_owned());
        let Some(address) = address else { panic!("{arguments:?}: {first_line:?} {:?}", process.wait()) };
        Self { address, first_line, http, folder: folder.to_owned(), process }
    }

    /// Bytes of memory that it holds.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Tells it to read its certificate again.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Tells it to stop, and returns its exit code.
    pub(crate) fn stop(mut self) -> i32 {
        self.signal(Signal::TERM);
        self.process.wait().unwrap().code().unwrap_or(-1)
    }

    /// Tells it to stop, twice, and returns its exit code.
    pub(crate) fn stop_twice(mut self) -> i32 {
        self.signal(Signal::INT);
        self.signal(Signal::TERM);
        self.process.wait().unwrap().code().unwrap_or(-1)
    }

    /// Stops it and starts it again at the same address.
    pub(crate) fn restart(self, more: &[&str]) -> Self {
        let (folder, address) = (self.folder.clone(), self.address.clone());
        assert_eq!(self.stop(), 0);
        // Where HTTP would be by itself, another process may be by now.
        Self::start(&folder, &[&["--listen", &address, "--http", "127.0.0.1:0"], more].concat())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ended = self.process.kill();
            let _status = self.process.wait();
        }
    }
}

/// Nodes of a cluster, the first of which founded it; each has copies of everything.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) folder: tempfile::TempDir,
}

impl Cluster {
    /// Starts a cluster of so many nodes; the first goes on with the folder `node1`, if there is one.
    pub(crate) fn start(folder: tempfile::TempDir, count: u64) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for id in 1..=count {
            let data = folder.path().join(format!("node{id}"));
            let id = id.to_string();
            let mut more = vec!["--node-id", id.as_str()];
            let first = nodes.first().map(|node| node.address.clone());
            if let Some(first) = &first {
                more.extend(["--join", first]);
            } else if count < 3 {
                more.extend(["--replicas", "1"]);
            }
            nodes.push(Node::start(&data, &more));
        }
        let cluster = Self { nodes, folder };
        cluster.wait_until_settled();
        cluster
    }

    /// Waits until every range has all its copies.
    pub(crate) fn wait_until_settled(&self) {
        let seconds = PATIENCE.as_secs().to_string();
        succeed(&["cluster", "status", "--wait", &seconds, "--connect", &self.addresses()]);
    }

    pub(crate) fn addresses(&self) -> String {
        self.nodes.iter().map(|node| node.address.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Asks the cluster something, as JSON.
    pub(crate) fn ask(&self, what: &[&str]) -> serde_json::Value {
        let addresses = self.addresses();
        let out = succeed(&[&["cluster"], what, &["--json", "--connect", &addresses]].concat());
        serde_json::from_str(&out).unwrap()
    }

    /// The node of that number, as `status` shows it.
    pub(crate) fn node(&self, id: u64) -> serde_json::Value {
        let status = self.ask(&["status"]);
        let nodes = status.get("nodes").and_then(serde_json::Value::as_array).unwrap();
        nodes
            .iter()
            .find(|node| node.get("id").is_some_and(|found| *found == id))
            .cloned()
            .unwrap_or_default()
    }
}
