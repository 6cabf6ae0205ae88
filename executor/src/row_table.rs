//! A table of rows as DataFusion plans it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{Result, Statistics, exec_datafusion_err, runtime::SpawnedTask, stats::Precision},
    logical_expr::{Expr, TableType},
    physical_plan::ExecutionPlan,
};
use genomdb_layout::catalog::TableEntry;
use genomdb_storage::Storage;

use crate::{
    error::ExecutorError,
    index_cache::IndexCache,
    row_scan::{ChunkGet, RowScanExec},
};

/// A table of rows of one catalog version.
#[derive(Debug)]
pub(crate) struct RowTable {
    pub(crate) entry: Arc<TableEntry>,
    pub(crate) storage: Storage,
    cache: Arc<IndexCache>,
}

impl RowTable {
    pub(crate) fn new(entry: Arc<TableEntry>, storage: Storage, cache: Arc<IndexCache>) -> Self {
        Self { entry, storage, cache }
    }
}

/// Names the chunks of a table, in the order in which their rows came. Blocks on the store.
fn chunks(entry: &TableEntry, storage: &Storage, cache: &IndexCache) -> Result<Vec<ChunkGet>, ExecutorError> {
    let mut chunks = Vec::new();
    for summary in &entry.sources {
        let index = cache.chunks(storage, entry.id, summary)?;
        let numbers = 0..u32::try_from(index.chunks.len()).unwrap_or(u32::MAX);
        chunks.extend(numbers.map(|number| ChunkGet {
            source: summary.id,
            number,
            index: Arc::clone(&index),
        }));
    }
    Ok(chunks)
}

#[async_trait]
impl TableProvider for RowTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.entry.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.entry.schema);
        statistics.num_rows = Precision::Exact(usize::try_from(self.entry.records()).ok()?);
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (entry, storage) = (Arc::clone(&self.entry), self.storage.clone());
        let (table, cache) = (Arc::clone(&entry), Arc::clone(&self.cache));
        let store = storage.clone();
        // The first query of a table reads the indexes of its sources.
        let found = SpawnedTask::spawn_blocking(move || chunks(&table, &store, &cache)).await;
        let chunks = found.map_err(|error| exec_datafusion_err!("{error}"))??;
        let partitions = state.config().target_partitions();
        Ok(Arc::new(RowScanExec::try_new(entry, storage, chunks, projection, limit, partitions)?))
    }
}
