//! A node of three whose files are damaged: named, never served, set aside, and healed by the others.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::Instant,
};

use super::*;
use crate::{Freshness, NodeId};

const KEYS: u32 = 150;

fn flip(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// What was set aside.
fn aside(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("damaged-")).collect()
}

fn expect_healed(cluster: &Cluster, number: usize, named: &str) {
    cluster.wait_healthy();
    let node = cluster.node(number);
    let damage = node.damage().unwrap().to_string();
    assert!(damage.contains(named) && damage.contains("corrupt"), "{damage}");
    assert_eq!(node.id(), NodeId(number as u64));
    let kept = aside(&cluster.path(number));
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(
        kept[0].join("state/0.redb").try_exists().unwrap()
            && kept[0].join("state/0.sums").try_exists().unwrap()
    );
    assert!(!cluster.path(number).join("ASIDE").try_exists().unwrap());
    for number in 1..=3 {
        read_all(&cluster.node(number).storage(), KEYS).unwrap();
    }
}

/// HEAL-1, RAFT-1.
#[test]
fn damage_that_is_found_at_the_start_is_healed_by_the_others() {
    let mut cluster = Cluster::start();
    fill(&cluster.node(1).storage(), 0..KEYS);
    cluster.restart(3, |folder| flip(&folder.join("state/0.redb"), 64 + 9));
    expect_healed(&cluster, 3, "0.redb");
    let newest = |folder: &Path| {
        let logs = fs::read_dir(folder.join("wal")).unwrap().map(|entry| entry.unwrap().path());
        logs.filter(|path| path.extension().is_some_and(|ending| ending == "log")).max().unwrap()
    };
    // The first node finds the others by what it kept.
    cluster.restart(1, |folder| flip(&newest(folder), 17));
    expect_healed(&cluster, 1, ".log");
}

#[test]
fn damage_that_a_read_meets_is_healed_by_the_others() {
    let cluster = Cluster::start();
    fill(&cluster.node(1).storage(), 0..KEYS);
    cluster.wait_healthy();
    let path = cluster.path(2).join("state/0.redb");
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    // The header stays, and what is in memory is not read.
    (16..pages).for_each(|page| flip(&path, page * 4096 + 99));
    let nearby = cluster.node(2).storage().with_freshness(Freshness::Stale(PATIENCE));
    let begun = Instant::now();
    while cluster.node(2).damage().is_none() {
        let _error_or_all = read_all(&nearby, KEYS);
        assert!(begun.elapsed() < PATIENCE, "never met");
    }
    expect_healed(&cluster, 2, "0.redb");
}

#[test]
fn a_node_that_is_the_only_one_refuses_to_open_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = NodeConfig::new(folder.path());
    ClusterNode::start(config.clone()).unwrap().stop().unwrap();
    flip(&folder.path().join("state/0.redb"), 64 + 9);
    let error = ClusterNode::start(config).map(drop).unwrap_err();
    assert!(matches!(&error, StorageError::Corrupt { path, .. } if path.ends_with("0.redb")), "{error}");
    assert_eq!(aside(folder.path()), [] as [PathBuf; 0]);
}
