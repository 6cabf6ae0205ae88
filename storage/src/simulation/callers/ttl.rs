//! A caller whose values have a time: each is there before it is over and gone afterwards, as far as
//! clocks can say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::AsyncRuntime as _;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{Home, Task};
use crate::{
    kv::{Key, Timestamp, WriteBatch},
    range::Space,
    rpc::ReadMode,
    runtime::Runtime,
    simulation::{clock::true_wall, options::SKEW_MAX, world::World},
};

pub(super) fn spawn(world: &Arc<World>, process: u64) -> Task {
    let world = Arc::clone(world);
    Task::spawn(move |stop| run(world, process, stop))
}

async fn run(world: Arc<World>, process: u64, stop: Arc<AtomicBool>) {
    let mut random = SmallRng::seed_from_u64(world.draw(|random| random.random()));
    let home = Home::new(&world, process);
    // A clock is never further from the truth; and it is asked to the millisecond.
    let margin = SKEW_MAX.as_millis() as u64 + 2;
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        Runtime::sleep(Duration::from_millis(200)).await;
        let Some(seat) = home.seat(&world) else { continue };
        number += 1;
        let key = Key::from(format!("t-{number}"));
        let until = Timestamp(true_wall().0 + random.random_range(500..3000));
        let mut batch = WriteBatch::new();
        batch.put_until(key.clone(), "passing", until);
        if !matches!(seat.call(seat.client.write(Space::User, batch)).await, Some(Ok(()))) {
            continue;
        }
        for look_after in [0, random.random_range(0..3000), margin] {
            if look_after == margin {
                let left = until.0.saturating_sub(true_wall().0);
                Runtime::sleep(Duration::from_millis(left + margin)).await;
            } else {
                Runtime::sleep(Duration::from_millis(look_after)).await;
            }
            let Some(seat) = home.seat(&world) else { break };
            let began = true_wall();
            let keys = vec![key.clone()];
            let read = seat.call(seat.client.batch_get(Space::User, ReadMode::Linearizable, keys)).await;
            let (Some(Ok(values)), ended) = (read, true_wall()) else { continue };
            world.records.progress(process);
            let there = values.first().is_some_and(Option::is_some);
            world.trace.event(format_args!("process {process}: {key:?} until {} is there: {there}", until.0));
            if !there && ended.0 + margin < until.0 {
                world.broke(format!("{key:?} is gone at {} and should be there until {}", ended.0, until.0));
            }
            if there && began.0 > until.0 + margin {
                world.broke(format!("{key:?} is there at {} and should be gone at {}", began.0, until.0));
            }
        }
    }
}
