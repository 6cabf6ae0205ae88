//! Finding out where a range is: from the node of this process, from the registry, from anybody.

use std::{collections::BTreeSet, sync::Weak, time::Duration};

use futures_util::future::join_all;
use openraft::AsyncRuntime as _;

use super::{
    Client, Patience,
    call::{Attempt, decode},
};
use crate::{
    action::{Action, Response},
    cluster::ReplicaChecksum,
    error::StorageError,
    kv::{KeyRange, ScanLimit},
    network::Lane,
    placement,
    range::{NodeId, RangeDescriptor, RangeId, Space},
    rpc::{Admin, Answer, Identity, Query, ReadMode, Request, Route, decode_status},
    runtime::Runtime,
};

/// How often a client asks which nodes there are: those that it was told of may all be replaced some day.
const ACQUAINT_EVERY: Duration = Duration::from_secs(5);
/// How long one node may take to say who it is.
const IDENTIFY_TIMEOUT: Duration = Duration::from_secs(1);

impl Client {
    /// Asks the placement driver until it answers.
    pub(crate) async fn ask_placement(
        &self,
        request: Request,
        timeout: Duration,
    ) -> Result<Answer, StorageError> {
        let mut patience = Patience::new(timeout);
        loop {
            let route = self.locate(Space::Placement, b"", &mut patience).await?;
            let reason = match self.attempt(&route, request.clone(), patience.left()).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(reason) => {
                    self.doubt_placement();
                    reason
                }
                Attempt::Moved(reason) | Attempt::Split(reason) | Attempt::Unknown(reason) => {
                    self.routes.write().forget(RangeId::PLACEMENT);
                    reason
                }
            };
            patience.wait(reason).await?;
        }
    }

    /// Forgets where the placement driver is, unless who was asked has said who leads.
    fn doubt_placement(&self) {
        let mut routes = self.routes.write();
        if routes.find(Space::Placement, b"").is_some_and(|route| route.leader.is_none()) {
            routes.forget(RangeId::PLACEMENT);
        }
    }

    /// The checksums of all replicas of a range, as of one entry of its log.
    pub(crate) async fn check(&self, range: RangeId) -> Result<Vec<ReplicaChecksum>, StorageError> {
        let mut patience = self.patience();
        // Who has replicas must be known as it is now: what left the range answers nothing, and the registry
        // is written down a moment after the placement driver knows it.
        let voters = self.voters(range, patience.left()).await?;
        let route = loop {
            self.refresh(Space::User, patience.left()).await;
            let known = self.routes.read().by_id(range);
            match known {
                Some(route) => break route,
                None => patience.wait(format!("range {range} is not known")).await?,
            }
        };
        let index = match self.propose_at(&route, Action::Verify, &mut patience).await? {
            (index, Response::Verified) => index,
            (_, other) => return Err(super::write::unexpected(&other)),
        };
        let asked = join_all(voters.iter().map(|node| async move {
            let request = Request::Checksum { range, index };
            let answer = self.ask(*node, request, self.config.attempt_timeout).await;
            let checksum = match answer {
                Ok(Ok(Answer::Index(checksum))) => Some(checksum),
                _ => None,
            };
            ReplicaChecksum { node: *node, checksum }
        }));
        Ok(asked.await)
    }

    /// Who votes in a range, as the placement driver knows.
    async fn voters(&self, range: RangeId, left: Duration) -> Result<BTreeSet<NodeId>, StorageError> {
        let status = match self.ask_placement(Request::Admin(Admin::Status), left).await? {
            Answer::Bytes(bytes) => decode_status(bytes).map_err(|_| StorageError::other_answer())?,
            _ => return Err(StorageError::other_answer()),
        };
        let found = status.ranges.into_iter().find(|known| known.descriptor.id == range);
        found.map(|known| known.voters).ok_or(StorageError::RangeAbsent { range })
    }

    /// Learns the route of `key`, or says why not.
    pub(super) async fn discover(&self, space: Space, key: &[u8], left: Duration) -> Result<(), String> {
        if let Some(local) = &self.local {
            let routes = local.routes().map_err(|failure| format!("{failure:?}"))?;
            let mut known = self.routes.write();
            // What this node remembers of the placement driver's range may be long over, if it left it.
            let current =
                |route: &Route| route.descriptor.space == Space::User || route.leader == Some(local.id());
            routes.into_iter().filter(current).for_each(|route| known.learn(route));
            if known.find(space, key).is_some() {
                return Ok(());
            }
        }
        if self.routes.read().find(Space::Placement, b"").is_none() {
            self.find_placement(left).await?;
        }
        if space == Space::Placement {
            return Ok(());
        }
        self.read_registry(left).await?;
        match self.routes.read().find(space, key) {
            Some(_) => Ok(()),
            None => Err("no range is known that has the key".into()),
        }
    }

    /// Keeps knowing the nodes of a cluster, for as long as there is a client.
    pub(crate) async fn stay_acquainted(client: Weak<Self>) {
        loop {
            Runtime::sleep(ACQUAINT_EVERY).await;
            let Some(client) = client.upgrade() else { return };
            drop(client.identities(IDENTIFY_TIMEOUT).await);
        }
    }

    /// Asks where the ranges of a space are now; keeps what is known if there is no answer.
    pub(super) async fn refresh(&self, space: Space, left: Duration) {
        let found = match space {
            Space::Placement => self.find_placement(left).await,
            Space::User if self.routes.read().find(Space::Placement, b"").is_some() => {
                self.read_registry(left).await
            }
            Space::User => match self.find_placement(left).await {
                Ok(()) => self.read_registry(left).await,
                Err(reason) => Err(reason),
            },
        };
        if let Err(reason) = found {
            tracing::debug!(reason, "the range map is not known better");
        }
    }

    /// Asks nodes, one after the other, who has the placement driver's range.
    async fn find_placement(&self, left: Duration) -> Result<(), String> {
        let mut reason = "no node is known to ask".to_owned();
        for identity in self.identities(left).await.into_iter().rev() {
            match identity {
                Ok(identity) => {
                    let mut nodes: BTreeSet<NodeId> = identity.placement_nodes.iter().copied().collect();
                    nodes.extend(identity.placement_leader);
                    if nodes.is_empty() {
                        reason = format!("node {} does not know the placement driver", identity.node);
                        continue;
                    }
                    let descriptor = RangeDescriptor {
                        id: RangeId::PLACEMENT,
                        space: Space::Placement,
                        keys: KeyRange::all(),
                        version: 1,
                    };
                    let (nodes, leader) = (nodes.into_iter().collect(), identity.placement_leader);
                    self.routes.write().learn(Route { descriptor, nodes, leader });
                    return Ok(());
                }
                Err(error) => reason = error,
            }
        }
        Err(reason)
    }

    /// Waits until a node answers at all.
    pub(crate) async fn reach(&self, within: Duration) -> Result<(), StorageError> {
        let mut patience = Patience::new(within);
        loop {
            let mut reason = "there is no address to ask".to_owned();
            for answer in self.identities(patience.left()).await {
                match answer {
                    Ok(_) => return Ok(()),
                    Err(refused) => reason = refused,
                }
            }
            patience.wait(reason).await?;
        }
    }

    /// Asks nodes who they are until one knows the placement driver.
    async fn identities(&self, left: Duration) -> Vec<Result<Identity, String>> {
        let timeout = left.min(IDENTIFY_TIMEOUT);
        let mut answers = Vec::new();
        let peers = self.transport.peers();
        let turn = usize::try_from(self.next_turn()).unwrap_or(0);
        let known = peers.len() + self.seeds.len();
        for number in (0..known).map(|number| (number + turn) % known) {
            let answer = match peers.get(number) {
                Some(peer) => {
                    let request = Request::Identify.encode();
                    self.transport.call(peer.node, Lane::Client, request, timeout).await
                }
                None => {
                    let Some(seed) = self.seeds.get(number - peers.len()) else { continue };
                    let request = Request::Identify.encode();
                    self.transport.call_address(seed, Lane::Client, request, timeout).await
                }
            };
            let identity = match answer.map(decode) {
                Ok(Ok(Answer::Identity(identity))) => {
                    self.transport.learn(&identity.peers);
                    Ok(identity)
                }
                Ok(other) => Err(format!("an answer to something else: {other:?}")),
                Err(error) => Err(error.to_string()),
            };
            let found = identity.as_ref().is_ok_and(|identity| !identity.placement_nodes.is_empty());
            answers.push(identity);
            if found {
                break;
            }
        }
        answers
    }

    /// Reads the range map from the registry.
    async fn read_registry(&self, left: Duration) -> Result<(), String> {
        let route = self.routes.read().find(Space::Placement, b"").cloned();
        let route = route.ok_or("the placement driver is not known")?;
        let keys = placement::range_keys();
        let mut next = Some(keys);
        while let Some(keys) = next.take() {
            let request = Request::Read {
                range: route.descriptor.id,
                version: route.descriptor.version,
                mode: ReadMode::Linearizable,
                query: Query::Scan(keys, ScanLimit::default()),
            };
            let answer = self.attempt(&route, request, left).await;
            let page = match answer {
                Attempt::Answered(Answer::Page { page, .. }) => page,
                Attempt::Again(reason) => {
                    self.doubt_placement();
                    return Err(reason);
                }
                Attempt::Moved(reason) | Attempt::Split(reason) | Attempt::Unknown(reason) => {
                    self.routes.write().forget(RangeId::PLACEMENT);
                    return Err(reason);
                }
                Attempt::Failed(error) => return Err(error.to_string()),
                Attempt::Answered(_) => return Err("an answer to something else".into()),
            };
            let mut known = self.routes.write();
            for (key, value) in page.entries {
                if let Some(record) = placement::decode_range_record(&key, value) {
                    let nodes = record.voters.iter().copied().collect();
                    known.learn(Route { descriptor: record.descriptor, nodes, leader: record.leader });
                }
            }
            next = page.next;
        }
        Ok(())
    }
}
