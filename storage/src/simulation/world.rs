//! A cluster with everybody who uses it and everything that befalls it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    Report, callers, heal, judge,
    machine::{Machine, Running},
    nemesis::Nemesis,
    network::{OUTSIDE, SimulatedNetwork, address_of},
    options::Options,
    records::Records,
    trace::Trace,
};
use crate::{
    client::Client,
    config::Config,
    placement::Status,
    range::{NodeId, RangeDescriptor, RangeId},
    rpc::{Admin, Answer, Request, decode_status},
    runtime::Runtime,
};

/// The world of a seed.
pub(super) struct World {
    pub(super) options: Options,
    pub(super) trace: Arc<Trace>,
    pub(super) network: Arc<SimulatedNetwork>,
    pub(super) machines: Vec<Arc<Machine>>,
    pub(super) records: Records,
    pub(super) seeds: Vec<String>,
    random: Mutex<SmallRng>,
    /// Why it has to end before its time.
    broken: Mutex<Option<String>>,
    pub(super) faults: Mutex<BTreeMap<&'static str, u32>>,
    /// For operators.
    pub(super) operator: Client,
}

impl World {
    pub(super) fn new(seed: u64, options: Options, trace: Arc<Trace>) -> Arc<Self> {
        let network = SimulatedNetwork::new(seed, options.duplicates, Arc::clone(&trace));
        let nodes = (1..=options.nodes as u64).map(NodeId);
        let seeds: Vec<String> = nodes.clone().map(address_of).collect();
        let machines = nodes.map(|node| Arc::new(Machine::new(node, &options, &network, &trace))).collect();
        let operator = Self::outsider(&network, &options, &seeds, OUTSIDE + 900);
        Arc::new(Self {
            trace,
            machines,
            records: Records::default(),
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
            broken: Mutex::default(),
            faults: Mutex::default(),
            operator,
            network,
            options,
            seeds,
        })
    }

    fn outsider(network: &Arc<SimulatedNetwork>, options: &Options, seeds: &[String], place: u64) -> Client {
        let clock = Arc::new(super::clock::SimulatedClock::default());
        let config = Config { clock, ..options.config() };
        Client::new(None, network.endpoint(place, 0), seeds.to_vec(), config)
    }

    /// A client that is on no node.
    pub(super) fn outside(&self, process: u64) -> Client {
        Self::outsider(&self.network, &self.options, &self.seeds, OUTSIDE + 100 + process)
    }

    /// Draws something.
    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut self.random.lock())
    }

    /// A time up to `max`.
    pub(super) fn draw_time(&self, max: Duration) -> Duration {
        let max = u64::try_from(max.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.draw(|random| random.random_range(0..max)))
    }

    /// Something is wrong that no later moment can make right.
    pub(super) fn broke(&self, what: String) {
        self.trace.event(format_args!("BROKEN: {what}"));
        self.broken.lock().get_or_insert(what);
    }

    pub(super) fn check_broken(&self) -> Result<(), String> {
        self.broken.lock().clone().map_or(Ok(()), Err)
    }

    pub(super) fn machine(&self, node: NodeId) -> Option<&Arc<Machine>> {
        self.machines.iter().find(|machine| machine.node == node)
    }

    /// All processes that live.
    pub(super) fn running(&self) -> Vec<Running> {
        self.machines.iter().filter_map(|machine| machine.running()).collect()
    }

    /// Starts a machine's process, whenever that is done.
    pub(super) async fn start(self: &Arc<Self>, node: NodeId) {
        let Some(machine) = self.machine(node) else { return };
        if let Err(error) = machine.start(&self.seeds).await {
            self.broke(format!("node {node} does not open its folder: {error}"));
        }
    }

    /// Asks the placement driver something, as an operator.
    pub(super) async fn ask(&self, admin: Admin, timeout: Duration) -> Result<Answer, String> {
        let asked = self.operator.ask_placement(Request::Admin(admin), timeout).await;
        asked.map_err(|error| error.to_string())
    }

    pub(super) async fn status(&self) -> Result<Status, String> {
        match self.ask(Admin::Status, Duration::from_secs(2)).await? {
            Answer::Bytes(bytes) => decode_status(bytes).map_err(str::to_owned),
            other => Err(format!("{other:?}")),
        }
    }

    /// Every range that a living node has.
    pub(super) fn ranges(&self) -> Vec<RangeId> {
        let mut ranges: Vec<RangeId> = self
            .running()
            .iter()
            .flat_map(|running| running.node.groups())
            .map(|group| group.range)
            .collect();
        ranges.sort();
        ranges.dedup();
        ranges
    }

    /// Every range that a living node leads, as it has it.
    pub(super) fn descriptors(&self) -> Vec<RangeDescriptor> {
        let mut found = BTreeMap::new();
        for running in self.running() {
            for group in running.node.groups() {
                if group.leads()
                    && let Ok(descriptor) = running.node.descriptor(group.range)
                {
                    found.insert(group.range, descriptor);
                }
            }
        }
        found.into_values().collect()
    }

    /// Whether every range has three voters that all have it, and none is being changed.
    pub(super) fn every_range_is_whole(&self) -> bool {
        let running = self.running();
        let having = |node: &NodeId, range| {
            let node = running.iter().find(|running| running.node.id() == *node);
            node.is_some_and(|running| running.node.is_empty_replica(range) == Ok(false))
        };
        running.len() == self.options.nodes
            && self.ranges().into_iter().all(|range| {
                running.iter().filter_map(|running| running.node.group(range).ok()).any(|group| {
                    let (members, committed) = (group.members(), group.committed_members());
                    group.leads()
                        && members == committed
                        && members.voters.len() == 3
                        && members.outgoing.is_empty()
                        && members.voters.iter().all(|node| having(node, range))
                })
            })
    }

    /// From the first node to the last judgement.
    pub(super) async fn live(self: &Arc<Self>) -> Result<Report, String> {
        for machine in &self.machines {
            self.start(machine.node).await;
            self.check_broken()?;
        }
        heal::wait_well(self, Duration::from_secs(60)).await.map_err(|what| format!("at first: {what}"))?;
        self.trace.event(format_args!("the cluster stands"));
        callers::open_bank(self).await?;
        let watcher = callers::begin_watch(self).await?;
        let tasks = callers::spawn(self, watcher);
        let mut nemesis = Nemesis::new(Arc::clone(self));
        nemesis.run().await?;
        self.trace.event(format_args!("all is healed from here on"));
        heal::heal(self).await?;
        heal::demand_progress(self).await?;
        for stop in tasks {
            stop.stop().await;
        }
        let ranges = heal::compare(self).await?;
        let last = callers::read_all(self).await?;
        self.check_broken()?;
        let mut report = judge::judge(self, &last)?;
        report.ranges = ranges;
        report.faults = self.faults.lock().clone();
        Runtime::sleep(Duration::from_millis(1)).await;
        Ok(report)
    }
}
