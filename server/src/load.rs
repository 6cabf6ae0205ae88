//! The load path: one file, from its bytes to rows that every later query sees.

use std::{path::PathBuf, sync::Arc, time::Instant};

use genomdb_formats::Source;
use genomdb_loader::{CancelToken, LoadError, LoadReport, Progress};

use crate::{Node, command::DEFAULT_DATASET};

/// What is to be loaded, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadRequest {
    /// The file; `None` is standard input.
    pub path: Option<PathBuf>,
    /// The dataset of the table; empty is the default one.
    pub dataset: String,
    /// The table; created if there is none.
    pub table: String,
    /// The name of the source, instead of the file's.
    pub name: Option<String>,
    /// The sample of every read, whatever its read group says.
    pub sample: Option<String>,
    /// FASTA with the reference sequences of a CRAM.
    pub reference: Option<PathBuf>,
    /// Loads the file even if the table has the same content already.
    pub force: bool,
    /// Threads that read and encode, instead of the node's setting.
    pub threads: Option<usize>,
}

/// Watches loads; called about ten times a second, from any thread.
pub trait Observer: Send + Sync {
    /// A load of the source so named has come so far.
    fn loading(&self, source: &str, progress: &Progress);
}

/// Watches nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn loading(&self, _: &str, _: &Progress) {}
}

/// Loads one file.
///
/// Dropping the future cancels the load; [`Node::close`] waits until what it wrote is taken back.
///
/// # Errors
///
/// If the file is damaged, contradicts the table, or cannot be stored, or the load was cancelled; the table
/// is then as it was.
pub async fn run(
    node: &Node,
    request: &LoadRequest,
    observer: &Arc<dyn Observer>,
    cancel: &CancelToken,
) -> Result<LoadReport, LoadError> {
    let source = request.path.clone().map_or(Source::Stdin, Source::Path);
    run_from(node, request, source, observer, cancel).await
}

/// The same with bytes that come from anywhere, whatever path the request names.
pub async fn run_from(
    node: &Node,
    request: &LoadRequest,
    source: Source,
    observer: &Arc<dyn Observer>,
    cancel: &CancelToken,
) -> Result<LoadReport, LoadError> {
    let load = request.to_loader(source, node.loader_config());
    let label = request.label();
    let (storage, observer, watched) = (node.storage().clone(), observer.clone(), cancel.clone());
    let metrics = node.queries().metrics();
    let (_counted, began) = (metrics.load_begins(), Instant::now());
    let running = node.begin_load().await;
    let stop_when_dropped = CancelOnDrop(cancel.clone());
    let work = tokio::task::spawn_blocking(move || {
        let _running = running;
        let report = |progress| observer.loading(&label, &progress);
        genomdb_loader::load(&storage, load, &report, &watched)
    });
    let result = work.await.unwrap_or_else(|failure| match failure.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(LoadError::Cancelled),
    });
    std::mem::forget(stop_when_dropped);
    metrics.load_ended(began.elapsed(), &result);
    result
}

/// Cancels a load whose future is dropped.
pub(crate) struct CancelOnDrop(pub(crate) CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl LoadRequest {
    /// Returns what messages call the source.
    fn label(&self) -> String {
        self.name.clone().unwrap_or_else(|| match &self.path {
            Some(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            None => "standard input".to_owned(),
        })
    }

    fn to_loader(&self, source: Source, config: genomdb_loader::Config) -> genomdb_loader::LoadRequest {
        let dataset = if self.dataset.is_empty() { DEFAULT_DATASET } else { &self.dataset };
        let mut load = genomdb_loader::LoadRequest::new(source, dataset, &self.table);
        load.name = self.name.clone();
        load.sample = self.sample.clone();
        load.reference = self.reference.clone();
        load.force = self.force;
        load.config = config;
        load.config.threads = self.threads.unwrap_or(load.config.threads);
        load
    }
}
