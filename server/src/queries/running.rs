//! One query: what it is called, who asked, how far it is, how it ended.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use datafusion::error::DataFusionError;
use genomdb_executor::{Priority, Usage, Used};
use tokio::sync::watch;

use crate::{Busy, Principal, QueryError, QueryErrorKind, milliseconds, random};

/// The name of a query: 16 hexadecimal digits, random, so that those of several nodes differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueryId(u64);

impl QueryId {
    /// The header that names a query, in requests and answers.
    pub(crate) const HEADER: &str = "x-genomdb-query-id";

    /// A name that no other query has.
    pub(crate) fn random() -> Self {
        Self(random::number())
    }

    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }

    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// This is no name of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a query is named by 16 hexadecimal digits")]
pub struct NoQueryId;

impl std::str::FromStr for QueryId {
    type Err = NoQueryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten().ok_or(NoQueryId)
    }
}

/// Why a query was ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interruption {
    /// Somebody stopped it.
    #[error("the query was cancelled")]
    Cancelled,
    /// Its time is over.
    #[error("the query took longer than its timeout of {} ms", .0.as_millis())]
    Timeout(Duration),
    /// It returns more rows than it may.
    #[error("the query returns more than {0} rows, which is its query.max_result_rows")]
    ResultRows(u64),
    /// It returns more bytes than it may.
    #[error("the query returns more than {0} bytes, which is its query.max_result_bytes")]
    ResultBytes(u64),
    /// It is not let in.
    #[error(transparent)]
    Busy(Busy),
}

impl From<Interruption> for DataFusionError {
    fn from(interruption: Interruption) -> Self {
        Self::External(Box::new(interruption))
    }
}

impl Interruption {
    /// The interruption that an error comes from.
    pub fn of(error: &DataFusionError) -> Option<&Self> {
        match error.find_root() {
            DataFusionError::External(source) => source.downcast_ref(),
            _ => None,
        }
    }

    /// The same, of the error of a statement.
    pub fn of_query(error: &QueryError) -> Option<&Self> {
        match error.kind() {
            QueryErrorKind::Engine(error) => Self::of(error),
            _ => None,
        }
    }
}

/// What a query does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// It is read and planned.
    Planning,
    /// It waits for its turn.
    Queued,
    /// It reads and computes, or waits for its reader.
    Running,
    /// It has ended.
    Ended,
}

impl QueryState {
    /// Its name in lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Ended => "ended",
        }
    }
}

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All rows were returned.
    Done,
    /// Somebody stopped it.
    Cancelled,
    /// Its reader went away.
    Abandoned,
    /// It was not let in: too many others.
    Refused(String),
    /// It failed.
    Failed(String),
}

impl Outcome {
    /// Its name in lists.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// What went wrong.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Refused(error) | Self::Failed(error) => Some(error),
            Self::Done | Self::Cancelled | Self::Abandoned => None,
        }
    }

    pub(super) fn of(interruption: Option<&Interruption>, error: &impl fmt::Display) -> Self {
        match interruption {
            Some(Interruption::Cancelled) => Self::Cancelled,
            Some(Interruption::Busy(busy)) => Self::Refused(busy.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A query that runs, or has run.
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
    pub(super) since: Instant,
    pub(super) usage: Arc<Usage>,
    rows: AtomicU64,
    result_bytes: AtomicU64,
    /// A [`QueryState`] and a [`Priority`].
    state: AtomicU8,
    priority: AtomicU8,
    queued_ms: AtomicU64,
    outcome: OnceLock<(Outcome, Duration)>,
    pub(super) cancelled: watch::Sender<bool>,
}

impl RunningQuery {
    pub(super) fn new(id: QueryId, text: Arc<str>, principal: Principal) -> Self {
        let (cancelled, _) = watch::channel(false);
        Self {
            id,
            text,
            principal,
            began: SystemTime::now(),
            since: Instant::now(),
            usage: Arc::default(),
            rows: AtomicU64::new(0),
            result_bytes: AtomicU64::new(0),
            state: AtomicU8::new(QueryState::Planning as u8),
            priority: AtomicU8::new(Priority::Normal as u8),
            queued_ms: AtomicU64::new(0),
            outcome: OnceLock::new(),
            cancelled,
        }
    }

    /// How long it has run, or ran.
    pub fn elapsed(&self) -> Duration {
        self.outcome.get().map_or_else(|| self.since.elapsed(), |(_, elapsed)| *elapsed)
    }

    /// How long it waited for its turn.
    pub fn queued(&self) -> Duration {
        Duration::from_millis(self.queued_ms.load(Ordering::Relaxed))
    }

    /// Rows that it has returned.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes that the returned rows took in memory.
    pub fn result_bytes(&self) -> u64 {
        self.result_bytes.load(Ordering::Relaxed)
    }

    /// What it has read and holds.
    pub fn used(&self) -> Used {
        self.usage.now()
    }

    /// How urgent it is.
    pub fn priority(&self) -> Priority {
        let all = [Priority::Low, Priority::Normal, Priority::High];
        let number = self.priority.load(Ordering::Relaxed);
        all.into_iter().find(|priority| *priority as u8 == number).unwrap_or_default()
    }

    /// What it does at the moment.
    pub fn state(&self) -> QueryState {
        if self.outcome.get().is_some() {
            return QueryState::Ended;
        }
        let all = [QueryState::Queued, QueryState::Running];
        let number = self.state.load(Ordering::Relaxed);
        all.into_iter().find(|state| *state as u8 == number).unwrap_or(QueryState::Planning)
    }

    /// How it ended; `None` while it runs.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get().map(|(outcome, _)| outcome)
    }

    pub(super) fn set_state(&self, state: QueryState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn set_queued(&self, priority: Priority) -> Instant {
        self.priority.store(priority as u8, Ordering::Relaxed);
        self.set_state(QueryState::Queued);
        Instant::now()
    }

    pub(super) fn set_running(&self, queued_since: Instant) {
        let queued = milliseconds::of(queued_since.elapsed());
        self.queued_ms.store(queued, Ordering::Relaxed);
        self.set_state(QueryState::Running);
    }

    /// Counts what it returns; what it has returned in all.
    pub(super) fn count(&self, rows: u64, bytes: u64) -> (u64, u64) {
        let rows = self.rows.fetch_add(rows, Ordering::Relaxed) + rows;
        (rows, self.result_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes)
    }

    /// Notes how it ended; the first word counts.
    pub(crate) fn end(&self, outcome: Outcome) {
        let _first = self.outcome.set((outcome, self.since.elapsed()));
    }

    /// Notes that it failed.
    pub(crate) fn fail(&self, error: &QueryError) {
        self.end(Outcome::of(Interruption::of_query(error), error));
    }

    /// Completes when it is to stop.
    pub(super) async fn stopped(&self) {
        // The sender is here, so the channel is open.
        let mut cancelled = self.cancelled.subscribe();
        let _closed = cancelled.wait_for(|cancelled| *cancelled).await;
    }
}
