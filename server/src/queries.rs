//! The queries of a node: those that run, and the last ones that ran.

mod rows;
mod running;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use datafusion::{error::DataFusionError, execution::SendableRecordBatchStream};
use genomdb_executor::{QueryOptions, Usage};
use parking_lot::Mutex;

use self::rows::Rows;
pub use self::running::{Interruption, NoQueryId, Outcome, QueryId, QueryState, RunningQuery};
use crate::{
    Principal, Role,
    admission::{Admission, Lane, Permit},
    metrics::Metrics,
};

/// Queries that the log remembers.
const LOG_MAX: usize = 1_000;

/// All queries of a node; clones are the same lists.
#[derive(Clone, Debug, Default)]
pub struct Queries(Arc<Mutex<Lists>>);

#[derive(Debug, Default)]
struct Lists {
    running: BTreeMap<QueryId, Arc<RunningQuery>>,
    /// The last to end is the last.
    ended: VecDeque<Arc<RunningQuery>>,
    metrics: Metrics,
}

impl Queries {
    /// The queries that run, the oldest first.
    pub fn list(&self) -> Vec<Arc<RunningQuery>> {
        let mut running: Vec<_> = self.0.lock().running.values().cloned().collect();
        running.sort_by_key(|query| query.since);
        running
    }

    /// The last queries that ended, the last of them last.
    pub fn log(&self) -> Vec<Arc<RunningQuery>> {
        self.0.lock().ended.iter().cloned().collect()
    }

    /// What is counted of them, and of everything else on the node.
    pub(crate) fn metrics(&self) -> Metrics {
        self.0.lock().metrics.clone()
    }

    /// A query that runs, or one of the last that ended, if `principal` may know of it.
    pub fn find(&self, id: QueryId, principal: &Principal) -> Option<Arc<RunningQuery>> {
        let lists = self.0.lock();
        let ended = || lists.ended.iter().rev().find(|query| query.id == id);
        let query = lists.running.get(&id).or_else(ended)?;
        is_of(query, principal).then(|| Arc::clone(query))
    }

    /// Stops a query; false if none of that name runs that `principal` may stop.
    pub fn cancel(&self, id: QueryId, principal: &Principal) -> bool {
        let query = self.0.lock().running.get(&id).cloned().filter(|query| is_of(query, principal));
        query.is_some_and(|query| {
            query.cancelled.send_replace(true);
            true
        })
    }

    /// Lists a query until the registration is dropped.
    pub(crate) fn begin(&self, text: Arc<str>, principal: &Principal) -> Registration {
        loop {
            if let Some(registration) = self.begin_as(QueryId::random(), Arc::clone(&text), principal) {
                return registration;
            }
        }
    }

    /// The same under a name that whoever asks has chosen; `None` if there is a query of that name.
    pub(crate) fn begin_as(
        &self,
        id: QueryId,
        text: Arc<str>,
        principal: &Principal,
    ) -> Option<Registration> {
        let query = Arc::new(RunningQuery::new(id, text, principal.clone()));
        let mut lists = self.0.lock();
        let is_known = lists.running.contains_key(&id) || lists.ended.iter().any(|query| query.id == id);
        if is_known {
            return None;
        }
        lists.running.insert(id, Arc::clone(&query));
        Some(Registration { list: self.clone(), query, deadline: None })
    }
}

/// Whether `principal` may know of a query, and stop it.
pub(crate) fn is_of(query: &RunningQuery, principal: &Principal) -> bool {
    principal.role == Role::Admin || query.principal.name == principal.name
}

/// Keeps a query on the list of those that run.
#[derive(Debug)]
pub(crate) struct Registration {
    list: Queries,
    query: Arc<RunningQuery>,
    deadline: Option<(Instant, Duration)>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Who left before its end was known says nothing of it; behind its time it was not the reader's
        // patience that ended.
        let over = self.deadline.filter(|(deadline, _)| *deadline <= Instant::now());
        self.query.end(match over.map(|(_, timeout)| Interruption::Timeout(timeout)) {
            Some(timeout) => Outcome::of(Some(&timeout), &timeout),
            None => Outcome::Abandoned,
        });
        let mut lists = self.list.0.lock();
        lists.running.remove(&self.query.id);
        lists.metrics.query_ended(&self.query);
        while lists.ended.len() >= LOG_MAX {
            lists.ended.pop_front();
        }
        lists.ended.push_back(Arc::clone(&self.query));
    }
}

/// Waits until a query is to end before its end.
async fn interrupted(query: &RunningQuery, deadline: Option<(Instant, Duration)>) -> Interruption {
    let over = async {
        match deadline {
            Some((at, timeout)) => {
                tokio::time::sleep_until(at.into()).await;
                timeout
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = query.stopped() => Interruption::Cancelled,
        timeout = over => Interruption::Timeout(timeout),
    }
}

impl Registration {
    pub(crate) fn id(&self) -> QueryId {
        self.query.id
    }

    pub(crate) fn query(&self) -> &Arc<RunningQuery> {
        &self.query
    }

    /// What the query has used; its scans add to it.
    pub(crate) fn usage(&self) -> Arc<Usage> {
        Arc::clone(&self.query.usage)
    }

    /// Ends the query so long after its beginning, unless an earlier end is set.
    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        let Some(at) = self.query.since.checked_add(timeout) else { return };
        if self.deadline.is_none_or(|(earlier, _)| at < earlier) {
            self.deadline = Some((at, timeout));
        }
    }

    /// Waits for the beginning of the query, unless it is stopped before.
    pub(crate) async fn unless_stopped<T, E: From<DataFusionError>>(
        &self,
        begin: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            interruption = interrupted(&self.query, self.deadline) => {
                Err(DataFusionError::from(interruption).into())
            }
            begun = begin => begun,
        }
    }

    /// Waits for the turn of the query.
    pub(crate) async fn admitted(
        &self,
        admission: &Admission,
        lane: Lane,
        options: &QueryOptions,
    ) -> Result<Permit, DataFusionError> {
        let since = self.query.set_queued(options.priority);
        let turn = async {
            admission.admit(lane, options.priority).await.map_err(|busy| Interruption::Busy(busy).into())
        };
        let permit = self.unless_stopped(turn).await;
        self.query.set_running(since);
        permit
    }

    /// The rows of the query, which is listed until the last of them, or until they are dropped.
    pub(crate) fn rows(
        self,
        rows: SendableRecordBatchStream,
        permit: Permit,
        options: &QueryOptions,
    ) -> SendableRecordBatchStream {
        let bounds = (options.max_result_rows, options.max_result_bytes.0);
        Box::pin(Rows::new(rows, permit, bounds, self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_left_behind_its_time_has_failed_by_its_timeout() {
        let queries = Queries::default();
        let outcome = |timeout| {
            let mut registration = queries.begin("SELECT 1".into(), &Principal::local());
            registration.set_timeout(timeout);
            let query = Arc::clone(registration.query());
            drop(registration);
            query.outcome().cloned().unwrap()
        };
        assert_eq!(outcome(Duration::from_secs(3600)), Outcome::Abandoned);
        let failed = outcome(Duration::ZERO);
        assert!(matches!(&failed, Outcome::Failed(why) if why.contains("0 ms")), "{failed:?}");
    }
}
