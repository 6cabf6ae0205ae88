//! Tests of the network: real sockets on the loopback, handlers that wait for what the test says.

mod calls;
mod failures;
mod frames;
mod throughput;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{AddressBook, Handler, Identity, Lane, NetworkOptions, Server, TcpTransport};
use crate::range::NodeId;

const PEER: NodeId = NodeId(2);
const CLUSTER: u64 = 77;
/// Far longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A handler made of a function.
struct Handling<F>(F);

impl<F> Handler for Handling<F>
where
    F: Fn(Lane, Bytes) -> BoxFuture<'static, Bytes> + Send + Sync + 'static,
{
    fn handle(&self, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes> {
        (self.0)(lane, request)
    }
}

fn handling<F>(handle: F) -> Arc<dyn Handler>
where
    F: Fn(Lane, Bytes) -> BoxFuture<'static, Bytes> + Send + Sync + 'static,
{
    Arc::new(Handling(handle))
}

fn echo() -> Arc<dyn Handler> {
    handling(|_, request| std::future::ready(request).boxed())
}

/// A node that serves until it is told to stop, or is dropped: killed.
struct Peer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinSet<()>,
}

impl Peer {
    async fn start(address: &str, handler: Arc<dyn Handler>, options: NetworkOptions) -> Self {
        Self::start_as(address, handler, options, Identity::new(PEER, CLUSTER)).await
    }

    async fn start_as(
        address: &str,
        handler: Arc<dyn Handler>,
        options: NetworkOptions,
        identity: Arc<Identity>,
    ) -> Self {
        let server = Server::bind(address, handler, identity, options).await.unwrap();
        let address = server.local_address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let shutdown = async {
                if stopped.await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            server.serve(shutdown).await.unwrap();
        });
        Self { address, stop: Some(stop), serving }
    }

    /// Ends it as a crash would, and waits until its port is free.
    async fn kill(mut self) {
        self.serving.shutdown().await;
    }
}

fn options() -> NetworkOptions {
    NetworkOptions {
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        ..NetworkOptions::default()
    }
}

/// A transport as node 1 that knows one peer.
fn transport(address: SocketAddr, options: NetworkOptions) -> (Arc<TcpTransport>, AddressBook) {
    let book = AddressBook::new();
    book.set(PEER, &address.to_string());
    (transport_as(&book, options, Identity::new(NodeId(1), CLUSTER)), book)
}

fn transport_as(book: &AddressBook, options: NetworkOptions, identity: Arc<Identity>) -> Arc<TcpTransport> {
    Arc::new(TcpTransport::new(book.clone(), identity, options, Handle::current()))
}
