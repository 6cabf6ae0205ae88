//! Starting a node and stopping it, as often as it must be in one process.

use std::{
    collections::BTreeSet,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use openraft::AsyncRuntime as _;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::{NodeConfig, healing, host::Host, peers::PeersFile, reporter::Reporter};
use crate::{
    block_on::block_on,
    client::{Client, sweep},
    data_folder::DataFolder,
    error::StorageError,
    network::{self, AddressBook, NetworkOptions, Server, TcpTransport, Transport},
    node::{Node, NodeHandler, NodeIdentity},
    placement::{Join, NodeRecord, NodeState},
    range::NodeId,
    rpc::{Answer, Joined, Peer, Request, decode_joined, encode_join},
    runtime::{self, InRuntime, Runtime, Threads},
};

/// A node of this process: the same address and number, through all its lives.
pub(crate) struct Current {
    pub(super) config: NodeConfig,
    pub(super) threads: Arc<Threads>,
    /// Stays open between two lives, so that nobody else takes the port.
    listener: Mutex<Option<TcpListener>>,
    /// What others are told.
    advertised: String,
    id: RwLock<NodeId>,
    running: RwLock<Option<Arc<Running>>>,
    /// The damage that was set aside last.
    healed: Mutex<Option<StorageError>>,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Current").field("advertised", &self.advertised).finish_non_exhaustive()
    }
}

/// One life of a node.
pub(super) struct Running {
    pub(super) node: Arc<Node>,
    pub(super) client: Arc<Client>,
    transport: Arc<TcpTransport>,
    shutdown: Mutex<Option<oneshot::Sender<()>>>,
}

/// Listens at "host:port".
pub(super) fn listen(at: &str) -> Result<(TcpListener, SocketAddr), StorageError> {
    let failed = |error| StorageError::io("listen at", at, error);
    let listener = TcpListener::bind(at).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

impl Current {
    pub(super) fn new(
        config: NodeConfig,
        listener: TcpListener,
        address: SocketAddr,
    ) -> Result<Self, StorageError> {
        let advertised = config.advertise.clone().unwrap_or_else(|| address.to_string());
        Ok(Self {
            config,
            threads: Arc::new(Threads::start("storage")?),
            listener: Mutex::new(Some(listener)),
            advertised,
            id: RwLock::new(NodeId(0)),
            running: RwLock::new(None),
            healed: Mutex::new(None),
        })
    }

    /// The present life, if there is one.
    pub(super) fn running(&self) -> Option<Arc<Running>> {
        self.running.read().clone()
    }

    pub(super) fn id(&self) -> NodeId {
        *self.id.read()
    }

    pub(super) fn healed(&self) -> Option<StorageError> {
        self.healed.lock().clone()
    }

    pub(super) fn set_healed(&self, damage: StorageError) {
        *self.healed.lock() = Some(damage);
    }

    /// Begins a life.
    pub(super) fn start(&self) -> Result<(), StorageError> {
        let running = block_on(InRuntime::new(self.threads.handle(), self.start_in()))?;
        *self.id.write() = running.node.id();
        *self.running.write() = Some(Arc::new(running));
        Ok(())
    }

    /// Ends the present life.
    pub(super) fn end(&self) -> Result<(), StorageError> {
        let Some(running) = self.running.write().take() else { return Ok(()) };
        if let Some(shutdown) = running.shutdown.lock().take() {
            // The server may have ended by itself.
            let _ended = shutdown.send(());
        }
        let stopped = block_on(InRuntime::new(self.threads.handle(), running.node.stop()));
        running.transport.stop();
        stopped
    }

    /// Ends the present life, and all that might follow.
    pub(super) fn stop(&self) -> Result<(), StorageError> {
        let stopped = self.end();
        drop(self.listener.lock().take());
        stopped
    }

    async fn start_in(&self) -> Result<Running, StorageError> {
        let config = &self.config;
        let (folder, mut who, founds) = identity(config)?;
        let path = folder.path().to_owned();
        let book = AddressBook::new();
        let known = PeersFile::open(&path, who.node, &config.storage.disk)?;
        known.known().iter().for_each(|peer| book.set(peer.node, &peer.address));
        let mut joined = None;
        if who.cluster == 0 {
            let stranger = network::Identity::new(NodeId(0), 0);
            let (empty, runtime) = (AddressBook::new(), tokio::runtime::Handle::current());
            let transport = TcpTransport::new(empty, stranger, NetworkOptions::default(), runtime);
            let answer = join(config, who, &self.advertised, Arc::new(transport)).await?;
            (who.node, who.cluster) = (answer.node, answer.cluster);
            answer.peers.iter().for_each(|peer| book.set(peer.node, &peer.address));
            joined = Some(answer.peers);
        }
        let identity = network::Identity::new(who.node, who.cluster);
        let options = NetworkOptions::default();
        let runtime = self.threads.handle();
        let transport = TcpTransport::new(book, Arc::clone(&identity), options.clone(), runtime);
        let transport = Arc::new(transport);
        transport.learn(&[Peer { node: who.node, address: self.advertised.clone() }]);
        let others = known.known().len();
        let dynamic = Arc::clone(&transport) as Arc<dyn Transport>;
        let node = healing::start_node(self, folder, (who, founds), others, dynamic).await?;
        let peers = PeersFile::open(&path, who.node, &config.storage.disk)?;
        if let Some(joined) = joined {
            peers.keep(&joined)?;
        }
        let handler = Arc::new(NodeHandler(Arc::downgrade(&node)));
        let failed = |error| StorageError::io("listen at", &config.listen, error);
        let listener = self.listener.lock().as_ref().map(TcpListener::try_clone);
        let listener = listener.ok_or(StorageError::Closed)?.map_err(failed)?;
        let server = Server::new(listener, handler, identity, options).map_err(failed)?;
        let shutdown = serve(server);
        let client = Client::new(
            Some(Arc::clone(&node)),
            Arc::clone(&transport) as Arc<dyn Transport>,
            config.join.clone(),
            config.storage.clone(),
        );
        let client = Arc::new(client);
        drop(Runtime::spawn(sweep(Arc::downgrade(&client))));
        take_part(&node, &client, config, &self.advertised, peers);
        Ok(Running { node, client, transport, shutdown: Mutex::new(Some(shutdown)) })
    }
}

/// Serves until the sender is used or dropped.
fn serve(server: Server) -> oneshot::Sender<()> {
    let (shutdown, stopping) = oneshot::channel::<()>();
    drop(Runtime::spawn(async move {
        let stopped = async {
            let _dropped = stopping.await;
        };
        if let Err(error) = server.serve(stopped).await {
            tracing::error!(%error, "the network of this node ended");
        }
    }));
    shutdown
}

/// Who the folder says it is, or who a new one is to be.
pub(crate) fn identity(config: &NodeConfig) -> Result<(DataFolder, NodeIdentity, bool), StorageError> {
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

/// Starts what makes a node part of a cluster: reports, and the placement driver where it leads.
pub(crate) fn take_part(
    node: &Arc<Node>,
    client: &Arc<Client>,
    config: &NodeConfig,
    address: &str,
    peers: PeersFile,
) {
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
        peers,
    };
    drop(Runtime::spawn(reporter.run()));
}

/// Asks the cluster to take this node.
pub(crate) async fn join(
    config: &NodeConfig,
    who: NodeIdentity,
    address: &str,
    transport: Arc<dyn Transport>,
) -> Result<Joined, StorageError> {
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
        _ => Err(StorageError::other_answer()),
    }
}
