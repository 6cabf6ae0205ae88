//! `genomdb serve`: a node of a cluster, until it is told to stop.

pub mod settings;

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use genomdb_server::{
    Config, Node, OpenError,
    cluster::{ClusterNode, StorageError},
    http::{Options, Server, Tls},
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::settings::{Http, Settings};
use crate::{args::serve::Serve, exit, logging};

/// Runs `genomdb serve`.
pub fn run(arguments: &Serve) -> ExitCode {
    let settings = match Settings::of(arguments) {
        Ok(settings) => settings,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    if let Err(reason) = logging::begin() {
        eprintln!("error: {reason}");
        return ExitCode::from(exit::USAGE);
    }
    let files = settings.http.as_ref().and_then(|http| http.tls.as_ref());
    // Before the folder is opened: what is wrong with a certificate costs nobody a restart.
    let tls = match files.map(|(cert, key)| Tls::load(cert, key)).transpose() {
        Ok(tls) => tls,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::fail(exit::FAILED, &error),
    };
    let _entered = runtime.enter();
    // From here on a signal stops it in order; one that comes while it starts is seen when it has.
    let mut signals = match Signals::new(tls.clone()) {
        Ok(signals) => signals,
        Err(error) => return exit::fail(exit::FAILED, &error),
    };
    let folder = settings.node.folder.clone();
    let node = match ClusterNode::start(settings.node) {
        Ok(node) => node,
        Err(error @ StorageError::InvalidConfig { .. }) => return exit::fail(exit::USAGE, &error),
        Err(error) => return exit::fail(exit::UNREACHABLE, &error),
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let asks = settings.http.as_ref().is_some_and(|http| http.authentication);
    let http = match settings.http.map(|http| answer(&node, &folder, http, tls, &settings.server)).transpose()
    {
        Ok(http) => http,
        Err(error) => return exit::fail(exit::UNREACHABLE, &error),
    };
    // Whoever started it may not read on: all of it is written at once.
    let mut said =
        format!("node {} of cluster {:016x} listens at {}\n", node.id(), node.cluster(), node.address());
    if let Some(http) = &http {
        said.push_str(&format!("queries are answered at {scheme}://{}/v1/query\n", http.address()));
        if asks {
            said.push_str("who asks shows a token; `genomdb token create` makes one\n");
        }
    }
    print!("{said}");
    runtime.block_on(signals.next());
    tracing::info!("stopping: other nodes shall lead; a second signal ends at once");
    stop(node, http, &runtime, signals)
}

/// HTTP cannot be answered.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("cannot answer HTTP at {address}; --http says where else, or off")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Node(#[from] OpenError),
}

/// Answers HTTP beside the node.
fn answer(
    cluster: &ClusterNode,
    folder: &Path,
    http: Http,
    tls: Option<Tls>,
    config: &Config,
) -> Result<Server, HttpError> {
    let Http { address, authentication, limits, .. } = http;
    let failed = |source| HttpError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let node = Arc::new(Node::within(cluster, folder, config)?);
    let options = Options { limits, tls, authentication };
    Server::start_with(node, listener, options).map_err(failed)
}

/// Hands over and stops, unless a second signal comes.
fn stop(
    node: ClusterNode,
    http: Option<Server>,
    runtime: &tokio::runtime::Runtime,
    mut signals: Signals,
) -> ExitCode {
    let (done, stopped) = tokio::sync::oneshot::channel();
    // A thread of its own: it waits for the disk and for other nodes, while signals are heard here.
    let stopping = std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        if let Some(http) = http {
            http.stop();
        }
        node.hand_over();
        // Nobody listens any more if the second signal came.
        let _unheard = done.send(node.stop());
    });
    if let Err(error) = stopping {
        return exit::fail(exit::FAILED, &error);
    }
    let stopped = runtime.block_on(async {
        tokio::select! {
            biased;
            stopped = stopped => Some(stopped),
            () = signals.next() => None,
        }
    });
    match stopped {
        Some(Ok(Ok(()))) => ExitCode::from(exit::DONE),
        Some(Ok(Err(error))) => exit::fail(exit::FAILED, &error),
        Some(Err(lost)) => exit::fail(exit::FAILED, &lost),
        None => {
            eprintln!("interrupted: the log has what the checkpoint would have saved");
            ExitCode::from(exit::INTERRUPTED)
        }
    }
}

/// The signals that end a node, and the one at which it reads its certificate again.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Without a certificate, SIGHUP means what it always means.
    renew: Option<(Signal, Tls)>,
}

impl Signals {
    fn new(tls: Option<Tls>) -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let renew = tls.map(|tls| signal(SignalKind::hangup()).map(|hangup| (hangup, tls))).transpose()?;
        Ok(Self { interrupt, terminate, renew })
    }

    /// Waits for one that ends the node.
    async fn next(&mut self) {
        loop {
            let hangup = async {
                match &mut self.renew {
                    Some((hangup, tls)) => {
                        hangup.recv().await;
                        tls
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                tls = hangup => match tls.reload() {
                    Ok(()) => tracing::info!("the certificate was read again"),
                    Err(error) => tracing::error!(
                        error = exit::chain(&error), "the certificate stays the one that it was"
                    ),
                },
            }
        }
    }
}
