//! The queries that run on a node: what they are called, how far they are, and how they are stopped.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    error::DataFusionError,
    execution::{RecordBatchStream, SendableRecordBatchStream},
};
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Principal, Role};

/// What a query says when it was stopped.
pub(crate) const CANCELLED: &str = "the query was cancelled";

/// The name of a query: 16 hexadecimal digits, random, so that those of several nodes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryId(u64);

impl fmt::Display for QueryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl std::str::FromStr for QueryId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A query that runs.
#[derive(Debug)]
pub struct RunningQuery {
    /// What it is called.
    pub id: QueryId,
    /// Its text.
    pub text: Arc<str>,
    /// Who asked.
    pub principal: Principal,
    /// When it began, by the clock of the machine.
    pub began: SystemTime,
    since: Instant,
    rows: AtomicU64,
    cancelled: watch::Sender<bool>,
}

impl RunningQuery {
    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Rows that it has returned.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Completes when it is to stop.
    async fn stopped(&self) {
        // The sender is here, so the channel is open.
        let mut cancelled = self.cancelled.subscribe();
        let _closed = cancelled.wait_for(|cancelled| *cancelled).await;
    }
}

/// All queries that run; clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Queries(Arc<Mutex<BTreeMap<QueryId, Arc<RunningQuery>>>>);

impl Queries {
    /// The queries that run, the oldest first.
    pub fn list(&self) -> Vec<Arc<RunningQuery>> {
        let mut running: Vec<_> = self.0.lock().values().cloned().collect();
        running.sort_by_key(|query| query.since);
        running
    }

    /// Stops a query; false if none of that name runs that `principal` may stop.
    pub fn cancel(&self, id: QueryId, principal: &Principal) -> bool {
        let may_stop = |query: &Arc<RunningQuery>| {
            principal.role == Role::Admin || query.principal.name == principal.name
        };
        let query = self.0.lock().get(&id).cloned().filter(may_stop);
        query.is_some_and(|query| {
            query.cancelled.send_replace(true);
            true
        })
    }

    /// Lists a query until the registration is dropped.
    pub(crate) fn begin(&self, text: Arc<str>, principal: &Principal) -> Registration {
        // The keys of this hasher are random, and so is what it makes of nothing.
        let id = QueryId(RandomState::new().hash_one(0));
        let (since, began) = (Instant::now(), SystemTime::now());
        let (cancelled, _) = watch::channel(false);
        let principal = principal.clone();
        let rows = AtomicU64::new(0);
        let query = Arc::new(RunningQuery { id, text, principal, began, since, rows, cancelled });
        self.0.lock().insert(id, Arc::clone(&query));
        Registration { list: self.clone(), query }
    }
}

/// Keeps a query on the list.
#[derive(Debug)]
pub(crate) struct Registration {
    list: Queries,
    query: Arc<RunningQuery>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.list.0.lock().remove(&self.query.id);
    }
}

impl Registration {
    pub(crate) fn id(&self) -> QueryId {
        self.query.id
    }

    /// Waits for the beginning of the query, unless it is stopped before.
    pub(crate) async fn unless_stopped<T, E: From<DataFusionError>>(
        &self,
        begin: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.query.stopped() => Err(DataFusionError::Execution(CANCELLED.to_owned()).into()),
            begun = begin => begun,
        }
    }

    /// The rows of the query, which is listed until the last of them, or until they are dropped.
    pub(crate) fn rows(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let query = Arc::clone(&self.query);
        let stopped = Box::pin(async move { query.stopped().await });
        let schema = rows.schema();
        Box::pin(Rows { rows: Some(rows), schema, stopped, registration: self })
    }
}

/// Counts rows, and ends with an error when the query is stopped.
struct Rows {
    /// None when it was stopped: dropping them ends the work.
    rows: Option<SendableRecordBatchStream>,
    schema: SchemaRef,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    registration: Registration,
}

impl Stream for Rows {
    type Item = Result<RecordBatch, DataFusionError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.rows.is_some() && self.stopped.as_mut().poll(context).is_ready() {
            self.rows = None;
            return Poll::Ready(Some(Err(DataFusionError::Execution(CANCELLED.to_owned()))));
        }
        let Some(rows) = self.rows.as_mut() else { return Poll::Ready(None) };
        let next = std::task::ready!(rows.as_mut().poll_next(context));
        if let Some(Ok(batch)) = &next {
            self.registration.query.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        }
        Poll::Ready(next)
    }
}

impl RecordBatchStream for Rows {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}
