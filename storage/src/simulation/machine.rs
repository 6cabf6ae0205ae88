//! A machine: a disk, a clock, and a process that lives on it from time to time.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    clock::SimulatedClock,
    network::{OUTSIDE, SimulatedNetwork, address_of},
    options::Options,
    trace::Trace,
};
use crate::{
    client::{Client, sweep},
    cluster::{self, NodeConfig, PeersFile},
    config::Config,
    error::StorageError,
    network::Transport,
    node::{Node, NodeHandler, Opened},
    range::NodeId,
    rpc::Peer,
    runtime::Runtime,
    testing::{Fault, SimulatedDisk},
};

/// Size of a disk.
const CAPACITY: u64 = 256 << 20;

/// A machine of the cluster.
pub(super) struct Machine {
    pub(super) node: NodeId,
    pub(super) clock: Arc<SimulatedClock>,
    state: Mutex<State>,
    network: Arc<SimulatedNetwork>,
    options: Options,
    trace: Arc<Trace>,
}

struct State {
    disk: SimulatedDisk,
    life: u64,
    /// How many processes, or their beginnings, have died so far.
    deaths: u64,
    running: Option<Running>,
    /// Whether a process is on its way up, or down.
    busy: bool,
    /// Whether its disk was lost.
    lost: bool,
    /// Whether its disk takes nothing any more, or soon, as the power is being cut.
    dying: bool,
}

/// A process.
#[derive(Clone)]
pub(super) struct Running {
    pub(super) node: Arc<Node>,
    pub(super) client: Arc<Client>,
    /// Closed when it dies.
    pub(super) dead: Arc<Semaphore>,
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// With all that it had written.
    Kill,
    /// Of what is not durable, any part may be lost.
    PowerCut(u64),
    /// With its disk.
    LostDisk,
}

/// Whether a disk has a whole data folder: what says whose it is comes last.
fn is_made(disk: &SimulatedDisk) -> bool {
    disk.files().iter().any(|(path, _)| path.ends_with("NODE"))
}

/// Ends what still runs of a process that died: it sees only its dead disk, and reaches nobody.
fn bury(process: Running) {
    process.dead.close();
    drop(Runtime::spawn(async move {
        let _failed = process.node.stop().await;
        process.node.placement.write().take();
    }));
}

impl Machine {
    pub(super) fn new(
        node: NodeId,
        options: &Options,
        network: &Arc<SimulatedNetwork>,
        trace: &Arc<Trace>,
    ) -> Self {
        let disk = SimulatedDisk::new();
        disk.set_capacity(CAPACITY, true);
        Self {
            node,
            clock: Arc::default(),
            state: Mutex::new(State {
                disk,
                life: 0,
                deaths: 0,
                running: None,
                busy: false,
                lost: false,
                dying: false,
            }),
            network: Arc::clone(network),
            options: options.clone(),
            trace: Arc::clone(trace),
        }
    }

    /// The process, if it lives.
    pub(super) fn running(&self) -> Option<Running> {
        self.state.lock().running.clone()
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.lock().running.is_some()
    }

    pub(super) fn disk(&self) -> SimulatedDisk {
        self.state.lock().disk.clone()
    }

    /// Settings of this machine's node.
    fn config(&self, disk: SimulatedDisk) -> NodeConfig {
        let clock: Arc<SimulatedClock> = Arc::clone(&self.clock);
        let storage = Config { clock, disk: Arc::new(disk), ..self.options.config() };
        let zone = format!("z{}", self.node.0);
        NodeConfig {
            folder: PathBuf::from("/data"),
            node: Some(self.node),
            listen: String::new(),
            advertise: None,
            join: if self.node.0 == 1 { Vec::new() } else { vec![address_of(NodeId(1))] },
            labels: BTreeMap::from([("zone".to_owned(), zone)]),
            report_every: Duration::from_millis(300),
            storage,
            placement: self.options.placement(),
        }
    }

    /// Starts a process, unless one lives, and tries until it does: a node joins when it is let.
    ///
    /// # Errors
    ///
    /// What it finds on its disk, if it cannot live with that.
    pub(super) async fn start(&self, seeds: &[String]) -> Result<(), StorageError> {
        {
            // Another that is on its way up, or down, first.
            while self.state.lock().busy {
                Runtime::sleep(Duration::from_millis(20)).await;
            }
            let mut state = self.state.lock();
            if state.running.is_some() {
                return Ok(());
            }
            state.busy = true;
        }
        let (started, life) = loop {
            let (disk, life, deaths) = {
                let mut state = self.state.lock();
                state.life += 1;
                (state.disk.clone(), state.life, state.deaths)
            };
            let started = self.start_once(disk.clone(), life, seeds).await;
            let (dead, dying) = {
                let state = self.state.lock();
                (state.deaths > deaths, state.dying)
            };
            match started {
                Ok(running) if dead => {
                    self.trace.event(format_args!("node {} died on its way up", self.node));
                    bury(running);
                }
                // The power is being cut, or was.
                Err(error) if dead || dying => {
                    self.trace.event(format_args!("node {} died on its way up: {error}", self.node));
                    Runtime::sleep(Duration::from_millis(20)).await;
                }
                // The cluster does not answer, or not yet.
                Err(StorageError::Unavailable { reason } | StorageError::Refused { reason }) => {
                    self.trace.event(format_args!("node {} does not join: {reason}", self.node));
                    Runtime::sleep(Duration::from_millis(500)).await;
                }
                // Only what is there already opens on a full disk.
                Err(full) if full.is_full() && !is_made(&disk) => {
                    self.trace.event(format_args!("node {} cannot be made: {full}", self.node));
                    Runtime::sleep(Duration::from_millis(500)).await;
                }
                other => break (other, life),
            }
        };
        let mut state = self.state.lock();
        state.busy = false;
        state.running = Some(started?);
        self.trace.event(format_args!("node {} is up, life {life}", self.node));
        Ok(())
    }

    /// What `ClusterNode::start` does, on a simulated network.
    async fn start_once(
        &self,
        disk: SimulatedDisk,
        life: u64,
        seeds: &[String],
    ) -> Result<Running, StorageError> {
        let mut config = self.config(disk);
        let address = address_of(self.node);
        if self.state.lock().lost {
            // Its operator knows that it must not found another cluster.
            config.join = seeds.iter().filter(|seed| **seed != address).cloned().collect();
        }
        let (folder, mut who, founds) = cluster::identity(&config)?;
        let path = folder.path().to_owned();
        let endpoint = self.network.endpoint(self.node.0, life);
        endpoint.learn(&PeersFile::open(&path, self.node, &config.storage.disk)?.known());
        let mut joined = None;
        if who.cluster == 0 {
            let stranger = self.network.endpoint(OUTSIDE + self.node.0, 0);
            let answer = cluster::join(&config, who, &address, stranger).await?;
            (who.node, who.cluster) = (answer.node, answer.cluster);
            endpoint.learn(&answer.peers);
            joined = Some(answer.peers);
        }
        self.network.open(self.node, life);
        endpoint.learn(&[Peer { node: who.node, address: address.clone() }]);
        let opened = Opened::open(folder, config.storage.clone(), who, founds)?;
        let transport: Arc<dyn Transport> = endpoint;
        let node = Node::start(opened, Arc::clone(&transport)).await?;
        self.network.serve(self.node, life, Arc::new(NodeHandler(Arc::downgrade(&node))));
        let seeds = config.join.clone();
        let client = Arc::new(Client::new(Some(Arc::clone(&node)), transport, seeds, config.storage.clone()));
        let peers = PeersFile::open(&path, node.id(), &config.storage.disk)?;
        if let Some(joined) = joined {
            peers.keep(&joined)?;
        }
        drop(Runtime::spawn(sweep(Arc::downgrade(&client))));
        cluster::take_part(&node, &client, &config, &address, peers);
        Ok(Running { node, client, dead: Arc::new(Semaphore::new(0)) })
    }

    /// Cuts the power after so many operations of the disk: between two writes, or in the middle of one.
    pub(super) fn cut_power_after(&self, operations: u64) {
        let mut state = self.state.lock();
        state.dying = true;
        state.disk.inject(Fault::Crash(operations));
    }

    /// Whether the process lives, and will.
    pub(super) fn is_well(&self) -> bool {
        let state = self.state.lock();
        state.running.is_some() && !state.dying
    }

    /// Ends the process at once.
    pub(super) fn die(&self, death: Death) {
        let mut state = self.state.lock();
        let running = state.running.take();
        if running.is_none() && !state.dying {
            return;
        }
        let old = state.disk.clone();
        state.deaths += 1;
        state.disk = match death {
            Death::Kill => old.after_kill(),
            Death::PowerCut(seed) => old.after_power_cut(seed),
            Death::LostDisk => SimulatedDisk::new(),
        };
        state.disk.set_capacity(CAPACITY, true);
        state.lost |= death == Death::LostDisk;
        state.dying = false;
        drop(state);
        self.trace.event(format_args!("node {} dies: {death:?}", self.node));
        old.inject(Fault::Crash(0));
        self.network.close(self.node);
        // It may have been on its way up, or down.
        running.map(bury);
    }

    /// Stops the process as an operator would.
    pub(super) async fn stop(&self) {
        let Some(running) = self.running() else { return };
        running.node.hand_over().await;
        let running = {
            let mut state = self.state.lock();
            let Some(running) = state.running.take() else { return };
            state.busy = true;
            running
        };
        self.trace.event(format_args!("node {} stops", self.node));
        running.dead.close();
        self.network.close(self.node);
        let stopped = running.node.stop().await;
        self.trace.event(format_args!("node {} stopped: {stopped:?}", self.node));
        running.node.placement.write().take();
        self.state.lock().busy = false;
    }

    /// Gives the disk all its space, or only so much more than it has in use.
    pub(super) fn set_space(&self, left: Option<u64>) {
        let disk = self.disk();
        disk.set_capacity(left.map_or(CAPACITY, |left| disk.used_bytes() + left), true);
    }
}
