//! The task of a link: connects, greets, receives, and begins again after a while.

use std::error::Error as _;
use std::sync::Arc;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status, Streaming};
use tracing::{debug, info};

use super::frame::{FrameCodec, Messages};
use super::greeting::Greeting;
use super::link::{Failure, Shared};
use super::{Identity, Lane, NetworkOptions, SERVICE_PATH};
use crate::range::NodeId;

/// DATA frames of HTTP/2 are cut at this; a few large ones cost less than many of 16 KiB.
pub(super) const HTTP2_FRAME_BYTES: u32 = 256 << 10;

/// Where a link leads, and as whom it greets.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// "host:port".
    pub(super) address: Arc<str>,
    /// Which node should be there, if that is known.
    pub(super) node: Option<NodeId>,
    /// What it is for.
    pub(super) lane: Lane,
    /// Who we are.
    pub(super) identity: Arc<Identity>,
    /// Our limits.
    pub(super) options: Arc<NetworkOptions>,
}

/// Connects whenever something is to be sent and receives what comes back, until the task is dropped.
pub(super) async fn run(shared: Arc<Shared>, destination: Destination) {
    let mut failures = 0_u32;
    loop {
        shared.demand().await;
        let connecting = connect(&shared, &destination);
        let failure = match tokio::time::timeout(destination.options.connect_timeout, connecting).await {
            Ok(Ok(answers)) => {
                failures = 0;
                debug!(address = %destination.address, lane = ?destination.lane, "connected");
                receive(&shared, answers).await
            }
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Unreachable(format!(
                "no connection within {:?}",
                destination.options.connect_timeout
            )),
        };
        info!(address = %destination.address, lane = ?destination.lane, ?failure, "link is down");
        shared.fail(&failure);
        tokio::time::sleep(destination.options.backoff(failures)).await;
        failures = failures.saturating_add(1);
        shared.up();
    }
}

async fn connect(shared: &Arc<Shared>, destination: &Destination) -> Result<Streaming<Messages>, Failure> {
    let options = &destination.options;
    let channel = Endpoint::from_shared(format!("http://{}", destination.address))
        .map_err(|error| unreachable(&error))?
        .tcp_nodelay(true)
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(options.window_bytes)
        .initial_connection_window_size(options.window_bytes)
        .max_frame_size(HTTP2_FRAME_BYTES)
        .connect()
        .await
        .map_err(|error| unreachable(&error))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(options.frame_bytes_max());
    client.ready().await.map_err(|error| unreachable(&error))?;
    let mut request = Request::new(shared.requests());
    Greeting::ours(&destination.identity, destination.lane).write(request.metadata_mut());
    let path = PathAndQuery::from_static(SERVICE_PATH);
    let response = client.streaming(request, path, FrameCodec).await.map_err(|status| refused(&status))?;
    Greeting::read(response.metadata())
        .and_then(|theirs| {
            theirs.check(&destination.identity)?;
            theirs.check_node(destination.node)
        })
        .map_err(Failure::Refused)?;
    shared.open();
    Ok(response.into_inner())
}

async fn receive(shared: &Shared, mut answers: Streaming<Messages>) -> Failure {
    loop {
        let frame = match answers.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Failure::Unreachable("the connection was closed there".to_owned()),
            Err(status) => return Failure::Unreachable(words(&status)),
        };
        if let Err(reason) = shared.answer(frame) {
            return Failure::Unreachable(reason);
        }
    }
}

fn unreachable(error: &tonic::transport::Error) -> Failure {
    // The outermost says "transport error"; what happened is the innermost.
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Failure::Unreachable(cause.to_string())
}

fn refused(status: &Status) -> Failure {
    match status.code() {
        Code::FailedPrecondition => Failure::Refused(status.message().to_owned()),
        Code::Unimplemented => Failure::Refused("it is no node of GenomDB".to_owned()),
        _ => Failure::Unreachable(words(status)),
    }
}

fn words(status: &Status) -> String {
    match status.source() {
        Some(source) => format!("{}: {source}", status.message()),
        None => status.message().to_owned(),
    }
}
