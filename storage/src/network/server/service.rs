//! The one method of the service: greets, and hands the stream to a driver.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::FutureExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tonic::codegen::{Body, BoxFuture, Service as TowerService, StdError, http};
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tracing::warn;

use super::Stage;
use super::driver::Driver;
use super::outbox::{Answers, Outbox};
use crate::network::frame::{FrameCodec, Message, Messages};
use crate::network::greeting::{self, Greeting};
use crate::network::{Handler, Identity, NetworkOptions, SERVICE_PATH};

/// Opens streams.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) identity: Arc<Identity>,
    pub(super) options: Arc<NetworkOptions>,
    pub(super) stage: watch::Receiver<Stage>,
}

impl<B> TowerService<http::Request<B>> for Service
where
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != SERVICE_PATH {
                return Ok(Status::unimplemented("there is one method, and it is another").into_http());
            }
            let bytes_max = service.options.frame_bytes_max();
            let mut grpc = Grpc::new(FrameCodec).max_decoding_message_size(bytes_max);
            Ok(grpc.streaming(service, request).await)
        })
    }
}

impl StreamingService<Messages> for Service {
    type Response = Vec<Message>;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Messages>>) -> Self::Future {
        std::future::ready(self.open(request))
    }
}

impl Service {
    fn open(&self, request: Request<Streaming<Messages>>) -> Result<Response<Answers>, Status> {
        let theirs = Greeting::read(request.metadata())
            .and_then(|theirs| theirs.check(&self.identity).map(|()| theirs))
            .map_err(|reason| {
                warn!(reason, "a connection was refused");
                greeting::refusal(reason)
            })?;
        let lane = theirs.lane();
        let outbox = Arc::new(Outbox::default());
        let mut stage = self.stage.clone();
        let driver = Driver {
            handler: self.handler.clone(),
            lane,
            options: self.options.clone(),
            inbound: Some(request.into_inner()),
            finishing: async move {
                // An error says that the server is gone.
                let _ = stage.wait_for(|stage| *stage >= Stage::Finishing).await;
            }
            .boxed(),
            outbox: outbox.clone(),
            frame: Messages::default(),
            running: FuturesUnordered::new(),
            running_bytes: 0,
        };
        let mut task = JoinSet::new();
        // Unconstrained: tokio would let channels refuse a handler's first poll after so many of them in
        // one go, and break the order; the driver bounds itself.
        task.spawn(task::unconstrained(driver));
        let mut response = Response::new(Answers::new(outbox, self.options.frame_bytes, task));
        Greeting::ours(&self.identity, lane).write(response.metadata_mut());
        Ok(response)
    }
}
