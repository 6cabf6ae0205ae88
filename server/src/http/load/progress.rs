//! How far a load is, a line about once a second.

use std::{convert::Infallible, time::Duration};

use axum::body::{Body, Bytes};
use futures::stream;
use genomdb_loader::{Phase, Progress};
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Report, Running};
use crate::{
    Observer,
    http::problem::{Details, Problem},
    milliseconds,
};

/// How often is told how far it is.
const EVERY: Duration = Duration::from_secs(1);

/// How far the load last was.
#[derive(Debug, Default)]
pub(super) struct Latest(Mutex<Option<Progress>>);

impl Observer for Latest {
    fn loading(&self, _: &str, progress: &Progress) {
        *self.0.lock() = Some(*progress);
    }
}

/// A line: how far it is, or its end.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Told {
    /// How far it is.
    Progress(Far),
    /// It is loaded; the last line.
    Report(Report),
    /// It is not, and nothing of it is there; the last line.
    Error(Details),
}

/// How far a load is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Far {
    /// loading, sorting, merging or publishing; null before the first record.
    phase: Option<&'static str>,
    /// Records that went through this phase.
    records: u64,
    /// Records of the file; null while they are not known.
    records_total: Option<u64>,
    /// Bytes of the file that were read.
    bytes_read: u64,
    /// Bytes of the file; null for an upload.
    bytes_total: Option<u64>,
    /// Time since it began.
    elapsed_ms: u64,
}

/// Tells until its end.
pub(super) fn lines(running: Running) -> Body {
    Body::from_stream(stream::unfold(Some(running), |state| async move {
        let mut running = state?;
        let told = tokio::select! {
            biased;
            loaded = &mut running.work => match running.report(loaded) {
                Ok(report) => Told::Report(report),
                Err(problem) => Told::Error(Problem::of_query(problem, running.id).into_details()),
            },
            () = tokio::time::sleep(EVERY) => Told::Progress(far(&running)),
        };
        let goes_on = matches!(told, Told::Progress(_));
        // Strings and numbers only: there is nothing that could not be written.
        let line = serde_json::to_string(&told).unwrap_or_default() + "\n";
        Some((Ok::<_, Infallible>(Bytes::from(line)), goes_on.then_some(running)))
    }))
}

fn far(running: &Running) -> Far {
    let latest = *running.latest.0.lock();
    Far {
        phase: latest.map(|progress| match progress.phase {
            Phase::Loading => "loading",
            Phase::Sorting => "sorting",
            Phase::Merging => "merging",
            Phase::Publishing => "publishing",
        }),
        records: latest.map_or(0, |progress| progress.records),
        records_total: latest.and_then(|progress| progress.records_total),
        bytes_read: latest.map_or(0, |progress| progress.bytes_read),
        bytes_total: latest.and_then(|progress| progress.bytes_total),
        elapsed_ms: milliseconds::of(running.began.elapsed()),
    }
}
