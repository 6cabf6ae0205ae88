//! A watcher, who goes on from where it was whatever happens.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::AsyncRuntime as _;

use super::Task;
use crate::{
    client::{Position, WatchEvent},
    error::StorageError,
    kv::KeyRange,
    runtime::Runtime,
    simulation::world::World,
    testing::history::watch::Change,
};

/// The keys that are watched.
pub(in crate::simulation) fn watched() -> KeyRange {
    KeyRange::prefix("k-r")
}

/// Where it begins, before anybody calls.
pub(in crate::simulation) async fn begin_watch(world: &World) -> Result<Vec<Position>, String> {
    const ATTEMPTS: u32 = 5;
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        match world.operator.watch_from_now(&watched()).await {
            Ok(positions) => return Ok(positions),
            Err(error) => reason = error.to_string(),
        }
    }
    Err(format!("nothing can be watched: {reason}"))
}

pub(super) fn spawn(world: &Arc<World>, positions: Vec<Position>) -> Task {
    let world = Arc::clone(world);
    Task::spawn(move |stop| run(world, positions, stop))
}

async fn run(world: Arc<World>, mut positions: Vec<Position>, stop: Arc<AtomicBool>) {
    /// Looks that find nothing, after which there is nothing more.
    const EMPTY_MAX: u32 = 4;
    let client = world.outside(50);
    let mut empty = 0;
    let mut place = 0;
    while empty < EMPTY_MAX {
        let stopped = stop.load(Ordering::Relaxed);
        match client.watch(positions.clone(), Duration::from_millis(300)).await {
            Ok(page) => {
                let mut watched = world.records.watched.lock();
                empty = if stopped && page.events.is_empty() { empty + 1 } else { 0 };
                for event in page.events {
                    place += 1;
                    let (key, value) = match event {
                        WatchEvent::Put { key, value } => (key, value),
                        WatchEvent::Deleted { key } => (key, None),
                        _ => continue,
                    };
                    world.trace.event(format_args!("the watcher sees {key:?} {value:?}"));
                    watched.0.push(Change { position: place, key, value });
                }
                positions = page.positions;
            }
            Err(StorageError::Compacted { .. }) => {
                world.trace.event(format_args!("the watcher is too late"));
                world.records.watched.lock().1 = true;
                return;
            }
            Err(error) => {
                world.trace.event(format_args!("the watcher begins again: {error}"));
                Runtime::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
