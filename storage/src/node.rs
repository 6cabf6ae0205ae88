//! A node: one log, one state, and the replicas that it has of ranges.
//!
//! ```text
//! open    lock the folder, state at its last checkpoint, log scanned; nothing runs yet
//!         alone: what the log has durably is committed, so it is applied at once
//! start   log thread, state thread, a Raft group for each replica
//! handle  requests of clients and nodes → group → answer
//! stop    groups, state (last checkpoint), log
//! ```

mod births;
mod identity;
mod open;
mod read;
mod run;
mod service;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicBool},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::mpsc;

pub(crate) use identity::NodeIdentity;
pub(crate) use open::Opened;
pub(crate) use service::NodeHandler;

use crate::{
    data_folder::DataFolder,
    error::StorageError,
    network::Transport,
    raft::{
        group::{Group, Members, Shared},
        state_machine::Event,
    },
    range::{NodeId, RangeId},
    rpc::{Failure, Route},
    state::{Phase, Store},
};

/// A running node.
pub(crate) struct Node {
    pub(crate) identity: NodeIdentity,
    pub(crate) shared: Shared,
    groups: RwLock<BTreeMap<RangeId, Arc<Group>>>,
    /// Ranges whose group is being started or removed.
    changing: Mutex<BTreeSet<RangeId>>,
    /// Set once the node stops: then no group is started any more.
    stopping: AtomicBool,
    folder: Mutex<Option<DataFolder>>,
    workers: Mutex<Vec<run::WorkerHandle>>,
    events: Mutex<Option<mpsc::UnboundedReceiver<Event>>>,
    /// The membership under which a replica was ordered.
    made_under: Mutex<BTreeMap<RangeId, u64>>,
    /// The newest checksum of each range, and the entry as of which it is.
    checksums: Mutex<BTreeMap<RangeId, (u64, u64)>>,
    /// What the placement driver's part of this node answers; none on a node that is alone.
    pub(crate) placement: RwLock<Option<Arc<dyn PlacementService>>>,
}

/// What a node passes on to its part of the placement driver.
pub(crate) trait PlacementService: Send + Sync {
    /// Answers a request that is about the cluster and not about a range.
    fn answer(
        &self,
        request: crate::rpc::Request,
    ) -> futures_util::future::BoxFuture<'static, Result<crate::rpc::Answer, Failure>>;
}

impl Node {
    pub(crate) const fn id(&self) -> NodeId {
        self.identity.node
    }

    /// Whether it is used by its own process alone.
    pub(crate) fn is_single(&self) -> bool {
        self.placement.read().is_none()
    }

    /// Whether it was told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.shared.store
    }

    /// Stored bytes that were found to be damaged, in state or log.
    pub(crate) fn damage(&self) -> Option<StorageError> {
        let Shared { health, store, log, .. } = &self.shared;
        let page = || store.pages().read_failure().filter(StorageError::is_damage);
        health.damage().or_else(page).or_else(|| log.damage())
    }

    pub(crate) fn transport(&self) -> &Arc<dyn Transport> {
        &self.shared.transport
    }

    /// The running replica of a range.
    pub(crate) fn group(&self, range: RangeId) -> Result<Arc<Group>, Failure> {
        self.groups.read().get(&range).cloned().ok_or(Failure::NotHere { range })
    }

    /// All running replicas, by range.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        self.groups.read().values().cloned().collect()
    }

    /// The range as this node has it.
    #[cfg(all(test, simulation))]
    pub(crate) fn descriptor(&self, range: RangeId) -> Result<crate::range::RangeDescriptor, Failure> {
        let group = self.store().group(range).map_err(|error| self.failure(error))?;
        group
            .filter(|group| group.phase == Phase::Live)
            .map(|group| group.descriptor)
            .ok_or(Failure::NotHere { range })
    }

    /// Whether the replica of a range has nothing yet.
    pub(crate) fn is_empty_replica(&self, range: RangeId) -> Result<bool, Failure> {
        let group = self.store().group(range).map_err(|error| self.failure(error))?;
        group.map(|group| group.is_empty()).ok_or(Failure::NotHere { range })
    }

    /// The membership under which the replica of a range was ordered; 0 if it was born here, or had data when
    /// this process began: then no order from before it was made can still be on its way.
    pub(crate) fn made_under(&self, range: RangeId) -> Result<u64, Failure> {
        let ordered = self.made_under.lock().get(&range).copied();
        let kept = self.store().group(range).map_err(|error| self.failure(error))?;
        Ok(ordered.unwrap_or(0).max(kept.map_or(0, |group| group.made_under())))
    }

    /// The replica of a range is, or is to be, made under this membership.
    pub(crate) fn make_under(&self, range: RangeId, configuration: u64) {
        let mut made_under = self.made_under.lock();
        let known = made_under.entry(range).or_default();
        *known = configuration.max(*known);
    }

    /// What this node knows of its ranges and of who leads them.
    pub(crate) fn routes(&self) -> Result<Vec<Route>, Failure> {
        let groups = self.store().groups().map_err(|error| Failure::Broken(error.to_string()))?;
        let running = self.groups.read();
        Ok(groups
            .into_iter()
            .filter(|group| group.phase == Phase::Live && !group.is_empty())
            .map(|group| {
                let replica = running.get(&group.descriptor.id);
                let Members { voters, .. } = replica.map(|replica| replica.members()).unwrap_or_default();
                let leader = replica.and_then(|replica| replica.leader());
                let nodes = if voters.is_empty() { vec![self.id()] } else { voters.into_iter().collect() };
                Route { descriptor: group.descriptor, nodes, leader }
            })
            .collect())
    }

    /// The refusal of a request for another version of a range, with what is there now in its place.
    pub(crate) fn other_version(&self, range: RangeId) -> Failure {
        /// A range that was split again and again has its parts beside it.
        const ROUTES_MAX: usize = 32;
        let routes = match self.routes() {
            Ok(routes) => routes,
            Err(failure) => return failure,
        };
        let Some(own) = routes.iter().find(|route| route.descriptor.id == range).cloned() else {
            return Failure::NotHere { range };
        };
        let (space, start) = (own.descriptor.space, own.descriptor.keys.start.clone());
        let mut routes: Vec<Route> = routes
            .into_iter()
            .filter(|route| route.descriptor.space == space && route.descriptor.keys.start >= start)
            .collect();
        routes.sort_by(|a, b| a.descriptor.keys.start.cmp(&b.descriptor.keys.start));
        routes.truncate(ROUTES_MAX);
        Failure::Version { range, routes }
    }
}
