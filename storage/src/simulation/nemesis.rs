//! What goes wrong, when the seed says so.

mod cluster;
mod network;

use std::{sync::Arc, time::Duration};

use openraft::AsyncRuntime;
use rand::{Rng as _, seq::IndexedRandom as _};

use super::{machine::Death, options::Fault, trace::now, world::World};
use crate::{range::NodeId, runtime::Runtime};

/// Does things to a world.
pub(super) struct Nemesis {
    world: Arc<World>,
    /// What is not over yet, or has to be undone.
    tasks: Vec<<Runtime as AsyncRuntime>::JoinHandle<()>>,
    lost_disk: bool,
}

impl Nemesis {
    pub(super) const fn new(world: Arc<World>) -> Self {
        Self { world, tasks: Vec::new(), lost_disk: false }
    }

    /// Lets things go wrong for a while, and ends when the last has been undone.
    pub(super) async fn run(&mut self) -> Result<(), String> {
        let world = Arc::clone(&self.world);
        let end = now() + world.options.faults_for;
        while now() < end {
            Runtime::sleep(world.draw_time(world.options.pause_max)).await;
            world.check_broken()?;
            let fault = world.draw(|random| world.options.faults.choose(random).copied());
            if let Some(fault) = fault
                && self.strike(fault).await
            {
                world.trace.event(format_args!("nemesis: {fault:?}"));
                *world.faults.lock().entry(name(fault)).or_default() += 1;
            }
        }
        for task in self.tasks.drain(..) {
            // A panic is noted.
            let _panicked = task.await;
        }
        world.check_broken()
    }

    /// Something that goes on beside everything else.
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(Runtime::spawn(task));
    }

    fn time(&self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(self.world.draw(|random| random.random_range(from_ms..=to_ms)))
    }

    fn any_node(&self) -> NodeId {
        let nodes = self.world.options.nodes as u64;
        NodeId(self.world.draw(|random| random.random_range(1..=nodes)))
    }

    /// Does it; false if it cannot be now.
    async fn strike(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::Isolate => self.isolate(),
            Fault::Partition => self.partition(),
            Fault::OneWay => self.one_way(),
            Fault::Slow => self.slow(),
            Fault::Lossy => self.lossy(),
            Fault::Pause => self.pause(),
            Fault::Kill => self.crash(false),
            Fault::PowerCut => self.crash(true),
            Fault::PowerCutAll => self.crash_all(),
            Fault::Restart => self.restart(),
            Fault::LostDisk => self.lose_disk(),
            Fault::DiskFull => self.fill_disk(),
            Fault::Skew => self.skew(),
            Fault::Split => self.split(),
            Fault::Drain => self.drain(),
            Fault::Transfer => self.transfer(),
        }
    }

    /// Whether one more node may be down: a majority goes on.
    fn may_die(&self, node: NodeId) -> bool {
        let down = self.world.machines.iter().filter(|machine| !machine.is_well()).count();
        let is_well = self.world.machine(node).is_some_and(|machine| machine.is_well());
        is_well && down < (self.world.options.nodes - 1) / 2
    }

    fn crash(&mut self, power_cut: bool) -> bool {
        let node = self.any_node();
        if !self.may_die(node) {
            return false;
        }
        let (down, seed) = (self.time(50, 4000), self.world.draw(|random| random.random()));
        let (operations, dying) = (self.world.draw(|random| random.random_range(0..30)), self.time(0, 300));
        let world = Arc::clone(&self.world);
        self.spawn(async move {
            let Some(machine) = world.machine(node) else { return };
            if power_cut {
                machine.cut_power_after(operations);
                Runtime::sleep(dying).await;
            }
            machine.die(if power_cut { Death::PowerCut(seed) } else { Death::Kill });
            Runtime::sleep(down).await;
            world.start(node).await;
        });
        true
    }

    fn crash_all(&mut self) -> bool {
        let machines = self.world.machines.clone();
        if !machines.iter().all(|machine| machine.is_well()) {
            return false;
        }
        for machine in machines {
            let (down, seed) = (self.time(50, 2000), self.world.draw(|random| random.random()));
            let world = Arc::clone(&self.world);
            machine.die(Death::PowerCut(seed));
            self.spawn(async move {
                Runtime::sleep(down).await;
                world.start(machine.node).await;
            });
        }
        true
    }

    fn restart(&mut self) -> bool {
        let node = self.any_node();
        if !self.may_die(node) {
            return false;
        }
        let (world, down) = (Arc::clone(&self.world), self.time(0, 1500));
        self.spawn(async move {
            let Some(machine) = world.machine(node) else { return };
            machine.stop().await;
            Runtime::sleep(down).await;
            world.start(node).await;
        });
        true
    }

    /// Once in a run, when every range has all its voters: two lost disks of three are lost data.
    fn lose_disk(&mut self) -> bool {
        let node = self.any_node();
        if self.lost_disk || !self.may_die(node) || !self.world.every_range_is_whole() {
            return false;
        }
        self.lost_disk = true;
        let (world, down) = (Arc::clone(&self.world), self.time(50, 4000));
        let Some(machine) = world.machine(node).cloned() else { return false };
        machine.die(Death::LostDisk);
        // It joins when it is let: that may be after everything is healed.
        drop(Runtime::spawn(async move {
            Runtime::sleep(down).await;
            world.start(node).await;
        }));
        true
    }

    fn fill_disk(&mut self) -> bool {
        let (node, left) = (self.any_node(), self.world.draw(|random| random.random_range(0..96 << 10)));
        let (world, until) = (Arc::clone(&self.world), self.time(500, 5000));
        let Some(machine) = world.machine(node).cloned() else { return false };
        machine.set_space(Some(left));
        self.spawn(async move {
            Runtime::sleep(until).await;
            machine.set_space(None);
        });
        true
    }

    fn skew(&mut self) -> bool {
        let node = self.any_node();
        let max = i64::try_from(super::options::SKEW_MAX.as_millis()).unwrap_or(0);
        let skew = self.world.draw(|random| random.random_range(-max..=max));
        if let Some(machine) = self.world.machine(node) {
            machine.clock.skew(skew);
        }
        true
    }
}

const fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Isolate => "isolate",
        Fault::Partition => "partition",
        Fault::OneWay => "one way",
        Fault::Slow => "slow",
        Fault::Lossy => "lossy",
        Fault::Pause => "pause",
        Fault::Kill => "kill",
        Fault::PowerCut => "power cut",
        Fault::PowerCutAll => "power cut of all",
        Fault::Restart => "restart",
        Fault::LostDisk => "lost disk",
        Fault::DiskFull => "disk full",
        Fault::Skew => "skew",
        Fault::Split => "split",
        Fault::Drain => "drain",
        Fault::Transfer => "transfer",
    }
}
