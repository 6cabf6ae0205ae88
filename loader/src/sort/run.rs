//! A run: records in memory, sorted by an index of packed places; the records themselves stay where they are.

use std::path::Path;

use genomdb_genome::alignment::Record;

use super::{
    Order,
    spill::{self, Spill},
};
use crate::{
    CancelToken, LoadError,
    batch::{Batch, Ordinals, Pool},
};

/// Records that wait to be sorted, in file order.
#[derive(Debug, Default)]
pub(super) struct Run {
    batches: Vec<Batch>,
    record_count: usize,
    byte_count: usize,
}

impl Run {
    pub(super) fn push(&mut self, mut batch: Batch) {
        // A batch grew as it was read: up to half of its memory may be unused.
        batch.records.shrink_to_fit();
        self.record_count += batch.records.len();
        // 16: the packed place that `sort` makes of each record.
        self.byte_count += batch.records.byte_count() + 16 * batch.records.len();
        self.batches.push(batch);
    }

    /// Returns the bytes that the run occupies, with what sorting it will take.
    pub(super) fn byte_count(&self) -> usize {
        self.byte_count
    }

    pub(super) fn sort(self, by: Order) -> Sorted {
        let mut order = Vec::with_capacity(self.record_count);
        let mut firsts = Vec::with_capacity(self.batches.len());
        for batch in &self.batches {
            let first = u32::try_from(order.len()).expect("a run is limited to far fewer than 2^32 records");
            firsts.push(first);
            order.extend((first..).zip(0..batch.records.len()).map(|(number, index)| {
                let (contig, start) = batch.records.place(index);
                // The number follows the key, so that ties stay in file order.
                by.key(contig, start, batch.ordinals.get(index)).pack(number)
            }));
        }
        order.sort_unstable();
        Sorted { batches: self.batches, firsts, order, next: 0 }
    }
}

/// A sorted run.
#[derive(Debug)]
pub(crate) struct Sorted {
    batches: Vec<Batch>,
    /// The number in the run of each batch's first record.
    firsts: Vec<u32>,
    order: Vec<u128>,
    next: usize,
}

impl Sorted {
    #[expect(clippy::indexing_slicing, reason = "`order` holds the numbers that `sort` gave out")]
    fn get(&self, index: usize) -> (Record<'_>, u64) {
        let number = self.order[index] as u32;
        let batch = self.firsts.partition_point(|&first| first <= number) - 1;
        let row = (number - self.firsts[batch]) as usize;
        let batch = &self.batches[batch];
        (batch.records.get(row), batch.ordinals.get(row))
    }

    /// Returns the next records in order, `None` at the end.
    pub(super) fn next_batch(&mut self, batch_bytes: usize, pool: &Pool) -> Option<Batch> {
        let mut batch = Batch { records: pool.take(), ..Batch::default() };
        let mut ordinals = Vec::new();
        while self.next < self.order.len() && batch.records.byte_count() < batch_bytes {
            let (record, ordinal) = self.get(self.next);
            batch.records.push(&record);
            ordinals.push(ordinal);
            self.next += 1;
        }
        batch.ordinals = Ordinals::Listed(ordinals);
        (!batch.records.is_empty()).then_some(batch)
    }

    /// Writes the run to a file in `folder`.
    pub(super) fn spill(self, folder: &Path, cancel: &CancelToken) -> Result<Spill, LoadError> {
        let mut writer = spill::Writer::create(folder)?;
        for index in 0..self.order.len() {
            if index % 4096 == 0 {
                cancel.check()?;
            }
            let (record, ordinal) = self.get(index);
            writer.push(&record, ordinal)?;
        }
        writer.finish()
    }
}
