//! A process that ingests rows is killed at random moments.

use std::{env, path::PathBuf, sync::Arc};

use arrow_array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use genomdb_loader::{
    CancelToken, Config, IngestMode, IngestRequest, LoadError, collect_leftovers, ingest, read_catalog,
};
use genomdb_storage::Storage;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    fixture::{key_count, open},
    killed::{kill_after, start_child, step},
};

/// Set in a process that is to ingest, and to be killed: its folder.
const CHILD: &str = "GENOMDB_CRASH_TEST_INGEST";
/// Batches of an ingest.
const BATCHES: u64 = 60;
/// Rows of a batch.
const ROWS: u64 = 200;

/// Rows that compress badly.
fn batch(number: u64) -> RecordBatch {
    let mut random = StdRng::seed_from_u64(number);
    let numbers: ArrayRef = Arc::new(UInt64Array::from_iter_values((0..ROWS).map(|row| number * ROWS + row)));
    let texts = (0..ROWS).map(|_| format!("{:032x}", random.random::<u128>()));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    RecordBatch::try_from_iter([("n", numbers), ("text", texts)]).unwrap()
}

fn ingest_all(storage: &Storage, mode: IngestMode, before_each: impl Fn()) -> Result<u64, LoadError> {
    let config = Config { chunk_bytes: 10_000, write_bytes: 20_000, ..Config::default() };
    let (dataset, table) = ("main".to_owned(), "samples".to_owned());
    let request = IngestRequest { dataset, table, mode, schema: batch(0).schema(), config };
    let mut numbers = 0..BATCHES;
    let mut next = || {
        before_each();
        Ok(numbers.next().map(batch))
    };
    Ok(ingest(storage, &request, &mut next, &CancelToken::new())?.rows)
}

/// No test of its own: the process that the other test starts and kills.
#[test]
fn child() {
    let Some(folder) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let storage = open(&folder);
    ingest_all(&storage, IngestMode::Append, step).unwrap();
    println!("loaded");
}

/// The rows of each source of the table.
fn sources(storage: &Storage) -> Vec<u64> {
    let catalog = read_catalog(storage).unwrap();
    let table = catalog.table("main", "samples").unwrap();
    table.sources.iter().map(|source| source.records).collect()
}

#[test]
fn a_killed_ingest_leaves_nothing() {
    let mut random = StdRng::seed_from_u64(5);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    {
        let storage = open(folder);
        ingest_all(&storage, IngestMode::Create, || {}).unwrap();
    }
    let mut leftovers = 0;
    for round in 0..6 {
        let before = {
            let storage = open(folder);
            (sources(&storage), key_count(&storage))
        };
        let child = start_child("killed_ingest::child", CHILD, folder);
        let (loaded, seen) = kill_after(child, random.random_range(1..=BATCHES as usize + 1));
        let storage = open(folder);
        let context = format!("round {round}, killed at step {seen}");
        leftovers += collect_leftovers(&storage).unwrap();
        let after = sources(&storage);
        if after.len() > before.0.len() {
            assert!(after.iter().all(|rows| *rows == BATCHES * ROWS), "a partial ingest; {context}");
        } else {
            assert!(!loaded, "an ingest that was reported is gone; {context}");
            assert_eq!((after, key_count(&storage)), before, "leftovers; {context}");
        }
    }
    assert!(0 < leftovers, "no kill came between two writes");
    let storage = open(folder);
    assert_eq!(ingest_all(&storage, IngestMode::Append, || {}).unwrap(), BATCHES * ROWS);
}
