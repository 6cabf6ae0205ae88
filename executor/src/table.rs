//! An `alignments` table as DataFusion plans it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::runtime::SpawnedTask,
    common::{DFSchema, Result, Statistics, exec_datafusion_err, stats::Precision, tree_node::TreeNode},
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::ExecutionPlan,
};
use genomdb_planner::{Pruning, pruning};

use crate::{dataset::Dataset, scan::AlignmentScanExec};

/// An `alignments` table of one catalog version.
#[derive(Debug)]
pub(crate) struct AlignmentTable {
    dataset: Arc<Dataset>,
    /// Whether filters are evaluated in the scan and decide what it reads.
    pushdown: bool,
}

impl AlignmentTable {
    pub(crate) fn new(dataset: Arc<Dataset>, pushdown: bool) -> Self {
        Self { dataset, pushdown }
    }
}

#[async_trait]
impl TableProvider for AlignmentTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.dataset.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// The scan evaluates every filter itself on each row that it reads, so that none is left to do.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let support = |filter: &&Expr| {
            if self.pushdown && !filter.is_volatile() && !has_subquery(filter) {
                TableProviderFilterPushDown::Exact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        };
        Ok(filters.iter().map(support).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let mut statistics = Statistics::new_unknown(&self.dataset.schema);
        statistics.num_rows = Precision::Exact(usize::try_from(self.dataset.entry.records()).ok()?);
        Some(statistics)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = DFSchema::try_from(Arc::clone(&self.dataset.schema))?;
        let pruning =
            if self.pushdown { pruning(filters, self.dataset.filtered())? } else { Pruning::default() };
        let filters = filters.iter().map(|filter| state.create_physical_expr(filter.clone(), &schema));
        let filters = filters.collect::<Result<_>>()?;
        let (dataset, selecting) = (Arc::clone(&self.dataset), pruning.clone());
        // The first query of a table reads index pages.
        let selected = SpawnedTask::spawn_blocking(move || dataset.select(&selecting)).await;
        let (blocks, counts) = selected.map_err(|error| exec_datafusion_err!("{error}"))??;
        let partitions = state.config().target_partitions();
        let dataset = Arc::clone(&self.dataset);
        let scan = AlignmentScanExec::try_new(
            dataset,
            (pruning, blocks, counts),
            filters,
            projection,
            (limit, partitions),
        )?;
        Ok(Arc::new(scan))
    }
}

/// A subquery is a plan of its own, which the scan cannot run.
fn has_subquery(expr: &Expr) -> bool {
    let is_subquery = |expr: &Expr| {
        matches!(
            expr,
            Expr::ScalarSubquery(_)
                | Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
        )
    };
    expr.exists(|expr| Ok(is_subquery(expr))).unwrap_or(true)
}
