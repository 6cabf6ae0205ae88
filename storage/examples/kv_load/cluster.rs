//! Clusters of three processes on loopback, of either kind.

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use genomdb_storage::{Admin, RangeId, placement::Status};

const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Three processes; they end with it.
pub(crate) struct Cluster {
    pub(crate) endpoints: Vec<String>,
    processes: Vec<Child>,
    folder: PathBuf,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ended = process.kill();
            let _ended = process.wait();
        }
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

fn fresh(folder: &Path, name: &str) -> PathBuf {
    let folder = folder.join(format!("kv-load-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Free ports, held until all are found so that they differ.
fn ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

impl Cluster {
    /// Three members of etcd, with fsync as it comes.
    pub(crate) fn etcd(folder: &Path) -> Self {
        let folder = fresh(folder, "etcd");
        let ports = ports(6);
        let peers: Vec<String> =
            (0..3).map(|at| format!("m{at}=http://127.0.0.1:{}", ports[at + 3])).collect();
        let peers = peers.join(",");
        let mut processes = Vec::new();
        for at in 0..3 {
            let (client, peer) =
                (format!("http://127.0.0.1:{}", ports[at]), format!("http://127.0.0.1:{}", ports[at + 3]));
            let process = Command::new("etcd")
                .args(["--name", &format!("m{at}"), "--initial-cluster", &peers, "--log-level", "error"])
                .args(["--initial-cluster-state", "new", "--data-dir"])
                .arg(folder.join(format!("m{at}")))
                .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
                .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
                .args(["--quota-backend-bytes", "8589934592"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            processes.push(process);
        }
        let endpoints = ports[..3].iter().map(|port| format!("127.0.0.1:{port}")).collect();
        // A member listens to clients once there is a leader.
        let cluster = Self { endpoints, processes, folder };
        let begin = Instant::now();
        for endpoint in &cluster.endpoints {
            while std::net::TcpStream::connect(endpoint).is_err() {
                assert!(begin.elapsed() < SETTLE_TIMEOUT, "etcd does not answer");
                thread::sleep(LOOK_EVERY);
            }
        }
        thread::sleep(Duration::from_secs(1));
        cluster
    }

    /// Three nodes of this store; every range has three voters when it returns.
    pub(crate) fn genomdb(folder: &Path) -> Self {
        let folder = fresh(folder, "genomdb");
        let node = std::env::current_exe().unwrap().with_file_name("node");
        let (mut processes, mut endpoints) = (Vec::new(), Vec::new());
        for number in 1..=3 {
            let mut process = Command::new(&node)
                .arg(folder.join(number.to_string()))
                .arg("127.0.0.1:0")
                .args(endpoints.first())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            processes.push(process);
            endpoints.push(line.trim_end().rsplit_once(' ').unwrap().1.to_owned());
        }
        let cluster = Self { endpoints, processes, folder };
        cluster.settle();
        cluster
    }

    /// Waits until every range has three healthy voters and nothing is being done.
    pub(crate) fn settle(&self) {
        let admin = Admin::connect(&self.endpoints).unwrap();
        let begin = Instant::now();
        let mut quiet = 0;
        while quiet < 10 {
            let status = admin.status();
            assert!(begin.elapsed() < SETTLE_TIMEOUT, "the cluster does not settle: {status:?}");
            let settled = status.is_ok_and(|status| is_settled(&status));
            quiet = if settled { quiet + 1 } else { 0 };
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Numbers of the processes.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }
}

fn is_settled(status: &Status) -> bool {
    status.operators.is_empty()
        && status.ranges.iter().any(|range| range.descriptor.id == RangeId::FIRST_USER)
        && status.ranges.iter().all(|range| range.voters.len() == 3 && range.healthy == 3)
}
