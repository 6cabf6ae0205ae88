//! What operators do while things go wrong: splits, moves, other leaders.

use std::{sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;
use rand::{Rng as _, seq::IndexedRandom as _};

use super::Nemesis;
use crate::{
    kv::Key,
    range::{RangeDescriptor, RangeId, Space},
    rpc::Admin,
    runtime::Runtime,
    simulation::world::World,
};

/// How long an operator waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// Ranges at most: each costs time.
const RANGES_MAX: usize = 7;

async fn ask(world: &World, admin: Admin) {
    let text = format!("{admin:?}");
    let asked = world.ask(admin, PATIENCE).await;
    world.trace.event(format_args!("operator: {text}: {asked:?}"));
}

impl Nemesis {
    fn any_range(&self) -> Option<RangeId> {
        let ranges = self.world.ranges();
        self.world.draw(|random| ranges.choose(random).copied())
    }

    pub(super) fn split(&mut self) -> bool {
        const PLACES: [&str; 12] =
            ["b-r1", "c", "c-account\0", "g", "i", "k-", "k-r1", "k-z", "o", "s-c", "t", "w"];
        let ranges = self.world.descriptors();
        let place = self.world.draw(|random| PLACES.choose(random).copied()).unwrap_or("k-");
        let at = Key::from(place);
        let fits = |range: &&RangeDescriptor| {
            range.space == Space::User && range.keys.contains(&at) && range.keys.start != at
        };
        let Some(range) = ranges.iter().find(fits).map(|range| range.id) else { return false };
        if ranges.len() >= RANGES_MAX {
            return false;
        }
        let world = Arc::clone(&self.world);
        self.spawn(async move { ask(&world, Admin::Split { range, at: Some(at) }).await });
        true
    }

    pub(super) fn transfer(&mut self) -> bool {
        let (Some(range), to) = (self.any_range(), self.any_node()) else { return false };
        let world = Arc::clone(&self.world);
        self.spawn(async move { ask(&world, Admin::TransferLeader { range, to }).await });
        true
    }

    pub(super) fn drain(&mut self) -> bool {
        let (node, until) = (self.any_node(), self.time(1000, 6000));
        let world = Arc::clone(&self.world);
        let others = world.draw(|random| random.random_range(0..3_u32));
        self.spawn(async move {
            ask(&world, Admin::Drain { node, on: true }).await;
            Runtime::sleep(until * (others + 1) / 2).await;
            ask(&world, Admin::Drain { node, on: false }).await;
        });
        true
    }
}
