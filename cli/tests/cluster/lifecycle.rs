//! A cluster grows out of a folder, is drained and restarted, and answers the same throughout.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::process::{BAM, Cluster, Node, PATIENCE, genomdb, succeed, succeed_in_time};

const COUNT: &str = "SELECT chrom, count(*) AS n FROM reads GROUP BY chrom ORDER BY n";
const COUNTED: &str = "chrom\tn\n\t200\n20\t829\n11\t2249\n";

#[test]
fn a_folder_becomes_a_cluster_grows_shrinks_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("node1");
    succeed(&["load", BAM, "--data", first.to_str().unwrap()]);
    let mut cluster = Cluster::start(folder, 3);
    let addresses = cluster.addresses();
    assert_eq!(succeed(&["query", COUNT, "--connect", &addresses]), COUNTED);

    // Every range has three voters, and they hold the same.
    let ranges = cluster.ask(&["ranges"]);
    for range in ranges["ranges"].as_array().unwrap() {
        assert_eq!(range["voters"].as_array().unwrap().len(), 3, "{range}");
    }
    succeed_in_time(&["cluster", "check", "--all", "--connect", &addresses]);
    let text = succeed(&["cluster", "status", "--connect", &addresses]);
    assert!(text.contains(" 0 with too few, 0 unavailable"), "{text}");

    // A fourth node takes over what the third one has.
    let join = ["--node-id", "4", "--join", &addresses, "--label", "zone=b"];
    cluster.nodes.push(Node::start(&cluster.folder.path().join("node4"), &join));
    succeed(&["cluster", "join", "4", "--connect", &addresses]);
    let (code, _, err) = genomdb(&["cluster", "remove", "3", "--connect", &addresses]);
    assert!(code == 1 && err.contains("drain it first"), "{err}");
    let seconds = PATIENCE.as_secs().to_string();
    succeed(&["cluster", "drain", "3", "--wait", &seconds, "--connect", &addresses]);
    assert_eq!(cluster.node(3)["state"], "draining");
    succeed(&["cluster", "undrain", "3", "--connect", &addresses]);
    assert_eq!(cluster.node(3)["state"], "active");
    succeed(&["cluster", "drain", "3", "--wait", &seconds, "--connect", &addresses]);
    succeed_in_time(&["cluster", "remove", "3", "--connect", &addresses]);
    assert!(cluster.node(3).is_null(), "a removed node is not shown");
    assert_eq!(cluster.node(4)["labels"]["zone"], "b");
    let removed = cluster.nodes.remove(2);
    let data = removed.folder.to_str().unwrap().to_owned();
    assert_eq!(removed.stop(), 0);
    let (code, _, err) = genomdb(&["query", "SHOW TABLES", "--data", &data]);
    assert!(
        code == 3 && err.contains("is node 3 of a cluster"),
        "a folder without copies is not empty: {err}"
    );
    cluster.wait_until_settled();
    let addresses = cluster.addresses();
    assert_eq!(succeed(&["query", COUNT, "--connect", &addresses]), COUNTED);

    // A restart with the same folder goes on; the number is the folder's.
    let second = cluster.nodes.remove(1).restart(&["--node-id", "2"]);
    assert!(second.first_line.starts_with("node 2 of cluster "), "{}", second.first_line);
    let data = second.folder.to_str().unwrap().to_owned();
    assert_eq!(second.stop(), 0);
    let (code, _, err) = genomdb(&["serve", "--data", &data, "--node-id", "7", "--listen", "127.0.0.1:0"]);
    assert!(code == 3 && err.contains("belongs to node 2"), "{err}");
    let (code, _, err) = genomdb(&["query", COUNT, "--data", &data]);
    assert!(code == 3 && err.contains("is node 2 of a cluster"), "{err}");
}

#[test]
fn ranges_are_split_handed_over_and_checked() {
    let cluster = Cluster::start(tempfile::tempdir().unwrap(), 3);
    let addresses = cluster.addresses();
    succeed(&["load", BAM, "--quiet", "--connect", &addresses]);
    let before = cluster.ask(&["ranges"])["ranges"].as_array().unwrap().len();
    let at = "\\x06\\x00\\x00\\x00\\x02";
    succeed_in_time(&["cluster", "split", "2", "--at", at, "--connect", &addresses]);
    let split = || {
        let ranges = cluster.ask(&["ranges"])["ranges"].as_array().unwrap().clone();
        ranges.iter().any(|range| range["start"] == at).then_some(ranges.len())
    };
    let began = std::time::Instant::now();
    let after = loop {
        match split() {
            Some(after) => break after,
            None => assert!(began.elapsed() < PATIENCE, "range 2 was not split"),
        }
    };
    assert_eq!(after, before + 1);
    for id in ["1", "2", "3"] {
        succeed_in_time(&["cluster", "transfer-leader", "2", id, "--connect", &addresses]);
    }
    succeed_in_time(&["cluster", "check", "--all", "--connect", &addresses]);
    assert_eq!(succeed(&["query", COUNT, "--connect", &addresses]), COUNTED);
    let (code, _, err) = genomdb(&["cluster", "split", "2", "--at", "\\x0", "--connect", &addresses]);
    assert!(code == 2 && err.contains("is no key"), "{err}");
    let (code, _, err) = genomdb(&["cluster", "split", "99", "--connect", &addresses]);
    assert!(code == 1 && err.contains("99"), "{err}");
    let (code, _, _) = genomdb(&["cluster", "status", "--connect", "127.0.0.1:1"]);
    assert_eq!(code, 3, "nobody answers");
}

#[test]
fn a_client_that_retries_sees_no_error_while_all_nodes_restart() {
    let mut cluster = Cluster::start(tempfile::tempdir().unwrap(), 3);
    let addresses = cluster.addresses();
    succeed(&["load", BAM, "--quiet", "--connect", &addresses]);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let client = {
        let (stop, asked, addresses) = (stop.clone(), asked.clone(), addresses.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let (code, out, err) = genomdb(&["query", COUNT, "--connect", &addresses]);
                if (code, out.as_str()) != (0, COUNTED) {
                    return Err(format!("{code}: {out}{err}"));
                }
                asked.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    };
    for _ in 0..3 {
        let node = cluster.nodes.remove(0);
        cluster.nodes.push(node.restart(&[]));
        cluster.wait_until_settled();
    }
    stop.store(true, Ordering::Relaxed);
    client.join().unwrap().unwrap();
    assert!(asked.load(Ordering::Relaxed) > 0, "nothing was asked meanwhile");
}

#[test]
fn a_second_signal_ends_at_once_and_the_folder_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a");
    let node = Node::start(&data, &[]);
    assert_eq!(succeed(&["query", "SELECT 1 AS one", "--connect", &node.address]), "one\n1\n");
    assert!([0, 130].contains(&node.stop_twice()), "it stopped in time, or at once");
    let node = Node::start(&data, &[]);
    assert!(node.first_line.starts_with("node 1 of cluster "), "{}", node.first_line);
    assert_eq!(node.stop(), 0);
}
