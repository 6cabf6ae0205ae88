//! A network of the test's own: a bridge, and for each node a network namespace that is plugged into it.
//!
//! Callers are on the bridge and reach every node, even one that is cut off from the other nodes. Cut
//! off one from another, packets are dropped where they arrive, so that nobody is told. All names begin
//! with one prefix, and are removed when the network is dropped.

use std::{
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

const PORT: u16 = 7400;

/// Bridge and namespaces of one test.
pub(crate) struct Net {
    prefix: String,
    /// The first bytes of all addresses.
    subnet: String,
    nodes: u64,
}

/// Runs `ip`; the error is what it says.
fn ip(arguments: &str) -> Result<(), String> {
    let output = Command::new("ip").args(arguments.split_whitespace()).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

#[track_caller]
fn must(arguments: &str) {
    ip(arguments).unwrap();
}

impl Net {
    /// `None`, and a word about it, where the system does not let us.
    pub(crate) fn new(nodes: u64) -> Option<Self> {
        static NETS: AtomicU32 = AtomicU32::new(0);
        let (own, number) = (std::process::id(), NETS.fetch_add(1, Ordering::Relaxed));
        let net = Self {
            prefix: format!("g{:x}x{number}", own & 0xf_ffff),
            subnet: format!("10.{}.{}", 64 + own % 128, own / 128 % 200 + number),
            nodes,
        };
        match net.build() {
            Ok(()) => Some(net),
            Err(reason) => {
                println!("SKIPPED what needs network namespaces: {reason}");
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        let Self { prefix, subnet, nodes } = self;
        ip(&format!("link add {prefix}b type bridge"))?;
        ip(&format!("addr add {subnet}.254/24 dev {prefix}b"))?;
        ip(&format!("link set {prefix}b up"))?;
        for node in 1..=*nodes {
            let namespace = self.namespace(node);
            ip(&format!("netns add {namespace}"))?;
            ip(&format!("link add {prefix}v{node} type veth peer name eth0 netns {namespace}"))?;
            ip(&format!("link set {prefix}v{node} master {prefix}b"))?;
            ip(&format!("link set {prefix}v{node} up"))?;
            ip(&format!("-n {namespace} addr add {subnet}.{node}/24 dev eth0"))?;
            ip(&format!("-n {namespace} link set eth0 up"))?;
            ip(&format!("-n {namespace} link set lo up"))?;
            // So that rules of ours come before what is for this machine.
            ip(&format!("-n {namespace} rule add pref 100 lookup local"))?;
            ip(&format!("-n {namespace} rule del pref 0 lookup local"))?;
        }
        Ok(())
    }

    pub(crate) fn namespace(&self, node: u64) -> String {
        format!("{}n{node}", self.prefix)
    }

    pub(crate) fn address(&self, node: u64) -> String {
        format!("{}.{node}:{PORT}", self.subnet)
    }

    /// Nothing from one node arrives at another any more.
    pub(crate) fn drop_packets(&self, from: u64, to: u64) {
        let (namespace, subnet) = (self.namespace(to), &self.subnet);
        must(&format!("-n {namespace} rule add pref {from} from {subnet}.{from} blackhole"));
    }

    /// Two nodes hear nothing of each other.
    pub(crate) fn part(&self, one: u64, other: u64) {
        self.drop_packets(one, other);
        self.drop_packets(other, one);
    }

    /// A node hears nothing of the others, nor they of it; callers reach it.
    pub(crate) fn part_from_all(&self, node: u64) {
        for other in (1..=self.nodes).filter(|other| *other != node) {
            self.part(node, other);
        }
    }

    /// Pulls the plug of a node: even callers do not reach it.
    pub(crate) fn unplug(&self, node: u64) {
        must(&format!("link set {}v{node} down", self.prefix));
    }

    /// Everybody hears everybody again.
    pub(crate) fn heal(&self) {
        for node in 1..=self.nodes {
            must(&format!("link set {}v{node} up", self.prefix));
            for from in 1..=self.nodes {
                // There may be several rules, or none.
                while ip(&format!("-n {} rule del pref {from}", self.namespace(node))).is_ok() {}
            }
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // What was not built cannot be removed.
        for node in 1..=self.nodes {
            let _absent = ip(&format!("netns del {}", self.namespace(node)));
            let _gone_with_its_peer = ip(&format!("link del {}v{node}", self.prefix));
        }
        let _absent = ip(&format!("link del {}b", self.prefix));
    }
}
