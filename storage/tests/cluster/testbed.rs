//! A cluster of processes in a temporary folder, and waiting for what must come.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use genomdb_storage::{
    Admin, Key, RangeId, Storage, StorageError,
    placement::{RangeStatus, Status},
};
use tempfile::TempDir;

use super::{
    network_namespace::Net,
    node::{NodeOptions, NodeProcess, client_config},
};

/// How long anything may take to come about.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer; fails loudly if there never is one.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    const LOOK_EVERY: Duration = Duration::from_millis(25);
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(found) => return found,
            Err(reason) => assert!(begun.elapsed() < PATIENCE, "in vain waited until {what}: {reason}"),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Lets things be as they are for a while: time itself is what is tested.
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Waits for a future on this thread.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A cluster of processes.
pub(crate) struct Testbed {
    nodes: BTreeMap<u64, NodeProcess>,
    pub(crate) options: BTreeMap<u64, NodeOptions>,
    pattern: NodeOptions,
    admin: Option<Admin>,
    folder: Option<TempDir>,
    pub(crate) net: Option<Net>,
}

impl Testbed {
    /// No node yet.
    pub(crate) fn empty(change: impl FnOnce(&mut NodeOptions)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut pattern = NodeOptions::new(PathBuf::new());
        change(&mut pattern);
        let (nodes, options) = (BTreeMap::new(), BTreeMap::new());
        Self { nodes, options, pattern, admin: None, folder: Some(folder), net: None }
    }

    /// So many nodes, all of them in use.
    pub(crate) fn start(count: u64, change: impl FnOnce(&mut NodeOptions)) -> Self {
        let mut testbed = Self::empty(change);
        testbed.grow(count);
        testbed
    }

    /// The same, each in a network namespace of its own; `None` where that cannot be.
    pub(crate) fn start_apart(count: u64, change: impl FnOnce(&mut NodeOptions)) -> Option<Self> {
        let mut testbed = Self::empty(change);
        testbed.net = Some(Net::new(count)?);
        testbed.grow(count);
        Some(testbed)
    }

    fn grow(&mut self, count: u64) {
        for node in 1..=count {
            self.add(node);
        }
        self.settled();
    }

    /// The folder of a node.
    pub(crate) fn folder(&self, node: u64) -> PathBuf {
        self.folder.as_ref().unwrap().path().join(format!("node-{node}"))
    }

    /// Starts a new node, the first one as the founder.
    pub(crate) fn add(&mut self, node: u64) {
        let mut options = NodeOptions { folder: self.folder(node), node: Some(node), ..self.pattern.clone() };
        options.join = self.addresses();
        if let Some(net) = &self.net {
            options.namespace = Some(net.namespace(node));
            options.listen = net.address(node);
        }
        self.options.insert(node, options);
        self.restart(node);
    }

    /// Starts the process of a node that has none, where it was.
    pub(crate) fn restart(&mut self, node: u64) {
        self.try_restart(node).unwrap();
    }

    /// The same; the error is what the node said.
    pub(crate) fn try_restart(&mut self, node: u64) -> Result<(), String> {
        assert!(!self.nodes.contains_key(&node), "node {node} runs");
        let options = self.options.get_mut(&node).unwrap();
        let process = NodeProcess::start(options)?;
        assert_eq!(process.id, node);
        options.listen = process.address.clone();
        self.nodes.insert(node, process);
        Ok(())
    }

    pub(crate) fn kill(&mut self, node: u64) {
        self.nodes.remove(&node).unwrap().kill();
    }

    pub(crate) fn stop(&mut self, node: u64) {
        self.nodes.remove(&node).unwrap().stop();
    }

    pub(crate) fn pause(&self, node: u64) {
        self.nodes[&node].pause();
    }

    pub(crate) fn resume(&self, node: u64) {
        self.nodes[&node].resume();
    }

    /// Loses the disk of a node that does not run.
    pub(crate) fn wipe(&mut self, node: u64) {
        assert!(!self.nodes.contains_key(&node), "node {node} runs");
        std::fs::remove_dir_all(self.folder(node)).unwrap();
        // Like every node that is to be of a cluster, it has to be told of which.
        let others: Vec<String> = self
            .options
            .iter()
            .filter(|(id, _)| **id != node)
            .map(|(_, other)| other.listen.clone())
            .collect();
        self.options.get_mut(&node).unwrap().join = others;
    }

    /// Whether the process of a node runs.
    pub(crate) fn runs(&self, node: u64) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Where nodes listen, or last did.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.options.values().map(|options| options.listen.clone()).collect()
    }

    /// Where one node listens.
    pub(crate) fn address(&self, node: u64) -> String {
        self.options[&node].listen.clone()
    }

    /// A store of the cluster, with routes of its own.
    pub(crate) fn storage(&self) -> Storage {
        Storage::connect(&self.addresses(), client_config()).unwrap()
    }

    /// Asks the placement driver.
    pub(crate) fn admin(&mut self) -> &Admin {
        let addresses = self.addresses();
        self.admin.get_or_insert_with(|| Admin::connect(&addresses).unwrap())
    }

    pub(crate) fn status(&mut self) -> Result<Status, String> {
        self.admin().status().map_err(|error| error.to_string())
    }

    /// Does something that the cluster may be too busy for at first.
    #[track_caller]
    pub(crate) fn order(&mut self, what: &str, order: impl Fn(&Admin) -> Result<(), StorageError>) {
        until(what, || order(self.admin()).map_err(|error| error.to_string()));
    }

    /// Waits until the cluster stands as it is to.
    #[track_caller]
    pub(crate) fn stands(&mut self, what: &str, check: impl Fn(&Status) -> bool) -> Status {
        until(what, || {
            let status = self.status()?;
            if check(&status) { Ok(status) } else { Err(show(&status)) }
        })
    }

    /// Waits until every range has all its voters, healthy, and nothing is being done.
    #[track_caller]
    pub(crate) fn settled(&mut self) -> Status {
        let running = self.nodes.len();
        self.stands("the cluster is settled", |status| {
            let replicas = if running < status.replicas { 1 } else { status.replicas };
            status.nodes.iter().filter(|node| node.live).count() == running
                && status.operators.is_empty()
                && status.unavailable == 0
                && status.ranges.iter().all(|range| range.healthy >= replicas && range.learners.is_empty())
        })
    }

    /// The range that has a key.
    #[track_caller]
    pub(crate) fn range_of(&mut self, key: &'static str) -> RangeStatus {
        until("a key has a range", || find(&self.status()?, key).ok_or_else(|| "none".to_owned()))
    }

    /// The node that leads the range of a key.
    #[track_caller]
    pub(crate) fn leader_of(&mut self, key: &'static str) -> u64 {
        until("the range of a key has a leader that reports", || {
            let range = find(&self.status()?, key).ok_or("no range")?;
            let leader = range.leader.filter(|_| range.available).ok_or("no leader")?;
            Ok(leader.0)
        })
    }

    /// Cuts the range of a key there and waits for it.
    #[track_caller]
    pub(crate) fn split_at(&mut self, key: &'static str) {
        let range = self.range_of(key).descriptor.id;
        self.order("a range is split", |admin| admin.split(range, Some(Key::from(key))));
        self.stands("the range is split", |status| {
            status.ranges.iter().any(|range| range.descriptor.keys.start == key.as_bytes() && range.available)
        });
    }

    /// Checks that all replicas of all ranges hold the same.
    #[track_caller]
    pub(crate) fn replicas_are_equal(&mut self) {
        let ranges: Vec<RangeId> = self.settled().ranges.iter().map(|range| range.descriptor.id).collect();
        for range in ranges {
            until("the replicas of a range answer and agree", || {
                let found = self.admin().check(range).map_err(|error| error.to_string())?;
                let Some(first) = found.first().and_then(|first| first.checksum) else {
                    return Err(format!("{found:?}"));
                };
                if found.iter().any(|replica| replica.checksum.is_none()) {
                    return Err(format!("{found:?}"));
                }
                assert!(
                    found.iter().all(|replica| replica.checksum == Some(first)),
                    "replicas of range {range} differ: {found:?}"
                );
                Ok(())
            });
        }
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // Before the namespaces that they live in.
        self.nodes.clear();
        if std::env::var_os("GENOMDB_KEEP").is_some()
            && let Some(folder) = self.folder.take()
        {
            println!("kept {}", folder.keep().display());
        }
    }
}

fn find(status: &Status, key: &str) -> Option<RangeStatus> {
    let has = |range: &&RangeStatus| {
        range.descriptor.space == genomdb_storage::Space::User
            && range.descriptor.keys.contains(key.as_bytes())
    };
    status.ranges.iter().find(has).cloned()
}

/// A status in few lines.
pub(crate) fn show(status: &Status) -> String {
    let mut lines = Vec::new();
    for node in &status.nodes {
        lines.push(format!(
            "node {} {:?} live {} silent {:?} replicas {} leaders {}",
            node.id, node.state, node.live, node.silent, node.replicas, node.leaders
        ));
    }
    for range in &status.ranges {
        lines.push(format!(
            "range {} {:?} {:?}.. v{} voters {:?} learners {:?} leader {:?} healthy {} available {} bytes {}",
            range.descriptor.id,
            range.descriptor.space,
            range.descriptor.keys.start,
            range.descriptor.version,
            range.voters,
            range.learners,
            range.leader,
            range.healthy,
            range.available,
            range.bytes
        ));
    }
    for operator in &status.operators {
        lines.push(format!("{operator:?}"));
    }
    lines.join("\n")
}
