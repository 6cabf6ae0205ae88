//! Everything is made well again; then the cluster has to be, too, within bounded time.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;
use rand::Rng as _;

use super::{callers::PROCESSES, network::Rules, trace::now, world::World};
use crate::{
    kv::Key,
    placement::{NodeState, Status},
    range::{NodeId, RangeId, Space},
    rpc::Admin,
    runtime::Runtime,
};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Voters of a range.
const VOTERS: usize = 3;

/// Takes everything back that went wrong, and waits until the cluster is well.
pub(super) async fn heal(world: &Arc<World>) -> Result<(), String> {
    world.network.change(|rules| *rules = Rules::default());
    for machine in &world.machines {
        machine.set_space(None);
        let (world, node) = (Arc::clone(world), machine.node);
        drop(Runtime::spawn(async move { world.start(node).await }));
    }
    let end = now() + world.options.heal_within;
    for machine in &world.machines {
        let node = machine.node;
        // A node that was drained is used again.
        while let Err(reason) = world.ask(Admin::Drain { node, on: false }, Duration::from_secs(2)).await {
            world.check_broken()?;
            if now() > end {
                return Err(format!("the placement driver does not answer: {reason}\n{}", describe(world)));
            }
            Runtime::sleep(LOOK_EVERY).await;
        }
    }
    wait_well(world, end.saturating_sub(now())).await
}

/// Waits until every range has all its voters and nothing is left to do.
pub(super) async fn wait_well(world: &Arc<World>, within: Duration) -> Result<(), String> {
    let end = now() + within;
    loop {
        world.check_broken()?;
        let what = match world.status().await {
            Ok(status) => match trouble(world, &status) {
                None => return Ok(()),
                Some(what) => {
                    // An order to drain may have been on its way for long, or twice.
                    for node in status.nodes.iter().filter(|node| node.state == NodeState::Draining) {
                        let _again = world.ask(Admin::Drain { node: node.id, on: false }, LOOK_EVERY).await;
                    }
                    format!("{what}; {status:#?}")
                }
            },
            Err(what) => format!("no status: {what}"),
        };
        if now() > end {
            return Err(format!("not well after {within:?}: {what}\n{}", describe(world)));
        }
        Runtime::sleep(LOOK_EVERY).await;
    }
}

/// What is not well.
fn trouble(world: &World, status: &Status) -> Option<String> {
    if let Some(down) = world.machines.iter().find(|machine| !machine.is_up()) {
        return Some(format!("node {} is down", down.node));
    }
    if status.nodes.len() != world.options.nodes {
        return Some(format!("{} nodes", status.nodes.len()));
    }
    if let Some(node) = status.nodes.iter().find(|node| !node.live || node.state != NodeState::Active) {
        return Some(format!("node {} is not well", node.id));
    }
    if status.under_replicated + status.unavailable > 0 || !status.operators.is_empty() {
        return Some("something is to be done".to_owned());
    }
    for range in &status.ranges {
        let id = range.descriptor.id;
        if range.voters.len() != VOTERS || !range.learners.is_empty() {
            return Some(format!("range {id} has other voters"));
        }
        let having: BTreeSet<NodeId> = world
            .running()
            .iter()
            .filter(|running| running.node.group(id).is_ok())
            .map(|running| running.node.id())
            .collect();
        if having != range.voters {
            return Some(format!("range {id} is on {having:?}"));
        }
    }
    let known: BTreeSet<RangeId> = status.ranges.iter().map(|range| range.descriptor.id).collect();
    world
        .ranges()
        .into_iter()
        .find(|range| !known.contains(range))
        .map(|range| format!("range {range} is unknown"))
}

/// Splits the keys into a few ranges before anything else is done, so that transactions reach several.
pub(super) async fn split_first(world: &Arc<World>) -> Result<(), String> {
    const PLACES: [&str; 3] = ["k-r1", "g", "o"];
    let count = world.draw(|random| random.random_range(0..=PLACES.len()));
    for place in PLACES.iter().take(count) {
        let at = Key::from(*place);
        let found = world.descriptors().into_iter();
        let mut found = found.filter(|range| range.space == Space::User && range.keys.contains(&at));
        let Some(range) = found.next() else { continue };
        world.ask(Admin::Split { range: range.id, at: Some(at) }, Duration::from_secs(5)).await?;
        wait_well(world, Duration::from_secs(30)).await?;
    }
    Ok(())
}

/// How every replica sees its group, for a reader who has to find out what is wrong.
fn describe(world: &World) -> String {
    let mut text = String::new();
    for running in world.running() {
        for group in running.node.groups() {
            let members = group.members();
            text += &format!(
                "node {} range {}: leader {:?}, applied {}, voters {:?}/{:?}, learners {:?}, as of {}, {:?}, {:?}\n",
                running.node.id(),
                group.range,
                group.leader(),
                group.applied(),
                members.voters,
                members.outgoing,
                members.learners,
                members.configuration,
                running.node.descriptor(group.range),
                group.lead(),
            );
        }
        let poisoned = running.node.shared.health.poisoned();
        text += &format!(
            "node {} poisoned: {poisoned:?}, peers {:?}\n",
            running.node.id(),
            running.node.transport().peers()
        );
    }
    text
}

/// Waits until every caller gets things done.
pub(super) async fn demand_progress(world: &Arc<World>) -> Result<(), String> {
    const CALLS: u64 = 4;
    const WITHIN: Duration = Duration::from_secs(60);
    let before = world.records.done.lock().clone();
    let end = now() + WITHIN;
    loop {
        world.check_broken()?;
        let slow = {
            let done = world.records.done.lock();
            let count = |done: &std::collections::BTreeMap<u64, u64>, process| {
                done.get(&process).copied().unwrap_or(0)
            };
            (0..PROCESSES).find(|process| count(&done, *process) < count(&before, *process) + CALLS)
        };
        let Some(slow) = slow else { return Ok(()) };
        if now() > end {
            return Err(format!("process {slow} gets nothing done in {WITHIN:?}\n{}", describe(world)));
        }
        Runtime::sleep(LOOK_EVERY).await;
    }
}

/// Compares the replicas of every range, and returns how many ranges there are.
pub(super) async fn compare(world: &Arc<World>) -> Result<usize, String> {
    const ATTEMPTS: u32 = 20;
    const WITHIN: Duration = Duration::from_secs(60);
    let descriptors = world.descriptors();
    for range in descriptors.iter().filter(|range| range.space == Space::User) {
        let mut attempt = 0;
        loop {
            let said = match world.operator.check(range.id).await {
                Ok(checksums)
                    if checksums.len() == VOTERS && checksums.iter().all(|of| of.checksum.is_some()) =>
                {
                    let same = checksums
                        .windows(2)
                        .all(|pair| pair.first().map(|of| of.checksum) == pair.last().map(|of| of.checksum));
                    if same {
                        break;
                    }
                    return Err(format!("replicas of range {} differ: {checksums:?}", range.id));
                }
                Ok(checksums) => format!("{checksums:?}"),
                Err(error) => error.to_string(),
            };
            attempt += 1;
            if attempt == ATTEMPTS {
                return Err(format!("range {} cannot be checked: {said}\n{}", range.id, describe(world)));
            }
            Runtime::sleep(LOOK_EVERY).await;
            // An order to drain that was delivered late takes the replicas of a node once more.
            wait_well(world, WITHIN).await?;
        }
    }
    Ok(descriptors.len())
}
