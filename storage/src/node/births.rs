//! Children of splits: each replica of the parent starts its replica of the child.

use std::sync::Arc;

use openraft::AsyncRuntime as _;

use super::Node;
use crate::{raft::state_machine::Event, rpc::Failure, runtime::Runtime};

impl Node {
    /// Starts the groups that are born, until the node stops.
    pub(super) fn watch_births(self: &Arc<Self>) {
        let Some(mut events) = self.events.lock().take() else { return };
        let node = Arc::downgrade(self);
        drop(Runtime::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(node) = node.upgrade() else { return };
                let (parent, child) = match event {
                    Event::Born { parent, child } => (parent, child),
                    Event::Verified { range, index, checksum } => {
                        node.checksums.lock().insert(range, (index, checksum));
                        continue;
                    }
                };
                match node.start_group(child).await {
                    Ok(()) => {}
                    // Dropped since, or started by somebody else.
                    Err(Failure::NotHere { .. } | Failure::Busy(_)) => continue,
                    Err(failure) => {
                        tracing::error!(range = %child, ?failure, "the child of a split does not start");
                        continue;
                    }
                }
                // Whoever leads the parent leads the child, so that nobody waits for a timeout.
                let leads = node.group(parent).is_ok_and(|parent| parent.leads());
                if leads && let Ok(child) = node.group(child) {
                    child.elect(false).await;
                }
            }
        }));
    }
}
