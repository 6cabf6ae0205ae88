//! A node that others can reach, and doors to clusters for those who are no nodes.

mod admin;
mod healing;
mod host;
mod orders;
mod peers;
mod reporter;
mod start;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;

pub use admin::{Admin, ReplicaChecksum};

use self::{
    healing::Watcher,
    start::{Current, listen},
};
#[cfg(all(test, simulation))]
pub(crate) use self::{
    peers::PeersFile,
    start::{identity, join, take_part},
};
use crate::{
    block_on::block_on,
    client::Client,
    config::Config,
    error::StorageError,
    network::{self, AddressBook, NetworkOptions, TcpTransport},
    placement::Settings,
    range::{NodeId, RangeId, Space},
    runtime::{InRuntime, Threads},
    storage::{Stats, Storage},
};

/// How a node takes part in a cluster.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its data folder; one that was used embedded goes on as the first node of a cluster.
    pub folder: PathBuf,
    /// Its number, if it is to have a certain one. A folder keeps its own.
    pub node: Option<NodeId>,
    /// Where to listen, "host:port"; port 0 takes a free one.
    pub listen: String,
    /// Where others reach it, if not where it listens.
    pub advertise: Option<String>,
    /// Nodes of the cluster to join; none founds one, unless the folder belongs to one.
    pub join: Vec<String>,
    /// Where it stands, such as `zone=a`.
    pub labels: BTreeMap<String, String>,
    /// How often it reports to the placement driver.
    ///
    /// Default: 1 s.
    pub report_every: Duration,
    /// The store's settings.
    pub storage: Config,
    /// Placement, if it founds a cluster.
    pub placement: Settings,
}

impl NodeConfig {
    /// A node on loopback at a free port, that founds a cluster.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            node: None,
            listen: "127.0.0.1:0".to_owned(),
            advertise: None,
            join: Vec::new(),
            labels: BTreeMap::new(),
            report_every: reporter::REPORT_EVERY,
            storage: Config::default(),
            placement: Settings::default(),
        }
    }
}

/// A running node of a cluster.
///
/// When stored bytes turn out to be damaged, it sets its files aside and starts again without a replica,
/// to be given new ones, if there are nodes enough that have what it lost.
#[derive(Debug)]
pub struct ClusterNode {
    current: Arc<Current>,
    address: SocketAddr,
    config: Config,
    watcher: Mutex<Option<Watcher>>,
}

/// A way to a cluster.
#[derive(Clone)]
pub(crate) enum Door {
    /// Of this process alone.
    Own { client: Arc<Client>, threads: Arc<Threads> },
    /// That of a node, whichever life of it there is.
    Node(Arc<Current>),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    pub(crate) fn client(&self) -> Result<(Arc<Client>, tokio::runtime::Handle), StorageError> {
        match self {
            Self::Own { client, threads } => Ok((Arc::clone(client), threads.handle())),
            Self::Node(current) => {
                let running = current.running().ok_or(StorageError::Closed)?;
                Ok((Arc::clone(&running.client), current.threads.handle()))
            }
        }
    }

    pub(crate) fn stats(&self) -> Result<Stats, StorageError> {
        let (client, _) = self.client()?;
        let node = client.node()?;
        let view = node.store().view()?;
        let first = view.group(RangeId::FIRST_USER)?;
        Ok(Stats {
            keys: view.keys(Space::User)?,
            state_bytes: node.store().pages().allocated_bytes()?,
            log_bytes: node.shared.log.bytes(),
            applied_index: first.map_or(0, |group| group.applied.index),
        })
    }

    pub(crate) fn close(&self) -> Result<(), StorageError> {
        // The node, if there is one, belongs to whoever started it.
        Ok(())
    }
}

/// A door to the cluster that has a node at one of these addresses.
fn door(addresses: &[String], config: &Config) -> Result<Door, StorageError> {
    config.validate()?;
    let threads = Arc::new(Threads::start("storage")?);
    let identity = network::Identity::new(NodeId(0), 0);
    let (book, options) = (AddressBook::new(), NetworkOptions::default());
    let transport = Arc::new(TcpTransport::new(book, identity, options, threads.handle()));
    let client = Arc::new(Client::new(None, transport, addresses.to_vec(), config.clone()));
    let acquainted = Client::stay_acquainted(Arc::downgrade(&client));
    drop(threads.handle().spawn(acquainted));
    Ok(Door::Own { client, threads })
}

impl Storage {
    /// The store of the cluster that has a node at one of `addresses` ("host:port").
    ///
    /// Nothing is asked yet: a cluster that does not answer is an error of the first request.
    pub fn connect(addresses: &[String], config: Config) -> Result<Self, StorageError> {
        let door = door(addresses, &config)?;
        Ok(Self::of_cluster(config, door))
    }
}

impl ClusterNode {
    /// Starts a node: joins the cluster if its folder does not belong to one yet, and serves.
    ///
    /// Blocks until it listens.
    ///
    /// # Errors
    ///
    /// As [`Storage::open`]; [`StorageError::Refused`] if the cluster does not take it. Damaged files
    /// are an error only of a node that knows fewer than two others: else it is healed.
    pub fn start(config: NodeConfig) -> Result<Self, StorageError> {
        config.storage.validate()?;
        let (listener, address) = listen(&config.listen)?;
        let storage = config.storage.clone();
        let current = Arc::new(Current::new(config, listener, address)?);
        if let Err(error) = current.start() {
            current.threads.stop();
            return Err(error);
        }
        let watcher = Watcher::start(&current)?;
        Ok(Self { current, address, config: storage, watcher: Mutex::new(Some(watcher)) })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub fn id(&self) -> NodeId {
        self.current.id()
    }

    /// The number of its cluster: random, the same for all of its nodes and for ever; 0 while it begins
    /// again with an empty folder.
    pub fn cluster(&self) -> u64 {
        self.current.running().map_or(0, |running| running.node.identity.cluster)
    }

    /// The store of its cluster; requests to ranges that it leads stay in this process.
    pub fn storage(&self) -> Storage {
        Storage::of_cluster(self.config.clone(), Door::Node(Arc::clone(&self.current)))
    }

    /// Lets others lead what this node leads, so that nobody waits for an election when it stops.
    pub fn hand_over(&self) {
        if let Some(running) = self.current.running() {
            block_on(InRuntime::new(self.current.threads.handle(), running.node.hand_over()));
        }
    }

    /// Stored bytes that were found to be damaged, last, since this was started; they are set aside by
    /// now, or about to be, or this node knows too few others to do without them.
    pub fn damage(&self) -> Option<StorageError> {
        let damage = self.current.running().and_then(|running| running.node.damage());
        damage.or_else(|| self.current.healed())
    }

    /// Stops it: answers what is on its way, makes a checkpoint, gives the folder free.
    pub fn stop(&self) -> Result<(), StorageError> {
        let Some(watcher) = self.watcher.lock().take() else { return Ok(()) };
        watcher.stop();
        let stopped = self.current.stop();
        self.current.threads.stop();
        stopped
    }
}

impl Drop for ClusterNode {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "the node was not stopped cleanly; its log has what is missing");
        }
    }
}
