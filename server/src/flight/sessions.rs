//! Sessions that outlive a call: as many as fit, as long as they are used.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tonic::Status;

use crate::{Node, Principal, Session};

use super::Caller;

/// Sessions that are kept; whoever wants one more must wait until one is closed or over.
const SESSIONS_MAX: usize = 4096;
/// How long a session is kept that nobody uses.
const IDLE_MAX: Duration = Duration::from_secs(60 * 60);

/// What a session is found by. A digest, so that no token stays in memory because of it.
pub(super) type Key = u128;

/// The sessions of a node.
pub(super) struct Sessions {
    node: Arc<Node>,
    /// They begin with random keys, so that nobody can make two names alike.
    hashers: [RandomState; 2],
    kept: Mutex<BTreeMap<Key, Kept>>,
}

struct Kept {
    session: Arc<Session>,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, hashers: [RandomState::new(), RandomState::new()], kept: Mutex::default() }
    }

    /// What the session is found by that a caller names in a way.
    pub(super) fn key(&self, principal: &Principal, way: &str, name: &str) -> Key {
        let whole = (&*principal.name, way, name);
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(whole)));
        high << 64 | low
    }

    /// The session of a caller, or one with the settings of the node if it has changed none.
    pub(super) fn find(&self, caller: &Caller) -> Arc<Session> {
        self.find_as(caller.session, &caller.principal)
    }

    fn find_as(&self, key: Option<Key>, principal: &Principal) -> Arc<Session> {
        let now = Instant::now();
        let mut kept = self.kept.lock();
        let known = key.and_then(|key| kept.get_mut(&key)).filter(|kept| !kept.is_over(now));
        match known {
            Some(kept) if kept.session.principal() == principal => {
                kept.used = now;
                Arc::clone(&kept.session)
            }
            _ => Arc::new(self.node.session(principal.clone())),
        }
    }

    /// The session that a caller is about to change.
    pub(super) fn keep(&self, key: Key, caller: &Caller) -> Result<Arc<Session>, Status> {
        let session = self.find_as(Some(key), &caller.principal);
        let now = Instant::now();
        let mut kept = self.kept.lock();
        kept.retain(|_, kept| !kept.is_over(now));
        if kept.len() >= SESSIONS_MAX && !kept.contains_key(&key) {
            return Err(Status::resource_exhausted("too many sessions are open on this node"));
        }
        kept.insert(key, Kept { session: Arc::clone(&session), used: now });
        Ok(session)
    }

    /// Forgets a session.
    pub(super) fn close(&self, key: Key) {
        self.kept.lock().remove(&key);
    }
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE_MAX
    }
}
