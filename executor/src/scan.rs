//! The scan of an `alignments` table: gets in key order, pages decoded off the reactor, rows filtered inside.

mod decode;
mod dynamic_regions;
mod merge;
mod read;
mod read_columns;
mod stream;

use std::{fmt, sync::Arc};

use arrow::datatypes::SchemaRef;
use datafusion::{
    common::{
        Result, Statistics, internal_err,
        stats::Precision,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, PhysicalExpr, ScalarFunctionExpr, expressions::Column},
    physical_plan::{
        DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType, SchedulingType, apply_expression_roots},
        metrics::{ExecutionPlanMetricsSet, MetricsSet},
        projection::{ProjectionExec, ProjectionExpr},
        statistics::StatisticsArgs,
    },
};
use genomdb_planner::{BlockGet, Fields, GetCounts, Pruning, count_gets};

use crate::{dataset::Dataset, usage::Usage};
pub(crate) use dynamic_regions::DynamicRegions;
use read::{ReadPlan, Stage};
use read_columns::ReadColumns;

/// Below this many blocks a scan is not worth dividing.
const PARTITION_BLOCKS_MIN: usize = 8;
/// A region query whose values take no more than this gets them all at once.
const FETCH_AT_ONCE_BYTES_MAX: u64 = 16 << 20;
/// Blocks whose values' bytes stand for those of all.
const SAMPLED_BLOCKS: usize = 4;

/// Reads an `alignments` table: which blocks, which columns, which rows.
#[derive(Clone, Debug)]
pub struct AlignmentScanExec {
    dataset: Arc<Dataset>,
    pruning: Pruning,
    blocks: Arc<Vec<BlockGet>>,
    counts: GetCounts,
    /// Conditions on a row, over the table's schema; all of them hold for every row that is shown.
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// What is shown, over the table's schema.
    output: Vec<ProjectionExpr>,
    limit: Option<usize>,
    /// One stream in order of (contig, start) rather than several in parallel.
    ordered: bool,
    target_partitions: usize,
    dynamic: Option<DynamicRegions>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl AlignmentScanExec {
    /// Plans the reading of `blocks`, which `pruning` left.
    pub(crate) fn try_new(
        dataset: Arc<Dataset>,
        (pruning, blocks, counts): (Pruning, Vec<BlockGet>, GetCounts),
        filters: Vec<Arc<dyn PhysicalExpr>>,
        projection: Option<&Vec<usize>>,
        (limit, target_partitions): (Option<usize>, usize),
    ) -> Result<Self> {
        let all: Vec<usize> = (0..dataset.schema.fields().len()).collect();
        let schema = Arc::new(dataset.schema.project(projection.unwrap_or(&all))?);
        let output = projection.unwrap_or(&all).iter().map(|&index| {
            let name = dataset.schema.field(index).name();
            ProjectionExpr { expr: Arc::new(Column::new(name, index)), alias: name.clone() }
        });
        let mut scan = Self {
            output: output.collect(),
            dataset,
            pruning,
            blocks: Arc::new(blocks),
            counts,
            filters,
            limit,
            ordered: false,
            target_partitions,
            dynamic: None,
            properties: Arc::new(properties(schema, 1)),
            metrics: ExecutionPlanMetricsSet::new(),
        };
        scan.set_partitions();
        Ok(scan)
    }

    /// Estimates the bytes of values of a block from some blocks.
    fn block_bytes(&self) -> Result<u64> {
        let step = (self.blocks.len() / SAMPLED_BLOCKS).max(1);
        let sample = || self.blocks.iter().step_by(step).take(SAMPLED_BLOCKS);
        let count = sample().count().max(1) as u64;
        Ok(count_gets(sample(), &self.fields()?).1 / count)
    }

    /// About how many bytes of values it reads.
    pub(crate) fn bytes(&self) -> Result<u64> {
        Ok(self.block_bytes()?.saturating_mul(self.blocks.len() as u64))
    }

    fn set_partitions(&mut self) {
        let worthwhile = self.blocks.len() / PARTITION_BLOCKS_MIN;
        let partitions = if self.ordered { 1 } else { worthwhile.clamp(1, self.target_partitions.max(1)) };
        self.properties = Arc::new(properties(self.schema(), partitions));
    }

    /// Every field of the stored records that is read.
    fn fields(&self) -> Result<Fields> {
        let exprs = self.filters.iter().chain(self.output.iter().map(|output| &output.expr));
        Ok(ReadColumns::of(exprs, &self.dataset.schema)?.fields())
    }

    /// The same scan as one stream in order of (contig, start).
    pub(crate) fn ordered(&self) -> Self {
        let mut scan = self.fresh();
        scan.ordered = true;
        scan.set_partitions();
        scan
    }

    /// The same scan, reading only what overlaps regions that are set while the query runs.
    pub(crate) fn with_dynamic_regions(&self, regions: DynamicRegions) -> Self {
        let mut scan = self.fresh();
        scan.dynamic = Some(regions);
        scan
    }

    fn fresh(&self) -> Self {
        Self { metrics: ExecutionPlanMetricsSet::new(), ..self.clone() }
    }

    /// The name of the table's column that an output column shows as it is.
    pub(crate) fn source_column(&self, index: usize) -> Option<&str> {
        self.output.get(index)?.expr.downcast_ref::<Column>().map(Column::name)
    }

    fn stage(&self, exprs: &[Arc<dyn PhysicalExpr>]) -> Result<Stage> {
        let columns = ReadColumns::of(exprs, &self.dataset.schema)?;
        let exprs = exprs.iter().map(|expr| columns.rewrite(expr)).collect::<Result<_>>()?;
        Ok(Stage { columns, exprs })
    }

    /// Decides what happens to each block.
    fn read_plan(&self) -> Result<ReadPlan> {
        let mut cheap = Vec::new();
        let mut dear = Vec::new();
        for filter in &self.filters {
            let columns = ReadColumns::of([filter], &self.dataset.schema)?;
            let is_cheap = columns.schema.fields().iter().all(|field| {
                matches!(
                    field.name().as_str(),
                    "chrom" | "source" | "start" | "end" | "pos" | "flag" | "mapq"
                )
            });
            if is_cheap { &mut cheap } else { &mut dear }.push(Arc::clone(filter));
        }
        let stages = [cheap, dear].into_iter().filter(|filters| !filters.is_empty());
        let output: Vec<_> = self.output.iter().map(|output| Arc::clone(&output.expr)).collect();
        let block_bytes = self.block_bytes()?;
        let selective = self.pruning.regions.is_some() || self.filters.is_empty();
        Ok(ReadPlan {
            dataset: Arc::clone(&self.dataset),
            stages: stages.map(|filters| self.stage(&filters)).collect::<Result<_>>()?,
            output: self.stage(&output)?,
            schema: self.schema(),
            fetch_at_once: selective && block_bytes * self.blocks.len() as u64 <= FETCH_AT_ONCE_BYTES_MAX,
            block_bytes,
            with_starts: self.ordered && self.dataset.entry.sources.len() > 1,
        })
    }
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

impl DisplayAs for AlignmentScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GetCounts { index_pages, index_pages_known, blocks, blocks_known, .. } = self.counts;
        let (gets, bytes) = count_gets(self.blocks.iter(), &self.fields().map_err(|_| fmt::Error)?);
        write!(f, "AlignmentScanExec: table={}", self.dataset.entry.name)?;
        if let Some(regions) = &self.pruning.regions {
            write!(f, ", regions=[{}]", crate::explain::regions(regions, &self.dataset.entry.contigs))?;
        }
        write!(f, ", index_pages={index_pages} of {index_pages_known}, blocks={blocks} of {blocks_known}")?;
        write!(f, ", gets={gets}, bytes={bytes}")?;
        let exprs = self.filters.iter().chain(self.output.iter().map(|output| &output.expr));
        let columns = ReadColumns::of(exprs, &self.dataset.schema).map_err(|_| fmt::Error)?;
        write!(f, ", columns=[{}]", columns.names().join(", "))?;
        let output: Vec<_> = self.output.iter().map(ToString::to_string).collect();
        write!(f, ", output=[{}]", output.join(", "))?;
        if !self.filters.is_empty() {
            let filters: Vec<_> = self.filters.iter().map(ToString::to_string).collect();
            write!(f, ", filters=[{}]", filters.join(" AND "))?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit={limit}")?;
        }
        if self.dynamic.is_some() {
            write!(f, ", regions_from_join=true")?;
        }
        if self.ordered { write!(f, ", order=genome") } else { Ok(()) }
    }
}

impl ExecutionPlan for AlignmentScanExec {
    fn name(&self) -> &str {
        "AlignmentScanExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.filters.iter().chain(self.output.iter().map(|output| &output.expr)), f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan has no inputs") }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition == 0 {
            let known = self.counts.blocks_known;
            Usage::of(&context).plan_blocks(self.blocks.len() as u64, known);
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
        let rows = usize::try_from(self.counts.records).unwrap_or(usize::MAX);
        let rows = self.limit.map_or(rows, |limit| rows.min(limit));
        let partitions = self.properties.partitioning.partition_count();
        let whole = args.partition().is_none() || partitions == 1;
        // Every block was kept, and nothing in it is left out: the index root knows the count.
        statistics.num_rows = match self.filters.is_empty() && self.dynamic.is_none() && whole {
            true if self.pruning == Pruning::default() => Precision::Exact(rows),
            _ => Precision::Inexact(if whole { rows } else { rows / partitions }),
        };
        Ok(Arc::new(statistics))
    }

    fn supports_limit_pushdown(&self) -> bool {
        false
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        let mut scan = self.fresh();
        scan.limit = limit;
        Some(Arc::new(scan))
    }

    fn fetch(&self) -> Option<usize> {
        self.limit
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut output = Vec::with_capacity(projection.expr().len());
        for expr in projection.expr() {
            match self.substituted(&expr.expr)? {
                Some(substituted) => {
                    output.push(ProjectionExpr { expr: substituted, alias: expr.alias.clone() })
                }
                None => return Ok(None),
            }
        }
        let mut scan = self.fresh();
        scan.output = output;
        scan.properties = Arc::new(properties(projection.schema(), 1));
        scan.set_partitions();
        Ok(Some(Arc::new(scan)))
    }
}

impl AlignmentScanExec {
    /// Rewrites an expression over the output to one over the table; `None` where it must stay outside.
    fn substituted(&self, expr: &Arc<dyn PhysicalExpr>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let mut inside = true;
        let rewritten = Arc::clone(expr).transform(|node| {
            inside &= !node.is_volatile_node();
            let column = node.downcast_ref::<Column>();
            Ok(match column.map(|column| self.output.get(column.index())) {
                Some(Some(output)) => {
                    // What was computed once would be computed again for each use.
                    inside &= is_free(&output.expr);
                    Transformed::yes(Arc::clone(&output.expr))
                }
                _ => Transformed::no(node),
            })
        })?;
        Ok(inside.then_some(rewritten.data))
    }
}

/// A column, or a field of one: it costs nothing to name it twice.
fn is_free(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let field = |call: &ScalarFunctionExpr| call.fun().name() == "get_field";
    expr.is::<Column>() || expr.downcast_ref::<ScalarFunctionExpr>().is_some_and(field)
}
