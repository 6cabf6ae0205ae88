//! Blocks of several sources, in order of their first starts, merged into rows in order of (contig, start).

use std::sync::Arc;

use arrow::{
    array::{Array, Int64Array, RecordBatch},
    compute::interleave_record_batch,
    datatypes::SchemaRef,
};
use datafusion::common::Result;
use futures::{Stream, StreamExt, TryStreamExt};
use genomdb_genome::ContigId;

use super::{read::BlockRows, stream::UnitRows};

/// Rows that may still be followed by one that comes before them.
struct Pending {
    batch: RecordBatch,
    starts: Int64Array,
    contig: Option<ContigId>,
    source: usize,
    /// The rows before this one have left.
    next: usize,
}

/// A place on the genome: records without a contig come last, those without a position first.
type Place = (bool, Option<ContigId>, i64);

/// Merges units whose blocks come in order of their first starts.
///
/// Rows of equal places come in order of their sources, and as they stand in them.
pub(super) fn merged(
    schema: SchemaRef,
    units: impl Stream<Item = Result<UnitRows>> + Send + 'static,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let mut pending: Vec<Pending> = Vec::new();
    units
        .map_ok(Some)
        .chain(futures::stream::once(async { Ok(None) }))
        .map_ok(move |unit| {
            let mut left = Vec::new();
            match unit {
                None => left.extend(flush(&mut pending, None, &schema).transpose()),
                Some(unit) => {
                    for block in unit.blocks {
                        // What is left of the block may begin later; the next block need not.
                        let bound = place(block.contig, block.start);
                        left.extend(flush(&mut pending, Some(bound), &schema).transpose());
                        pending.extend(hold(block));
                    }
                    drop(unit.memory);
                }
            }
            futures::stream::iter(left)
        })
        .try_flatten()
}

fn place(contig: Option<ContigId>, start: i64) -> Place {
    (contig.is_none(), contig, start)
}

fn start(starts: &Int64Array, row: usize) -> i64 {
    if starts.is_valid(row) { starts.value(row) } else { -1 }
}

fn hold(block: BlockRows) -> Option<Pending> {
    let starts = block.starts.filter(|starts| !starts.is_empty())?;
    Some(Pending { batch: block.batch, starts, contig: block.contig, source: block.source, next: 0 })
}

/// Takes out the rows that lie before `bound`, in order; all of them without a bound.
fn flush(
    pending: &mut Vec<Pending>,
    bound: Option<Place>,
    schema: &SchemaRef,
) -> Result<Option<RecordBatch>> {
    let mut rows: Vec<((Place, usize), usize, usize)> = Vec::new();
    for (number, block) in pending.iter_mut().enumerate() {
        while block.next < block.starts.len() {
            let place = place(block.contig, start(&block.starts, block.next));
            if bound.is_some_and(|bound| bound <= place) {
                break;
            }
            rows.push(((place, block.source), number, block.next));
            block.next += 1;
        }
    }
    if rows.is_empty() {
        return Ok(None);
    }
    // Stable: rows of one block are in order already.
    rows.sort_by_key(|&(place, number, _)| (place, number));
    let batches: Vec<&RecordBatch> = pending.iter().map(|block| &block.batch).collect();
    let indices: Vec<(usize, usize)> = rows.iter().map(|&(_, number, row)| (number, row)).collect();
    let merged = if schema.fields().is_empty() {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(indices.len()));
        RecordBatch::try_new_with_options(Arc::clone(schema), Vec::new(), &options)?
    } else {
        interleave_record_batch(&batches, &indices)?
    };
    pending.retain(|block| block.next < block.starts.len());
    Ok(Some(merged))
}
