//! The checksum of what a file says: header and records, whatever the compression around them.

use genomdb_genome::{ContigId, alignment::Records};
use xxhash_rust::xxh3::xxh3_128;

/// Grows over the records of a file, in file order; how they are cut into batches does not matter.
#[derive(Debug)]
pub(crate) struct ContentChecksum(u128);

impl ContentChecksum {
    pub(crate) fn new(header_text: &[u8]) -> Self {
        Self(xxh3_128(header_text))
    }

    /// Adds records, whose contigs have the file's numbers.
    pub(crate) fn update(&mut self, records: &Records) {
        for (index, record) in records.iter().enumerate() {
            let contig = |contig: Option<ContigId>| contig.map_or(u32::MAX, |ContigId(id)| id);
            // The lengths keep fields apart; base_count stands for the length of the bases.
            let lengths = [record.name, record.cigar.as_bytes(), record.quality_scores];
            let content = xxh3_128(records.variable_bytes(index));
            let words = [
                self.0 as u64,
                (self.0 >> 64) as u64,
                content as u64,
                (content >> 64) as u64,
                record.start.cast_unsigned(),
                record.mate_start.cast_unsigned(),
                record.template_length.cast_unsigned(),
                u64::from(contig(record.contig)) << 32 | u64::from(contig(record.mate_contig)),
                u64::from(record.base_count) << 32
                    | u64::from(record.flag) << 8
                    | u64::from(record.mapping_quality),
                lengths.iter().fold(0, |sum, field| sum << 21 ^ field.len() as u64),
            ];
            let mut bytes = [0; 80];
            for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            self.0 = xxh3_128(&bytes);
        }
    }

    pub(crate) fn finish(self) -> u128 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genomdb_genome::alignment::{Cigar, Record};

    fn record<'a>(name: &'a [u8], tags: &'a [u8], flag: u16) -> Record<'a> {
        Record {
            flag,
            contig: None,
            start: -1,
            mapping_quality: 0,
            mate_contig: None,
            mate_start: -1,
            template_length: 0,
            name,
            cigar: Cigar::from_bytes(&[]),
            base_count: 0,
            bases: &[],
            quality_scores: &[],
            tags,
        }
    }

    fn check(batches: &[&[Record<'_>]]) -> u128 {
        let mut checksum = ContentChecksum::new(b"@HD\n");
        for batch in batches {
            let mut records = Records::default();
            batch.iter().for_each(|record| records.push(record));
            checksum.update(&records);
        }
        checksum.finish()
    }

    #[test]
    fn depends_on_content_and_order_alone() {
        let (a, b) = (record(b"ab", b"", 4), record(b"a", b"b", 4));
        let whole = check(&[&[a, b]]);
        assert_eq!(whole, check(&[&[a], &[], &[b]]), "batches must not matter");
        for other in
            [check(&[&[b, a]]), check(&[&[a, a]]), check(&[&[a]]), check(&[&[record(b"ab", b"", 5), b]])]
        {
            assert_ne!(whole, other);
        }
    }
}
