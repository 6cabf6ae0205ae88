//! Accounts in several ranges, transfers between them, and reads of all at one moment.

use std::{
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use genomdb_storage::{
    Condition, Key, Outcome, Storage, StorageError, Transaction, Value, WriteBatch,
    testing::history::bank::{self, BankAction, BankAnswer, BankHistory, BankReport},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{load::Recorder, testbed::wait};

const OPENING: i64 = 100;

/// The accounts and what was done to them.
pub(crate) struct Bank {
    accounts: Vec<Key>,
    history: Mutex<BankHistory>,
}

fn number(value: Option<&Value>) -> i64 {
    std::str::from_utf8(value.unwrap()).unwrap().parse().unwrap()
}

impl Bank {
    /// Opens accounts under keys that begin with these letters.
    pub(crate) fn open(storage: &Storage, prefixes: &[&str]) -> Arc<Self> {
        let accounts: Vec<Key> =
            prefixes.iter().map(|prefix| Key::from(format!("{prefix}/account"))).collect();
        let mut batch = WriteBatch::new();
        for account in &accounts {
            batch.put(account.clone(), OPENING.to_string());
        }
        storage.write_blocking(batch).unwrap();
        Arc::new(Self { accounts, history: Mutex::default() })
    }

    /// A caller that transfers and reads until the recorder is stopped.
    pub(crate) fn caller(
        self: &Arc<Self>,
        recorder: &Arc<Recorder>,
        storage: Storage,
        seed: u64,
    ) -> JoinHandle<()> {
        let (bank, recorder) = (Arc::clone(self), Arc::clone(recorder));
        let mut random = SmallRng::seed_from_u64(seed);
        std::thread::spawn(move || {
            wait(async {
                while recorder.goes_on() {
                    if random.random_bool(0.7) {
                        bank.transfer(&recorder, &storage, &mut random).await;
                    } else {
                        bank.read(&recorder, &storage).await;
                    }
                }
            });
        })
    }

    async fn transfer(&self, recorder: &Recorder, storage: &Storage, random: &mut SmallRng) {
        let from = random.random_range(0..self.accounts.len());
        let to = (from + random.random_range(1..self.accounts.len())) % self.accounts.len();
        let amount = random.random_range(1..=10);
        let keys = vec![self.accounts[from].clone(), self.accounts[to].clone()];
        // What is not transferred is not recorded: only what is, and what may be.
        let Ok(found) = storage.batch_get(keys.clone()).await else { return };
        let (source, target) = (number(found[0].as_ref()), number(found[1].as_ref()));
        if source < amount {
            return;
        }
        let is = |key: &Key, balance: i64| Condition::Equals(key.clone(), balance.to_string().into());
        let mut batch = WriteBatch::new();
        batch.put(keys[0].clone(), (source - amount).to_string());
        batch.put(keys[1].clone(), (target + amount).to_string());
        let transaction = Transaction { conditions: vec![is(&keys[0], source), is(&keys[1], target)], batch };
        let action = BankAction::Transfer { from, to, amount };
        let call = self.history.lock().unwrap().invoke(recorder.process(), recorder.now(), action);
        let outcome = storage.transact(transaction).await;
        let at = recorder.now();
        let mut history = self.history.lock().unwrap();
        match outcome {
            Ok(Outcome::Committed) => history.ok(call, at, BankAnswer::Transferred),
            Ok(Outcome::ConditionFailed { .. }) => history.ok(call, at, BankAnswer::Refused),
            Err(StorageError::Unavailable { .. }) => history.failed(call, at),
            Err(StorageError::Unknown { .. }) => {}
            Err(other) => panic!("a transfer: {other}"),
        }
    }

    /// Reads each account, and asks for all of them to be so at one moment.
    async fn read(&self, recorder: &Recorder, storage: &Storage) {
        let call = self.history.lock().unwrap().invoke(recorder.process(), recorder.now(), BankAction::Read);
        let Ok(found) = storage.batch_get(self.accounts.clone()).await else { return };
        let conditions = self
            .accounts
            .iter()
            .zip(&found)
            .map(|(key, value)| Condition::Equals(key.clone(), value.clone().unwrap()))
            .collect();
        let transaction = Transaction { conditions, batch: WriteBatch::new() };
        match storage.transact(transaction).await {
            Ok(Outcome::Committed) => {
                let balances = found.iter().map(|value| number(value.as_ref())).collect();
                let at = recorder.now();
                self.history.lock().unwrap().ok(call, at, BankAnswer::Balances(balances));
            }
            Ok(Outcome::ConditionFailed { .. })
            | Err(StorageError::Unavailable { .. } | StorageError::Unknown { .. }) => {}
            Err(other) => panic!("a read of all accounts: {other}"),
        }
    }

    /// A last read when nobody writes any more, and what is wrong, if something is.
    pub(crate) fn judge(
        &self,
        recorder: &Recorder,
        storage: &Storage,
    ) -> Result<(BankReport, usize), String> {
        let reads = |history: &BankHistory| {
            history
                .calls()
                .iter()
                .filter(|call| matches!(call.answer(), Some((_, BankAnswer::Balances(_)))))
                .count()
        };
        let before = reads(&self.history.lock().unwrap());
        while reads(&self.history.lock().unwrap()) == before {
            wait(self.read(recorder, storage));
        }
        let history = self.history.lock().unwrap();
        let transfers =
            history.calls().iter().filter(|call| matches!(call.answer(), Some((_, BankAnswer::Transferred))));
        let transfers = transfers.count();
        let report = bank::check(&history, &vec![OPENING; self.accounts.len()], 1_000_000);
        report.map(|report| (report, transfers)).map_err(|error| error.to_string())
    }
}
