//! What the nemesis does to the network.

use std::{sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;
use rand::Rng as _;

use super::Nemesis;
use crate::{
    runtime::Runtime,
    simulation::{
        network::{OUTSIDE, Place, Rules},
        trace::now,
    },
};

impl Nemesis {
    /// Cuts ways, and mends them later.
    fn cut(&mut self, ways: Vec<(Place, Place)>) -> bool {
        let network = Arc::clone(&self.world.network);
        let until = self.time(300, 6000);
        network.change(|rules| rules.cut.extend(ways.iter().copied()));
        self.spawn(async move {
            Runtime::sleep(until).await;
            network.change(|rules| ways.iter().for_each(|way| _ = rules.cut.remove(way)));
        });
        true
    }

    fn places(&self) -> Vec<Place> {
        self.world.machines.iter().map(|machine| machine.node.0).collect()
    }

    pub(super) fn isolate(&mut self) -> bool {
        let node = self.any_node().0;
        let outside = OUTSIDE..OUTSIDE + 1000;
        let with_outside = self.world.draw(|random| random.random_bool(0.5));
        let others = self.places().into_iter().chain(outside.filter(|_| with_outside));
        let ways = others.filter(|other| *other != node).flat_map(|other| [(node, other), (other, node)]);
        let ways = ways.collect();
        self.cut(ways)
    }

    pub(super) fn partition(&mut self) -> bool {
        let places = self.places();
        let sides: Vec<bool> =
            places.iter().map(|_| self.world.draw(|random| random.random_bool(0.5))).collect();
        let sides: Vec<(Place, bool)> = places.into_iter().zip(sides).collect();
        let mut ways = Vec::new();
        for (from, side) in &sides {
            ways.extend(sides.iter().filter(|(_, other)| other != side).map(|(to, _)| (*from, *to)));
        }
        self.cut(ways)
    }

    pub(super) fn one_way(&mut self) -> bool {
        let (from, to) = (self.any_node().0, self.any_node().0);
        from != to && self.cut(vec![(from, to)])
    }

    fn rule(&mut self, change: impl FnOnce(&mut Rules), undo: impl FnOnce(&mut Rules) + Send + 'static) {
        let network = Arc::clone(&self.world.network);
        let until = self.time(500, 5000);
        network.change(change);
        self.spawn(async move {
            Runtime::sleep(until).await;
            network.change(undo);
        });
    }

    pub(super) fn slow(&mut self) -> bool {
        let delay = self.time(10, 400);
        self.rule(|rules| rules.delay_max = delay, |rules| rules.delay_max = Rules::default().delay_max);
        true
    }

    pub(super) fn lossy(&mut self) -> bool {
        let loss = self.world.draw(|random| random.random_range(0.01..0.2));
        self.rule(|rules| rules.loss = loss, |rules| rules.loss = 0.0);
        true
    }

    pub(super) fn pause(&mut self) -> bool {
        let (node, until) = (self.any_node().0, now() + self.time(100, 2500));
        self.world.network.change(|rules| _ = rules.held.insert(node, until.max(Duration::ZERO)));
        true
    }
}
