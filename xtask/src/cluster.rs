//! `cargo xtask cluster N`: a cluster of real processes on this machine, to try things with.

mod node;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use clap::Args;
use serde::{Deserialize, de::DeserializeOwned};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

use self::node::Node;
use crate::{TaskError, say, verify::workspace_root};

/// How long the nodes may take to be a cluster.
const READY_TIMEOUT: Duration = Duration::from_secs(180);
/// How often is looked how far they are.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Which cluster to run.
#[derive(Debug, Args)]
pub(crate) struct ClusterArgs {
    /// How many nodes.
    #[arg(default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=32))]
    nodes: u64,
    /// Where their folders lie; what is there goes on. A temporary folder otherwise.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Build with optimizations.
    #[arg(long)]
    release: bool,
    /// Run this binary instead of building one.
    #[arg(long, value_name = "FILE", conflicts_with = "release")]
    binary: Option<PathBuf>,
}

/// What cargo says of something that it built.
#[derive(Debug, Deserialize)]
struct Artefact {
    executable: Option<PathBuf>,
}

/// What is read of `genomdb cluster status`.
#[derive(Debug, Deserialize)]
struct Status {
    nodes: Vec<Member>,
}

/// What is read of a node.
#[derive(Debug, Deserialize)]
struct Member {
    live: bool,
}

/// What is read of `genomdb cluster ranges`.
#[derive(Debug, Deserialize)]
struct Ranges {
    ranges: Vec<Range>,
}

/// What is read of a range.
#[derive(Debug, Deserialize)]
struct Range {
    available: bool,
    voters: Vec<u64>,
}

/// Runs a cluster until Ctrl-C.
pub(crate) fn run(args: &ClusterArgs) -> Result<(), TaskError> {
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => build(args.release)?,
    };
    let temporary = tempfile::tempdir().map_err(TaskError::file("a temporary folder"))?;
    let folder = args.dir.as_deref().unwrap_or(temporary.path());
    fs::create_dir_all(folder).map_err(TaskError::file(folder))?;
    // What is tried here takes little; a disk that others have filled must not keep copies away.
    let settings = folder.join("cluster.yaml");
    fs::write(&settings, "placement: {disk_used_percent_max: 99}\n").map_err(TaskError::file(&settings))?;
    let stop = stop_signals()?;
    let mut nodes = Vec::new();
    let ended = start(&binary, folder, args.nodes, &mut nodes)
        .and_then(|()| wait_until_ready(&binary, &mut nodes, &stop))
        .and_then(|is_ready| if is_ready { serve(&binary, &mut nodes, &stop) } else { Ok(()) });
    say("stopping")?;
    // All are told before any is waited for; each lets others lead as long as there are some.
    nodes.iter_mut().for_each(Node::tell_to_stop);
    let stopped = nodes.into_iter().try_for_each(Node::wait);
    ended.and(stopped)
}

/// Builds the binary and says where it is.
fn build(release: bool) -> Result<PathBuf, TaskError> {
    let root = workspace_root()?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--bin", "genomdb", "--message-format", "json-render-diagnostics"]);
    command
        .args(release.then_some("--release"))
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output();
    let output = output.map_err(|source| TaskError::Start { program: "cargo".to_owned(), source })?;
    if !output.status.success() {
        return Err(TaskError::Input(format!("cargo build: {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // Messages about other things lack these fields.
    let artefacts = text.lines().filter_map(|line| serde_json::from_str::<Artefact>(line).ok());
    let mut found = artefacts.filter_map(|artefact| artefact.executable);
    found
        .find(|path| path.file_stem().is_some_and(|name| name == "genomdb"))
        .ok_or_else(|| TaskError::Input("cargo built no genomdb".to_owned()))
}

/// Receives something for each signal that ends us.
fn stop_signals() -> Result<Receiver<()>, TaskError> {
    let signals = Signals::new([SIGINT, SIGTERM]);
    let mut signals = signals.map_err(TaskError::file("the signals of this process"))?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        // Ends with the process, or when nobody listens any more.
        signals.forever().try_for_each(|_| send.send(()))
    });
    Ok(receive)
}

/// Starts the nodes one after the other: each joins those that run.
fn start(binary: &Path, folder: &Path, count: u64, nodes: &mut Vec<Node>) -> Result<(), TaskError> {
    // Nodes that were there before find each other where they were, in whatever order they begin.
    let known = (1..=count).filter_map(|id| node::known_address(folder, id)).collect::<Vec<_>>();
    for id in 1..=count {
        let running = nodes.iter().map(|node| node.address.clone());
        let join: Vec<String> = if known.is_empty() { running.collect() } else { known.clone() };
        nodes.push(Node::start(binary, folder, id, &join)?);
    }
    Ok(())
}

/// Waits until all are members and every range has its voters. False if told to stop before.
fn wait_until_ready(binary: &Path, nodes: &mut [Node], stop: &Receiver<()>) -> Result<bool, TaskError> {
    let began = Instant::now();
    say(&format!("waiting for {} nodes to be a cluster", nodes.len()))?;
    loop {
        match stop.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(false),
        }
        nodes.iter_mut().try_for_each(Node::check_alive)?;
        if is_ready(binary, nodes) {
            say(&format!("ready after {:.1} s", began.elapsed().as_secs_f64()))?;
            return Ok(true);
        }
        if began.elapsed() > READY_TIMEOUT {
            let limit = READY_TIMEOUT.as_secs();
            return Err(TaskError::Input(format!(
                "not a cluster after {limit} s; see the logs of the nodes"
            )));
        }
    }
}

fn is_ready(binary: &Path, nodes: &[Node]) -> bool {
    let Some(Status { nodes: members }) = ask(binary, nodes, "status") else { return false };
    let Some(Ranges { ranges }) = ask(binary, nodes, "ranges") else { return false };
    // Three voters each, or one where there are not enough nodes for three.
    let voters = if nodes.len() < 3 { 1 } else { 3 };
    let live = members.iter().filter(|member| member.live).count();
    live >= nodes.len() && ranges.iter().all(|range| range.available && range.voters.len() >= voters)
}

/// What `genomdb cluster` says, if it answers.
fn ask<T: DeserializeOwned>(binary: &Path, nodes: &[Node], what: &str) -> Option<T> {
    let mut command = Command::new(binary);
    command.args(["cluster", what, "--json", "--connect", &addresses(nodes)]);
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

fn addresses(nodes: &[Node]) -> String {
    nodes.iter().map(|node| node.address.as_str()).collect::<Vec<_>>().join(",")
}

/// Says how to use it, and waits for Ctrl-C.
fn serve(binary: &Path, nodes: &mut [Node], stop: &Receiver<()>) -> Result<(), TaskError> {
    say("")?;
    for node in nodes.iter() {
        let Node { id, address, folder, .. } = node;
        say(&format!("node {id}: {address}, {}, log in {}", folder.display(), node.log.display()))?;
    }
    let (binary, addresses) = (binary.display(), addresses(nodes));
    say("")?;
    say(&format!("export GENOMDB_CONNECT={addresses}"))?;
    say(&format!("{binary} cluster status"))?;
    say(&format!("{binary} load examples/data/NA12878.chr11_chr20.bam"))?;
    say(&format!("{binary} query 'SELECT chrom, count(*) FROM reads GROUP BY chrom'"))?;
    say("")?;
    say("Ctrl-C stops all nodes")?;
    loop {
        match stop.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        for node in nodes.iter_mut() {
            // That is what somebody tries here: it is told, and the rest goes on.
            if let Err(error) = node.check_alive()
                && node.is_missed()
            {
                say(&error.to_string())?;
            }
        }
    }
}
