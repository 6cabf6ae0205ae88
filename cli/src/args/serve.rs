//! What can be typed after `genomdb serve`. What is not typed may stand in the environment, and what does
//! not stand there in a file: see [`crate::command::serve::settings`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// `genomdb serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct Serve {
    /// The data folder; one that `genomdb load` made goes on as node 1 of a cluster. [default:
    /// ./genomdb-data]
    #[arg(long, value_name = "DIR", env = "GENOMDB_DATA")]
    pub data: Option<PathBuf>,
    /// The number of this node, never used again after it was removed. A folder keeps its own; without
    /// one, a new cluster begins with node 1 and a joining node gets the next.
    #[arg(long, value_name = "N", env = "GENOMDB_NODE_ID")]
    pub node_id: Option<u64>,
    /// Where to listen; port 0 takes a free one. [default: 127.0.0.1:7400]
    #[arg(long, value_name = "HOST:PORT", env = "GENOMDB_LISTEN")]
    pub listen: Option<String>,
    /// Where other nodes reach this one, if not where it listens.
    #[arg(long, value_name = "HOST:PORT", env = "GENOMDB_ADVERTISE")]
    pub advertise: Option<String>,
    /// Where to answer HTTP: queries at /v1/query; `off` answers none. [default: the host of --listen, 80
    /// ports further: 127.0.0.1:7480]
    #[arg(long, value_name = "HOST:PORT|off", env = "GENOMDB_HTTP")]
    pub http: Option<String>,
    /// The certificate for HTTP, its chain behind it, as PEM: with it, HTTP is encrypted. Read again at
    /// SIGHUP, as is the key.
    #[arg(long, value_name = "FILE", env = "GENOMDB_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as PEM.
    #[arg(long, value_name = "FILE", env = "GENOMDB_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Whether HTTP asks who sends a request; `genomdb token` makes what is to be shown. [default: off on
    /// loopback, on elsewhere]
    #[arg(long, value_name = "on|off", env = "GENOMDB_AUTH")]
    pub auth: Option<Switch>,
    /// Nodes of the cluster to join; none founds a cluster, unless the folder belongs to one.
    #[arg(long, value_name = "HOST:PORT", env = "GENOMDB_JOIN", value_delimiter = ',', value_parser = super::node_address)]
    pub join: Vec<String>,
    /// Where it stands, such as `zone=a`: replicas are spread over different zones.
    #[arg(long = "label", value_name = "KEY=VALUE", env = "GENOMDB_LABELS", value_delimiter = ',')]
    pub labels: Vec<String>,
    /// Copies that each range shall have, if this node founds a cluster: 1, 3, 5, 7 or 9. [default: 3]
    #[arg(long, value_name = "N", env = "GENOMDB_REPLICAS")]
    pub replicas: Option<usize>,
    /// Listen on an address that other machines can reach, though not all that goes there is encrypted, or
    /// not everybody is asked who they are.
    #[arg(
        long,
        value_name = "BOOL",
        env = "GENOMDB_INSECURE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub insecure: Option<bool>,
    /// Folders from which clients may have files loaded by their paths (POST /v1/load, role admin); may be
    /// given several times. [default: none]
    #[arg(long, value_name = "DIR", env = "GENOMDB_ALLOW_LOAD_FROM", value_delimiter = ',')]
    pub allow_load_from: Vec<PathBuf>,
    /// A YAML file with the same settings; flags win over the environment, and that over the file.
    #[arg(long, value_name = "FILE", env = "GENOMDB_CONFIG")]
    pub config: Option<PathBuf>,
}

/// Whether something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  genomdb serve --data a                                     founds a cluster, or goes on with a folder
  genomdb serve --data b --listen 127.0.0.1:7401 --join 127.0.0.1:7400
  genomdb serve --config /etc/genomdb.yaml
  genomdb serve --listen 0.0.0.0:7400 --advertise node1:7400 --insecure
  genomdb serve --http 0.0.0.0:7480 --tls-cert cert.pem --tls-key key.pem    docs/security.md
  curl -d 'SHOW TABLES' 'http://127.0.0.1:7480/v1/query?format=table'    asks it

The file has the names of the flags, and limits of the store:
  data: /var/lib/genomdb
  node_id: 2
  listen: 127.0.0.1:7401
  http: 127.0.0.1:7481
  tls: {cert: cert.pem, key: key.pem}
  join: [127.0.0.1:7400]
  labels: {zone: b}
  storage: {cache_bytes: 1073741824}
  queries: {heavy_max: 8, queue_timeout_s: 30}
  settings: {query.timeout: 10min, query.max_memory: 2GiB}
  users: {alice: {query.priority: high}}

SIGINT and SIGTERM let other nodes lead, write a checkpoint and end with code 0; a second one ends at once.
GENOMDB_LOG says what is logged on standard error: error, warn, info (default), debug, trace, off.
Exit codes: 0 stopped, 1 failed, 2 wrong settings, 3 the folder cannot be opened or the cluster not joined.";
