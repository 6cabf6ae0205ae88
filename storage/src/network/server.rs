//! The server: accepts connections and has their requests handled.

mod driver;
mod outbox;
mod service;
mod socket;

use std::future::Future;
use std::io;
use std::sync::Arc;

use futures_util::stream;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tonic::transport;
use tracing::warn;

use super::connection::HTTP2_FRAME_BYTES;
use super::{Handler, Identity, NetworkOptions};
use service::Service;
use socket::Socket;

/// Streams of one HTTP/2 connection; our own client opens one.
const STREAMS_MAX: u32 = 8;

/// How far stopping has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Not begun.
    #[default]
    Serving,
    /// No new requests; those that are being handled are answered.
    Finishing,
    /// Connections break.
    Ended,
}

/// A server that listens and does not serve yet.
pub(crate) struct Server {
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    identity: Arc<Identity>,
    options: Arc<NetworkOptions>,
}

impl Server {
    /// Serves where a socket already listens; within a runtime.
    pub(crate) fn new(
        listener: std::net::TcpListener,
        handler: Arc<dyn Handler>,
        identity: Arc<Identity>,
        options: NetworkOptions,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { listener, handler, identity, options: Arc::new(options) })
    }

    /// Listens at "host:port"; with port 0, at one that is free.
    #[cfg(test)]
    pub(crate) async fn bind(
        address: &str,
        handler: Arc<dyn Handler>,
        identity: Arc<Identity>,
        options: NetworkOptions,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, handler, identity, options: Arc::new(options) })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn local_address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown`, then answers what is being handled, at most
    /// [`shutdown_grace`](NetworkOptions::shutdown_grace) long.
    ///
    /// Dropped before that, it breaks all connections.
    pub(crate) async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), transport::Error> {
        let options = self.options.clone();
        let (stage, stage_seen) = watch::channel(Stage::Serving);
        let stage = EndOnDrop(stage);
        let service = Service {
            handler: self.handler,
            identity: self.identity,
            options: options.clone(),
            stage: stage_seen.clone(),
        };
        let connections = Arc::new(Semaphore::new(options.connections_max));
        let incoming = stream::unfold(self.listener, move |listener| {
            let (connections, stage) = (connections.clone(), stage_seen.clone());
            async move { Some((accept(&listener, connections, stage).await, listener)) }
        });
        let stopping = async {
            shutdown.await;
            stage.0.send_replace(Stage::Finishing);
        };
        let serving = transport::Server::builder()
            .http2_keepalive_interval(Some(options.keepalive_interval))
            .http2_keepalive_timeout(Some(options.keepalive_timeout))
            .initial_stream_window_size(options.window_bytes)
            .initial_connection_window_size(options.window_bytes)
            .max_frame_size(HTTP2_FRAME_BYTES)
            .max_concurrent_streams(STREAMS_MAX)
            .serve_with_incoming_shutdown(service, incoming, stopping);
        let mut finishing = stage.0.subscribe();
        let too_late = async {
            // Fails only when the sender is gone, which outlives this.
            let _ = finishing.wait_for(|stage| *stage >= Stage::Finishing).await;
            tokio::time::sleep(options.shutdown_grace).await;
        };
        tokio::select! {
            served = serving => served,
            () = too_late => {
                warn!(grace = ?options.shutdown_grace, "connections are broken: requests took too long");
                Ok(())
            }
        }
    }
}

/// Breaks the connections when serving ends, in whatever way: tonic leaves their tasks to themselves.
struct EndOnDrop(watch::Sender<Stage>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.send_replace(Stage::Ended);
    }
}

async fn accept(
    listener: &TcpListener,
    connections: Arc<Semaphore>,
    stage: watch::Receiver<Stage>,
) -> io::Result<Socket> {
    let permit = connections.acquire_owned().await.map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, _)) => {
            stream.set_nodelay(true)?;
            Ok(Socket::new(stream, permit, stage))
        }
        Err(error) => {
            warn!(%error, "no connection was accepted");
            // Out of file descriptors, say: it is asked again at once after an error.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            Err(error)
        }
    }
}
