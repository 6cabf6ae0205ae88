//! A TCP connection that breaks when the server has ended, and counts among its connections until then.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tonic::transport::server::Connected;

use super::Stage;

/// An accepted connection.
pub(super) struct Socket {
    stream: TcpStream,
    ended: BoxFuture<'static, ()>,
    _permit: OwnedSemaphorePermit,
}

impl Socket {
    /// A connection that breaks once the stage is [`Stage::Ended`].
    pub(super) fn new(
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        mut stage: watch::Receiver<Stage>,
    ) -> Self {
        let ended = async move {
            // An error says that the sender is gone, and with it the server.
            let _ = stage.wait_for(|stage| *stage == Stage::Ended).await;
        };
        Self { stream, ended: ended.boxed(), _permit: permit }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection always has somebody who reads, so that it is enough to look here, and only when
        // there is nothing to read.
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending if self.ended.poll_unpin(context).is_ready() => {
                self.ended = std::future::ready(()).boxed();
                Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server has ended")))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Connected for Socket {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
