//! The interval join: pairs of rows of one contig whose intervals overlap.
//!
//! The build side is collected and indexed per contig; its intervals tell the scan of the probe side which
//! regions to read; each batch of the probe side is then looked up row by row, and its pairs leave in
//! batches. A hash join by contig, which this replaces, compares every pair of a contig.

mod condition;
mod index;
mod probe;
mod rule;

use std::{collections::HashMap, fmt, sync::Arc};

use arrow::{
    array::{Array, AsArray, BooleanBufferBuilder, Int64Array, RecordBatch, StringArray},
    compute::{cast, concat_batches},
    datatypes::{DataType, Int64Type, SchemaRef},
};
use datafusion::{
    common::{JoinSide, JoinType, Result, internal_err, tree_node::TreeNodeRecursion},
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties,
        InputDistributionRequirements, Partitioning, PlanProperties,
        execution_plan::{Boundedness, EmissionType, apply_expression_roots},
        metrics::{ExecutionPlanMetricsSet, MetricsSet},
        projection::ProjectionExec,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::TryStreamExt;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::scan::DynamicRegions;
use condition::{Condition, Place};
use index::IntervalIndex;

pub use rule::IntervalJoinRule;

/// A column of a join's output.
#[derive(Clone, Copy, Debug, PartialEq)]
struct OutputColumn {
    side: JoinSide,
    index: usize,
}

/// Joins rows of one contig whose intervals overlap.
#[derive(Debug)]
pub struct IntervalJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    condition: Condition,
    join_type: JoinType,
    /// The side that is collected.
    build: JoinSide,
    output: Vec<OutputColumn>,
    /// Where the probe side's scan looks for the regions that are worth reading.
    regions: Option<DynamicRegions>,
    built: Arc<OnceCell<Arc<Built>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

/// The collected side, and its index.
struct Built {
    batch: RecordBatch,
    contigs: HashMap<String, IntervalIndex>,
    /// The rows that found a partner, where the join's type asks for it.
    matched: Mutex<BooleanBufferBuilder>,
    _reservation: MemoryReservation,
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Built").field("rows", &self.batch.num_rows()).finish_non_exhaustive()
    }
}

impl IntervalJoinExec {
    fn new(
        (left, right): (Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>),
        condition: Condition,
        (join_type, build): (JoinType, JoinSide),
        (schema, output): (SchemaRef, Vec<OutputColumn>),
        regions: Option<DynamicRegions>,
    ) -> Self {
        let probe = if build == JoinSide::Left { &right } else { &left };
        let partitions =
            if needs_matched(join_type, build) { 1 } else { probe.output_partitioning().partition_count() };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            left,
            right,
            condition,
            join_type,
            build,
            output,
            regions,
            built: Arc::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn rebuilt(&self, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>) -> Self {
        let (schema, output) = (self.schema(), self.output.clone());
        let kind = (self.join_type, self.build);
        Self::new((left, right), self.condition.clone(), kind, (schema, output), self.regions.clone())
    }

    fn sides(&self) -> (&Arc<dyn ExecutionPlan>, &Place, &Arc<dyn ExecutionPlan>, &Place) {
        let (left, right) = (&self.condition.left, &self.condition.right);
        match self.build {
            JoinSide::Left => (&self.left, left, &self.right, right),
            _ => (&self.right, right, &self.left, left),
        }
    }

    /// Collects and indexes the build side, once for all partitions.
    async fn built(&self, context: &Arc<TaskContext>) -> Result<Arc<Built>> {
        let (input, place, ..) = self.sides();
        let built = self.built.get_or_try_init(|| async {
            let built = Arc::new(collect(input, place, context).await?);
            if let Some(regions) = &self.regions {
                regions.set(built.intervals());
            }
            Ok::<_, datafusion::common::DataFusionError>(built)
        });
        built.await.cloned()
    }
}

/// Whether rows of the build side that found no partner matter, or each must be shown once.
fn needs_matched(join_type: JoinType, build: JoinSide) -> bool {
    match join_type {
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => build == JoinSide::Left,
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => build == JoinSide::Right,
        _ => false,
    }
}

async fn collect(input: &Arc<dyn ExecutionPlan>, place: &Place, context: &Arc<TaskContext>) -> Result<Built> {
    let reservation = MemoryConsumer::new("IntervalJoin build side").register(context.memory_pool());
    let mut stream = input.execute(0, Arc::clone(context))?;
    let mut batches = Vec::new();
    while let Some(batch) = stream.try_next().await? {
        reservation.try_grow(batch.get_array_memory_size())?;
        batches.push(batch);
    }
    let batch = concat_batches(&input.schema(), &batches)?;
    if u32::try_from(batch.num_rows()).is_err() {
        return internal_err!("the smaller side of an interval join has more than 2^32-1 rows");
    }
    // Three numbers and a maximum for each row.
    reservation.try_grow(batch.num_rows() * 28)?;
    let keys = Keys::of(&batch, place)?;
    let mut pairs: HashMap<String, Vec<(i64, i64, u32)>> = HashMap::new();
    for (row, number) in (0..batch.num_rows()).zip(0_u32..) {
        let Some((chrom, start, end)) = keys.row(row) else { continue };
        match pairs.get_mut(chrom) {
            Some(list) => list.push((start, end, number)),
            None => drop(pairs.insert(chrom.to_owned(), vec![(start, end, number)])),
        }
    }
    let contigs = pairs.into_iter().map(|(chrom, list)| (chrom, IntervalIndex::new(list))).collect();
    let mut matched = BooleanBufferBuilder::new(batch.num_rows());
    matched.append_n(batch.num_rows(), false);
    Ok(Built { batch, contigs, matched: Mutex::new(matched), _reservation: reservation })
}

impl Built {
    /// The stretches that every row of the probe side with a partner overlaps, by contig.
    fn intervals(&self) -> HashMap<String, Vec<(i64, i64)>> {
        self.contigs.iter().map(|(contig, index)| (contig.clone(), index.pairs().collect())).collect()
    }
}

/// Contig, start and end of the rows of a batch.
struct Keys {
    names: StringArray,
    /// For each row the number of its name; `None` where each row has its own.
    codes: Option<arrow::array::Int32Array>,
    starts: Int64Array,
    ends: Int64Array,
    end_add: i64,
}

impl Keys {
    fn of(batch: &RecordBatch, place: &Place) -> Result<Self> {
        let array = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch)?.into_array(batch.num_rows());
        let integers =
            |expr| Ok::<_, datafusion::common::DataFusionError>(cast(&array(expr)?, &DataType::Int64)?);
        let chroms = array(&place.chrom)?;
        let (names, codes) = match chroms.as_dictionary_opt::<arrow::datatypes::Int32Type>() {
            Some(dictionary) => (Arc::clone(dictionary.values()), Some(dictionary.keys().clone())),
            None => (chroms, None),
        };
        Ok(Self {
            names: cast(&names, &DataType::Utf8)?.as_string::<i32>().clone(),
            codes,
            starts: integers(&place.start)?.as_primitive::<Int64Type>().clone(),
            ends: integers(&place.end)?.as_primitive::<Int64Type>().clone(),
            end_add: place.end_add,
        })
    }

    /// The number of a row's name, if it has one.
    fn code(&self, row: usize) -> Option<usize> {
        let code = match &self.codes {
            Some(codes) => {
                codes.is_valid(row).then(|| codes.value(row)).and_then(|code| usize::try_from(code).ok())?
            }
            None => row,
        };
        (code < self.names.len() && self.names.is_valid(code)).then_some(code)
    }

    /// Start and end of a row, if it has both.
    fn interval(&self, row: usize) -> Option<(i64, i64)> {
        (self.starts.is_valid(row) && self.ends.is_valid(row))
            .then(|| (self.starts.value(row), self.ends.value(row).saturating_add(self.end_add)))
    }

    fn row(&self, row: usize) -> Option<(&str, i64, i64)> {
        let code = self.code(row)?;
        let (start, end) = self.interval(row)?;
        Some((self.names.value(code), start, end))
    }
}

impl DisplayAs for IntervalJoinExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, build, _, probe) = self.sides();
        let side = if self.build == JoinSide::Left { "left" } else { "right" };
        write!(f, "IntervalJoinExec: join_type={:?}, build={side}, ", self.join_type)?;
        write!(f, "on=({} = {}), ", build.chrom, probe.chrom)?;
        write!(f, "overlap=[{}, {}) & [{}, {})", build.start, build.end, probe.start, probe.end)?;
        if let Some(residual) = &self.condition.residual {
            write!(f, ", filter={}", residual.expression())?;
        }
        if self.regions.is_some() { write!(f, ", regions_pushed=true") } else { Ok(()) }
    }
}

impl ExecutionPlan for IntervalJoinExec {
    fn name(&self) -> &str {
        "IntervalJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let probe = if needs_matched(self.join_type, self.build) {
            Distribution::SinglePartition
        } else {
            Distribution::UnspecifiedDistribution
        };
        InputDistributionRequirements::new(match self.build {
            JoinSide::Left => vec![Distribution::SinglePartition, probe],
            _ => vec![probe, Distribution::SinglePartition],
        })
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![self.build != JoinSide::Left, self.build == JoinSide::Left]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let Condition { left, right, .. } = &self.condition;
        let roots = [left, right].into_iter().flat_map(|place| [&place.chrom, &place.start, &place.end]);
        apply_expression_roots(roots, f)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match <[_; 2]>::try_from(children) {
            Ok([left, right]) => Ok(Arc::new(self.rebuilt(left, right))),
            Err(children) => internal_err!("an interval join has two inputs, not {}", children.len()),
        }
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let join = Arc::new(self.rebuilt(Arc::clone(&self.left), Arc::clone(&self.right)).sharing(self));
        let stream = futures::stream::once(async move { probe::stream(join, partition, context).await });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream.try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_swapping_with_projection(
        &self,
        projection: &ProjectionExec,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let mut output = Vec::with_capacity(projection.expr().len());
        for expr in projection.expr() {
            let column = expr.expr.downcast_ref::<datafusion::physical_expr::expressions::Column>();
            match column.and_then(|column| self.output.get(column.index())) {
                Some(column) => output.push(*column),
                None => return Ok(None),
            }
        }
        let mut join = self.rebuilt(Arc::clone(&self.left), Arc::clone(&self.right));
        join = Self::new(
            (join.left, join.right),
            join.condition,
            (join.join_type, join.build),
            (projection.schema(), output),
            join.regions,
        );
        Ok(Some(Arc::new(join)))
    }
}

impl IntervalJoinExec {
    /// Takes over what belongs to an execution: the collected side and the metrics.
    fn sharing(mut self, other: &Self) -> Self {
        self.built = Arc::clone(&other.built);
        self.metrics = other.metrics.clone();
        self
    }
}
