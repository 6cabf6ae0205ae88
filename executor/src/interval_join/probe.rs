//! The probe side of an interval join: batches in, pairs out.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array},
    compute::{filter, take},
};
use datafusion::{
    common::{JoinType, Result},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_plan::{ExecutionPlan, metrics::BaselineMetrics, stream::RecordBatchStreamAdapter},
};
use futures::{StreamExt, TryStreamExt};

use super::{Built, IntervalJoinExec, Keys, needs_matched};

/// Joins one partition of the probe side.
pub(super) async fn stream(
    join: Arc<IntervalJoinExec>,
    partition: usize,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let built = join.built(&context).await?;
    let schema = join.schema();
    let (.., probe, _) = join.sides();
    // Only now: the scan below asks which regions are worth reading when it is first polled.
    let input = probe.execute(partition, Arc::clone(&context))?;
    let rows_max = context.session_config().batch_size();
    let metrics = BaselineMetrics::new(&join.metrics, partition);
    let state = State { join, built, rows_max, metrics };
    let last = needs_matched(state.join.join_type, state.join.build);
    let state = Arc::new(state);
    let ending = Arc::clone(&state);
    let pairs = input.and_then(move |batch| {
        let state = Arc::clone(&state);
        async move { Ok(futures::stream::iter(state.join_batch(&batch)?.map(Ok))) }
    });
    let pairs = pairs.try_flatten().and_then(|batch: Result<RecordBatch>| async move { batch });
    let rest =
        futures::stream::once(async move { if last { ending.unmatched().map(Some) } else { Ok(None) } });
    let stream = pairs.chain(rest.try_filter_map(|batch| async move { Ok(batch) }));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
}

struct State {
    join: Arc<IntervalJoinExec>,
    built: Arc<Built>,
    rows_max: usize,
    metrics: BaselineMetrics,
}

impl State {
    /// Finds the partners of a batch's rows, and yields the output in batches of bounded size.
    fn join_batch(
        self: &Arc<Self>,
        batch: &RecordBatch,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
        let timer = self.metrics.elapsed_compute().timer();
        let (_, _, _, place) = self.join.sides();
        let keys = Keys::of(batch, place)?;
        // A dictionary's names are looked up once, not once a row.
        let indexes: Vec<_> = keys.names.iter().map(|name| self.built.contigs.get(name?)).collect();
        let (mut build_rows, mut probe_rows) = (Vec::new(), Vec::new());
        for (row, number) in (0..batch.num_rows()).zip(0_u32..) {
            let index = keys.code(row).and_then(|code| indexes.get(code).copied().flatten());
            let (Some(index), Some((start, end))) = (index, keys.interval(row)) else { continue };
            index.query(start, end, &mut |partner| {
                build_rows.push(partner);
                probe_rows.push(number);
            });
        }
        let (build_rows, probe_rows) = self.checked(batch, build_rows.into(), probe_rows.into())?;
        let (build_rows, probe_rows) = self.typed(batch.num_rows(), build_rows, probe_rows);
        timer.done();
        let (state, batch) = (Arc::clone(self), batch.clone());
        let chunks = (0..build_rows.len()).step_by(self.rows_max);
        Ok(chunks.map(move |from| {
            let length = state.rows_max.min(build_rows.len() - from);
            state.output(&batch, &build_rows.slice(from, length), &probe_rows.slice(from, length))
        }))
    }

    /// Keeps the pairs that also meet the residual condition.
    fn checked(
        &self,
        batch: &RecordBatch,
        build: UInt32Array,
        probe: UInt32Array,
    ) -> Result<(UInt32Array, UInt32Array)> {
        let Some(residual) = &self.join.condition.residual else { return Ok((build, probe)) };
        let mut kept = Vec::with_capacity(build.len());
        for from in (0..build.len()).step_by(self.rows_max) {
            let length = self.rows_max.min(build.len() - from);
            let (build, probe) = (build.slice(from, length), probe.slice(from, length));
            let columns = residual.column_indices().iter().map(|column| {
                let (source, rows) = if column.side == self.join.build {
                    (&self.built.batch, &build)
                } else {
                    (batch, &probe)
                };
                Ok(take(source.column(column.index), rows, None)?)
            });
            let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(length));
            let pairs = RecordBatch::try_new_with_options(Arc::clone(residual.schema()), columns, &options)?;
            let mask = residual.expression().evaluate(&pairs)?.into_array(length)?;
            kept.extend(mask.as_boolean().iter().map(|kept| kept == Some(true)));
        }
        let mask = BooleanArray::from(kept);
        let (build, probe) = (filter(&build, &mask)?, filter(&probe, &mask)?);
        Ok((build.as_primitive().clone(), probe.as_primitive().clone()))
    }

    /// Turns pairs into the rows that the type of join shows; a NULL row number stands for no partner.
    fn typed(
        &self,
        probe_count: usize,
        build: UInt32Array,
        probe: UInt32Array,
    ) -> (UInt32Array, UInt32Array) {
        use JoinType::{Left, LeftAnti, LeftSemi, Right, RightAnti, RightSemi};
        let join_type = self.join.join_type;
        if needs_matched(join_type, self.join.build) {
            let mut matched = self.built.matched.lock();
            build.values().iter().for_each(|&row| matched.set_bit(row as usize, true));
            return match join_type {
                // Shown at the end, when every partner is known.
                LeftSemi | LeftAnti | RightSemi | RightAnti => (empty(), empty()),
                _ => (build, probe),
            };
        }
        match join_type {
            Left | Right => with_partnerless(probe_count, &build, &probe),
            LeftSemi | RightSemi | LeftAnti | RightAnti => {
                let mut found = vec![false; probe_count];
                probe.values().iter().for_each(|&row| {
                    found.get_mut(row as usize).into_iter().for_each(|found| *found = true);
                });
                let wanted = matches!(join_type, LeftSemi | RightSemi);
                let rows =
                    found.iter().zip(0_u32..).filter(|(found, _)| **found == wanted).map(|(_, row)| row);
                let rows: UInt32Array = rows.collect::<Vec<_>>().into();
                (UInt32Array::new_null(rows.len()), rows)
            }
            _ => (build, probe),
        }
    }

    fn output(&self, batch: &RecordBatch, build: &UInt32Array, probe: &UInt32Array) -> Result<RecordBatch> {
        let columns = self.join.output.iter().map(|column| {
            let (source, rows) =
                if column.side == self.join.build { (&self.built.batch, build) } else { (batch, probe) };
            Ok(take(source.column(column.index), rows, None)?)
        });
        self.batch(columns.collect::<Result<_>>()?, build.len())
    }

    /// The rows of the build side that only the end can show.
    fn unmatched(&self) -> Result<RecordBatch> {
        let mut matched = self.built.matched.lock();
        let mask = BooleanArray::new(matched.finish(), None);
        let wanted = matches!(self.join.join_type, JoinType::LeftSemi | JoinType::RightSemi);
        let rows = (0_u32..).zip(mask.values()).filter(|(_, matched)| *matched == wanted).map(|(row, _)| row);
        let rows: UInt32Array = rows.collect::<Vec<_>>().into();
        let (.., probe, _) = self.join.sides();
        let schema = probe.schema();
        let columns = self.join.output.iter().map(|column| {
            if column.side == self.join.build {
                return Ok(take(self.built.batch.column(column.index), &rows, None)?);
            }
            Ok(new_null_array(schema.field(column.index).data_type(), rows.len()))
        });
        self.batch(columns.collect::<Result<_>>()?, rows.len())
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        self.metrics.record_output(rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.join.schema(), columns, &options)?)
    }
}

fn empty() -> UInt32Array {
    UInt32Array::from(Vec::<u32>::new())
}

/// Adds the rows of the probe side without a partner, each where it stands in the batch.
fn with_partnerless(count: usize, build: &UInt32Array, probe: &UInt32Array) -> (UInt32Array, UInt32Array) {
    let mut pairs = probe.values().iter().copied().zip(build.values().iter().copied()).peekable();
    let (mut all_build, mut all_probe) = (Vec::new(), Vec::new());
    for row in (0..count).zip(0_u32..).map(|(_, row)| row) {
        let before = all_probe.len();
        while let Some((_, partner)) = pairs.next_if(|(probe, _)| *probe == row) {
            all_build.push(Some(partner));
            all_probe.push(row);
        }
        if all_probe.len() == before {
            all_build.push(None);
            all_probe.push(row);
        }
    }
    (all_build.into(), all_probe.into())
}
