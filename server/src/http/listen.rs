//! Accepts connections, speaks HTTP/1.1 and HTTP/2 on them, and ends those that keep it waiting.
//!
//! What a request means is the router's; what a connection may cost is in [`Limits`].

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Options, Tls,
    activity::{Activity, Answer, Answering, Late, Watched},
    limits::Limits,
    pace::Paced,
    problem::Problem,
};
use crate::metrics::Metrics;

/// DATA frames that are taken; a few large ones cost less than many of 16 KiB.
const FRAME_BYTES: u32 = 1 << 20;
/// Bytes of one answer over HTTP/2 that wait for its window.
const SEND_BYTES: usize = 1 << 20;
/// How often a connection is looked at, if no limit is shorter.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it says that there are too many.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How long it waits after an error that is not of one connection, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The other end of the connection, be it the client or what stands before it.
    pub(crate) address: SocketAddr,
}

/// What all connections share.
struct Shared {
    router: TowerToHyperService<Router>,
    limits: Limits,
    metrics: Metrics,
    tls: Option<TlsAcceptor>,
    /// Whether somebody waits for a connection to end.
    crowded: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

/// Serves `router` until told to stop, and then until the last connection has ended.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    (options, metrics): (Options, Metrics),
    mut stop: watch::Receiver<bool>,
) {
    let Options { limits, tls, authentication: _ } = options;
    let connections_max = u32::try_from(limits.connections_max).unwrap_or(u32::MAX);
    let connections = Arc::new(Semaphore::new(connections_max as usize));
    let (crowd, crowded) = watch::channel(false);
    let router = TowerToHyperService::new(router);
    let tls = tls.as_ref().map(Tls::acceptor);
    let shared = Arc::new(Shared { router, limits, metrics, tls, crowded, stop: stop.clone() });
    let mut told = None;
    let mut tasks = JoinSet::new();
    loop {
        let accepting = async {
            let permit = room(&connections, &crowd, &mut told).await;
            let (stream, peer) = accept(&listener).await;
            (permit, stream, peer)
        };
        tokio::select! {
            biased;
            _stopped = stop.wait_for(|stop| *stop) => break,
            (permit, stream, peer) = accepting => {
                tasks.spawn(Arc::clone(&shared).connection(stream, peer, permit));
                // Those that have ended leave nothing to be kept.
                while tasks.try_join_next().is_some() {}
            }
        }
    }
    drop(listener);
    // Each connection has one until it ends; nobody closes the semaphore.
    let _all = connections.acquire_many(connections_max).await;
}

/// Waits until there may be one more connection.
async fn room(
    connections: &Arc<Semaphore>,
    crowd: &watch::Sender<bool>,
    told: &mut Option<Instant>,
) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = Arc::clone(connections).try_acquire_owned() {
        return Some(permit);
    }
    if told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
        tracing::warn!("there are as many connections as may be; the next ones wait");
        *told = Some(Instant::now());
    }
    crowd.send_replace(true);
    let permit = Arc::clone(connections).acquire_owned().await.ok();
    crowd.send_replace(false);
    permit
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Whoever came is gone already.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection was accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Shared {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        _counts: Option<OwnedSemaphorePermit>,
    ) {
        let _counted = self.metrics.connection_begins();
        // Small answers go at once; without it they are only late.
        let _late = stream.set_nodelay(true);
        let activity = Activity::new(Instant::now());
        let stream = Watched { stream, activity: activity.clone() };
        let peer = Peer { address };
        let Some(tls) = self.tls.clone() else { return self.speak(stream, peer, activity).await };
        let mut stop = self.stop.clone();
        let shaken = tokio::select! {
            _stopped = stop.wait_for(|stop| *stop) => return,
            shaken = tokio::time::timeout(self.limits.header_timeout, shake_hands(&tls, stream)) => shaken,
        };
        match shaken {
            Ok(Ok(Some(stream))) => self.speak(stream, peer, activity).await,
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(peer = %address, %error, "TLS did not come about"),
        }
    }

    /// Speaks HTTP until the other side or a limit ends it.
    async fn speak<S>(self: Arc<Self>, stream: S, peer: Peer, activity: Activity)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = {
            let (shared, activity) = (Arc::clone(&self), activity.clone());
            hyper::service::service_fn(move |request| {
                Arc::clone(&shared).answer(request, peer, activity.begin())
            })
        };
        let builder = builder(&self.limits);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let (mut stop, mut crowded) = (self.stop.clone(), self.crowded.clone());
        let look_every = LOOK_EVERY.min(self.limits.shortest());
        let mut closing = None;
        loop {
            let now = Instant::now();
            let deadline = activity.deadline(&self.limits, closing);
            let late = deadline.filter(|(deadline, _)| *deadline <= now).map(|(_, late)| late);
            let unwanted = *stop.borrow_and_update() || (*crowded.borrow_and_update() && activity.is_spare());
            match (late, closing) {
                (Some(late), Some(_)) | (Some(late @ Late::Unread), None) => {
                    tracing::debug!(peer = %peer.address, ?late, "a connection is cut");
                    return;
                }
                (Some(Late::Idle), None) => closing = Some(now),
                (None, None) if unwanted => closing = Some(now),
                (None, _) => {
                    let look = now + look_every;
                    let until = deadline.map_or(look, |(deadline, _)| deadline.min(look));
                    tokio::select! {
                        biased;
                        ended = connection.as_mut() => {
                            if let Err(error) = ended {
                                tracing::debug!(peer = %peer.address, %error, "a connection broke");
                            }
                            return;
                        }
                        // The senders outlive all connections.
                        Ok(()) = stop.changed(), if closing.is_none() => {}
                        Ok(()) = crowded.changed(), if closing.is_none() => {}
                        () = tokio::time::sleep_until(until.into()) => {}
                    }
                    continue;
                }
            }
            connection.as_mut().graceful_shutdown();
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        peer: Peer,
        answering: Answering,
    ) -> Result<Response, Infallible> {
        let late = Arc::new(AtomicBool::new(false));
        let mut request = match is_grpc(&request) {
            // A stream of messages may be silent as long as both sides like; pings tell whether they live.
            true => request.map(Body::new),
            false => request.map(|body| Body::new(Paced::new(body, &self.limits, Arc::clone(&late)))),
        };
        request.extensions_mut().insert(peer);
        let response = call(&self.router, request).await;
        let response = match late.load(Ordering::Relaxed) {
            true => too_slow(),
            false => response,
        };
        Ok(response.map(|body| Body::new(Answer { body, _answering: answering })))
    }
}

/// Begins TLS; who speaks plain HTTP is told, and that is all.
async fn shake_hands(tls: &TlsAcceptor, mut stream: Watched) -> io::Result<Option<TlsStream<Watched>>> {
    const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
        TLS is spoken here: ask https://\n";
    /// What a connection of TLS begins with.
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    if stream.stream.peek(&mut first).await? == 0 {
        return Ok(None);
    }
    if first == [HANDSHAKE] {
        return tls.accept(stream).await.map(Some);
    }
    // What is left unread would break the connection before the answer is read.
    let _some = stream.stream.try_read(&mut [0; 8 << 10]);
    stream.write_all(PLAIN).await?;
    stream.shutdown().await?;
    Ok(None)
}

async fn call(router: &TowerToHyperService<Router>, request: Request) -> Response {
    match hyper::service::Service::call(router, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn is_grpc<B>(request: &hyper::Request<B>) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    media_type.is_some_and(|media_type| media_type.as_bytes().starts_with(b"application/grpc"))
}

/// The rest of the body is not waited for, so that nothing else can come on the connection.
fn too_slow() -> Response {
    let mut response = Problem::request_timeout().into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let http1 = &mut builder.http1();
    http1
        .timer(TokioTimer::new())
        // Both times are watched here, the first of them from the first byte of TLS on.
        .header_read_timeout(None)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.header_bytes_max as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_connection_window_size(limits.window_bytes)
        .initial_stream_window_size(limits.window_bytes / 4)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_interval);
    builder
}
