//! Who answers statements: a data folder that is open in this process, a cluster, or a server over HTTP. To
//! those who ask it is all the same.

mod embedded;
mod failure;
mod place;
mod remote;
mod running;

use std::{process::ExitCode, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use genomdb_client::Client;
use genomdb_server::{Config, Node, OpenError, Principal, Statement};
use serde_json::Value;
use tokio::runtime::Runtime;

pub use failure::Failure;
pub use place::{Place, PlaceError, Reach, Settings};
pub use running::{Event, Progress, Running, Watcher};

use self::{embedded::Embedded, remote::Remote};
use crate::exit;

/// One statement, with all that belongs to it.
#[derive(Clone, Debug)]
pub struct Question {
    /// The statement.
    pub statement: Statement,
    /// The values of `$1`, `$2`, …
    pub parameters: Vec<Value>,
    /// How long it may take.
    pub timeout: Option<Duration>,
    /// Whether a load that it asks for shows how far it is.
    pub quiet: bool,
}

impl Question {
    /// A statement and nothing else.
    pub const fn new(statement: Statement) -> Self {
        Self { statement, parameters: Vec::new(), timeout: None, quiet: false }
    }
}

/// Whoever answers.
#[derive(Debug)]
pub enum Connection {
    /// This process.
    Embedded(Embedded),
    /// A server.
    Remote(Remote),
}

impl Connection {
    /// Opens a data folder or the way to a cluster or server. It must be called on a runtime.
    ///
    /// # Errors
    ///
    /// If the folder cannot be opened, or the address is wrong. A server that does not answer is an error of
    /// the first statement.
    pub fn open(place: &Place) -> Result<Self, OpenFailure> {
        let config = Config::default();
        let node = match place {
            Place::Folder(folder) => Node::open(folder, &config)?,
            Place::Cluster(addresses) => Node::connect(addresses, &config)?,
            Place::Server(server) => return Ok(Self::Remote(Remote::new(Client::new(server)?))),
        };
        let session = node.session(Principal::local());
        Ok(Self::Embedded(Embedded::new(Arc::new(node), session)))
    }

    /// Begins to answer. It must be called on a runtime.
    pub fn ask(&self, question: Question) -> Running {
        match self {
            Self::Embedded(embedded) => embedded.ask(question),
            Self::Remote(remote) => remote.ask(question),
        }
    }

    /// Runs a statement that returns few rows, and gathers them.
    ///
    /// # Errors
    ///
    /// If it is wrong or fails.
    pub async fn rows(&self, text: &str) -> Result<Vec<RecordBatch>, Failure> {
        let statement = Statement::parse(text).map_err(|error| Failure::of_statement(&error))?;
        let mut running = self.ask(Question::new(statement));
        let mut batches = Vec::new();
        loop {
            match running.next().await {
                Event::Columns(_) | Event::Done(_) => {}
                Event::Batch(batch) => batches.push(batch),
                Event::End => return Ok(batches),
                Event::Failed(failure) => return Err(failure),
            }
        }
    }

    /// The server, if it is one.
    pub const fn client(&self) -> Option<&Client> {
        match self {
            Self::Embedded(_) => None,
            Self::Remote(remote) => Some(remote.client()),
        }
    }

    /// Ends what runs, and gives a data folder free.
    ///
    /// # Errors
    ///
    /// If the store cannot write its last checkpoint.
    pub async fn close(&self) -> Result<(), OpenError> {
        match self {
            Self::Embedded(embedded) => embedded.node().close().await,
            Self::Remote(_) => Ok(()),
        }
    }
}

/// There is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub enum OpenFailure {
    /// The folder or cluster.
    #[error(transparent)]
    Node(#[from] OpenError),
    /// The server.
    #[error(transparent)]
    Server(#[from] genomdb_client::Error),
}

/// Makes the threads that everything runs on, and connects.
///
/// # Errors
///
/// With the exit code; the reason has been printed.
pub fn open(place: &Place) -> Result<(Runtime, Connection), ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| exit::fail(exit::FAILED, &error))?;
    let entered = runtime.enter();
    let connection = Connection::open(place).map_err(|error| exit::fail(exit::UNREACHABLE, &error))?;
    drop(entered);
    Ok((runtime, connection))
}
