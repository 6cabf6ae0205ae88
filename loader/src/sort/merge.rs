//! Merges sorted runs by a heap of their first records.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

use super::{
    Order,
    spill::{Reader, Spill},
};
use crate::{
    LoadError,
    batch::{Batch, Ordinals, Place, Pool},
};

/// A merge in progress.
#[derive(Debug)]
pub(crate) struct Merge {
    order: Order,
    runs: Vec<Reader>,
    /// The first record of each run that has one: its key, its ordinal, the run.
    heads: BinaryHeap<Reverse<(Place, u64, usize)>>,
}

impl Merge {
    pub(super) fn open(spills: Vec<Spill>, order: Order) -> Result<Self, LoadError> {
        let mut runs = spills.into_iter().map(Reader::open).collect::<Result<Vec<_>, _>>()?;
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some((key, ordinal)) = head(run, order)? {
                heads.push(Reverse((key, ordinal, number)));
            }
        }
        Ok(Self { order, runs, heads })
    }

    /// Returns the next records in order, `None` at the end.
    #[expect(clippy::indexing_slicing, reason = "the heap holds numbers of runs")]
    pub(super) fn next_batch(&mut self, batch_bytes: usize, pool: &Pool) -> Result<Option<Batch>, LoadError> {
        let mut batch = Batch { records: pool.take(), ..Batch::default() };
        let mut ordinals = Vec::new();
        while batch.records.byte_count() < batch_bytes {
            let Some(mut first) = self.heads.peek_mut() else { break };
            let Reverse((_, _, number)) = *first;
            let run = &mut self.runs[number];
            let (record, ordinal, length) = run.peek()?;
            batch.records.push(&record);
            ordinals.push(ordinal);
            run.consume(length);
            match head(run, self.order)? {
                // The heap restores its order when `first` goes: one pass down instead of a pop and a push.
                Some((key, ordinal)) => *first = Reverse((key, ordinal, number)),
                None => {
                    PeekMut::pop(first);
                }
            }
        }
        batch.ordinals = Ordinals::Listed(ordinals);
        Ok((!batch.records.is_empty()).then_some(batch))
    }
}

fn head(run: &mut Reader, order: Order) -> Result<Option<(Place, u64)>, LoadError> {
    if !run.advance()? {
        return Ok(None);
    }
    let (record, ordinal, _) = run.peek()?;
    Ok(Some((order.key(record.contig, record.start, ordinal), ordinal)))
}
