//! The settings of a node, from where they stand: a flag wins over the environment, and that over the file.

mod http;
mod queries;

use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};

use genomdb_server::{
    Config,
    cluster::{NodeConfig, NodeId},
    http::OutOfBounds,
};
use serde::Deserialize;

pub use self::http::Http;
use self::{
    http::{HttpLimits, TlsFiles},
    queries::{Queries, SessionSettings},
};
use crate::args::serve::{Serve, Switch};

const DATA: &str = "./genomdb-data";
const LISTEN: &str = "127.0.0.1:7400";
/// The longest file that is read: settings are short, and the path may name anything.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Settings that cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no YAML, or says something that is not known.
    #[error("`{}`: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Which line and field.
        source: serde_norway::Error,
    },
    /// A label is not `KEY=VALUE`.
    #[error("label `{0}` is not KEY=VALUE, such as zone=a")]
    Label(String),
    /// A number that no node has.
    #[error("node ids begin with 1")]
    NodeZero,
    /// The address means nothing here.
    #[error("cannot listen at `{address}`")]
    Address {
        /// What was said.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others could reach an address that is not protected as it could be.
    #[error(
        "`{address}` is not a loopback address, and {why}; to listen there all the same, in a network that \
         you trust, say it twice, with --insecure (insecure: true, GENOMDB_INSECURE=true)"
    )]
    Unprotected {
        /// What was said.
        address: String,
        /// What is missing, and what follows from that.
        why: &'static str,
    },
    /// A certificate is of no use without its key, and a key without its certificate.
    #[error("{given} needs {missing} besides")]
    HalfTls {
        /// What was said.
        given: &'static str,
        /// What was not.
        missing: &'static str,
    },
    /// A limit of HTTP is out of bounds.
    #[error("http_limits: {0}")]
    HttpLimit(#[from] OutOfBounds),
    /// Others cannot connect to "every address".
    #[error("`{address}` means every address of this machine; --advertise says which one others can reach")]
    Unadvertised {
        /// What was said.
        address: String,
    },
    /// A setting of the placement is out of bounds.
    #[error("`{field}` is out of its bounds: {bounds}")]
    Bounds {
        /// Which.
        field: String,
        /// What it may be.
        bounds: &'static str,
    },
}

/// What `genomdb serve` runs with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node.
    pub node: NodeConfig,
    /// How HTTP is answered, if at all.
    pub http: Option<Http>,
    /// What answers queries there.
    pub server: Config,
}

/// What the file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data: Option<PathBuf>,
    node_id: Option<u64>,
    listen: Option<String>,
    http: Option<String>,
    http_limits: HttpLimits,
    tls: TlsFiles,
    auth: Option<Switch>,
    advertise: Option<String>,
    join: Vec<String>,
    labels: BTreeMap<String, String>,
    replicas: Option<usize>,
    insecure: Option<bool>,
    allow_load_from: Vec<PathBuf>,
    storage: StorageLimits,
    placement: PlacementLimits,
    queries: Queries,
    settings: SessionSettings,
    users: BTreeMap<String, SessionSettings>,
}

/// Limits of the store; their bounds are those of `genomdb_storage::Config`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StorageLimits {
    cache_bytes: Option<u64>,
    write_bytes_in_flight_max: Option<u64>,
    segment_bytes: Option<u64>,
    checkpoint_bytes: Option<u64>,
    disk_reserve_bytes: Option<u64>,
    heartbeat_interval_ms: Option<u64>,
    election_timeout_ms: Option<u64>,
}

/// How ranges are placed, if this node founds the cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PlacementLimits {
    domains: Option<Vec<String>>,
    range_bytes_max: Option<u64>,
    suspect_after_s: Option<u64>,
    down_after_s: Option<u64>,
    disk_used_percent_max: Option<u64>,
}

impl Settings {
    /// Puts together what was typed, what stands in the environment (clap has joined the two) and in the
    /// file.
    ///
    /// # Errors
    ///
    /// If one of them is wrong; the message says which.
    pub fn of(arguments: &Serve) -> Result<Self, SettingsError> {
        let path = arguments.config.as_deref().filter(|path| !path.as_os_str().is_empty());
        let file = path.map_or_else(|| Ok(File::default()), read)?;
        merge(arguments, file)
    }
}

fn read(path: &Path) -> Result<File, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!("{length} bytes are no settings"))));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    // A file in which everything is commented out sets nothing.
    let parsed: Result<Option<File>, _> = serde_norway::from_str(&text);
    parsed
        .map(Option::unwrap_or_default)
        .map_err(|source| SettingsError::File { path: path.to_owned(), source })
}

fn merge(arguments: &Serve, mut file: File) -> Result<Settings, SettingsError> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let folder = arguments.data.clone().filter(|path| !path.as_os_str().is_empty()).or(file.data.take());
    let mut node = NodeConfig::new(folder.unwrap_or_else(|| DATA.into()));
    node.listen = said(&arguments.listen).or(file.listen.take()).unwrap_or_else(|| LISTEN.to_owned());
    node.advertise = said(&arguments.advertise).or(file.advertise.take());
    let insecure = arguments.insecure.or(file.insecure).unwrap_or(false);
    let listens = check_address(&node, insecure)?;
    let http = http::settings(arguments, &file, listens, insecure)?;
    node.node = arguments.node_id.or(file.node_id).map(NodeId);
    if node.node == Some(NodeId(0)) {
        return Err(SettingsError::NodeZero);
    }
    let join = super::super::present(&arguments.join);
    node.join = if join.is_empty() { super::super::present(&file.join) } else { join };
    node.labels = file.labels;
    for label in super::super::present(&arguments.labels) {
        let pair = label.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) = pair.ok_or_else(|| SettingsError::Label(label.clone()))?;
        node.labels.insert(key.to_owned(), value.to_owned());
    }
    file.storage.apply(&mut node);
    node.placement.replicas = arguments.replicas.or(file.replicas).unwrap_or(node.placement.replicas);
    file.placement.apply(&mut node);
    check_placement(&node)?;
    let mut server = queries::config(&file.queries, file.settings, file.users);
    let said = arguments.allow_load_from.iter().filter(|folder| !folder.as_os_str().is_empty());
    server.load_folders = said.cloned().collect();
    if server.load_folders.is_empty() {
        server.load_folders = file.allow_load_from;
    }
    Ok(Settings { node, http, server })
}

/// An address that others can reach must be told twice, and one that is every address is none to reach.
fn check_address(node: &NodeConfig, insecure: bool) -> Result<SocketAddr, SettingsError> {
    let address = &node.listen;
    let resolved = resolve(address)?;
    if !are_loopback(&resolved) && !insecure {
        let why = "between nodes there is no encryption and no authentication: whoever reaches it can read \
                   and delete everything";
        return Err(SettingsError::Unprotected { address: address.clone(), why });
    }
    if resolved.iter().any(|resolved| resolved.ip().is_unspecified()) && node.advertise.is_none() {
        return Err(SettingsError::Unadvertised { address: address.clone() });
    }
    first(&resolved, address)
}

/// What an address means.
fn resolve(address: &str) -> Result<Vec<SocketAddr>, SettingsError> {
    match address.to_socket_addrs() {
        Ok(resolved) => Ok(resolved.collect()),
        Err(source) => Err(SettingsError::Address { address: address.to_owned(), source }),
    }
}

/// Whether only this machine can reach all of them.
fn are_loopback(addresses: &[SocketAddr]) -> bool {
    addresses.iter().all(|address| address.ip().is_loopback())
}

fn first(resolved: &[SocketAddr], address: &str) -> Result<SocketAddr, SettingsError> {
    let source = std::io::ErrorKind::AddrNotAvailable;
    let none = || SettingsError::Address { address: address.to_owned(), source: source.into() };
    resolved.first().copied().ok_or_else(none)
}

fn check_placement(node: &NodeConfig) -> Result<(), SettingsError> {
    let replicas = node.placement.replicas;
    if !matches!(replicas, 1 | 3 | 5 | 7 | 9) {
        let bounds = "1, 3, 5, 7 or 9 copies; an even number survives no more failures than one fewer";
        return Err(SettingsError::Bounds { field: format!("replicas: {replicas}"), bounds });
    }
    node.placement.check().map_err(|error| SettingsError::Bounds {
        field: format!("placement: {error}"),
        bounds: "see docs/cluster.md",
    })
}

impl StorageLimits {
    fn apply(self, node: &mut NodeConfig) {
        let storage = &mut node.storage;
        let fields = [
            (self.cache_bytes, &mut storage.cache_bytes),
            (self.write_bytes_in_flight_max, &mut storage.write_bytes_in_flight_max),
            (self.segment_bytes, &mut storage.segment_bytes),
            (self.checkpoint_bytes, &mut storage.checkpoint_bytes),
            (self.disk_reserve_bytes, &mut storage.disk_reserve_bytes),
        ];
        for (value, field) in fields {
            *field = value.unwrap_or(*field);
        }
        let raft = &mut storage.raft;
        let times = [
            (self.heartbeat_interval_ms, &mut raft.heartbeat_interval),
            (self.election_timeout_ms, &mut raft.election_timeout),
        ];
        for (value, field) in times {
            *field = value.map_or(*field, Duration::from_millis);
        }
    }
}

impl PlacementLimits {
    fn apply(self, node: &mut NodeConfig) {
        let placement = &mut node.placement;
        if let Some(domains) = self.domains {
            placement.domains = domains;
        }
        placement.range_bytes_max = self.range_bytes_max.unwrap_or(placement.range_bytes_max);
        placement.disk_used_percent_max =
            self.disk_used_percent_max.unwrap_or(placement.disk_used_percent_max);
        placement.suspect_after = self.suspect_after_s.map_or(placement.suspect_after, Duration::from_secs);
        placement.down_after = self.down_after_s.map_or(placement.down_after, Duration::from_secs);
    }
}
