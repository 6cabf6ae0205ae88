//! One partition of a scan of rows as a stream: chunks are read ahead, off the reactor, and leave in order.
//!
//! What is read ahead is bounded and counted in the query's memory. Nothing is detached: dropping the stream
//! stops what has not begun, and what has begun ends with its few chunks.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use bytes::Bytes;
use datafusion::{
    common::{Result, exec_datafusion_err, internal_err, runtime::SpawnedTask},
    execution::{
        SendableRecordBatchStream, TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_plan::{
        ExecutionPlan,
        coop::make_cooperative,
        limit::LimitStream,
        metrics::{BaselineMetrics, Count, MetricBuilder},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt};
use genomdb_layout::{
    key::Key,
    rows::{ChunkEntry, ChunkReader},
};

use super::{ChunkGet, RowScanExec};
use crate::{
    error::{ExecutorError, HexKey},
    usage::Usage,
};

/// Chunks that one batched get reads at most.
const UNIT_CHUNKS_MAX: usize = 16;
/// Bytes of values that one batched get reads: one chunk may exceed it.
const UNIT_BYTES_MAX: u64 = 1 << 20;
/// Units that are read at once, or wait to leave.
const UNITS_IN_FLIGHT: usize = 2;
/// Decoded rows take up to about this many times their values' bytes, until they are counted.
const DECODED_FACTOR: usize = 8;

pub(super) fn execute(
    scan: &RowScanExec,
    partition: usize,
    context: &Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = scan.schema();
    let baseline = BaselineMetrics::new(&scan.metrics, partition);
    let reader = Arc::new(Reader::new(scan, partition, Usage::of(context)));
    let memory = MemoryConsumer::new(format!("scan of {}", scan.table.name)).register(context.memory_pool());
    // A limit is met by the first chunks as a rule: nothing is read ahead for it.
    let depth = if scan.limit.is_some() { 1 } else { UNITS_IN_FLIGHT };
    let units = units(scan, partition);
    let read = futures::stream::iter(units)
        .map(move |unit| read(Arc::clone(&reader), memory.new_empty(), unit))
        .buffered(depth);
    let batch_rows = context.session_config().batch_size().max(1);
    let batches = read.map_ok(move |(batches, memory)| {
        let slices = batches.into_iter().flat_map(move |batch| slices(&batch, batch_rows));
        // Given back when the last of them leaves.
        futures::stream::iter(slices.map(move |slice| {
            let _counted = &memory;
            Ok(slice)
        }))
    });
    let counted = batches.try_flatten().inspect_ok(move |batch: &RecordBatch| {
        baseline.record_output(batch.num_rows());
    });
    let stream = make_cooperative(Box::pin(RecordBatchStreamAdapter::new(schema, counted)));
    Ok(match scan.limit {
        None => stream,
        Some(limit) => {
            let metrics = BaselineMetrics::new(&scan.metrics, partition);
            Box::pin(LimitStream::new(stream, 0, Some(limit), metrics))
        }
    })
}

/// Reads a unit off the reactor, and counts what it takes.
async fn read(
    reader: Arc<Reader>,
    memory: MemoryReservation,
    unit: Unit,
) -> Result<(Vec<RecordBatch>, MemoryReservation)> {
    let bytes = usize::try_from(unit.bytes).unwrap_or(usize::MAX);
    memory.try_grow(bytes.saturating_mul(DECODED_FACTOR))?;
    let task = SpawnedTask::spawn_blocking(move || {
        let batches = reader.read(unit.chunks)?;
        memory.resize(batches.iter().map(RecordBatch::get_array_memory_size).sum());
        Ok((batches, memory))
    });
    task.await.map_err(|error| exec_datafusion_err!("{error}"))?
}

/// Cuts a chunk into batches of the size that operators work with.
fn slices(batch: &RecordBatch, rows: usize) -> Vec<RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(rows);
    starts.map(|start| batch.slice(start, rows.min(batch.num_rows() - start))).collect()
}

/// Some chunks that are read in one go.
struct Unit {
    chunks: Range<usize>,
    bytes: u64,
}

/// Divides the chunks of a partition, a stretch of the table, into units.
fn units(scan: &RowScanExec, partition: usize) -> Vec<Unit> {
    let bound = |part: usize| scan.chunks.len() * part / scan.partitions();
    let mut units: Vec<Unit> = Vec::new();
    for index in bound(partition)..bound(partition + 1) {
        let entry = scan.chunks.get(index).and_then(ChunkGet::entry);
        let bytes = entry.map_or(0, |entry| entry.piece_bytes(scan.columns.iter().copied()));
        match units.last_mut() {
            Some(unit) if unit.chunks.len() < UNIT_CHUNKS_MAX && unit.bytes + bytes <= UNIT_BYTES_MAX => {
                unit.chunks.end = index + 1;
                unit.bytes += bytes;
            }
            _ => units.push(Unit { chunks: index..index + 1, bytes }),
        }
    }
    units
}

/// What reading chunks takes.
struct Reader {
    scan: RowScanExec,
    schema: SchemaRef,
    chunks: Count,
    gets: Count,
    bytes: Count,
    /// Of the whole query.
    usage: Arc<Usage>,
}

impl Reader {
    fn new(scan: &RowScanExec, partition: usize, usage: Arc<Usage>) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(&scan.metrics).counter(name, partition);
        let (chunks, gets, bytes) = (counter("chunks_read"), counter("gets"), counter("bytes_scanned"));
        Self { schema: scan.schema(), scan: scan.clone(), chunks, gets, bytes, usage }
    }

    /// Reads chunks, all their values with one get. Blocks.
    fn read(&self, range: Range<usize>) -> Result<Vec<RecordBatch>> {
        let table = self.scan.table.id;
        let (mut chunks, mut keys) = (Vec::new(), Vec::<Bytes>::new());
        for get in self.scan.chunks.get(range).unwrap_or_default() {
            let Some(entry) = get.entry() else {
                return internal_err!("a chunk is asked for that its index does not have");
            };
            let pieces = entry.pieces(self.scan.columns.iter().copied());
            keys.extend(pieces.iter().map(|piece| {
                Bytes::from(Key::Chunk(ChunkEntry::key(table, get.source, get.number, *piece)).to_bytes())
            }));
            chunks.push((get, entry, pieces));
        }
        let values = if keys.is_empty() {
            Vec::new()
        } else {
            self.scan.storage.batch_get_blocking(&keys).map_err(ExecutorError::from)?
        };
        self.chunks.add(chunks.len());
        self.gets.add(keys.len());
        let bytes: usize = values.iter().flatten().map(Bytes::len).sum();
        self.bytes.add(bytes);
        self.usage.read_bytes(bytes as u64)?;
        let rows: usize = chunks.iter().map(|(get, ..)| get.rows()).sum();
        self.usage.read_blocks(chunks.len() as u64, rows as u64);
        let mut values = keys.iter().zip(values);
        let mut batches = Vec::with_capacity(chunks.len());
        for (get, entry, pieces) in chunks {
            let mut reader = ChunkReader::new(entry);
            for (piece, (key, value)) in pieces.into_iter().zip(values.by_ref()) {
                let missing =
                    || ExecutorError::Missing { key: HexKey(key.to_vec()), named_by: "a chunk index" };
                let value = value.ok_or_else(missing)?;
                reader.insert(piece, value);
            }
            batches.push(self.decode(get, entry, &reader)?);
        }
        Ok(batches)
    }

    fn decode(&self, get: &ChunkGet, entry: &ChunkEntry, reader: &ChunkReader<'_>) -> Result<RecordBatch> {
        let columns = self.scan.columns.iter().zip(self.schema.fields()).map(|(&index, field)| {
            reader.column(index, field).map_err(|source| {
                let piece = entry.pieces([index]).first().copied().unwrap_or_default();
                let key = ChunkEntry::key(self.scan.table.id, get.source, get.number, piece);
                ExecutorError::Corrupt { key: HexKey(Key::Chunk(key).to_bytes()), source }
            })
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(get.rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
