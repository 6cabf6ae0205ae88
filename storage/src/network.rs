//! The network between nodes, and from clients to nodes: opaque requests and their answers.
//!
//! ```text
//! call ─► link (one per node and lane) ─► frames of packed requests ─► driver ─► Handler::handle
//!   ◄─────────── calls, by number ◄────── frames of packed answers ◄── outbox ◄──────┘
//! ```
//! A frame is one message of one bidirectional gRPC stream; what waits while one is being sent makes up
//! the next, so that under load many requests share the cost of a system call.

mod address_book;
mod call_error;
mod calls;
mod client;
mod connection;
mod frame;
mod greeting;
mod link;
mod options;
mod outgoing;
mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

pub(crate) use address_book::AddressBook;
pub(crate) use call_error::CallError;
pub(crate) use client::TcpTransport;
pub(crate) use options::{Identity, NetworkOptions};
pub(crate) use server::Server;

use crate::{range::NodeId, rpc::Peer};

/// The one method of the one service, as gRPC names it.
const SERVICE_PATH: &str = "/genomdb.storage.Peer/Exchange";

/// What a request is about; each lane of a peer has a connection of its own, so that none waits behind
/// the bytes of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Lane {
    /// Votes and entries of all groups: small, and late is as bad as lost.
    Raft = 0,
    /// Chunks of snapshots: large, and may wait.
    Snapshot = 1,
    /// Reads and proposals of clients, and what nodes ask of each other in their place.
    Client = 2,
}

/// Carries requests to nodes; the real one is over TCP, the one of the simulation is seeded.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Sends `request` to a node and waits for its answer, at most `timeout`.
    ///
    /// The request is queued by the call itself, not by the first poll of the future: requests of one
    /// caller to one node and lane arrive in the order of the calls while the connection lives.
    /// Nothing is sent twice; whether an error leaves the request undelivered is said by
    /// [`CallError::maybe_sent`].
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>>;

    /// As [`Transport::call`], to an address of which no node is known yet: a seed.
    fn call_address(
        &self,
        address: &str,
        lane: Lane,
        request: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>>;

    /// The nodes whose addresses are known.
    fn peers(&self) -> Vec<Peer>;

    /// Learns where nodes are.
    fn learn(&self, peers: &[Peer]);
}

/// The network of a node that is alone.
#[derive(Debug)]
pub(crate) struct NoTransport;

impl Transport for NoTransport {
    fn call(
        &self,
        to: NodeId,
        _: Lane,
        _: Bytes,
        _: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        Box::pin(std::future::ready(Err(CallError::UnknownNode(to))))
    }

    fn call_address(
        &self,
        address: &str,
        _: Lane,
        _: Bytes,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let error = CallError::TimedOut { address: address.to_owned(), timeout, maybe_sent: false };
        Box::pin(std::future::ready(Err(error)))
    }

    fn peers(&self) -> Vec<Peer> {
        Vec::new()
    }

    fn learn(&self, _: &[Peer]) {}
}

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// Called in order of arrival within a connection, and the future is polled once before the next
    /// request is taken: what it queues before its first wait stays in order. From then on the futures
    /// run side by side. A future is dropped when its connection ends, so that what must not stop half
    /// way belongs to a task of the handler's own.
    fn handle(&self, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes>;
}
