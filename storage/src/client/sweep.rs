//! Finishing transactions whose sender is gone: what they locked in ranges that this node leads.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use openraft::AsyncRuntime as _;

use super::Client;
use crate::{
    error::StorageError,
    range::Space,
    rpc::Lock,
    runtime::{self, Runtime},
    state::LockFound,
};

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Locks of a range that are looked at in one go.
const LOCKS_MAX: usize = 64;

/// Settles what was left, until the client is gone or its node stops.
pub(crate) async fn sweep(client: Weak<Client>) {
    loop {
        Runtime::sleep(EVERY).await;
        let Some(client) = client.upgrade() else { return };
        match client.settle_left().await {
            Ok(true) => {}
            Ok(false) => return,
            // Who reads one of the locks settles it, and the next turn comes.
            Err(error) => tracing::debug!(%error, "locks that were left are not settled"),
        }
    }
}

impl Client {
    /// Settles the locks of all ranges led by the node of this process whose deadline is over; false if
    /// it stops.
    async fn settle_left(&self) -> Result<bool, StorageError> {
        let Some(node) = self.local.as_ref().filter(|node| !node.is_stopping()) else { return Ok(false) };
        let now = self.config.clock.wall();
        for group in node.groups().into_iter().filter(|group| group.leads()) {
            let (store, range) = (Arc::clone(node.store()), group.range);
            let found = runtime::blocking(move || {
                let view = store.view()?;
                let Some(group) = view.group(range)? else { return Ok((Space::User, Vec::new())) };
                let descriptor = group.descriptor;
                Ok((descriptor.space, view.overdue_locks(&descriptor, now, LOCKS_MAX)?))
            });
            let (space, locks) = found.await?;
            for LockFound { key, id, primary, deadline } in locks {
                let lock = Lock { key, id, primary, deadline };
                let _settled = self.settle(space, &lock, &mut self.patience()).await?;
            }
        }
        Ok(true)
    }
}
