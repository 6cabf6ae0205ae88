//! The placement driver where it runs: on the node that leads range 1, for as long as it does.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::BoxFuture;
use openraft::AsyncRuntime as _;
use parking_lot::Mutex;

use crate::{
    client::{Client, Transacted},
    kv::{Condition, KeyRange, ScanLimit, Transaction, WriteBatch},
    node::{Node, PlacementService},
    placement::{ClusterId, Driver, NodeRecord, NodeState, PlacementError, RangeRecord, Settings, Status},
    range::RangeId,
    range::Space,
    rpc::{
        Admin, Answer, Failure, Joined, Orders, Peer, ReadMode, Request, decode_join, decode_report,
        encode_joined, encode_orders, encode_status,
    },
    runtime::Runtime,
};

/// How often the driver looks around.
const EVERY: Duration = Duration::from_millis(250);
/// How long an operator's wish may take to be written down.
const SAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The driver of this node, while it has one.
pub(crate) struct Host {
    node: Weak<Node>,
    client: Arc<Client>,
    /// Of this node, for the registry of a new cluster.
    record: NodeRecord,
    settings: Settings,
    driver: Mutex<Option<Running>>,
}

struct Running {
    driver: Driver,
    term: u64,
}

fn refused(error: &PlacementError) -> Failure {
    Failure::Invalid(error.to_string())
}

impl Host {
    pub(crate) fn new(
        node: &Arc<Node>,
        client: Arc<Client>,
        record: NodeRecord,
        settings: Settings,
    ) -> Arc<Self> {
        let (node, driver) = (Arc::downgrade(node), Mutex::new(None));
        Arc::new(Self { node, client, record, settings, driver })
    }

    /// Runs until the node is gone.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            Runtime::sleep(EVERY).await;
            // The client holds the node too, so that it is not gone before this ends.
            let Some(node) = self.node.upgrade().filter(|node| !node.is_stopping()) else { return };
            self.turn(&node).await;
        }
    }

    async fn turn(&self, node: &Arc<Node>) {
        let Some(term) = leads(node) else {
            *self.driver.lock() = None;
            return;
        };
        let known = self.driver.lock().as_ref().is_some_and(|running| running.term == term);
        if !known && let Err(reason) = self.load(node, term).await {
            tracing::warn!(%reason, "the placement driver does not begin");
            return;
        }
        if let Some(running) = self.driver.lock().as_mut() {
            running.driver.tick(node.shared.config.clock.wall());
        }
        self.save().await;
    }

    /// Begins with what the registry holds, or begins the registry.
    async fn load(&self, node: &Arc<Node>, term: u64) -> Result<(), String> {
        let mut entries = Vec::new();
        let mut next = Some(KeyRange::all());
        while let Some(keys) = next.take() {
            let limit = ScanLimit::default();
            let page = self.client.scan(Space::Placement, ReadMode::Linearizable, keys, limit).await;
            let page = page.map_err(|error| error.to_string())?;
            entries.extend(page.entries);
            next = page.next;
        }
        if entries.is_empty() {
            return self.found(node).await;
        }
        let driver = Driver::load(entries, term, node.shared.config.clock.wall());
        let driver = driver.map_err(|error| error.to_string())?;
        *self.driver.lock() = Some(Running { driver, term });
        Ok(())
    }

    /// Writes the registry of a new cluster; the next turn begins with it.
    async fn found(&self, node: &Arc<Node>) -> Result<(), String> {
        let routes = node.routes().map_err(|failure| format!("{failure:?}"))?;
        let ranges: Vec<RangeRecord> = routes
            .into_iter()
            .map(|route| RangeRecord {
                descriptor: route.descriptor,
                voters: route.nodes.into_iter().collect(),
                learners: [].into(),
                configuration: 0,
                term: 0,
                leader: route.leader,
            })
            .collect();
        let cluster = ClusterId(u128::from(node.identity.cluster));
        let mut transaction = Transaction::default();
        let mut batch = WriteBatch::new();
        for (key, value) in Driver::first(cluster, &self.settings, &self.record, &ranges) {
            transaction.conditions.push(Condition::Absent(key.clone()));
            batch.put(key, value);
        }
        transaction.batch = batch;
        let written = self.client.transact(Space::Placement, transaction).await;
        written.map(drop).map_err(|error| error.to_string())
    }

    /// Writes down what the driver decided. One that is shut out by another ends.
    async fn save(&self) {
        loop {
            let change = self.driver.lock().as_mut().and_then(|running| running.driver.change());
            let Some(change) = change else { return };
            let saved = self.client.transact(Space::Placement, change.transaction).await;
            let mut driver = self.driver.lock();
            match saved {
                Ok(Transacted::Committed(_)) => {
                    if let Some(running) = driver.as_mut() {
                        running.driver.saved(change.number);
                    }
                }
                // Whether it was written is found out by loading anew.
                Ok(Transacted::ConditionFailed { .. }) | Err(_) => {
                    *driver = None;
                    return;
                }
            }
        }
    }

    /// Does something with the driver, if this node has it.
    fn with<T>(
        &self,
        node: &Node,
        run: impl FnOnce(&mut Driver) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let leader = node.group(RangeId::PLACEMENT).ok().and_then(|group| group.leader());
        match self.driver.lock().as_mut() {
            Some(running) => run(&mut running.driver),
            None if leader == Some(node.id()) => Err(Failure::Busy("the placement driver begins".into())),
            None => Err(Failure::NotLeader { range: RangeId::PLACEMENT, leader }),
        }
    }

    /// Waits until a change is written down.
    async fn saved(&self, node: &Node, number: u64) -> Result<(), Failure> {
        let mut waited = Duration::ZERO;
        while self.with(node, |driver| Ok(driver.saved_number()))? < number {
            if waited > SAVE_TIMEOUT {
                return Err(Failure::Busy("the registry takes no changes".into()));
            }
            /// The driver saves at its next turn.
            const LOOK_EVERY: Duration = Duration::from_millis(20);
            Runtime::sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
        Ok(())
    }

    async fn answer(&self, request: Request) -> Result<Answer, Failure> {
        let node = self.node.upgrade().ok_or_else(|| Failure::Busy("the node is stopping".into()))?;
        let now = node.shared.config.clock.wall();
        let malformed = |reason: &str| Failure::Invalid(format!("malformed: {reason}"));
        match request {
            Request::Report(report) => {
                let report = decode_report(report).map_err(malformed)?;
                let orders = self.with(&node, |driver| {
                    let orders = driver.report(report, now).map_err(|error| refused(&error))?;
                    let (lag_max, silent_max) = (driver.settings().lag_max, driver.settings().suspect_after);
                    Ok(Orders { orders, peers: peers(driver), lag_max, silent_max })
                })?;
                Ok(Answer::Bytes(encode_orders(&orders)))
            }
            Request::Join(join) => {
                let join = decode_join(join).map_err(malformed)?;
                let (id, number) =
                    self.with(&node, |driver| driver.join(join, now).map_err(|error| refused(&error)))?;
                self.saved(&node, number).await?;
                let peers = self.with(&node, |driver| Ok(peers(driver)))?;
                let joined = Joined { node: id, cluster: node.identity.cluster, peers };
                Ok(Answer::Bytes(encode_joined(&joined)))
            }
            Request::Admin(admin) => self.admin(&node, admin).await,
            other => Err(Failure::Invalid(format!("not a request to the placement driver: {other:?}"))),
        }
    }

    async fn admin(&self, node: &Node, admin: Admin) -> Result<Answer, Failure> {
        let now = node.shared.config.clock.wall();
        let number = self.with(node, |driver| {
            let done = match admin {
                Admin::Status => return Ok(Err(driver.status(now))),
                Admin::Drain { node, on: true } => driver.drain(node),
                Admin::Drain { node, on: false } => driver.activate(node),
                Admin::Remove { node, force } => driver.remove(node, force, now),
                Admin::Split { range, at } => driver.split(range, at, now).map(|()| 0),
                Admin::TransferLeader { range, to } => driver.transfer_leader(range, to, now).map(|()| 0),
            };
            done.map(Ok::<u64, Status>).map_err(|error| refused(&error))
        })?;
        match number {
            Err(status) => Ok(Answer::Bytes(encode_status(&status))),
            Ok(number) => {
                self.saved(node, number).await?;
                Ok(Answer::Done)
            }
        }
    }
}

impl PlacementService for Arc<Host> {
    fn answer(&self, request: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        let host = Arc::clone(self);
        Box::pin(async move { Host::answer(&host, request).await })
    }
}

/// The term in which this node leads range 1.
fn leads(node: &Node) -> Option<u64> {
    let group = node.group(RangeId::PLACEMENT).ok()?;
    if !group.leads() {
        return None;
    }
    group.lead().map(|lead| lead.term)
}

fn peers(driver: &Driver) -> Vec<Peer> {
    driver
        .nodes()
        .filter(|node| node.state != NodeState::Removed)
        .map(|node| Peer { node: node.id, address: node.address.clone() })
        .collect()
}
