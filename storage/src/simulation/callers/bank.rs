//! Transfers between accounts in different parts of the key space, and reads of all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::AsyncRuntime as _;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{Home, Task, ended};
use crate::{
    client::{Client, Transacted},
    error::StorageError,
    kv::{Condition, Key, Transaction, Value, WriteBatch},
    range::Space,
    rpc::ReadMode,
    runtime::Runtime,
    simulation::{records::Ended, world::World},
    testing::history::bank::{BankAction, BankAnswer},
};

/// Balances at the beginning.
pub(in crate::simulation) const BALANCES: [i64; 4] = [100, 100, 100, 100];

fn account(number: usize) -> Key {
    const FIRST: [&str; 4] = ["c", "i", "o", "w"];
    Key::from(format!("{}-account", FIRST.get(number).unwrap_or(&"z")))
}

fn amount(balance: i64) -> Value {
    Value::from(balance.to_string())
}

/// Puts the money in.
pub(in crate::simulation) async fn open_bank(world: &World) -> Result<(), String> {
    let mut batch = WriteBatch::new();
    for (number, balance) in BALANCES.iter().enumerate() {
        batch.put(account(number), amount(*balance));
    }
    let written = world.operator.write(Space::User, batch).await;
    written.map_err(|error| format!("the bank does not open: {error}"))
}

pub(super) fn spawn(world: &Arc<World>, process: u64) -> Task {
    let world = Arc::clone(world);
    Task::spawn(move |stop| run(world, process, stop))
}

async fn run(world: Arc<World>, process: u64, stop: Arc<AtomicBool>) {
    let mut random = SmallRng::seed_from_u64(world.draw(|random| random.random()));
    let home = Home::new(&world, process);
    while !stop.load(Ordering::Relaxed) {
        Runtime::sleep(Duration::from_micros(random.random_range(0..300_000))).await;
        let Some(seat) = home.seat(&world) else { continue };
        let action = if random.random_bool(0.4) {
            BankAction::Read
        } else {
            let from = random.random_range(0..BALANCES.len());
            let to = (from + random.random_range(1..BALANCES.len())) % BALANCES.len();
            BankAction::Transfer { from, to, amount: random.random_range(1..=30) }
        };
        let id = world.records.begin_bank(process, action.clone());
        let answer = match seat.call(perform(&seat.client, &action)).await {
            Some(Ok(None)) => Ended::Failed,
            Some(Ok(Some(answer))) => Ended::Ok(answer),
            Some(Err(error)) => ended(Some(Err(error)), world.options.duplicates > 0.0),
            None => Ended::Unknown,
        };
        world.trace.event(format_args!("process {process}: bank {} {action:?} → {answer:?}", id.0));
        world.records.end_bank(process, id, answer);
    }
}

/// The balances of all accounts, of different moments perhaps.
async fn balances(client: &Client) -> Result<Vec<(Key, Value, i64)>, StorageError> {
    let keys: Vec<Key> = (0..BALANCES.len()).map(account).collect();
    let values = client.batch_get(Space::User, ReadMode::Linearizable, keys.clone()).await?;
    keys.into_iter()
        .zip(values)
        .map(|(key, value)| {
            let value = value.unwrap_or_default();
            let balance = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            let balance: Option<i64> = balance;
            // An account that is gone is a balance that no bank has.
            Ok((key, value, balance.unwrap_or(i64::MIN / 8)))
        })
        .collect()
}

/// Does it; nothing if others came between.
async fn perform(client: &Client, action: &BankAction) -> Result<Option<BankAnswer>, StorageError> {
    let found = balances(client).await?;
    let mut transaction = Transaction::default();
    let answer = match *action {
        BankAction::Read => {
            for (key, value, _) in &found {
                transaction.conditions.push(Condition::Equals(key.clone(), value.clone()));
            }
            BankAnswer::Balances(found.iter().map(|(.., balance)| *balance).collect())
        }
        BankAction::Transfer { from, to, amount: sum } => {
            let (Some(from), Some(to)) = (found.get(from), found.get(to)) else { return Ok(None) };
            if from.2 < sum {
                return Ok(Some(BankAnswer::Refused));
            }
            for ((key, value, balance), change) in [(from, -sum), (to, sum)] {
                transaction.conditions.push(Condition::Equals(key.clone(), value.clone()));
                transaction.batch.put(key.clone(), amount(balance + change));
            }
            BankAnswer::Transferred
        }
    };
    Ok(match client.transact(Space::User, transaction).await? {
        Transacted::Committed(_) => Some(answer),
        Transacted::ConditionFailed { .. } => None,
    })
}
