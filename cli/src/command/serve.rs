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
    http::Server,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::settings::Settings;
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return exit::fail(exit::FAILED, &error),
    };
    let _entered = runtime.enter();
    // From here on a signal stops it in order; one that comes while it starts is seen when it has.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return exit::fail(exit::FAILED, &error),
    };
    let folder = settings.node.folder.clone();
    let node = match ClusterNode::start(settings.node) {
        Ok(node) => node,
        Err(error @ StorageError::InvalidConfig { .. }) => return exit::fail(exit::USAGE, &error),
        Err(error) => return exit::fail(exit::UNREACHABLE, &error),
    };
    let http =
        match settings.http.map(|address| answer(&node, &folder, address, &settings.server)).transpose() {
            Ok(http) => http,
            Err(error) => return exit::fail(exit::UNREACHABLE, &error),
        };
    // Whoever started it may not read on: all of it is written at once.
    let mut said =
        format!("node {} of cluster {:016x} listens at {}\n", node.id(), node.cluster(), node.address());
    if let Some(http) = &http {
        said.push_str(&format!("queries are answered at http://{}/v1/query\n", http.address()));
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
    address: SocketAddr,
    config: &Config,
) -> Result<Server, HttpError> {
    let failed = |source| HttpError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let node = Arc::new(Node::within(cluster, folder, config)?);
    Server::start(node, listener).map_err(failed)
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

/// The signals that end a node.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
