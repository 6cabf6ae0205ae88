//! Carrying out the orders of the placement driver; one that does not fit what the node knows, not.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use openraft::{AsyncRuntime as _, Instant as _};
use parking_lot::Mutex;

use super::reporter::range_report;
use crate::{
    action::{Action, Proposal},
    node::Node,
    placement::{Knowledge, Order, may_drop, voters_are_safe},
    range::{NodeId, RangeDescriptor, RangeId},
    rpc::{Failure, Orders, Peer},
    runtime::{self, Runtime},
    state::{self, Phase},
};

/// Carries out orders beside everything else, one at a time for a range.
pub(crate) fn carry_out(node: &Arc<Node>, orders: Orders, busy: &Arc<Mutex<BTreeSet<RangeId>>>) {
    let Orders { orders, lag_max, silent_max, .. } = orders;
    for order in orders {
        let range = order.range();
        if !busy.lock().insert(range) {
            continue;
        }
        let (node, busy) = (Arc::downgrade(node), Arc::clone(busy));
        drop(Runtime::spawn(async move {
            if let Some(node) = node.upgrade() {
                let text = format!("{order:?}");
                match carry(&node, order, lag_max, silent_max).await {
                    Ok(()) => tracing::info!(node = %node.id(), order = text, "done"),
                    Err(failure) => tracing::debug!(node = %node.id(), order = text, ?failure, "not done"),
                }
            }
            busy.lock().remove(&range);
        }));
    }
}

fn no(reason: &str) -> Failure {
    Failure::Busy(reason.to_owned())
}

async fn carry(node: &Arc<Node>, order: Order, lag_max: u64, silent_max: Duration) -> Result<(), Failure> {
    match order {
        Order::CreateReplica { descriptor, incarnation, configuration } => {
            if incarnation != node.identity.incarnation {
                return Err(no("the order is for another data folder"));
            }
            create(node, descriptor, configuration).await
        }
        Order::DropReplica { range, incarnation, configuration, settled_term } => {
            if incarnation != node.identity.incarnation {
                return Err(no("the order is for another data folder"));
            }
            let group = node.group(range)?;
            let replica = Knowledge {
                configuration: group.members().configuration,
                made_under: node.made_under(range)?,
                term: group.term(),
                is_empty: node.is_empty_replica(range)?,
            };
            if !may_drop(configuration, settled_term, replica) {
                return Err(no("a newer membership is known"));
            }
            node.forget(range).await.map_err(|error| node.failure(error))
        }
        Order::AddLearner { range, configuration, node: learner, address } => {
            let group = node.group(range)?;
            group.expect(configuration)?;
            node.transport().learn(&[Peer { node: learner, address }]);
            group.add_learner(learner).await
        }
        Order::RemoveLearner { range, configuration, node: learner } => {
            let group = node.group(range)?;
            group.expect(configuration)?;
            group.remove_learner(learner).await
        }
        Order::ChangeVoters { range, configuration, voters } => {
            change_voters(node, range, configuration, &voters, lag_max, silent_max).await
        }
        Order::TransferLeader { range, term, to } => {
            let group = node.group(range)?;
            match group.lead() {
                Some(lead) if lead.term == term => group.transfer(to).await,
                _ => Err(no("another term")),
            }
        }
        Order::Split { range, version, at, child } => {
            let group = node.group(range)?;
            if !group.leads() {
                return Err(no("this node does not lead the range"));
            }
            let store = Arc::clone(node.store());
            let at = match at {
                Some(at) => Some(at),
                None => runtime::blocking(move || store.view()?.middle_key(range))
                    .await
                    .map_err(|error| node.failure(error))?,
            };
            let at = at.ok_or_else(|| no("the range has no key to be split at"))?;
            let now = node.shared.config.clock.wall();
            let proposal = Proposal { version, session: None, now, action: Action::Split { at, child } };
            node.propose(range, proposal.encode()).await.map(drop)
        }
    }
}

async fn create(node: &Arc<Node>, descriptor: RangeDescriptor, configuration: u64) -> Result<(), Failure> {
    let range = descriptor.id;
    let is_there = node.group(range).is_ok();
    if is_there && (!node.is_empty_replica(range)? || node.made_under(range)? >= configuration) {
        return Ok(());
    }
    // A range that is about to be split here is told apart from its child by the split alone.
    node.store().check_installable(&descriptor).map_err(|error| node.failure(error))?;
    let known = node.store().group(range).map_err(|error| node.failure(error))?;
    if !is_there && known.is_some_and(|group| group.phase == Phase::Installing) {
        // An earlier replica that could not be removed whole.
        node.forget(range).await.map_err(|error| node.failure(error))?;
    }
    let group = state::Group::empty(&descriptor, configuration);
    node.make_under(range, configuration);
    let created = node.shared.applier.run(move |store| store.create_group(&group)).await;
    created.map_err(|error| node.failure(error))?;
    if is_there { Ok(()) } else { node.start_group(range).await }
}

async fn change_voters(
    node: &Arc<Node>,
    range: RangeId,
    configuration: u64,
    voters: &BTreeSet<NodeId>,
    lag_max: u64,
    silent_max: Duration,
) -> Result<(), Failure> {
    /// Heartbeats within which those who are well answer.
    const HEARTBEATS: u32 = 4;
    let group = node.group(range)?;
    group.expect(configuration)?;
    let heartbeat = node.shared.config.raft.heartbeat_interval;
    // Who was heard before the order may be gone since. A change that needs them would never end, and if
    // their disk is gone, nothing could be written to the range again: they have to answer now.
    let asked = <Runtime as openraft::AsyncRuntime>::Instant::now();
    loop {
        let report = range_report(node, &group).ok_or_else(|| no("this node does not lead"))?;
        let silent_max = silent_max.min(asked.elapsed());
        if voters_are_safe(&report, node.id(), voters, lag_max, silent_max) {
            return group.set_voters(voters).await;
        }
        if asked.elapsed() > heartbeat * HEARTBEATS {
            return Err(no("the range would not keep a quorum"));
        }
        Runtime::sleep(heartbeat / 8).await;
    }
}
