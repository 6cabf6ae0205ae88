//! A node's reports to the placement driver, and what it is told in return.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;

use super::{orders, peers::PeersFile};
use crate::{
    client::Client,
    node::Node,
    placement::{Follower, NodeReport, RangeReport, ReplicaPhase, ReplicaReport},
    raft::group::{Group, Lead},
    range::{NodeId, RangeId},
    rpc::{Answer, Request, decode_orders, encode_report},
    runtime::Runtime,
    state::{self, Phase},
};

/// How often a node reports.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Reports for a node.
pub(crate) struct Reporter {
    pub(crate) node: Weak<Node>,
    pub(crate) client: Arc<Client>,
    pub(crate) address: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) every: Duration,
    /// Ranges for which an order is being carried out.
    pub(crate) busy: Arc<Mutex<BTreeSet<RangeId>>>,
    pub(super) peers: PeersFile,
}

impl Reporter {
    /// Reports until the node is gone.
    pub(crate) async fn run(self) {
        let mut sequence = 0;
        loop {
            Runtime::sleep(self.every).await;
            // The client holds the node too, so that it is not gone before this ends.
            let Some(node) = self.node.upgrade().filter(|node| !node.is_stopping()) else { return };
            // Grows through restarts, unless the clock was set back.
            sequence = node.shared.config.clock.wall().0.max(sequence + 1);
            let report = self.report(&node, sequence);
            let request = Request::Report(encode_report(&report));
            match self.client.ask_placement(request, self.every * 2).await {
                Ok(Answer::Bytes(bytes)) => match decode_orders(bytes) {
                    Ok(orders) => {
                        node.transport().learn(&orders.peers);
                        if let Err(error) = self.peers.keep(&orders.peers) {
                            tracing::warn!(%error, "the addresses of the other nodes are not kept");
                        }
                        orders::carry_out(&node, orders, &self.busy);
                    }
                    Err(reason) => tracing::warn!(reason, "the placement driver's orders are malformed"),
                },
                Ok(_) => tracing::warn!("the placement driver answered something else"),
                Err(error) => tracing::debug!(%error, "the placement driver does not answer"),
            }
        }
    }

    fn report(&self, node: &Arc<Node>, sequence: u64) -> NodeReport {
        let groups = node.groups();
        // One look at the state for all of them, behind the list: none is missing there that is here.
        let rows = node.store().view().and_then(|view| view.groups_and_bytes()).unwrap_or_default();
        let (disk, folder) = (node.shared.config.disk.as_ref(), node.shared.health.folder());
        let capacity_bytes = disk.total_bytes(folder).unwrap_or(0);
        let free = disk.free_bytes(folder).unwrap_or(0).min(capacity_bytes);
        // What is left when writes are refused is of no use to anybody.
        let free_bytes = if node.is_full() { 0 } else { free };
        NodeReport {
            node: node.id(),
            incarnation: node.identity.incarnation,
            sequence,
            address: self.address.clone(),
            labels: self.labels.clone(),
            capacity_bytes,
            free_bytes,
            replicas: groups
                .iter()
                .map(|group| {
                    let row = rows.get(&group.range);
                    let empty = row.is_none_or(|(group, _)| group.is_empty());
                    let (configuration, phase) = if empty {
                        (row.map_or(0, |(group, _)| group.made_under()), ReplicaPhase::Empty)
                    } else {
                        (group.members().configuration, ReplicaPhase::Live)
                    };
                    (group.range, ReplicaReport { configuration, term: group.term(), phase })
                })
                .collect(),
            led: groups
                .iter()
                .filter_map(|group| {
                    let mut report = led(group, rows.get(&group.range)?.clone())?;
                    let per_second =
                        |count: u64| count * 1000 / u64::try_from(self.every.as_millis()).unwrap_or(1).max(1);
                    report.writes_per_second = per_second(group.load.writes.swap(0, Ordering::Relaxed));
                    report.reads_per_second = per_second(group.load.reads.swap(0, Ordering::Relaxed));
                    Some(report)
                })
                .collect(),
        }
    }
}

/// What the leader of a range says of it, but for its load, which is counted from report to report; `None`
/// if this node does not lead it.
pub(crate) fn range_report(node: &Node, group: &Group) -> Option<RangeReport> {
    let row = node.store().view().and_then(|view| view.group_and_bytes(group.range)).ok()??;
    led(group, row)
}

/// The same, if what the state says of the range is at hand: its group, and its bytes.
fn led(group: &Group, (row, bytes): (state::Group, u64)) -> Option<RangeReport> {
    /// Of a replica that never answered.
    const FOREVER: Duration = Duration::from_secs(3600 * 24 * 365);
    let Lead { term, established, last_index, followers } = group.lead()?;
    let state::Group { descriptor, phase: Phase::Live, .. } = row else { return None };
    let members = group.committed_members();
    Some(RangeReport {
        descriptor,
        voters: members.voters,
        outgoing: members.outgoing,
        learners: members.learners,
        configuration: members.configuration,
        changing: group.members().configuration != members.configuration,
        term,
        established,
        last_index,
        bytes,
        writes_per_second: 0,
        reads_per_second: 0,
        followers: followers
            .into_iter()
            .map(|(node, progress): (NodeId, _)| {
                let silent = progress.silent.unwrap_or(FOREVER);
                (node, Follower { matched: progress.matched, silent })
            })
            .collect(),
    })
}
