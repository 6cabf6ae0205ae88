//! Where the nodes are.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::range::NodeId;

/// Addresses of nodes, "host:port", shared by all who learn of them and all who call.
///
/// A change takes effect with the next call: the connection to the former address is given up then.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressBook {
    addresses: Arc<RwLock<BTreeMap<NodeId, Arc<str>>>>,
}

impl AddressBook {
    /// A book without addresses.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Says where a node is from now on.
    pub(crate) fn set(&self, node: NodeId, address: &str) {
        let mut addresses = self.addresses.write();
        if addresses.get(&node).is_none_or(|known| **known != *address) {
            addresses.insert(node, Arc::from(address));
        }
    }

    /// Forgets a node.
    #[cfg(test)]
    pub(crate) fn remove(&self, node: NodeId) {
        self.addresses.write().remove(&node);
    }

    /// Where a node is.
    pub(crate) fn get(&self, node: NodeId) -> Option<Arc<str>> {
        self.addresses.read().get(&node).cloned()
    }

    /// All nodes and where they are, by number.
    pub(crate) fn all(&self) -> Vec<(NodeId, Arc<str>)> {
        self.addresses.read().iter().map(|(node, address)| (*node, address.clone())).collect()
    }
}
