//! The external sort against a stable sort in memory, with hardly any memory to sort in.

use genomdb_genome::{
    ContigId,
    alignment::{Cigar, Record, Records},
};
use proptest::prelude::*;

use super::*;
use crate::batch::{Ordinals, Place};

/// A record of the given place whose other fields tell it from the others.
fn push(records: &mut Records, contig: Option<u32>, start: i64, seed: u64) {
    let name = format!("read{seed}");
    let bases = vec![0x12; (seed % 7) as usize];
    let qualities = vec![seed as u8; if seed.is_multiple_of(3) { 0 } else { bases.len() * 2 }];
    let cigar = if seed.is_multiple_of(2) { [0x10_u8, 0, 0, 0].as_slice() } else { &[] };
    let tags = if seed.is_multiple_of(5) { b"NMC\x01".as_slice() } else { b"" };
    records.push(&Record {
        flag: seed as u16,
        contig: contig.map(ContigId),
        start,
        mapping_quality: seed as u8,
        mate_contig: (seed.is_multiple_of(2)).then_some(ContigId(seed as u32 % 3)),
        mate_start: seed as i64 - 5,
        template_length: -(seed as i64),
        name: name.as_bytes(),
        cigar: Cigar::from_bytes(cigar),
        base_count: bases.len() as u32 * 2,
        bases: &bases,
        quality_scores: &qualities,
        tags,
    });
}

fn batches_of(places: &[(Option<u32>, i64)], records_per_batch: usize) -> Vec<Batch> {
    let mut ordinal = 0;
    let chunks = places.chunks(records_per_batch).map(|chunk| {
        let mut records = Records::default();
        let ordinals = Ordinals::From(ordinal);
        for &(contig, start) in chunk {
            push(&mut records, contig, start, ordinal);
            ordinal += 1;
        }
        Batch { records, ordinals }
    });
    chunks.collect()
}

/// Sorts externally and compares with a stable sort in memory, record by record.
fn check(places: &[(Option<u32>, i64)], records_per_batch: usize, memory_bytes: usize, threads: usize) {
    let folder = tempfile::tempdir().unwrap();
    let config = SortConfig {
        order: Order::Place,
        folder: folder.path().join("spill"),
        memory_bytes,
        threads,
        batch_bytes: 1 << 12,
    };
    let mut input = batches_of(places, records_per_batch).into_iter();
    let mut sorted = sort(&mut || Ok(input.next()), &config, &CancelToken::new()).unwrap();

    let whole = batches_of(places, usize::MAX).into_iter().next().unwrap_or_default().records;
    let mut expected: Vec<usize> = (0..whole.len()).collect();
    expected.sort_by_key(|&index| Place::of(&whole, index));
    let mut expected = expected.into_iter();
    while let Some(batch) = sorted.next_batch(config.batch_bytes, &Pool::default()).unwrap() {
        for index in 0..batch.records.len() {
            let ordinal = expected.next().unwrap();
            assert_eq!(batch.ordinals.get(index), ordinal as u64);
            assert_eq!(batch.records.get(index), whole.get(ordinal));
        }
    }
    assert_eq!(expected.next(), None, "records are missing");
    let left = std::fs::read_dir(folder.path().join("spill")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "a spill file has a name");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn sorts_like_a_stable_sort_in_memory(
        places in prop::collection::vec((prop::option::weighted(0.9, 0..3_u32), -1..30_i64), 0..600),
        records_per_batch in 1..50_usize,
        memory_bytes in prop_oneof![1..4_096_usize, Just(1 << 20)],
        threads in 1..4_usize,
    ) {
        check(&places, records_per_batch, memory_bytes, threads);
    }
}

#[test]
fn sorts_by_ordinal() {
    let folder = tempfile::tempdir().unwrap();
    for memory_bytes in [1, 1 << 20] {
        let config = SortConfig {
            order: Order::Ordinal,
            folder: folder.path().to_owned(),
            memory_bytes,
            threads: 2,
            batch_bytes: 1 << 12,
        };
        let places: Vec<_> = (0..200).map(|i: i64| (Some(0), (i * 79) % 101)).collect();
        let mut input = batches_of(&places, 7).into_iter().rev();
        let mut sorted = sort(&mut || Ok(input.next()), &config, &CancelToken::new()).unwrap();
        let mut next = 0;
        while let Some(batch) = sorted.next_batch(64, &Pool::default()).unwrap() {
            for index in 0..batch.records.len() {
                assert_eq!(batch.ordinals.get(index), next);
                assert_eq!(batch.records.place(index), (Some(ContigId(0)), places[next as usize].1));
                next += 1;
            }
        }
        assert_eq!(next, 200);
    }
}

#[test]
fn merges_in_several_rounds_when_runs_are_many() {
    let places: Vec<_> = (0..2_000).map(|i: i64| (Some(0), (i * 7919) % 1_009)).collect();
    // The smallest memory: one batch a run and two runs a merge.
    check(&places, 10, 1, 2);
}

#[test]
fn stops_when_cancelled_and_when_the_input_fails() {
    let folder = tempfile::tempdir().unwrap();
    let config = SortConfig {
        order: Order::Place,
        folder: folder.path().to_owned(),
        memory_bytes: 1,
        threads: 2,
        batch_bytes: 1 << 12,
    };
    let cancel = CancelToken::new();
    cancel.cancel();
    let places = [(Some(0), 1); 100];
    let mut input = batches_of(&places, 10).into_iter();
    let error = sort(&mut || Ok(input.next()), &config, &cancel).unwrap_err();
    assert!(matches!(error, LoadError::Cancelled), "{error}");

    let mut input = batches_of(&places, 10).into_iter();
    let mut failing = || input.next().map_or(Err(LoadError::Cancelled), |batch| Ok(Some(batch)));
    let error = sort(&mut failing, &config, &CancelToken::new()).unwrap_err();
    assert!(matches!(error, LoadError::Cancelled), "{error}");
}

#[test]
fn a_spill_that_cannot_be_written_names_the_folder() {
    let config = SortConfig {
        order: Order::Place,
        folder: "/proc/genomdb-cannot-be".into(),
        memory_bytes: 1,
        threads: 2,
        batch_bytes: 1 << 12,
    };
    let mut input = batches_of(&[(Some(0), 1); 100], 10).into_iter();
    let error = sort(&mut || Ok(input.next()), &config, &CancelToken::new()).unwrap_err();
    assert!(error.to_string().contains("/proc/genomdb-cannot-be"), "{error}");
}
