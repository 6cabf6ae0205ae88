//! Cuts records that come in order into blocks: where the contig changes, and where a block is full.

use std::{ops::Range, sync::Arc};

use genomdb_genome::ContigId;
use genomdb_layout::block::BlockConfig;

use crate::batch::Batch;

/// The records of one block, still in the batches in which they came.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The number of the block in its source.
    pub(crate) number: u32,
    pub(crate) slices: Vec<(Arc<Batch>, Range<usize>)>,
}

/// Cuts batches into blocks.
#[derive(Debug)]
pub(crate) struct Cutter {
    config: BlockConfig,
    next: Cut,
    contig: Option<ContigId>,
    record_count: usize,
    byte_count: usize,
}

impl Cutter {
    pub(crate) fn new(config: BlockConfig) -> Self {
        let next = Cut { number: 0, slices: Vec::new() };
        Self { config, next, contig: None, record_count: 0, byte_count: 0 }
    }

    /// Takes a batch and gives out the blocks that it completes.
    pub(crate) fn push(&mut self, batch: &Arc<Batch>, mut full: impl FnMut(Cut)) {
        let mut first = 0;
        for index in 0..batch.records.len() {
            let (contig, _) = batch.records.place(index);
            if self.record_count > 0 && (contig != self.contig || self.is_full()) {
                self.add(batch, first..index);
                full(self.take());
                first = index;
            }
            self.contig = contig;
            self.record_count += 1;
            // As the block builder counts.
            self.byte_count += batch.records.variable_bytes(index).len() + 64;
        }
        self.add(batch, first..batch.records.len());
    }

    /// Gives out the last block, if there is one.
    pub(crate) fn finish(mut self) -> Option<Cut> {
        (self.record_count > 0).then(|| self.take())
    }

    fn is_full(&self) -> bool {
        self.record_count >= self.config.records_max || self.byte_count >= self.config.bytes_max
    }

    fn add(&mut self, batch: &Arc<Batch>, rows: Range<usize>) {
        if !rows.is_empty() {
            self.next.slices.push((batch.clone(), rows));
        }
    }

    fn take(&mut self) -> Cut {
        (self.record_count, self.byte_count) = (0, 0);
        let next = Cut { number: self.next.number + 1, slices: Vec::new() };
        std::mem::replace(&mut self.next, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genomdb_genome::alignment::{Cigar, Record, Records};

    /// Records as `contig×count` per batch, blocks as `number: count+count…` per slice.
    fn check(batches: &str, records_max: usize, expected: &str) {
        let mut cutter = Cutter::new(BlockConfig { records_max, bytes_max: 300 });
        let mut blocks = Vec::new();
        for text in batches.split(';') {
            let mut records = Records::default();
            for run in text.split_whitespace() {
                let (contig, count) = run.split_once('×').unwrap();
                let contig = contig.parse().ok().map(ContigId);
                for _ in 0..count.parse().unwrap() {
                    records.push(&Record {
                        flag: 0,
                        contig,
                        start: 0,
                        mapping_quality: 0,
                        mate_contig: None,
                        mate_start: -1,
                        template_length: 0,
                        name: b"r",
                        cigar: Cigar::from_bytes(&[]),
                        base_count: 0,
                        bases: &[],
                        quality_scores: &[],
                        tags: &[],
                    });
                }
            }
            cutter.push(&Arc::new(Batch { records, ordinals: Default::default() }), |cut| blocks.push(cut));
        }
        blocks.extend(cutter.finish());
        let shown: Vec<_> = blocks
            .iter()
            .map(|cut| {
                let counts: Vec<_> = cut.slices.iter().map(|(_, rows)| rows.len().to_string()).collect();
                format!("{}: {}", cut.number, counts.join("+"))
            })
            .collect();
        assert_eq!(shown.join(", "), expected, "{batches}");
    }

    #[test]
    fn cuts_at_contigs_and_where_a_block_is_full() {
        check("", 4, "");
        check("0×3", 4, "0: 3");
        check("0×3;0×3", 4, "0: 3+1, 1: 2");
        check("0×1 1×1;1×2 *×1", 4, "0: 1, 1: 1+2, 2: 1");
        check("0×4;1×4", 4, "0: 4, 1: 4");
        check("0×9", 100, "0: 5, 1: 4");
    }
}
