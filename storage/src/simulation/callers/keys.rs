//! Callers of single keys: registers, counters, deques.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::AsyncRuntime as _;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{Home, Seat, Task, ended};
use crate::{
    action::OperationResult,
    client::{Client, Transacted},
    error::StorageError,
    kv::{Condition, Key, ScanLimit, Transaction, Value, WriteBatch},
    range::Space,
    rpc::ReadMode,
    runtime::Runtime,
    simulation::{
        options::{SKEW_MAX, STALE_BOUND},
        records::Ended,
        world::World,
    },
    testing::history::{
        Action, Answer, Consistency, Request,
        workload::{Mix, Workload},
    },
};

/// Pause of a caller between two calls, at most.
const PAUSE_MAX: Duration = Duration::from_millis(160);

/// What the keys hold at the end.
pub(in crate::simulation) struct LastRead {
    /// Values of registers and counters.
    pub(in crate::simulation) values: BTreeMap<Key, Option<Value>>,
    pub(in crate::simulation) deques: BTreeMap<Key, Vec<Value>>,
}

/// Registers and counters under keys of three parts of the key space; deques that few call.
fn workloads() -> Vec<Arc<Mutex<Workload>>> {
    let stale = STALE_BOUND + 2 * SKEW_MAX;
    let stale_ticks = u64::try_from(stale.as_nanos()).unwrap_or(u64::MAX);
    let values = Mix { stale_ticks, push: 0, pop: 0, ..Mix::ALL };
    [(values, "b-", 2), (values, "k-", 2), (values, "s-", 1), (Mix::DEQUES, "g-", 1)]
        .into_iter()
        .map(|(mix, prefix, keys)| Arc::new(Mutex::new(Workload::new(mix, prefix, keys))))
        .collect()
}

/// Starts callers, some of each workload.
pub(super) fn spawn(world: &Arc<World>, processes: Range<u64>) -> Vec<Task> {
    let workloads = workloads();
    processes
        .zip(workloads.iter().cycle())
        .map(|(process, workload)| {
            let (world, workload) = (Arc::clone(world), Arc::clone(workload));
            Task::spawn(move |stop| run(world, workload, process, stop))
        })
        .collect()
}

async fn run(world: Arc<World>, workload: Arc<Mutex<Workload>>, process: u64, stop: Arc<AtomicBool>) {
    let mut random = SmallRng::seed_from_u64(world.draw(|random| random.random()));
    let home = Home::new(&world, process);
    while !stop.load(Ordering::Relaxed) {
        let pause = random.random_range(0..PAUSE_MAX.as_micros() as u64);
        Runtime::sleep(Duration::from_micros(pause)).await;
        let Some(seat) = home.seat(&world) else { continue };
        let request = workload.lock().next(process, &mut random);
        let follower = random.random_bool(0.3);
        let answer = call(&world, &seat, process, request.clone(), follower).await;
        if let Some(answer) = answer {
            workload.lock().observe(&request, &answer);
        }
    }
}

/// Makes a call and notes what becomes of it.
async fn call(world: &World, seat: &Seat, process: u64, request: Request, follower: bool) -> Option<Answer> {
    let id = world.records.begin(process, request.clone());
    let copies = world.options.duplicates > 0.0;
    let answer = ended(seat.call(perform(&seat.client, &request, follower)).await, copies);
    world.trace.event(format_args!("process {process}: call {} {:?} → {answer:?}", id.0, request));
    let answered = match &answer {
        Ended::Ok(answer) => Some(answer.clone()),
        Ended::Failed | Ended::Unknown => None,
    };
    world.records.end(process, id, answer);
    answered
}

fn other(what: &str) -> StorageError {
    StorageError::Refused { reason: what.into() }
}

/// Asks the store for what a request wants.
async fn perform(client: &Client, request: &Request, follower: bool) -> Result<Answer, StorageError> {
    let key = request.key.clone();
    let mut batch = WriteBatch::new();
    let mut conditions = Vec::new();
    match &request.action {
        Action::Get(consistency) => {
            let mode = match consistency {
                Consistency::Linearizable if follower => ReadMode::Follower,
                Consistency::Linearizable => ReadMode::Linearizable,
                Consistency::BoundedStale(_) => ReadMode::Stale(STALE_BOUND),
            };
            let value = client.batch_get(Space::User, mode, vec![key]).await?.pop().flatten();
            return Ok(Answer::Value(value));
        }
        Action::Put(value) => {
            batch.put(key, value.clone());
            return client.write(Space::User, batch).await.map(|()| Answer::Done);
        }
        Action::Delete => {
            batch.delete(key);
            return client.write(Space::User, batch).await.map(|()| Answer::Done);
        }
        Action::CompareAndSet { expected, new } => {
            conditions.push(match expected {
                Some(expected) => Condition::Equals(key.clone(), expected.clone()),
                None => Condition::Absent(key.clone()),
            });
            batch.put(key, new.clone());
        }
        Action::Add(change) => _ = batch.add(key, *change),
        Action::Push(end, value) => _ = batch.push(key, *end, value.clone()),
        Action::Pop(end) => _ = batch.pop(key, *end),
    }
    let swap = !conditions.is_empty();
    match client.transact(Space::User, Transaction { conditions, batch }).await? {
        Transacted::ConditionFailed { .. } => Ok(Answer::Swapped(false)),
        Transacted::Committed(_) if swap => Ok(Answer::Swapped(true)),
        Transacted::Committed(mut results) => match results.pop() {
            Some(OperationResult::Counter(sum)) => Ok(Answer::Counter(sum)),
            Some(OperationResult::Length(length)) => Ok(Answer::Length(length)),
            Some(OperationResult::Element(element)) => Ok(Answer::Value(element)),
            None => Err(other("an operation without a result")),
        },
    }
}

/// Reads every key that anybody called, as the last caller.
pub(in crate::simulation) async fn read_all(world: &World) -> Result<LastRead, String> {
    let client = Arc::new(world.outside(99));
    let seat = Seat { client: Arc::clone(&client), dead: Arc::new(tokio::sync::Semaphore::new(0)) };
    let mut last = LastRead { values: BTreeMap::new(), deques: BTreeMap::new() };
    for key in world.records.all_keys() {
        if key.starts_with(b"g-d") {
            let read = client.deque(ReadMode::Linearizable, key.clone(), 0, ScanLimit::default()).await;
            let (_, elements) = read.map_err(|error| format!("the last read fails: {error}"))?;
            last.deques.insert(key, elements);
            continue;
        }
        let request = Request { key: key.clone(), action: Action::Get(Consistency::Linearizable) };
        match call(world, &seat, 99, request, false).await {
            Some(Answer::Value(value)) => _ = last.values.insert(key, value),
            other => return Err(format!("the last read of {key:?} fails: {other:?}")),
        }
    }
    Ok(last)
}
