//! Those who use the cluster, and what they note.

mod bank;
mod keys;
mod ttl;
mod watcher;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::FutureExt as _;
use openraft::AsyncRuntime;
use tokio::sync::Semaphore;

pub(super) use self::{
    bank::{BALANCES, open_bank},
    keys::{LastRead, read_all},
    watcher::{begin_watch, watched},
};
use super::{records::Ended, world::World};
use crate::{client::Client, client::Position, error::StorageError, range::NodeId, runtime::Runtime};

/// Callers of keys, bank and values with a time; then the watcher.
pub(super) const PROCESSES: u64 = 11;

/// Processes by what they do.
const KEY_PROCESSES: u64 = 7;
const BANK_PROCESSES: u64 = 3;

/// A task that can be told to end.
pub(super) struct Task {
    stop: Arc<AtomicBool>,
    handle: <Runtime as AsyncRuntime>::JoinHandle<()>,
}

impl Task {
    fn spawn<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(Arc<AtomicBool>) -> F) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        Self { handle: Runtime::spawn(run(Arc::clone(&stop))), stop }
    }

    /// Tells it to end, and waits for that.
    pub(super) async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic is noted.
        let _panicked = self.handle.await;
    }
}

/// Whom a caller asks: the node of its machine, or anybody from outside.
struct Seat {
    client: Arc<Client>,
    /// Closed when the process of both dies.
    dead: Arc<Semaphore>,
}

/// A caller's place.
struct Home {
    machine: Option<NodeId>,
    outside: Arc<Client>,
    forever: Arc<Semaphore>,
}

impl Home {
    fn new(world: &World, process: u64) -> Self {
        let nodes = world.options.nodes as u64;
        let machine = (process % 3 != 2).then_some(NodeId(process % nodes + 1));
        let outside = Arc::new(world.outside(process));
        Self { machine, outside, forever: Arc::new(Semaphore::new(0)) }
    }

    /// Where to call from now; none while the machine's process is down.
    fn seat(&self, world: &World) -> Option<Seat> {
        let Some(machine) = self.machine else {
            return Some(Seat { client: Arc::clone(&self.outside), dead: Arc::clone(&self.forever) });
        };
        let running = world.machine(machine)?.running()?;
        Some(Seat { client: running.client, dead: running.dead })
    }
}

impl Seat {
    /// Waits for a call; none if the process dies first.
    async fn call<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut died = std::pin::pin!(self.dead.acquire().fuse());
        let mut call = std::pin::pin!(call.fuse());
        futures_util::select_biased! {
            _dead = died => None,
            done = call => Some(done),
        }
    }
}

/// What an answer means, or that there is none.
///
/// With `copies`, a request that was turned away may still come again by itself, and be done.
fn ended<R>(answer: Option<Result<R, StorageError>>, copies: bool) -> Ended<R> {
    match answer {
        Some(Ok(answer)) => Ended::Ok(answer),
        // The client's promise: nothing was done, nor will be.
        Some(Err(
            StorageError::Unavailable { .. } | StorageError::NodeFull { .. } | StorageError::DiskFull { .. },
        )) if !copies => Ended::Failed,
        Some(Err(_)) | None => Ended::Unknown,
    }
}

/// Starts everybody.
pub(super) fn spawn(world: &Arc<World>, positions: Vec<Position>) -> Vec<Task> {
    let mut tasks = keys::spawn(world, 0..KEY_PROCESSES);
    for process in KEY_PROCESSES..KEY_PROCESSES + BANK_PROCESSES {
        tasks.push(bank::spawn(world, process));
    }
    tasks.push(ttl::spawn(world, PROCESSES - 1));
    // Last, so that it sees the last of what the others do.
    tasks.push(watcher::spawn(world, positions));
    tasks
}
