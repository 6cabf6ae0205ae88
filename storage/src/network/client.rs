//! The transport over TCP: a link for each node and lane.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt};
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::connection::Destination;
use super::link::Link;
use super::{AddressBook, CallError, Identity, Lane, NetworkOptions, Transport};
use crate::{range::NodeId, rpc::Peer};

/// Calls nodes over TCP, with one connection per node and lane.
#[derive(Debug)]
pub(crate) struct TcpTransport {
    book: AddressBook,
    identity: Arc<Identity>,
    options: Arc<NetworkOptions>,
    runtime: Handle,
    links: RwLock<Links>,
}

#[derive(Debug, Default)]
struct Links {
    nodes: BTreeMap<(NodeId, Lane), Arc<Link>>,
    addresses: BTreeMap<(Arc<str>, Lane), Arc<Link>>,
    stopped: bool,
}

impl TcpTransport {
    /// A transport whose connections live on `runtime`; calls may be awaited anywhere.
    pub(crate) fn new(
        book: AddressBook,
        identity: Arc<Identity>,
        options: NetworkOptions,
        runtime: Handle,
    ) -> Self {
        Self { book, identity, options: Arc::new(options), runtime, links: RwLock::default() }
    }

    /// Ends all connections and fails the calls that wait; later ones fail at once.
    pub(crate) fn stop(&self) {
        let links = std::mem::replace(&mut *self.links.write(), Links { stopped: true, ..Links::default() });
        // Callers are woken without the lock.
        drop(links);
    }

    fn link(&self, node: Option<NodeId>, address: &Arc<str>, lane: Lane) -> Arc<Link> {
        let destination = Destination {
            address: address.clone(),
            node,
            lane,
            identity: self.identity.clone(),
            options: self.options.clone(),
        };
        Arc::new(Link::new(destination, &self.runtime))
    }

    /// The link to a node where it is now; makes one if there is none, or if it leads elsewhere.
    fn node_link(&self, node: NodeId, lane: Lane) -> Result<Arc<Link>, CallError> {
        let address = self.book.get(node);
        if let Some(address) = &address
            && let Some(link) = self.links.read().nodes.get(&(node, lane))
            && leads_to(link, address)
        {
            return Ok(link.clone());
        }
        // Declared before the lock, so that a link that is given up is dropped after it is released.
        let former;
        let mut links = self.links.write();
        if links.stopped {
            return Err(CallError::Stopped { maybe_sent: false });
        }
        let Some(address) = address else {
            former = links.nodes.remove(&(node, lane));
            drop(links);
            drop(former);
            return Err(CallError::UnknownNode(node));
        };
        // Another caller may have been quicker.
        if let Some(link) = links.nodes.get(&(node, lane))
            && leads_to(link, &address)
        {
            return Ok(link.clone());
        }
        let link = self.link(Some(node), &address, lane);
        former = links.nodes.insert((node, lane), link.clone());
        drop(links);
        drop(former);
        Ok(link)
    }
}

impl Transport for TcpTransport {
    fn call_address(
        &self,
        address: &str,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let key = (Arc::from(address), lane);
        let mut links = self.links.write();
        if links.stopped {
            return stopped();
        }
        links.addresses.entry(key).or_insert_with_key(|(address, _)| self.link(None, address, lane)).call(
            request,
            timeout,
            &self.runtime,
        )
    }

    fn peers(&self) -> Vec<Peer> {
        let all = self.book.all().into_iter();
        all.map(|(node, address)| Peer { node, address: address.to_string() }).collect()
    }

    fn learn(&self, peers: &[Peer]) {
        for peer in peers {
            self.book.set(peer.node, &peer.address);
        }
    }

    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        match self.node_link(to, lane) {
            Ok(link) => link.call(request, timeout, &self.runtime),
            Err(error) => future::ready(Err(error)).boxed(),
        }
    }
}

fn leads_to(link: &Link, address: &Arc<str>) -> bool {
    Arc::ptr_eq(link.address(), address) || link.address() == address
}

fn stopped() -> BoxFuture<'static, Result<Bytes, CallError>> {
    future::ready(Err(CallError::Stopped { maybe_sent: false })).boxed()
}
