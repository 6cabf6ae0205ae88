//! A node in a process of its own, and what is done to it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use genomdb_storage::{
    ClusterNode, Config, NodeConfig, NodeId, RaftConfig, Sabotage, placement::Settings, testing::write_events,
};
use rustix::process::{Pid, Signal, kill_process};

/// Set for the process of a node: its options.
const OPTIONS: &str = "GENOMDB_STORAGE_TEST_NODE";

/// How a node is started.
#[derive(Clone, Debug)]
pub(crate) struct NodeOptions {
    pub(crate) folder: PathBuf,
    /// None lets the cluster choose.
    pub(crate) node: Option<u64>,
    pub(crate) listen: String,
    pub(crate) join: Vec<String>,
    pub(crate) range_bytes_max: u64,
    pub(crate) missing_after: Duration,
    /// Heartbeats; elections take six of them at least.
    pub(crate) heartbeat: Duration,
    /// Bytes of the log after which a follower that did not answer needs a snapshot.
    pub(crate) log_bytes_max: u64,
    /// Letters of what is switched off: `r`ead barrier, `v`ersion check, `s`essions, `f`sync.
    pub(crate) sabotage: String,
    /// The network namespace that it lives in.
    pub(crate) namespace: Option<String>,
}

impl NodeOptions {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            node: None,
            listen: "127.0.0.1:0".to_owned(),
            join: Vec::new(),
            range_bytes_max: 512 << 20,
            missing_after: Duration::from_secs(5),
            heartbeat: Duration::from_millis(100),
            log_bytes_max: 4 << 20,
            sabotage: String::new(),
            namespace: None,
        }
    }

    fn encode(&self) -> String {
        let mut lines = vec![
            format!("folder {}", self.folder.display()),
            format!("listen {}", self.listen),
            format!("range_bytes_max {}", self.range_bytes_max),
            format!("missing_after {}", self.missing_after.as_millis()),
            format!("heartbeat {}", self.heartbeat.as_millis()),
            format!("log_bytes_max {}", self.log_bytes_max),
            format!("sabotage {}", self.sabotage),
            format!("join {}", self.join.join(",")),
        ];
        lines.extend(self.node.map(|node| format!("node {node}")));
        lines.join("\n")
    }

    fn decode(text: &str) -> Self {
        let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(' ')).collect();
        let ms = |name: &str| Duration::from_millis(fields[name].parse().unwrap());
        Self {
            node: fields.get("node").map(|node| node.parse().unwrap()),
            listen: fields["listen"].to_owned(),
            join: fields["join"].split(',').filter(|join| !join.is_empty()).map(str::to_owned).collect(),
            range_bytes_max: fields["range_bytes_max"].parse().unwrap(),
            missing_after: ms("missing_after"),
            heartbeat: ms("heartbeat"),
            log_bytes_max: fields["log_bytes_max"].parse().unwrap(),
            sabotage: fields["sabotage"].to_owned(),
            ..Self::new(fields["folder"].into())
        }
    }

    fn config(&self) -> NodeConfig {
        let off = |letter| self.sabotage.contains(letter);
        let sabotage = Sabotage {
            no_fsync: off('f'),
            no_read_barrier: off('r'),
            no_version_check: off('v'),
            no_sessions: off('s'),
        };
        let raft = RaftConfig {
            heartbeat_interval: self.heartbeat,
            election_timeout: self.heartbeat * 6,
            log_bytes_max: self.log_bytes_max,
            ..RaftConfig::default()
        };
        let storage = Config {
            cache_bytes: 8 << 20,
            segment_bytes: 1 << 20,
            checkpoint_bytes: 1 << 20,
            checkpoint_interval: Duration::from_millis(300),
            raft,
            sabotage,
            ..client_config()
        };
        let placement = Settings {
            range_bytes_max: self.range_bytes_max,
            missing_after: self.missing_after,
            suspect_after: Duration::from_secs(2),
            moves_per_minute_max: 1000,
            step_timeout: Duration::from_secs(5),
            move_timeout: Duration::from_secs(30),
            disk_used_percent_max: 99,
            ..Settings::default()
        };
        NodeConfig {
            node: self.node.map(NodeId),
            listen: self.listen.clone(),
            join: self.join.clone(),
            report_every: Duration::from_millis(150),
            storage,
            placement,
            ..NodeConfig::new(&self.folder)
        }
    }
}

/// How callers wait in these tests.
pub(crate) fn client_config() -> Config {
    Config {
        request_timeout: Duration::from_secs(45),
        attempt_timeout: Duration::from_secs(1),
        transaction_timeout: Duration::from_secs(2),
        ..Config::default()
    }
}

/// Writes what this process says of itself to a file.
fn log_to(path: &Path) {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    let file = File::options().create(true).append(true).open(path).unwrap();
    write_events(file, || BEGUN.elapsed());
}

/// The life of a node's process: it stops when it is told so, and dies with whoever started it.
pub(crate) fn run_if_asked() {
    let Ok(text) = std::env::var(OPTIONS) else { return };
    let options = NodeOptions::decode(&text);
    if std::env::var_os("GENOMDB_LOG").is_some() {
        let name = options.folder.file_name().unwrap().to_string_lossy().into_owned();
        log_to(&options.folder.with_file_name(format!("{name}.log")));
    }
    let node = match ClusterNode::start(options.config()) {
        Ok(node) => node,
        Err(error) => {
            println!("\nrefused {error}");
            std::process::exit(2);
        }
    };
    println!("\nlistening {} {}", node.address(), node.id());
    for line in std::io::stdin().lines() {
        if line.unwrap() == "stop" {
            node.hand_over();
            node.stop().unwrap();
            println!("\nstopped");
            std::process::exit(0);
        }
    }
    std::process::exit(3);
}

/// A running process of a node. Dropped, it is killed.
pub(crate) struct NodeProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) id: u64,
}

impl NodeProcess {
    /// Starts it and waits until it listens; the error is what it said instead.
    pub(crate) fn start(options: &NodeOptions) -> Result<Self, String> {
        let own = std::env::current_exe().unwrap();
        let mut command = match &options.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(own);
                command
            }
            None => Command::new(own),
        };
        let mut child = command
            .args(["--exact", "node_process", "--nocapture"])
            .env(OPTIONS, options.encode())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let said = loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap() == 0 {
                break Err("it ended without a word".to_owned());
            }
            if let Some(refusal) = line.strip_prefix("refused ") {
                break Err(refusal.trim().to_owned());
            }
            if let Some(place) = line.strip_prefix("listening ") {
                let (address, id) = place.trim().split_once(' ').unwrap();
                break Ok((address.to_owned(), id.parse().unwrap()));
            }
        };
        match said {
            Ok((address, id)) => Ok(Self { child, input, output, address, id }),
            Err(said) => {
                drop(input);
                child.wait().unwrap();
                Err(said)
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: it stands still, with all its connections open.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets others lead, and ends in peace.
    pub(crate) fn stop(mut self) {
        self.input.write_all(b"stop\n").unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.output, &mut rest).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success() && rest.contains("stopped"), "a node that was to stop: {status}, {rest}");
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have ended before.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}
