//! What the node counts, from its beginning: for dashboards and alarms.
//!
//! Counting is a few atomic additions; what must be asked for is asked when somebody looks
//! ([`crate::http`]'s `/metrics`).

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{LoadError, LoadReport, queries::RunningQuery};

/// A label that says how something ended.
type Ended = [(&'static str, &'static str); 1];

/// Which request: method, path as it is documented, and status.
pub(crate) type RequestLabels = [(&'static str, String); 3];

/// The counters of a node; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    queries: Family<Ended, Counter>,
    query_seconds: Histogram,
    queue_seconds: Histogram,
    rows_returned: Counter,
    result_bytes: Counter,
    rows_read: Counter,
    bytes_read: Counter,
    blocks_read: Counter,
    blocks_pruned: Counter,
    loads: Family<Ended, Counter>,
    loads_running: Gauge,
    load_seconds: Histogram,
    load_records: Counter,
    load_bytes: Counter,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<[(&'static str, String); 2], Histogram>,
    response_bytes: Counter,
    connections: Gauge,
}

/// From a tenth of a millisecond to some four minutes.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.0001, 4.0, 12))
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            queries: Family::default(),
            query_seconds: durations(),
            queue_seconds: durations(),
            rows_returned: Counter::default(),
            result_bytes: Counter::default(),
            rows_read: Counter::default(),
            bytes_read: Counter::default(),
            blocks_read: Counter::default(),
            blocks_pruned: Counter::default(),
            loads: Family::default(),
            loads_running: Gauge::default(),
            load_seconds: durations(),
            load_records: Counter::default(),
            load_bytes: Counter::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(durations),
            response_bytes: Counter::default(),
            connections: Gauge::default(),
        }
    }
}

/// Counts something that goes on as long as this lives.
#[derive(Debug)]
pub(crate) struct Ongoing(Gauge);

impl Ongoing {
    fn begin(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Counts a query that has ended.
    pub(crate) fn query_ended(&self, query: &RunningQuery) {
        let Counters { queries, query_seconds, queue_seconds, .. } = &*self.0;
        let outcome = query.outcome().map_or("abandoned", |outcome| outcome.name());
        queries.get_or_create(&[("outcome", outcome)]).inc();
        query_seconds.observe(query.elapsed().as_secs_f64());
        queue_seconds.observe(query.queued().as_secs_f64());
        let used = query.used();
        self.0.rows_returned.inc_by(query.rows());
        self.0.result_bytes.inc_by(query.result_bytes());
        self.0.rows_read.inc_by(used.rows_read);
        self.0.bytes_read.inc_by(used.bytes_read);
        self.0.blocks_read.inc_by(used.blocks_read);
        self.0.blocks_pruned.inc_by(used.blocks_pruned());
    }

    /// Counts a load as long as it runs.
    pub(crate) fn load_begins(&self) -> Ongoing {
        Ongoing::begin(&self.0.loads_running)
    }

    /// Counts a load that has ended.
    pub(crate) fn load_ended(&self, took: Duration, result: &Result<LoadReport, LoadError>) {
        let outcome = match result {
            Ok(_) => "done",
            Err(LoadError::Cancelled) => "cancelled",
            Err(_) => "failed",
        };
        self.0.loads.get_or_create(&[("outcome", outcome)]).inc();
        self.0.load_seconds.observe(took.as_secs_f64());
        if let Ok(report) = result {
            self.0.load_records.inc_by(report.records);
            self.0.load_bytes.inc_by(report.bytes_read);
        }
    }

    /// Counts a request whose answer begins.
    pub(crate) fn request_answered(&self, labels: RequestLabels, took: Duration) {
        let [method, path, _] = &labels;
        let timed = [method.clone(), path.clone()];
        self.0.request_seconds.get_or_create(&timed).observe(took.as_secs_f64());
        self.0.requests.get_or_create(&labels).inc();
    }

    /// Counts bytes of an answer's body.
    pub(crate) fn response_bytes(&self) -> Counter {
        self.0.response_bytes.clone()
    }

    /// Counts a connection as long as it is open.
    pub(crate) fn connection_begins(&self) -> Ongoing {
        Ongoing::begin(&self.0.connections)
    }

    /// Names everything, with units.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let all = &*self.0;
        registry.register("genomdb_queries", "Queries that have ended", all.queries.clone());
        registry.register_with_unit(
            "genomdb_query_duration",
            "Time from a query's beginning to its end",
            Unit::Seconds,
            all.query_seconds.clone(),
        );
        registry.register_with_unit(
            "genomdb_query_queue_duration",
            "Time for which a query waited for its turn",
            Unit::Seconds,
            all.queue_seconds.clone(),
        );
        registry.register(
            "genomdb_query_rows_returned",
            "Rows that queries returned",
            all.rows_returned.clone(),
        );
        registry.register_with_unit(
            "genomdb_query_result",
            "Bytes of rows that queries returned, in memory",
            Unit::Bytes,
            all.result_bytes.clone(),
        );
        registry.register("genomdb_query_rows_read", "Rows that scans decoded", all.rows_read.clone());
        registry.register_with_unit(
            "genomdb_query_read",
            "Bytes that scans read from the store",
            Unit::Bytes,
            all.bytes_read.clone(),
        );
        registry.register(
            "genomdb_query_blocks_read",
            "Column blocks that scans read",
            all.blocks_read.clone(),
        );
        registry.register(
            "genomdb_query_blocks_pruned",
            "Column blocks that the index made it unnecessary to read",
            all.blocks_pruned.clone(),
        );
        registry.register("genomdb_loads", "Loads that have ended", all.loads.clone());
        registry.register(
            "genomdb_loads_running",
            "Loads that run or wait for their turn",
            all.loads_running.clone(),
        );
        registry.register_with_unit(
            "genomdb_load_duration",
            "Time from a load's beginning to its end",
            Unit::Seconds,
            all.load_seconds.clone(),
        );
        registry.register("genomdb_load_records", "Records that were loaded", all.load_records.clone());
        registry.register_with_unit(
            "genomdb_load_read",
            "Bytes of files that were loaded",
            Unit::Bytes,
            all.load_bytes.clone(),
        );
        registry.register("genomdb_http_requests", "Requests over HTTP", all.requests.clone());
        registry.register_with_unit(
            "genomdb_http_request_duration",
            "Time from a request to the beginning of its answer",
            Unit::Seconds,
            all.request_seconds.clone(),
        );
        registry.register_with_unit(
            "genomdb_http_response",
            "Bytes of answers' bodies",
            Unit::Bytes,
            all.response_bytes.clone(),
        );
        registry.register("genomdb_http_connections", "Connections that are open", all.connections.clone());
    }
}
