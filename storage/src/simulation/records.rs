//! What callers did and saw.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::trace::now;
use crate::{
    kv::Key,
    testing::history::{
        Answer, CallId, KeyHistory, Request,
        bank::{BankAction, BankAnswer, BankHistory},
        watch::Change,
    },
};

/// All histories of a run.
#[derive(Default)]
pub(super) struct Records {
    pub(super) keys: Mutex<KeyHistory>,
    pub(super) bank: Mutex<BankHistory>,
    /// What the watcher saw, and whether it fell behind.
    pub(super) watched: Mutex<(Vec<Change>, bool)>,
    /// Calls that took effect, by process.
    pub(super) done: Mutex<BTreeMap<u64, u64>>,
}

/// What became of a call.
#[derive(Debug)]
pub(super) enum Ended<R> {
    Ok(R),
    Failed,
    Unknown,
}

/// The present moment of histories: nanoseconds.
pub(super) fn tick() -> u64 {
    u64::try_from(now().as_nanos()).unwrap_or(u64::MAX)
}

impl Records {
    pub(super) fn begin(&self, process: u64, request: Request) -> CallId {
        self.keys.lock().invoke(process, tick(), request)
    }

    pub(super) fn end(&self, process: u64, call: CallId, ended: Ended<Answer>) {
        match ended {
            Ended::Ok(answer) => {
                self.keys.lock().ok(call, tick(), answer);
                self.progress(process);
            }
            Ended::Failed => self.keys.lock().failed(call, tick()),
            Ended::Unknown => {}
        }
    }

    pub(super) fn begin_bank(&self, process: u64, action: BankAction) -> CallId {
        self.bank.lock().invoke(process, tick(), action)
    }

    pub(super) fn end_bank(&self, process: u64, call: CallId, ended: Ended<BankAnswer>) {
        match ended {
            Ended::Ok(answer) => {
                self.bank.lock().ok(call, tick(), answer);
                self.progress(process);
            }
            Ended::Failed => self.bank.lock().failed(call, tick()),
            Ended::Unknown => {}
        }
    }

    /// A process got something done.
    pub(super) fn progress(&self, process: u64) {
        *self.done.lock().entry(process).or_default() += 1;
    }

    /// Every key that anybody called.
    pub(super) fn all_keys(&self) -> Vec<Key> {
        let history = self.keys.lock();
        let mut keys: Vec<Key> = history.calls().iter().map(|call| call.action.key.clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
