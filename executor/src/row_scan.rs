//! The scan of a table of rows: gets in key order, the columns that are wanted decoded off the reactor.

mod stream;

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use datafusion::{
    common::{Result, Statistics, internal_err, stats::Precision, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType, SchedulingType},
        metrics::{ExecutionPlanMetricsSet, MetricsSet},
        statistics::StatisticsArgs,
    },
};
use genomdb_layout::{
    catalog::TableEntry,
    key::SourceId,
    rows::{ChunkEntry, ChunkIndex},
};
use genomdb_storage::Storage;

use crate::usage::Usage;

/// Below this many chunks a scan is not worth dividing, and its rows leave in the order in which they came.
const PARTITION_CHUNKS_MIN: usize = 8;

/// A chunk that is to be read.
#[derive(Clone, Debug)]
pub(crate) struct ChunkGet {
    pub(crate) source: SourceId,
    pub(crate) number: u32,
    /// The chunks of its source.
    pub(crate) index: Arc<ChunkIndex>,
}

impl ChunkGet {
    /// What the index says of it.
    fn entry(&self) -> Option<&ChunkEntry> {
        self.index.chunks.get(self.number as usize)
    }

    fn rows(&self) -> usize {
        self.entry().map_or(0, |entry| entry.rows as usize)
    }
}

/// Reads a table of rows: which chunks, which columns.
#[derive(Clone, Debug)]
pub struct RowScanExec {
    table: Arc<TableEntry>,
    storage: Storage,
    /// Those that are read, in the order in which their rows came.
    chunks: Arc<Vec<ChunkGet>>,
    /// How many there are.
    chunks_known: usize,
    /// The columns that are read, as numbers in the table's schema.
    columns: Arc<Vec<usize>>,
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RowScanExec {
    /// Plans the reading of `chunks`, all that the table has.
    pub(crate) fn try_new(
        table: Arc<TableEntry>,
        storage: Storage,
        chunks: Vec<ChunkGet>,
        projection: Option<&Vec<usize>>,
        limit: Option<usize>,
        target_partitions: usize,
    ) -> Result<Self> {
        let columns = projection.cloned().unwrap_or_else(|| (0..table.schema.fields().len()).collect());
        let schema = Arc::new(table.schema.project(&columns)?);
        let chunks_known = chunks.len();
        let chunks = first(chunks, limit);
        let partitions = (chunks.len() / PARTITION_CHUNKS_MIN).clamp(1, target_partitions.max(1));
        Ok(Self {
            table,
            storage,
            chunks: Arc::new(chunks),
            chunks_known,
            columns: Arc::new(columns),
            limit,
            properties: Arc::new(properties(schema, partitions)),
            metrics: ExecutionPlanMetricsSet::new(),
        })
    }

    fn rows(&self) -> usize {
        self.chunks.iter().map(ChunkGet::rows).sum()
    }

    /// How many values are got, and their bytes.
    pub(crate) fn gets(&self) -> (usize, u64) {
        let entries = || self.chunks.iter().filter_map(ChunkGet::entry);
        let columns = || self.columns.iter().copied();
        let gets = entries().map(|entry| entry.pieces(columns()).len()).sum();
        (gets, entries().map(|entry| entry.piece_bytes(columns())).sum())
    }

    fn partitions(&self) -> usize {
        self.properties.partitioning.partition_count()
    }
}

/// Leaves out chunks behind the rows that are wanted.
fn first(mut chunks: Vec<ChunkGet>, limit: Option<usize>) -> Vec<ChunkGet> {
    if let Some(limit) = limit {
        let mut before = 0;
        let wanted = chunks.iter().take_while(|chunk| {
            let is_wanted = before < limit;
            before += chunk.rows();
            is_wanted
        });
        let count = wanted.count();
        chunks.truncate(count);
    }
    chunks
}

fn properties(schema: SchemaRef, partitions: usize) -> PlanProperties {
    PlanProperties::new(
        EquivalenceProperties::new(schema),
        Partitioning::UnknownPartitioning(partitions),
        EmissionType::Incremental,
        Boundedness::Bounded,
    )
    .with_scheduling_type(SchedulingType::Cooperative)
}

impl DisplayAs for RowScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (gets, bytes) = self.gets();
        write!(f, "RowScanExec: table={}", self.table.name)?;
        write!(f, ", chunks={} of {}, rows={}", self.chunks.len(), self.chunks_known, self.rows())?;
        write!(f, ", gets={gets}, bytes={bytes}")?;
        let schema = self.schema();
        let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        write!(f, ", columns=[{}]", names.join(", "))?;
        self.limit.iter().try_for_each(|limit| write!(f, ", limit={limit}"))
    }
}

impl ExecutionPlan for RowScanExec {
    fn name(&self) -> &str {
        "RowScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no inputs") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            Usage::of(&context).plan_blocks(self.chunks.len() as u64, self.chunks_known as u64);
        }
        stream::execute(self, partition, &context)
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        args: &StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        let rows = self.limit.map_or(self.rows(), |limit| self.rows().min(limit));
        let whole = args.partition().is_none() || self.partitions() == 1;
        statistics.num_rows =
            if whole { Precision::Exact(rows) } else { Precision::Inexact(rows / self.partitions()) };
        Ok(Arc::new(statistics))
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        // What a smaller limit left out is not known any more.
        let limit = match (self.limit, limit) {
            (Some(known), Some(limit)) => Some(known.min(limit)),
            (known, limit) => known.or(limit),
        };
        let chunks = Arc::new(first(self.chunks.to_vec(), limit));
        Some(Arc::new(Self { chunks, limit, metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }
}
