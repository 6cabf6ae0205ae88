//! Loads one file into an embedded folder and into three nodes of a cluster on loopback, in turn, and prints
//! what each took and the ratio, as lines of JSON.
//!
//! `cargo run --release -p genomdb-loader --example load_three -- FILE FOLDER [ROUNDS]`

#![allow(clippy::print_stdout, reason = "a tool for measuring")]

use std::{
    error::Error,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use genomdb_formats::Source;
use genomdb_loader::{CancelToken, Config, LoadRequest, load};
use genomdb_storage::{Admin, ClusterNode, NodeConfig, Storage};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "node") {
        return node(&arguments);
    }
    let [file, folder, rounds @ ..] = arguments.as_slice() else {
        return Err("usage: load_three FILE FOLDER [ROUNDS]".into());
    };
    let rounds: usize = rounds.first().map_or(Ok(3), |rounds| rounds.parse())?;
    let folder = Path::new(folder);
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let embedded = folder.join("embedded");
        let storage = Storage::open(&embedded, genomdb_storage::Config::default())?;
        let alone = time(&storage, file, folder)?;
        storage.close_blocking()?;
        fs::remove_dir_all(&embedded)?;
        let nodes = Nodes::start(folder)?;
        let together =
            time(&Storage::connect(&nodes.addresses, genomdb_storage::Config::default())?, file, folder)?;
        drop(nodes);
        (1..=3).try_for_each(|number| fs::remove_dir_all(folder.join(number.to_string())))?;
        let ratio = together / alone;
        println!("{{\"embedded_s\":{alone:.2},\"three_nodes_s\":{together:.2},\"ratio\":{ratio:.2}}}");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("{{\"median_ratio\":{:.2}}}", ratios.get(rounds / 2).copied().unwrap_or(f64::NAN));
    Ok(())
}

/// Seconds that a load takes, until all of it is acknowledged and visible.
fn time(storage: &Storage, file: &str, folder: &Path) -> Result<f64, Box<dyn Error>> {
    let config = Config { spill_folder: folder.join("spill"), ..Config::default() };
    let request = LoadRequest { config, ..LoadRequest::new(Source::Path(file.into()), "main", "reads") };
    let started = Instant::now();
    load(storage, request, &|_| {}, &CancelToken::new())?;
    Ok(started.elapsed().as_secs_f64())
}

/// A node in a process of its own, until its standard input ends.
fn node(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [_, folder, join @ ..] = arguments else { return Err("node FOLDER [JOIN]".into()) };
    let mut config = NodeConfig::new(folder);
    config.listen = "127.0.0.1:0".to_owned();
    config.join = join.to_vec();
    // What else is on the disk is no reason to measure fewer replicas.
    config.placement.disk_used_percent_max = 99;
    let node = ClusterNode::start(config)?;
    println!("{}", node.address());
    let _ended = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(node.stop()?)
}

/// Three nodes of which each has every range.
struct Nodes {
    processes: Vec<(Child, BufReader<ChildStdout>)>,
    addresses: Vec<String>,
}

impl Nodes {
    fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let mut nodes = Self { processes: Vec::new(), addresses: Vec::new() };
        for number in 1..=3 {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("node").arg(folder.join(number.to_string())).args(nodes.addresses.first());
            let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
            let mut address = String::new();
            output.read_line(&mut address)?;
            nodes.addresses.push(address.trim().to_owned());
            nodes.processes.push((process, output));
        }
        let admin = Admin::connect(&nodes.addresses)?;
        let begun = Instant::now();
        let is_ready = || {
            admin.status().is_ok_and(|status| {
                status.operators.is_empty() && status.ranges.iter().all(|range| range.healthy == 3)
            })
        };
        while !is_ready() {
            if begun.elapsed() > Duration::from_secs(120) {
                return Err("three nodes do not become a cluster".into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(nodes)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for (process, _) in &mut self.processes {
            drop(process.stdin.take());
            // Its folder goes next.
            let _ended = process.wait();
        }
    }
}
