//! Reads of the state, each of one moment and of one version of its range.

use std::{sync::Arc, time::Duration};

use openraft::AsyncRuntime as _;

use super::Node;
use crate::{
    action::Refusal,
    error::StorageError,
    kv::{KeyRange, Timestamp},
    range::{RangeId, Space},
    rpc::{Answer, Failure, Lock, Query, encode_events},
    runtime::{self, Runtime},
    state::{LockFound, Store, View},
};

/// Keys that are looked up on the spot: handing them to another thread would take longer.
const KEYS_INLINE_MAX: usize = 16;

fn locks(found: Vec<LockFound>) -> Vec<Lock> {
    found
        .into_iter()
        .map(|LockFound { key, id, primary, deadline }| Lock { key, id, primary, deadline })
        .collect()
}

/// Answers a query from a view.
pub(crate) fn run(view: &View, space: Space, query: &Query, now: Timestamp) -> Result<Answer, StorageError> {
    Ok(match query {
        Query::Values(keys) => {
            let read = view.batch_get(space, keys, now)?;
            Answer::Values { values: read.found, locks: locks(read.locks) }
        }
        Query::Scan(range, limit) => {
            let read = view.scan_entries(space, range, *limit, now)?;
            Answer::Page { page: read.found, locks: locks(read.locks) }
        }
        Query::ScanKeys(range, limit) => {
            let read = view.scan_keys(space, range, *limit, now)?;
            Answer::Keys { page: read.found, locks: locks(read.locks) }
        }
        Query::Deque { key, from, limit } => {
            let read = view.deque(space, key, *from, *limit)?;
            Answer::Deque {
                length: read.found.length,
                elements: read.found.elements,
                locks: locks(read.locks),
            }
        }
        Query::Expiry(key) => {
            let found = view.lock(space, key)?;
            Answer::Expiry { expiry: view.expires(space, key)?, locks: locks(found.into_iter().collect()) }
        }
        Query::Decision { primary, id } => Answer::Decision(view.decision(space, primary, *id)?),
    })
}

fn in_range(query: &Query, keys: &KeyRange) -> bool {
    let reaches = |range: &KeyRange| {
        keys.contains(&range.start)
            && match (&range.end, &keys.end) {
                (_, None) => true,
                (Some(end), Some(limit)) => end <= limit,
                (None, Some(_)) => false,
            }
    };
    match query {
        Query::Values(wanted) => wanted.iter().all(|key| keys.contains(key)),
        Query::Scan(range, _) | Query::ScanKeys(range, _) => range.is_empty() || reaches(range),
        Query::Deque { key, .. } | Query::Expiry(key) | Query::Decision { primary: key, .. } => {
            keys.contains(key)
        }
    }
}

enum Found {
    Answer(Answer),
    OtherVersion,
}

fn find(
    store: &Store,
    range: RangeId,
    version: u64,
    query: &Query,
    now: Timestamp,
    check: bool,
) -> Result<Found, StorageError> {
    // The version and what is read are of one moment.
    let view = store.view()?;
    let descriptor = match view.check(range, version)? {
        Ok(descriptor) => descriptor,
        Err(Refusal::Version(descriptor)) if !check => descriptor,
        Err(_) => return Ok(Found::OtherVersion),
    };
    if check && !in_range(query, &descriptor.keys) {
        return Ok(Found::OtherVersion);
    }
    run(&view, descriptor.space, query, now).map(Found::Answer)
}

impl Node {
    /// Answers a query of a range from what is applied here.
    pub(super) async fn query(&self, range: RangeId, version: u64, query: Query) -> Result<Answer, Failure> {
        let now = self.shared.config.clock.wall();
        let check = !self.shared.config.sabotage.no_version_check;
        let store = Arc::clone(self.store());
        let inline = matches!(&query, Query::Values(keys) if keys.len() <= KEYS_INLINE_MAX)
            || matches!(query, Query::Decision { .. } | Query::Expiry(_));
        let found = if inline {
            find(&store, range, version, &query, now, check)
        } else {
            runtime::blocking(move || find(&store, range, version, &query, now, check)).await
        };
        match found {
            Ok(Found::Answer(answer)) => Ok(answer),
            Ok(Found::OtherVersion) => Err(self.other_version(range)),
            Err(StorageError::RangeAbsent { .. }) => Err(Failure::NotHere { range }),
            Err(error) => Err(self.damaged(error)),
        }
    }

    /// An error of a read; damage is told to whoever repairs this node.
    fn damaged(&self, error: StorageError) -> Failure {
        if error.is_damage() {
            self.shared.health.damaged(&error);
        }
        self.failure(error)
    }

    /// What changed in `keys` behind the entry `after`; waits for a change, up to `wait`.
    pub(super) async fn watch(
        &self,
        range: RangeId,
        keys: &KeyRange,
        after: u64,
        wait: Duration,
    ) -> Result<Answer, Failure> {
        /// How often the ring of events is looked at; events come by themselves no faster.
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        let group = self.group(range)?;
        // Only the leader: what another replica has applied, it may tell late, but never wrongly; yet a
        // watcher that moves between replicas must not go back.
        group.barrier().await?;
        let mut waited = Duration::ZERO;
        loop {
            let mut events = match self.store().events_since(range, after) {
                Ok(Ok(events)) => events,
                Ok(Err(compacted)) => return Err(Failure::Compacted { range, oldest: compacted.floor }),
                Err(error) => return Err(self.failure(error)),
            };
            events.events.retain(|event| event.concerns(keys));
            if !events.events.is_empty() || waited >= wait {
                return Ok(Answer::Bytes(encode_events(&events)));
            }
            Runtime::sleep(LOOK_EVERY).await;
            waited += LOOK_EVERY;
        }
    }
}
