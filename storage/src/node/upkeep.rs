//! What a node does by itself from time to time: keep its logs short, remove what expired, finish
//! transactions that were left.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use openraft::AsyncRuntime as _;

use super::Node;
use crate::{
    action::{Action, Proposal},
    raft::group::Group,
    runtime::{self, Runtime},
};

/// How often.
const EVERY: Duration = Duration::from_millis(500);
/// Turns after which a node with a full disk again lets others lead.
const FULL_TURNS: u32 = 20;
/// Values that one entry removes when their time is over.
const EXPIRE_MAX: usize = 1024;

impl Node {
    /// Begins the upkeep; it ends with the node.
    pub(super) fn start_upkeep(self: &Arc<Self>) {
        let node = Arc::downgrade(self);
        drop(Runtime::spawn(async move {
            let mut full_turns = 0_u32;
            loop {
                Runtime::sleep(EVERY).await;
                let Some(node) = node.upgrade() else { return };
                if node.stopping.load(Ordering::Acquire) {
                    return;
                }
                node.upkeep().await;
                if node.is_full() {
                    // Others may have space; if they have none, it does not go round too fast.
                    if full_turns.is_multiple_of(FULL_TURNS) {
                        node.hand_over().await;
                    }
                    full_turns = full_turns.saturating_add(1);
                } else {
                    full_turns = 0;
                }
            }
        }));
    }

    /// Whether this node refuses writes because its disk is full.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.health.check_space(0, &self.shared.log).is_err_and(|error| error.is_full())
    }

    async fn upkeep(&self) {
        self.shared.log.retry();
        let pinned = self.shared.log.pinned();
        let expiring = self.is_anything_due().await;
        for group in self.groups() {
            group.shorten_log(pinned.contains(&group.range)).await;
            if expiring && group.leads() {
                self.expire(&group).await;
            }
        }
    }

    /// Whether any range may have values whose time is over. Looking once for all of them is what makes
    /// many idle ranges cheap.
    async fn is_anything_due(&self) -> bool {
        let (store, now) = (Arc::clone(self.store()), self.shared.config.clock.wall());
        // What cannot be read is met again where it is looked for, range by range.
        runtime::blocking(move || store.view()?.is_anything_due(now)).await.unwrap_or(true)
    }

    /// Removes values of a range whose time is over. Reads do not see them before that either.
    async fn expire(&self, group: &Group) {
        let (store, range) = (Arc::clone(self.store()), group.range);
        let now = self.shared.config.clock.wall();
        let found = runtime::blocking(move || {
            let view = store.view()?;
            let Some(group) = view.group(range)? else { return Ok(None) };
            Ok(Some((group.descriptor.version, view.due(&group.descriptor, now, EXPIRE_MAX)?)))
        })
        .await;
        let Ok(Some((version, entries))) = found else { return };
        if entries.is_empty() {
            return;
        }
        let action = Action::Expire { entries };
        let proposal = Proposal { version, session: None, now, action };
        // Next time, if not now.
        let _refused = self.propose(range, proposal.encode()).await;
    }
}
