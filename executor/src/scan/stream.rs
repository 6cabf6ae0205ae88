//! One partition of a scan as a stream: some blocks are read ahead, off the reactor, and leave in order.
//!
//! What is read ahead is bounded by bytes and counted in the query's memory. Nothing is detached: dropping
//! the stream stops what has not begun, and what has begun ends with its few blocks.

use std::{ops::Range, sync::Arc};

use arrow::{array::RecordBatch, compute::concat_batches};
use datafusion::{
    common::runtime::SpawnedTask,
    common::{Result, exec_datafusion_err},
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_plan::{
        ExecutionPlan, coop::make_cooperative, limit::LimitStream, metrics::BaselineMetrics,
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{Stream, StreamExt, TryStreamExt};
use genomdb_genome::RegionSet;
use genomdb_planner::BlockGet;

use super::{
    AlignmentScanExec,
    merge::merged,
    read::{BlockRows, ReadMetrics, ReadPlan},
};
use crate::usage::Usage;

/// Blocks of a unit of work at most.
const UNIT_BLOCKS_MAX: usize = 16;
/// Bytes of values of a unit of work: one block may exceed it.
const UNIT_BYTES_MAX: u64 = 1 << 20;
/// Decoded rows take up to about this many times their values' bytes, until they are counted.
const DECODED_FACTOR: usize = 4;

/// Some blocks that are read in one go.
struct Unit {
    blocks: Range<usize>,
    bytes: u64,
}

/// The blocks that a partition reads, and the regions to which its rows are narrowed.
struct Work {
    blocks: Arc<Vec<BlockGet>>,
    units: Vec<Unit>,
    regions: Option<Arc<RegionSet>>,
}

pub(super) fn execute(
    scan: &AlignmentScanExec,
    partition: usize,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let plan = Arc::new(scan.read_plan()?);
    let metrics = ReadMetrics::new(&scan.metrics, partition, Usage::of(context));
    let baseline = BaselineMetrics::new(&scan.metrics, partition);
    let memory =
        MemoryConsumer::new(format!("scan of {}", scan.dataset.entry.name)).register(context.memory_pool());
    let depth = if scan.ordered { scan.target_partitions + 1 } else { 2 };
    // A limit is met by the first blocks as a rule: nothing is read ahead for it.
    let depth = if scan.limit.is_some() { 1 } else { depth };
    let partitions = scan.properties().output_partitioning().partition_count();
    let work = {
        let (scan, block_bytes) = (scan.clone(), plan.block_bytes);
        async move { work(scan, partition, partitions, block_bytes).await }
    };
    let reading = Reading { plan: Arc::clone(&plan), metrics, memory: Arc::new(memory) };
    let with_starts = plan.with_starts;
    let blocks = futures::stream::once(work).map_ok(move |work| reading.units(work, depth)).try_flatten();
    let schema = scan.schema();
    let rows = if with_starts { merged(Arc::clone(&schema), blocks).boxed() } else { joined(blocks).boxed() };
    let counted = rows.inspect_ok(move |batch| baseline.record_output(batch.num_rows()));
    let stream = make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, counted)));
    Ok(match scan.limit {
        None => stream,
        Some(limit) => {
            let metrics = BaselineMetrics::new(&scan.metrics, partition);
            Box::pin(LimitStream::new(stream, 0, Some(limit), metrics))
        }
    })
}

/// Decides which blocks a partition reads; only now, because a join below may have named regions since.
async fn work(
    scan: AlignmentScanExec,
    partition: usize,
    partitions: usize,
    block_bytes: u64,
) -> Result<Work> {
    let regions = scan.dynamic.as_ref().and_then(|regions| regions.regions(&scan.dataset.entry.contigs));
    let blocks = match &regions {
        None => Arc::clone(&scan.blocks),
        Some(regions) => {
            let (dataset, pruning) = (Arc::clone(&scan.dataset), scan.pruning.narrowed(regions.clone()));
            let selected = SpawnedTask::spawn_blocking(move || dataset.select(&pruning)).await;
            Arc::new(selected.map_err(|error| exec_datafusion_err!("{error}"))??.0)
        }
    };
    let share = share(&blocks, partition, partitions);
    let units = units(share, block_bytes, scan.limit.is_some());
    Ok(Work { blocks, units, regions: regions.map(Arc::new) })
}

/// The blocks of a partition: a stretch of the genome with about as many records as any other's.
fn share(blocks: &[BlockGet], partition: usize, partitions: usize) -> Range<usize> {
    let total: u64 = blocks.iter().map(|block| u64::from(block.records)).sum();
    let bound = |part: usize| total * part as u64 / partitions as u64;
    let (from, to) = (bound(partition), bound(partition + 1));
    let mut before = 0;
    let mut first = None;
    let mut end = 0;
    for (index, block) in blocks.iter().enumerate() {
        if from <= before && before < to {
            first.get_or_insert(index);
            end = index + 1;
        }
        before += u64::from(block.records);
    }
    first.unwrap_or(0)..end
}

fn units(share: Range<usize>, block_bytes: u64, limited: bool) -> Vec<Unit> {
    let fitting = usize::try_from(UNIT_BYTES_MAX / block_bytes.max(1)).unwrap_or(UNIT_BLOCKS_MAX);
    let size = if limited { 1 } else { fitting.clamp(1, UNIT_BLOCKS_MAX) };
    let starts = share.clone().step_by(size);
    let unit = |start: usize| {
        let blocks = start..share.end.min(start + size);
        Unit { bytes: block_bytes * blocks.len() as u64, blocks }
    };
    starts.map(unit).collect()
}

struct Reading {
    plan: Arc<ReadPlan>,
    metrics: ReadMetrics,
    memory: Arc<MemoryReservation>,
}

/// What a unit of work found, with the memory that it takes.
pub(super) struct UnitRows {
    pub(super) blocks: Vec<BlockRows>,
    pub(super) memory: MemoryReservation,
}

impl Reading {
    fn units(
        &self,
        work: Work,
        depth: usize,
    ) -> impl Stream<Item = Result<UnitRows>> + Send + 'static + use<> {
        let (plan, metrics, memory) =
            (Arc::clone(&self.plan), self.metrics.clone(), Arc::clone(&self.memory));
        let Work { blocks, units, regions } = work;
        let tasks = futures::stream::iter(units).map(move |unit| {
            let (plan, metrics, regions) = (Arc::clone(&plan), metrics.clone(), regions.clone());
            let (blocks, memory) = (Arc::clone(&blocks), memory.new_empty());
            async move {
                memory.try_grow(
                    usize::try_from(unit.bytes).unwrap_or(usize::MAX).saturating_mul(DECODED_FACTOR),
                )?;
                let task = SpawnedTask::spawn_blocking(move || {
                    let gets = blocks.get(unit.blocks).unwrap_or_default();
                    let rows = plan.read(gets, regions.as_deref(), &metrics)?;
                    memory.resize(rows.iter().map(|rows| rows.batch.get_array_memory_size()).sum());
                    Ok(UnitRows { blocks: rows, memory })
                });
                task.await.map_err(|error| exec_datafusion_err!("{error}"))?
            }
        });
        tasks.buffered(depth)
    }
}

/// The rows of each unit as few batches; memory is given back when they leave.
fn joined(
    units: impl Stream<Item = Result<UnitRows>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    units
        .map_ok(|unit| {
            let joined = join(unit.blocks);
            drop(unit.memory);
            futures::stream::iter(joined)
        })
        .try_flatten()
}

/// Joins batches where most rows were filtered out: operators work better on full ones.
fn join(blocks: Vec<BlockRows>) -> Vec<Result<RecordBatch>> {
    let rows: usize = blocks.iter().map(|block| block.batch.num_rows()).sum();
    let many = blocks.len() > 1;
    match blocks.first().map(|block| block.batch.schema()) {
        Some(schema) if many && schema.fields().is_empty() => vec![counted(schema, rows)],
        Some(schema) if many && rows <= JOINED_ROWS_MAX => {
            vec![concat_batches(&schema, blocks.iter().map(|block| &block.batch)).map_err(Into::into)]
        }
        _ => blocks.into_iter().map(|block| Ok(block.batch)).collect(),
    }
}

const JOINED_ROWS_MAX: usize = 8192;

fn counted(schema: arrow::datatypes::SchemaRef, rows: usize) -> Result<RecordBatch> {
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, Vec::new(), &options)?)
}
