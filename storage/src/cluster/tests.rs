//! Clusters of nodes in this process, with real files: what they do when disks fail them.

mod checks;
mod damage;
mod full_disk;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Admin, ClusterNode, NodeConfig};
use crate::{
    Config, Key, KeyRange, NodeId, RaftConfig, RangeId, ScanLimit, Storage, StorageError, WriteBatch,
    testing::SimulatedDisk,
};

/// Nothing takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three nodes.
struct Cluster {
    folder: tempfile::TempDir,
    /// One for each node, or none: real ones.
    disks: Vec<SimulatedDisk>,
    nodes: Vec<Option<ClusterNode>>,
}

impl Cluster {
    fn start() -> Self {
        Self::start_on(Vec::new())
    }

    fn on_simulated_disks() -> Self {
        Self::start_on((0..3).map(|_| SimulatedDisk::new()).collect())
    }

    fn start_on(disks: Vec<SimulatedDisk>) -> Self {
        let mut cluster = Self { folder: tempfile::tempdir().unwrap(), disks, nodes: Vec::new() };
        for number in 1..=3 {
            let node = ClusterNode::start(cluster.config(number)).unwrap();
            cluster.nodes.push(Some(node));
        }
        cluster.wait_healthy();
        cluster
    }

    /// Node `number`: the first one founds the cluster, and the others find it by that.
    fn config(&self, number: usize) -> NodeConfig {
        let mut config = NodeConfig::new(self.path(number));
        let founder = self.nodes.first().and_then(Option::as_ref);
        config.join = founder.map(|node| node.address().to_string()).into_iter().collect();
        config.report_every = Duration::from_millis(50);
        config.placement.moves_per_minute_max = 1000;
        config.placement.disk_used_percent_max = 99;
        config.storage = Config {
            cache_bytes: 1 << 20,
            checkpoint_bytes: 1 << 20,
            checkpoint_interval: Duration::from_millis(50),
            disk_reserve_bytes: 0,
            raft: RaftConfig {
                heartbeat_interval: Duration::from_millis(50),
                election_timeout: Duration::from_millis(500),
                ..RaftConfig::default()
            },
            ..Config::default()
        };
        if let Some(disk) = self.disks.get(number - 1) {
            config.storage.disk = Arc::new(disk.clone());
            config.storage.segment_bytes = 256 << 10;
        }
        config
    }

    fn path(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node{number}"))
    }

    fn node(&self, number: usize) -> &ClusterNode {
        self.nodes[number - 1].as_ref().unwrap()
    }

    /// Stops a node and does something to its folder; it then starts where it was, told of nobody.
    fn restart(&mut self, number: usize, meanwhile: impl FnOnce(&Path)) {
        let node = self.nodes[number - 1].take().unwrap();
        let listen = node.address().to_string();
        node.stop().unwrap();
        drop(node);
        meanwhile(&self.path(number));
        let config = NodeConfig { listen, join: Vec::new(), ..self.config(number) };
        self.nodes[number - 1] = Some(ClusterNode::start(config).unwrap());
    }

    fn admin(&self) -> Admin {
        let running = self.nodes.iter().flatten();
        Admin::connect(&running.map(|node| node.address().to_string()).collect::<Vec<_>>()).unwrap()
    }

    /// Waits until every range has three voters that are there, and these are equal.
    fn wait_healthy(&self) {
        let (admin, begun) = (self.admin(), Instant::now());
        loop {
            let status = admin.status();
            if let Ok(status) = &status
                && status.nodes.len() == 3
                && status.ranges.len() >= 2
                && status.ranges.iter().all(|range| range.voters.len() == 3 && range.healthy == 3)
                && status.ranges.iter().all(|range| {
                    let replicas = admin.check(range.descriptor.id).unwrap_or_default();
                    let first = replicas.first().and_then(|replica| replica.checksum);
                    first.is_some()
                        && replicas.len() == 3
                        && replicas.iter().all(|replica| replica.checksum == first)
                })
            {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{status:?}");
        }
    }
}

/// Which node leads the users' first range.
fn leader(cluster: &Cluster) -> usize {
    let (admin, begun) = (cluster.admin(), Instant::now());
    loop {
        let status = admin.status();
        let ranges = status.iter().flat_map(|status| &status.ranges);
        let found = ranges.filter(|range| range.descriptor.id == RangeId(2)).find_map(|range| range.leader);
        if let Some(NodeId(node)) = found {
            return node as usize;
        }
        assert!(begun.elapsed() < PATIENCE, "{status:?}");
    }
}

fn key(number: u32) -> Key {
    format!("{number:06}").into()
}

fn value(number: u32) -> bytes::Bytes {
    (0..20_000_u32).map(|i| (number.wrapping_mul(31) ^ i.wrapping_mul(7)) as u8).collect::<Vec<u8>>().into()
}

fn fill(storage: &Storage, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let mut batch = WriteBatch::new();
        batch.put(key(number), value(number));
        // A node with a full disk that leads refuses until it has let another lead.
        let begun = Instant::now();
        while let Err(error) = storage.write_blocking(batch.clone()) {
            let full = matches!(error, StorageError::NodeFull { .. });
            assert!(full && begun.elapsed() < PATIENCE, "{error}");
        }
    }
}

/// What is read is what was written, or an error.
fn read_all(storage: &Storage, count: u32) -> Result<(), StorageError> {
    let mut next = Some(KeyRange::all());
    let mut found = Vec::new();
    while let Some(range) = next.take() {
        let page = storage.scan_blocking(&range, ScanLimit { entries: 20, ..ScanLimit::default() })?;
        found.extend(page.entries);
        next = page.next;
    }
    assert_eq!(found.len(), count as usize);
    assert!(found.into_iter().zip(0..).all(|(found, n)| found == (key(n), value(n))), "wrong data");
    Ok(())
}
