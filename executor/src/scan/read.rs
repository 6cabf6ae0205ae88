//! Reading some blocks: pages of the filters' columns first, then, where rows are left, those of the output.
//!
//! All of it blocks; it runs off the reactor.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StructArray,
    },
    compute::{and, filter, prep_null_mask_filter},
    datatypes::{DataType, SchemaRef},
};
use bytes::Bytes;
use datafusion::{
    common::{Result, internal_err},
    logical_expr::ColumnarValue,
    physical_expr::PhysicalExpr,
    physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder},
};
use genomdb_genome::{ContigId, Interval, RegionSet, alignment::tag::TagKey};
use genomdb_layout::{
    LayoutError,
    block::{AlignmentBlockReader, BlockEntry, Piece, RowRanges},
    key::{Key, SourceId},
};
use genomdb_planner::{BlockGet, Fields};

use super::{
    decode::{self, ColumnError},
    read_columns::ReadColumns,
};
use crate::{
    dataset::Dataset,
    error::{ExecutorError, HexKey},
    usage::Usage,
};

/// What a scan does with each block.
#[derive(Debug)]
pub(super) struct ReadPlan {
    pub(super) dataset: Arc<Dataset>,
    /// Filters in the order in which they are tried: those of cheap columns first.
    pub(super) stages: Vec<Stage>,
    pub(super) output: Stage,
    pub(super) schema: SchemaRef,
    /// Whether the pages of the output are fetched together with those of the filters.
    pub(super) fetch_at_once: bool,
    /// About how many bytes the values of a block take.
    pub(super) block_bytes: u64,
    /// Whether the starts are needed to merge blocks of several sources.
    pub(super) with_starts: bool,
}

/// Expressions and the columns that they read.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) columns: ReadColumns,
    pub(super) exprs: Vec<Arc<dyn PhysicalExpr>>,
}

/// The rows of a block that are left.
#[derive(Debug)]
pub(super) struct BlockRows {
    pub(super) batch: RecordBatch,
    pub(super) contig: Option<ContigId>,
    /// The place of its source in the table's list.
    pub(super) source: usize,
    /// The smallest start of the whole block, filtered or not: no later block has a smaller one.
    pub(super) start: i64,
    /// -1 for a row without a position; only where the plan asks for starts.
    pub(super) starts: Option<Int64Array>,
}

/// What a scan has done so far.
#[derive(Clone, Debug)]
pub(super) struct ReadMetrics {
    blocks: Count,
    gets: Count,
    bytes: Count,
    rows: Count,
    /// Of the whole query.
    usage: Arc<Usage>,
}

impl ReadMetrics {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize, usage: Arc<Usage>) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        Self {
            blocks: counter("blocks_read"),
            gets: counter("gets"),
            bytes: counter("bytes_scanned"),
            rows: counter("rows_read"),
            usage,
        }
    }
}

/// A block while it is read.
struct Block<'a> {
    get: &'a BlockGet,
    source: SourceId,
    entry: BlockEntry,
    reader: AlignmentBlockReader,
    fetched: Vec<Piece>,
    rows: RowRanges,
    /// What was decoded, of the rows that are left.
    columns: HashMap<Part, ArrayRef>,
}

/// A column, or one tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Column(usize),
    Tag(TagKey),
}

impl ReadPlan {
    /// Reads blocks and returns those with rows left, in their order.
    pub(super) fn read(
        &self,
        gets: &[BlockGet],
        regions: Option<&RegionSet>,
        metrics: &ReadMetrics,
    ) -> Result<Vec<BlockRows>> {
        let mut blocks = gets.iter().map(|get| self.begin(get)).collect::<Result<Vec<_>>>()?;
        let rows = blocks.iter().map(|block| block.reader.rows()).sum();
        metrics.blocks.add(blocks.len());
        metrics.rows.add(rows);
        metrics.usage.read_blocks(blocks.len() as u64, rows as u64);
        let mut first = Fields::default();
        self.stages.iter().for_each(|stage| first.0.extend(stage.columns.fields().0));
        if regions.is_some() {
            ["start", "end"].iter().for_each(|name| first.add_column(name));
        }
        let mut last = self.output.columns.fields();
        if self.with_starts {
            last.add_column("start");
        }
        if self.fetch_at_once {
            first.0.extend(last.0.iter().copied());
        }
        self.fetch(&mut blocks, &first, metrics)?;
        for block in &mut blocks {
            self.filter(block, regions)?;
        }
        blocks.retain(|block| !block.rows.is_empty());
        if !self.fetch_at_once {
            self.fetch(&mut blocks, &last, metrics)?;
        }
        blocks.iter_mut().map(|block| self.finish(block)).collect()
    }

    fn begin<'a>(&self, get: &'a BlockGet) -> Result<Block<'a>> {
        let (Some(entry), Some(source)) = (get.entry(), self.dataset.source(get.source)) else {
            return internal_err!("an index page names a block that it does not have");
        };
        Ok(Block {
            get,
            source: source.id,
            reader: AlignmentBlockReader::new(entry.clone()),
            rows: RowRanges::all(entry.records as usize),
            entry,
            fetched: Vec::new(),
            columns: HashMap::new(),
        })
    }

    /// Gets the values that hold `fields` of the blocks, all at once.
    fn fetch(&self, blocks: &mut [Block<'_>], fields: &Fields, metrics: &ReadMetrics) -> Result<()> {
        let mut wanted = Vec::new();
        let mut keys: Vec<Bytes> = Vec::new();
        for (number, block) in blocks.iter().enumerate() {
            for piece in block.entry.pieces(fields.0.iter().copied()) {
                if !block.fetched.contains(&piece) {
                    let key = block.entry.key(self.dataset.entry.id, block.source, piece);
                    keys.push(Key::Block(key).to_bytes().into());
                    wanted.push((number, piece));
                }
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        let values = self.dataset.storage.batch_get_blocking(&keys).map_err(ExecutorError::from)?;
        metrics.gets.add(keys.len());
        let bytes: usize = values.iter().flatten().map(Bytes::len).sum();
        metrics.bytes.add(bytes);
        metrics.usage.read_bytes(bytes as u64)?;
        for (((number, piece), key), value) in wanted.into_iter().zip(&keys).zip(values) {
            let missing = || ExecutorError::Missing { key: HexKey(key.to_vec()), named_by: "an index page" };
            let value = value.ok_or_else(missing)?;
            if let Some(block) = blocks.get_mut(number) {
                block.reader.insert(piece, value);
                block.fetched.push(piece);
            }
        }
        Ok(())
    }

    /// Narrows the rows of a block to those on which every filter is true.
    fn filter(&self, block: &mut Block<'_>, regions: Option<&RegionSet>) -> Result<()> {
        if let Some(regions) = regions {
            let mask = self.in_regions(block, regions)?;
            self.narrow(block, &mask)?;
        }
        for stage in &self.stages {
            if block.rows.is_empty() {
                return Ok(());
            }
            let batch = self.batch(block, &stage.columns)?;
            let mut kept: Option<BooleanArray> = None;
            for expr in &stage.exprs {
                let mask = match expr.evaluate(&batch)? {
                    ColumnarValue::Array(array) => array.as_boolean().clone(),
                    scalar => scalar.into_array(batch.num_rows())?.as_boolean().clone(),
                };
                let mask = if mask.null_count() > 0 { prep_null_mask_filter(&mask) } else { mask };
                kept = Some(match kept {
                    Some(kept) => and(&kept, &mask)?,
                    None => mask,
                });
            }
            if let Some(mask) = kept {
                self.narrow(block, &mask)?;
            }
        }
        Ok(())
    }

    fn in_regions(&self, block: &mut Block<'_>, regions: &RegionSet) -> Result<BooleanArray> {
        let rows = block.rows.clone();
        let layout = |error| self.damaged(block, error);
        let (starts, ends) =
            (block.reader.start(&rows).map_err(layout)?, block.reader.end(&rows).map_err(layout)?);
        let contig = block.get.contig;
        let row = |(start, end): (Option<i64>, Option<i64>)| {
            let (Some(contig), Some(start), Some(end)) = (contig, start, end) else { return Some(false) };
            let interval = Interval::new(u64::try_from(start).ok()?, u64::try_from(end).ok()?).ok()?;
            Some(regions.overlaps(contig, interval))
        };
        Ok(starts.iter().zip(ends.iter()).map(|pair| Some(row(pair).unwrap_or(true))).collect())
    }

    fn narrow(&self, block: &mut Block<'_>, mask: &BooleanArray) -> Result<()> {
        if mask.true_count() == mask.len() {
            return Ok(());
        }
        let total = block.rows.total();
        block.rows = if block.rows.is_all() {
            RowRanges::from_ranges(total, mask.values().set_slices().map(|(from, to)| from..to))
        } else {
            let kept =
                block.rows.iter().zip(mask.values()).filter(|(_, kept)| *kept).map(|(row, _)| row..row + 1);
            RowRanges::from_ranges(total, kept)
        };
        let last = &self.output.columns;
        let wanted = |part: &Part| match part {
            Part::Column(index) => last.columns.contains(index) || self.stages.len() > 1,
            Part::Tag(key) => last.tags.contains(key) || self.stages.len() > 1,
        };
        block.columns.retain(|part, _| wanted(part));
        for array in block.columns.values_mut() {
            *array = filter(array, mask)?;
        }
        Ok(())
    }

    /// Computes the output of the rows that are left.
    fn finish(&self, block: &mut Block<'_>) -> Result<BlockRows> {
        let batch = self.batch(block, &self.output.columns)?;
        let rows = batch.num_rows();
        let arrays = self.output.exprs.iter().map(|expr| expr.evaluate(&batch)?.into_array(rows));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.collect::<Result<Vec<_>>>()?;
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        let starts = self
            .with_starts
            .then(|| block.reader.start(&block.rows).map_err(|error| self.damaged(block, error)));
        Ok(BlockRows {
            batch,
            contig: block.get.contig,
            source: block.get.source,
            start: block.get.start,
            starts: starts.transpose()?,
        })
    }

    /// Decodes columns of the rows that are left.
    fn batch(&self, block: &mut Block<'_>, columns: &ReadColumns) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.columns.len());
        for (&index, field) in columns.columns.iter().zip(columns.schema.fields()) {
            arrays.push(match field.data_type() {
                DataType::Struct(fields) => {
                    let tags =
                        columns.tags.iter().map(|&key| self.tag(block, key)).collect::<Result<Vec<_>>>()?;
                    Arc::new(StructArray::try_new_with_length(fields.clone(), tags, None, block.rows.len())?)
                }
                _ => self.column(block, index, field.name())?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(block.rows.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&columns.schema), arrays, &options)?)
    }

    fn column(&self, block: &mut Block<'_>, index: usize, name: &str) -> Result<ArrayRef> {
        if let Some(array) = block.columns.get(&Part::Column(index)) {
            return Ok(Arc::clone(array));
        }
        let decoded = decode::column(&self.dataset, block.get.source, &block.reader, name, &block.rows);
        let array = decoded.map_err(|error| match error {
            ColumnError::Layout(error) => self.damaged(block, error).into(),
            ColumnError::Other(error) => error,
        })?;
        block.columns.insert(Part::Column(index), Arc::clone(&array));
        Ok(array)
    }

    fn tag(&self, block: &mut Block<'_>, key: TagKey) -> Result<ArrayRef> {
        if let Some(array) = block.columns.get(&Part::Tag(key)) {
            return Ok(Arc::clone(array));
        }
        let Some(field) = self.dataset.tag_field(key) else {
            return internal_err!("the table has no tag {key}");
        };
        let array = block.reader.tag(field, &block.rows).map_err(|error| self.damaged(block, error))?;
        block.columns.insert(Part::Tag(key), Arc::clone(&array));
        Ok(array)
    }

    /// Names the key of the value that is damaged.
    fn damaged(&self, block: &Block<'_>, error: LayoutError) -> ExecutorError {
        let piece = match &error {
            LayoutError::CorruptPage { column, .. } => {
                block.entry.directory.pieces([*column]).first().copied()
            }
            LayoutError::MissingPiece { group, piece, .. } => Some(Piece { group: *group, number: *piece }),
            _ => None,
        };
        let key = match piece {
            Some(piece) => block.entry.key(self.dataset.entry.id, block.source, piece),
            None => block.entry.first_key(self.dataset.entry.id, block.source),
        };
        ExecutorError::Corrupt { key: HexKey(Key::Block(key).to_bytes()), source: error }
    }
}
