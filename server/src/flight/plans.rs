//! Queries that were planned when their ticket was made, for whoever comes with it.
//!
//! A ticket says all that it takes to run its query, so that losing a plan costs the time to make it again.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;

use super::{Caller, sessions::Key};
use crate::{Prepared, Principal};

/// Plans that wait for their tickets; the oldest goes first.
const PLANS_MAX: usize = 128;

/// Plans by the names of their queries.
#[derive(Clone, Default)]
pub(super) struct Plans(Arc<Mutex<VecDeque<Planned>>>);

struct Planned {
    query: u64,
    /// For whom: another sees other system tables, and has other settings.
    principal: Principal,
    session: Option<Key>,
    prepared: Prepared,
}

impl Plans {
    /// Keeps a plan for a while.
    pub(super) fn keep(&self, query: u64, caller: &Caller, prepared: Prepared) {
        let (principal, session) = (caller.principal.clone(), caller.session);
        let mut plans = self.0.lock();
        if plans.len() >= PLANS_MAX {
            plans.pop_front();
        }
        plans.push_back(Planned { query, principal, session, prepared });
    }

    /// Takes the plan that was kept for the same caller, if it is still there.
    pub(super) fn take(&self, query: u64, caller: &Caller) -> Option<Prepared> {
        let mut plans = self.0.lock();
        let place = plans.iter().rposition(|planned| {
            planned.query == query
                && planned.principal == caller.principal
                && planned.session == caller.session
        })?;
        plans.remove(place).map(|planned| planned.prepared)
    }
}
