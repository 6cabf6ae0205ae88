//! A load and queries over a cluster whose nodes die, come and go: the answers stay those of one folder.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use genomdb_formats::{OpenOptions, Source, sam};
use genomdb_genome::alignment::Records;
use serde_json::Value;
use tempfile::TempDir;

const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");
const GENOMDB: &str = env!("CARGO_BIN_EXE_genomdb");
/// How often each read of the example comes.
const COPIES: usize = 24;
/// How long anything may take.
const TIMEOUT: Duration = Duration::from_secs(120);

const QUESTIONS: [&str; 4] = [
    "SELECT chrom, count(*) AS n, sum(mapq) AS m, min(pos) AS a, max(pos) AS b FROM reads GROUP BY chrom ORDER BY n",
    "SELECT count(*) AS n, sum(tlen) AS t FROM reads WHERE interval INTERSECTS '11:5,000,000-5,020,000'",
    "SELECT qname, flag, pos, cigar FROM reads WHERE interval INTERSECTS '20' ORDER BY pos, qname, flag LIMIT 300",
    "SELECT flag, count(*) AS n FROM reads GROUP BY flag ORDER BY flag",
];
const EVERYTHING: &str = "SELECT qname, flag, chrom, pos, mapq, cigar, seq, qual FROM reads";

/// The example as sorted SAM text, each read so many times under another name.
fn sam_text() -> Vec<u8> {
    let mut reader = genomdb_formats::open(Source::Path(BAM.into()), &OpenOptions::default()).unwrap();
    let mut records = Records::default();
    while reader.read_batch(&mut records, 1 << 20).unwrap() {}
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(reader.header()).unwrap();
    let header = writer.into_inner();
    let mut text = header.clone();
    for record in records.iter() {
        let mut writer = sam::Writer::new(Vec::new());
        writer.write(&record, &reader.header().contigs).unwrap();
        let line = writer.into_inner();
        for copy in 0..COPIES {
            write!(text, "{copy}:").unwrap();
            text.extend_from_slice(&line);
        }
    }
    text
}

/// A process of this test; it ends with it.
struct Node {
    child: Child,
    id: u64,
    address: String,
    folder: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Node {
    fn start(folder: &str, id: u64, listen: &str, join: Option<&str>) -> Self {
        let id_text = id.to_string();
        let mut arguments =
            vec!["serve", "--data", folder, "--node-id", &id_text, "--listen", listen, "--http", "off"];
        if let Some(join) = join {
            arguments.extend(["--join", join]);
        }
        let mut child = Command::new(GENOMDB)
            .args(&arguments)
            .env("GENOMDB_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(address.contains(':'), "node {id} said {line:?}");
        Self { child, id, address, folder: folder.to_owned() }
    }
}

struct Cluster {
    nodes: Vec<Node>,
    root: TempDir,
}

impl Cluster {
    fn start(nodes: u64) -> Self {
        let mut cluster = Self { nodes: Vec::new(), root: tempfile::tempdir().unwrap() };
        (1..=nodes).for_each(|_| cluster.add());
        cluster
    }

    fn add(&mut self) {
        let id = self.nodes.iter().map(|node| node.id).max().unwrap_or(0) + 1;
        let folder = self.root.path().join(format!("node{id}"));
        let join = self.nodes.first().map(|node| node.address.clone());
        let node = Node::start(folder.to_str().unwrap(), id, "127.0.0.1:0", join.as_deref());
        self.nodes.push(node);
    }

    /// Ends a node as a crash does.
    fn kill(&mut self, id: u64) {
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        node.child.kill().unwrap();
        node.child.wait().unwrap();
    }

    /// Starts it again, where it was.
    fn restart(&mut self, id: u64) {
        let node = self.nodes.iter_mut().find(|node| node.id == id).unwrap();
        *node = Node::start(&node.folder.clone(), id, &node.address.clone(), None);
    }

    fn addresses(&self) -> String {
        self.nodes.iter().map(|node| node.address.as_str()).collect::<Vec<_>>().join(",")
    }

    fn cluster(&self, arguments: &[&str]) -> Result<Value, String> {
        let addresses = self.addresses();
        let output = Command::new(GENOMDB)
            .arg("cluster")
            .args(arguments)
            .args(["--connect", &addresses, "--json"])
            .output()
            .unwrap();
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    fn ranges(&self) -> Vec<Value> {
        let Ok(found) = self.cluster(&["ranges"]) else { return Vec::new() };
        found["ranges"].as_array().cloned().unwrap_or_default()
    }

    /// Waits until every range has `voters` healthy voters and nothing is under way.
    fn settle(&self, voters: usize) {
        self.wait(&format!("{voters} voters"), |cluster| {
            let ranges = cluster.ranges();
            !ranges.is_empty()
                && ranges.iter().all(|range| {
                    range["voters"].as_array().unwrap().len() == voters
                        && range["healthy"] == voters
                        && range["leader"].is_u64()
                })
        });
    }

    fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !condition(self) {
            assert!(started.elapsed() < TIMEOUT, "not in time: {what}; {:?}", self.cluster(&["status"]));
        }
    }

    fn leader_of(&self, range: u64) -> u64 {
        self.ranges().iter().find(|found| found["id"] == range).unwrap()["leader"].as_u64().unwrap()
    }

    fn ask(&self, question: &str) -> String {
        answer(&["--connect", &self.addresses()], question)
    }
}

fn answer(of: &[&str], question: &str) -> String {
    let output =
        Command::new(GENOMDB).arg("query").args(of).args(["--format", "tsv", question]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{question}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn embedded(text: &[u8], folder: &Path) -> Vec<String> {
    let file = folder.join("reads.sam");
    std::fs::write(&file, text).unwrap();
    let data = folder.join("data");
    let data = data.to_str().unwrap();
    let loaded =
        Command::new(GENOMDB).args(["load", "--data", data, file.to_str().unwrap()]).output().unwrap();
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let questions = QUESTIONS.iter().chain([&EVERYTHING]);
    questions.map(|question| answer(&["--data", data], question)).collect()
}

fn expect_same(cluster: &Cluster, expected: &[String], when: &str) {
    for (question, expected) in QUESTIONS.iter().zip(expected) {
        assert_eq!(cluster.ask(question), *expected, "{when}: {question}");
    }
}

#[test]
fn nodes_die_come_and_go_and_the_answers_stay() {
    let text = sam_text();
    let alone = tempfile::tempdir().unwrap();
    let expected = embedded(&text, alone.path());
    let (all, expected) = expected.split_last().unwrap();

    let mut cluster = Cluster::start(3);
    cluster.settle(3);

    // A node dies in the middle of a load: the one that leads what is loaded.
    let addresses = cluster.addresses();
    let mut load = Command::new(GENOMDB)
        .args(["load", "-", "--connect", &addresses])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = load.stdin.take().unwrap();
    let _broken = pipe.write_all(&text[..text.len() / 2]);
    let victim = cluster.leader_of(2);
    cluster.kill(victim);
    // If it ended, what it says is what counts.
    let _broken = pipe.write_all(&text[text.len() / 2..]);
    drop(pipe);
    let output = load.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    expect_same(&cluster, expected, "one of three is dead");
    cluster.restart(victim);
    cluster.settle(3);

    // Another dies in the middle of a query.
    let mut query = Command::new(GENOMDB)
        .args(["query", "--connect", &cluster.addresses(), "--format", "tsv", EVERYTHING])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = query.stdout.take().unwrap();
    let mut found = vec![0; 1 << 16];
    rows.read_exact(&mut found).unwrap();
    let victim = cluster.leader_of(2);
    cluster.kill(victim);
    rows.read_to_end(&mut found).unwrap();
    assert!(query.wait().unwrap().success());
    assert!(String::from_utf8(found).unwrap() == *all, "rows of a query during which a node died");
    cluster.restart(victim);
    cluster.settle(3);

    // Two more nodes: ranges and leaders spread.
    (0..2).for_each(|_| cluster.add());
    for ranges in cluster.ranges().len()..cluster.ranges().len() + 4 {
        // Refused while the range is being changed.
        cluster.wait("a split", |cluster| {
            let found = cluster.ranges();
            let users = found.iter().filter(|range| range["space"] != "placement");
            if let Some(largest) = users.max_by_key(|range| range["bytes"].as_u64()) {
                let _refused = cluster.cluster(&["split", &largest["id"].to_string()]);
            }
            found.len() > ranges
        });
    }
    cluster.wait("replicas and leaders on all five", |cluster| {
        let status = cluster.cluster(&["status"]).unwrap_or_default();
        let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
        nodes.len() == 5
            && nodes
                .iter()
                .all(|node| node["replicas"].as_u64() > Some(0) && node["leaders"].as_u64() > Some(0))
    });
    cluster.settle(3);
    expect_same(&cluster, expected, "five nodes");

    // One leaves.
    let leaving = cluster.leader_of(2).to_string();
    cluster.cluster(&["drain", &leaving]).unwrap();
    expect_same(&cluster, expected, "one is drained");
    // Refused as long as it holds anything.
    cluster.wait("the removal", |cluster| cluster.cluster(&["remove", &leaving]).is_ok());
    cluster.kill(leaving.parse().unwrap());
    cluster.nodes.retain(|node| node.id.to_string() != leaving);
    cluster.settle(3);
    expect_same(&cluster, expected, "one is gone");
    assert!(cluster.ask(EVERYTHING) == *all, "all rows, at the end");
    let checked = cluster.cluster(&["check", "--all"]).unwrap();
    assert!(checked["ranges"].as_array().unwrap().iter().all(|range| range["equal"] == true), "{checked}");
}
