//! A node that others can reach, and doors to clusters for those who are no nodes.

mod admin;
mod host;
mod orders;
mod reporter;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;
use tokio::sync::oneshot;

pub use admin::{Admin, ReplicaChecksum};

use self::{host::Host, reporter::Reporter};
use crate::{
    block_on::block_on,
    client::Client,
    config::Config,
    data_folder::DataFolder,
    error::StorageError,
    network::{self, AddressBook, NetworkOptions, Server, TcpTransport, Transport},
    node::{Node, NodeHandler, NodeIdentity, Opened},
    placement::{Join, NodeRecord, NodeState, Settings},
    range::{NodeId, RangeId, Space},
    rpc::{Answer, Joined, Peer, Request, decode_joined, encode_join},
    runtime::{self, InRuntime, Runtime, Threads},
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
pub struct ClusterNode {
    node: Arc<Node>,
    client: Arc<Client>,
    transport: Arc<TcpTransport>,
    address: SocketAddr,
    config: Config,
    threads: Arc<Threads>,
    shutdown: Mutex<Option<oneshot::Sender<()>>>,
}

/// A way to a cluster.
#[derive(Clone)]
pub(crate) struct Door {
    client: Arc<Client>,
    threads: Arc<Threads>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Door").finish_non_exhaustive()
    }
}

impl Door {
    pub(crate) fn client(&self) -> Result<(Arc<Client>, tokio::runtime::Handle), StorageError> {
        Ok((Arc::clone(&self.client), self.threads.handle()))
    }

    pub(crate) fn stats(&self) -> Result<Stats, StorageError> {
        let node = self.client.node()?;
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
    let client = Client::new(None, transport, addresses.to_vec(), config.clone());
    Ok(Door { client: Arc::new(client), threads })
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

/// Who the folder says it is, or who a new one is to be.
fn identity(config: &NodeConfig) -> Result<(DataFolder, NodeIdentity, bool), StorageError> {
    let disk = config.storage.disk.as_ref();
    let folder = DataFolder::open(&config.folder, disk)?;
    let known = NodeIdentity::read(folder.path(), disk)?;
    let now = config.storage.clock.wall().0;
    match (known, config.node) {
        (Some(known), Some(node)) if known.node != node => Err(StorageError::Refused {
            reason: format!(
                "the folder `{}` belongs to node {}, not to node {node}",
                config.folder.display(),
                known.node
            )
            .into(),
        }),
        (Some(known), _) => Ok((folder, known, false)),
        (None, node) if config.join.is_empty() => {
            let node = node.unwrap_or(NodeId(1));
            let identity = NodeIdentity { node, cluster: runtime::random(), incarnation: now };
            Ok((folder, identity, true))
        }
        (None, node) => {
            // The cluster says which one it is, and which node this is if it was not told.
            let identity = NodeIdentity { node: node.unwrap_or(NodeId(0)), cluster: 0, incarnation: now };
            Ok((folder, identity, false))
        }
    }
}

impl ClusterNode {
    /// Starts a node: joins the cluster if its folder does not belong to one yet, and serves.
    ///
    /// Blocks until it listens.
    ///
    /// # Errors
    ///
    /// As [`Storage::open`]; [`StorageError::Refused`] if the cluster does not take it.
    pub fn start(config: NodeConfig) -> Result<Self, StorageError> {
        config.storage.validate()?;
        let threads = Arc::new(Threads::start("storage")?);
        let start = Self::start_in(config, Arc::clone(&threads));
        let started = block_on(InRuntime::new(threads.handle(), start));
        if started.is_err() {
            threads.stop();
        }
        started
    }

    async fn start_in(config: NodeConfig, threads: Arc<Threads>) -> Result<Self, StorageError> {
        let (folder, mut who, founds) = identity(&config)?;
        let listening = std::net::TcpListener::bind(&config.listen)
            .map_err(|error| StorageError::io("listen at", &config.listen, error))?;
        let address =
            listening.local_addr().map_err(|error| StorageError::io("listen at", &config.listen, error))?;
        let advertised = config.advertise.clone().unwrap_or_else(|| address.to_string());
        let book = AddressBook::new();
        if who.cluster == 0 {
            let joined = join(&config, who, &advertised).await?;
            (who.node, who.cluster) = (joined.node, joined.cluster);
            joined.peers.iter().for_each(|peer| book.set(peer.node, &peer.address));
        }
        let identity = network::Identity::new(who.node, who.cluster);
        let options = NetworkOptions::default();
        let transport =
            Arc::new(TcpTransport::new(book, Arc::clone(&identity), options.clone(), threads.handle()));
        transport.learn(&[Peer { node: who.node, address: advertised.clone() }]);
        let opened = Opened::open(folder, config.storage.clone(), who, founds)?;
        let node = Node::start(opened, Arc::clone(&transport) as Arc<dyn Transport>).await?;
        let handler = Arc::new(NodeHandler(Arc::downgrade(&node)));
        let server = Server::new(listening, handler, identity, options)
            .map_err(|error| StorageError::io("listen at", &config.listen, error))?;
        let (shutdown, stopping) = oneshot::channel::<()>();
        drop(Runtime::spawn(async move {
            let stopped = async {
                let _dropped = stopping.await;
            };
            if let Err(error) = server.serve(stopped).await {
                tracing::error!(%error, "the network of this node ended");
            }
        }));
        let seeds = config.join.clone();
        let client = Arc::new(Client::new(
            Some(Arc::clone(&node)),
            Arc::clone(&transport) as Arc<dyn Transport>,
            seeds,
            config.storage.clone(),
        ));
        take_part(&node, &client, &config, &advertised);
        let shutdown = Mutex::new(Some(shutdown));
        Ok(Self { node, client, transport, address, config: config.storage, threads, shutdown })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its number.
    pub fn id(&self) -> NodeId {
        self.node.id()
    }

    /// The number of its cluster: random, the same for all of its nodes and for ever.
    pub fn cluster(&self) -> u64 {
        self.node.identity.cluster
    }

    /// The store of its cluster; requests to ranges that it leads stay in this process.
    pub fn storage(&self) -> Storage {
        let door = Door { client: Arc::clone(&self.client), threads: Arc::clone(&self.threads) };
        Storage::of_cluster(self.config.clone(), door)
    }

    /// Lets others lead what this node leads, so that nobody waits for an election when it stops.
    pub fn hand_over(&self) {
        block_on(InRuntime::new(self.threads.handle(), self.node.hand_over()));
    }

    /// Why this node can no longer keep its promises, if so: its replicas must be built anew.
    pub fn damage(&self) -> Option<StorageError> {
        self.node.shared.health.damage()
    }

    /// Stops it: answers what is on its way, makes a checkpoint, gives the folder free.
    pub fn stop(&self) -> Result<(), StorageError> {
        let Some(shutdown) = self.shutdown.lock().take() else { return Ok(()) };
        // The server may have ended by itself.
        let _ended = shutdown.send(());
        let stopped = block_on(InRuntime::new(self.threads.handle(), self.node.stop()));
        self.transport.stop();
        self.threads.stop();
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

/// Starts what makes a node part of a cluster: reports, and the placement driver where it leads.
fn take_part(node: &Arc<Node>, client: &Arc<Client>, config: &NodeConfig, address: &str) {
    let record = NodeRecord {
        id: node.id(),
        address: address.to_owned(),
        labels: config.labels.clone(),
        state: NodeState::Active,
        incarnation: node.identity.incarnation,
    };
    let host = Host::new(node, Arc::clone(client), record, config.placement.clone());
    *node.placement.write() = Some(Arc::new(Arc::clone(&host)));
    drop(Runtime::spawn(host.run()));
    let reporter = Reporter {
        node: Arc::downgrade(node),
        client: Arc::clone(client),
        address: address.to_owned(),
        labels: config.labels.clone(),
        every: config.report_every,
        busy: Arc::new(Mutex::new(BTreeSet::new())),
    };
    drop(Runtime::spawn(reporter.run()));
}

/// Asks the cluster to take this node.
async fn join(config: &NodeConfig, who: NodeIdentity, address: &str) -> Result<Joined, StorageError> {
    let identity = network::Identity::new(NodeId(0), 0);
    let (book, options) = (AddressBook::new(), NetworkOptions::default());
    let runtime = tokio::runtime::Handle::current();
    let transport = Arc::new(TcpTransport::new(book, identity, options, runtime));
    let client = Client::new(None, transport, config.join.clone(), config.storage.clone());
    let join = Join {
        node: (who.node.0 > 0).then_some(who.node),
        address: address.to_owned(),
        labels: config.labels.clone(),
        incarnation: who.incarnation,
    };
    let request = Request::Join(encode_join(&join));
    match client.ask_placement(request, config.storage.request_timeout).await? {
        Answer::Bytes(bytes) => decode_joined(bytes).map_err(|reason| StorageError::Refused {
            reason: format!("the cluster's answer is malformed: {reason}").into(),
        }),
        _ => Err(StorageError::Refused { reason: "an answer to something else".into() }),
    }
}
