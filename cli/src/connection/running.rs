//! A statement that is being answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use genomdb_client::{Client, QueryId};
use genomdb_server::Node;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::Failure;

/// Batches that wait for a slow terminal.
const BATCHES_MAX: usize = 4;
/// How often it is looked how far a query is.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long a server may take to stop a query before it is left alone.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// What comes of a statement, in turn: columns, batches and the end, or what was done and the end, or a
/// failure at any point.
#[derive(Debug)]
pub enum Event {
    /// It returns rows of these columns.
    Columns(SchemaRef),
    /// Some of its rows.
    Batch(RecordBatch),
    /// It returns no rows; what it did.
    Done(String),
    /// That was all.
    End,
    /// It failed; nothing follows.
    Failed(Failure),
}

/// How far a query is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that it has returned.
    pub rows: u64,
    /// Bytes that it has read from the store.
    pub bytes_read: u64,
    /// Blocks that it has read.
    pub blocks_read: u64,
    /// Blocks that it need not read.
    pub blocks_pruned: u64,
}

/// A statement that is being answered; dropping it ends the work.
#[derive(Debug)]
pub struct Running {
    events: mpsc::Receiver<Event>,
    /// Ends with this.
    _work: JoinSet<()>,
    whose: Whose,
    began: Instant,
}

/// By what a query is found among those that run.
#[derive(Clone, Debug)]
pub(super) enum Whose {
    Node(Arc<Node>, Arc<str>),
    Server(Client, QueryId),
}

/// Where a worker puts what comes.
#[derive(Clone, Debug)]
pub(super) struct Events(mpsc::Sender<Event>);

impl Events {
    /// Hands an event over; false if nobody wants it any more.
    pub(super) async fn send(&self, event: Event) -> bool {
        self.0.send(event).await.is_ok()
    }
}

impl Running {
    /// Starts `work` on the runtime.
    pub(super) fn start<F>(whose: Whose, work: impl FnOnce(Events) -> F) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(BATCHES_MAX);
        let sender = Events(sender);
        let answer = work(sender.clone());
        let mut work = JoinSet::new();
        work.spawn(async move {
            let last = match answer.await {
                Ok(()) => Event::End,
                Err(failure) => Event::Failed(failure),
            };
            let _nobody_listens = sender.send(last).await;
        });
        Self { events, _work: work, whose, began: Instant::now() }
    }

    /// Waits for what comes next. It may be dropped and called again.
    pub async fn next(&mut self) -> Event {
        let lost = || Event::Failed(Failure::new("the query ended in an unexpected way"));
        self.events.recv().await.unwrap_or_else(lost)
    }

    /// When it began.
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Ends it, also on the server.
    pub async fn cancel(self) {
        if let Whose::Server(client, id) = &self.whose {
            // Whether it still ran, and whether it was heard: the connection closes all the same.
            let _late = tokio::time::timeout(CANCEL_TIMEOUT, client.cancel(*id)).await;
        }
    }

    /// Looks now and then how far it is.
    pub fn watch(&self) -> Watcher {
        let (sender, progress) = watch::channel(Progress::default());
        let whose = self.whose.clone();
        let mut looking = JoinSet::new();
        looking.spawn(async move {
            loop {
                if let Some(progress) = whose.progress().await {
                    sender.send_replace(progress);
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        });
        Watcher { progress, _looking: looking }
    }
}

impl Whose {
    async fn progress(&self) -> Option<Progress> {
        match self {
            Self::Node(node, text) => {
                let running = node.queries().list();
                let query = running.iter().find(|query| Arc::ptr_eq(&query.text, text))?;
                let used = query.used();
                let (bytes_read, blocks_read) = (used.bytes_read, used.blocks_read);
                Some(Progress {
                    rows: query.rows(),
                    bytes_read,
                    blocks_read,
                    blocks_pruned: used.blocks_pruned(),
                })
            }
            Self::Server(client, id) => {
                let progress = client.progress(*id).await.ok()??;
                let genomdb_client::Progress { rows, bytes_read, blocks_read, blocks_pruned, .. } = progress;
                Some(Progress { rows, bytes_read, blocks_read, blocks_pruned })
            }
        }
    }
}

/// Knows how far a query is.
#[derive(Debug)]
pub struct Watcher {
    progress: watch::Receiver<Progress>,
    /// Ends with this.
    _looking: JoinSet<()>,
}

impl Watcher {
    /// The newest that is known.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }
}
