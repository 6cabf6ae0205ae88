//! Rows into tables: they come back in their order, and what fails, is stopped or dies leaves nothing.

#![expect(clippy::single_range_in_vec_init, reason = "a list of one range of rows is meant")]

use std::{cell::Cell, sync::Arc};

use arrow_array::{
    ArrayRef, DictionaryArray, Int64Array, RecordBatch, StringArray, cast::AsArray, types::Int8Type,
};
use arrow_schema::SchemaRef;
use bytes::Bytes;
use genomdb_layout::{
    catalog::TableKind,
    key::Key,
    rows::{CHUNK_ROWS_MAX, ChunkEntry, ChunkIndex, ChunkReader},
};
use genomdb_loader::{
    CancelToken, IngestMode, IngestReport, IngestRequest, LoadError, collect_leftovers, drop_source,
    drop_table, ingest, load, read_catalog, read_source,
};
use genomdb_storage::{
    Storage,
    testing::{Fault, SimulatedDisk},
};

use crate::fixture::{Lie, keys, load_text, open, request as load_request, sam, shown, tiny};

/// A number each, and a text that compresses badly.
fn rows(numbers: std::ops::Range<i64>) -> RecordBatch {
    let text = |n: i64| {
        (n % 9 != 0).then(|| {
            format!("{:032x}", (n as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
        })
    };
    let texts: ArrayRef = Arc::new(StringArray::from_iter(numbers.clone().map(text)));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
    RecordBatch::try_from_iter_with_nullable([("n", numbers, false), ("text", texts, true)]).unwrap()
}

fn request(schema: SchemaRef, mode: IngestMode) -> IngestRequest {
    let mut config = tiny();
    config.chunk_bytes = 3_000;
    IngestRequest { dataset: "main".to_owned(), table: "samples".to_owned(), mode, schema, config }
}

fn ingest_all(
    storage: &Storage,
    batches: &[RecordBatch],
    mode: IngestMode,
) -> Result<IngestReport, LoadError> {
    let mut batches = batches.iter().cloned();
    let request = request(rows(0..0).schema(), mode);
    let report = ingest(storage, &request, &mut || Ok(batches.next()), &CancelToken::new())?;
    Ok(report)
}

/// Reads a table of rows: the batches of its chunks.
fn read(storage: &Storage) -> Vec<RecordBatch> {
    let catalog = read_catalog(storage).unwrap();
    let table = catalog.table("main", "samples").unwrap();
    assert_eq!(table.kind, TableKind::Rows);
    let get = |keys: Vec<Key>| {
        let keys: Vec<Bytes> = keys.into_iter().map(|key| key.to_bytes().into()).collect();
        storage.batch_get_blocking(&keys).unwrap().into_iter().map(Option::unwrap).collect::<Vec<_>>()
    };
    let mut batches = Vec::new();
    for source in &table.sources {
        let index = ChunkIndex::from_bytes(&get(source.index_root_keys(table.id)).concat()).unwrap();
        assert_eq!(index.rows(), source.records);
        for (number, entry) in (0..).zip(&index.chunks) {
            let pieces = entry.pieces(0..entry.pages.len());
            let key = |piece: &u16| Key::Chunk(ChunkEntry::key(table.id, source.id, number, *piece));
            let mut reader = ChunkReader::new(entry);
            let values = get(pieces.iter().map(key).collect());
            pieces.into_iter().zip(values).for_each(|(piece, value)| reader.insert(piece, value));
            let fields = table.schema.fields().iter().enumerate();
            let columns = fields.map(|(index, field)| reader.column(index, field).unwrap());
            batches.push(RecordBatch::try_new(table.schema.clone(), columns.collect()).unwrap());
        }
    }
    batches
}

fn check_rows(storage: &Storage, expected: &[std::ops::Range<i64>]) {
    let found = arrow_select::concat::concat_batches(&rows(0..0).schema(), &read(storage)).unwrap();
    let expected: Vec<RecordBatch> = expected.iter().cloned().map(rows).collect();
    assert_eq!(found, arrow_select::concat::concat_batches(&rows(0..0).schema(), &expected).unwrap());
}

#[test]
fn rows_come_back_in_their_order_whatever_the_batches() {
    let storage = open(&SimulatedDisk::new());
    let batches = [rows(0..1), rows(1..1), rows(1..3_000), rows(3_000..3_010), rows(3_010..3_011)];
    let report = ingest_all(&storage, &batches, IngestMode::Create).unwrap();
    assert_eq!((report.rows, report.source.as_deref()), (3_011, Some("ingest-1")));
    check_rows(&storage, &[0..3_011]);
    assert!(read(&storage).len() > 20);
    ingest_all(&storage, &[rows(5..6)], IngestMode::Append).unwrap();
    check_rows(&storage, &[0..3_011, 5..6]);
    assert_eq!(shown(&storage), "samples: ingest-1 ingest-2");
    // No journal, and nothing that the catalog does not lead to.
    assert!(keys(&storage).iter().all(|key| [4, 8].contains(&key[0])));
    drop_source(&storage, "main", "samples", "ingest-1").unwrap().collect().unwrap();
    check_rows(&storage, &[5..6]);
    drop_table(&storage, "main", "samples").unwrap().collect().unwrap();
    assert_eq!((keys(&storage).len(), shown(&storage).as_str()), (0, ""));
}

#[test]
fn narrow_rows_fill_a_chunk_and_no_more() {
    let storage = open(&SimulatedDisk::new());
    let many = CHUNK_ROWS_MAX as i64 + 5;
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..many));
    let batch = RecordBatch::try_from_iter([("n", numbers)]).unwrap();
    let mut request = request(batch.schema(), IngestMode::Create);
    request.config.chunk_bytes = 64 << 20;
    let mut batches = [batch.slice(0, 4), batch.slice(4, many as usize - 4)].into_iter();
    ingest(&storage, &request, &mut || Ok(batches.next()), &CancelToken::new()).unwrap();
    let read = read(&storage);
    assert!(read.iter().all(|chunk| chunk.num_rows() <= CHUNK_ROWS_MAX) && read.len() <= 3);
    assert_eq!(arrow_select::concat::concat_batches(&batch.schema(), &read).unwrap(), batch);
}

/// Small dictionaries whose values together are more than their keys can number.
#[test]
fn dictionaries_that_cannot_be_joined_stay_apart() {
    let storage = open(&SimulatedDisk::new());
    let batch = |from: usize| {
        let texts: Vec<String> = (from..from + 100).map(|n| format!("value {n}")).collect();
        let keys: DictionaryArray<Int8Type> = texts.iter().map(String::as_str).collect();
        RecordBatch::try_from_iter([("key", Arc::new(keys) as ArrayRef)]).unwrap()
    };
    let batches = [batch(0), batch(100), batch(200)];
    let mut request = request(batches[0].schema(), IngestMode::Create);
    request.config.chunk_bytes = 1 << 20;
    let mut next = batches.iter().cloned();
    ingest(&storage, &request, &mut || Ok(next.next()), &CancelToken::new()).unwrap();
    let text = |batch: &RecordBatch| {
        let column = batch.column(0).as_dictionary::<Int8Type>().downcast_dict::<StringArray>().unwrap();
        column.into_iter().flatten().map(str::to_owned).collect::<Vec<_>>()
    };
    let found: Vec<String> = read(&storage).iter().flat_map(text).collect();
    assert_eq!(found, (0..300).map(|n| format!("value {n}")).collect::<Vec<_>>());
}

#[test]
fn a_batch_of_other_columns_than_announced() {
    let storage = open(&SimulatedDisk::new());
    let other: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let other = RecordBatch::try_from_iter([("n", other)]).unwrap();
    let error = ingest_all(&storage, &[rows(0..500), other], IngestMode::Create).unwrap_err();
    let expected = "the rows do not fit table `main.samples`: column `text` of type Utf8 is missing";
    assert_eq!(error.to_string(), expected);
    assert_eq!((keys(&storage).len(), shown(&storage).as_str()), (0, ""));
}

#[test]
fn files_and_rows_do_not_meet() {
    let storage = open(&SimulatedDisk::new());
    ingest_all(&storage, &[rows(0..5)], IngestMode::Create).unwrap();
    let text = sam(20, Lie::Sorted, 1);
    let mut into = load_request(&text, "a.sam");
    into.table = "samples".to_owned();
    let error = load(&storage, into, &|_| {}, &CancelToken::new()).unwrap_err();
    assert_eq!(error.to_string(), "`main.samples` is a table of rows, alignments cannot be loaded into it");
    let catalog = read_catalog(&storage).unwrap();
    let error = read_source(&storage, &catalog, "main", "samples", "ingest-1", tiny()).unwrap_err();
    assert_eq!(error.to_string(), "`main.samples` is a table of rows, alignments cannot be loaded into it");
    check_rows(&storage, &[0..5]);
}

#[test]
fn an_ingest_that_is_cancelled() {
    let storage = open(&SimulatedDisk::new());
    ingest_all(&storage, &[rows(0..50)], IngestMode::Create).unwrap();
    let before = keys(&storage);
    for mode in [IngestMode::Append, IngestMode::Replace] {
        for stop_at in 0..4 {
            let (cancel, asked) = (CancelToken::new(), Cell::new(0));
            let mut next = || {
                asked.set(asked.get() + 1);
                if asked.get() > stop_at {
                    cancel.cancel();
                }
                Ok((asked.get() <= 3).then(|| rows(0..400)))
            };
            let result = ingest(&storage, &request(rows(0..0).schema(), mode), &mut next, &cancel);
            assert!(matches!(result, Err(LoadError::Cancelled)), "{stop_at}: {result:?}");
            assert_eq!(keys(&storage), before, "{stop_at}");
            check_rows(&storage, &[0..50]);
        }
    }
}

/// Somebody replaced, dropped or made the table while rows came in.
#[test]
fn a_table_that_changes_meanwhile() {
    let check = |mode, meanwhile: &dyn Fn(&Storage), expected: Result<&[std::ops::Range<i64>], &str>| {
        let storage = open(&SimulatedDisk::new());
        ingest_all(&storage, &[rows(0..5)], IngestMode::Create).unwrap();
        let mut left = 2;
        let mut next = || {
            left -= 1;
            if left == 0 {
                meanwhile(&storage);
            }
            Ok((left > 0).then(|| rows(10..400)))
        };
        let request = request(rows(0..0).schema(), mode);
        let result = ingest(&storage, &request, &mut next, &CancelToken::new());
        match (result, expected) {
            (Ok(report), Ok(ranges)) => {
                check_rows(&storage, ranges);
                report.garbage.into_iter().for_each(|garbage| garbage.collect().unwrap());
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (result, expected) => panic!("{result:?}, expected {expected:?}"),
        }
        // Whatever happened, nothing is left that nobody knows.
        let before = keys(&storage);
        collect_leftovers(&storage).unwrap();
        assert_eq!(keys(&storage), before);
        assert!(before.iter().all(|key| key[0] != 3), "a journal is left");
    };
    let append = |storage: &Storage| drop(ingest_all(storage, &[rows(7..9)], IngestMode::Append).unwrap());
    let drop_it = |storage: &Storage| drop_table(storage, "main", "samples").unwrap().collect().unwrap();
    let replace = |storage: &Storage| {
        let report = ingest_all(storage, &[rows(7..9)], IngestMode::Replace).unwrap();
        report.garbage.unwrap().collect().unwrap();
    };
    let other = |storage: &Storage| {
        let batch = RecordBatch::try_from_iter([("x", rows(0..3).column(0).clone())]).unwrap();
        let request = request(batch.schema(), IngestMode::Replace);
        let mut batches = [batch].into_iter();
        let report = ingest(storage, &request, &mut || Ok(batches.next()), &CancelToken::new()).unwrap();
        report.garbage.unwrap().collect().unwrap();
    };
    let changed = Err("table `main.samples` was changed by somebody else during the load; load again");
    check(IngestMode::Append, &append, Ok(&[0..5, 7..9, 10..400]));
    check(IngestMode::Append, &replace, Ok(&[7..9, 10..400]));
    check(
        IngestMode::Append,
        &other,
        Err("the rows do not fit table `main.samples`: column 1 is named `n`, in the table `x`"),
    );
    check(IngestMode::Append, &drop_it, Err("there is no table `main.samples`"));
    check(IngestMode::Replace, &append, Ok(&[10..400]));
    check(IngestMode::Replace, &replace, Ok(&[10..400]));
    check(IngestMode::CreateOrAppend, &drop_it, changed);
}

/// A power cut, or the end of the process, after each so many operations of the disk (LOAD-1, LOAD-2).
#[test]
fn a_crash_at_any_moment_of_an_ingest() {
    for mode in [IngestMode::Append, IngestMode::Replace] {
        let disk = SimulatedDisk::new();
        let before = {
            let storage = open(&disk);
            ingest_all(&storage, &[rows(0..60)], IngestMode::Create).unwrap();
            keys(&storage)
        };
        let after: &[std::ops::Range<i64>] =
            if mode == IngestMode::Append { &[0..60, 100..500] } else { &[100..500] };
        let (mut crash_at, mut survived) = (0, 0);
        while survived < 2 {
            let disk = disk.after_kill();
            disk.inject(Fault::Crash(crash_at));
            let storage = open(&disk);
            let done = ingest_all(&storage, &[rows(100..300), rows(300..500)], mode).is_ok();
            let cut = if crash_at % 2 == 0 { disk.after_power_cut(crash_at) } else { disk.after_kill() };
            drop(storage);

            let storage = open(&cut);
            collect_leftovers(&storage).unwrap();
            let context = format!("{mode:?}, crash at {crash_at}");
            let sources = read_catalog(&storage).unwrap().table("main", "samples").unwrap().sources.len();
            let is_old = sources == 1
                && read(&storage)[0].column(0).as_primitive::<arrow_array::types::Int64Type>().value(0) == 0;
            if is_old {
                assert!(!done, "an ingest that was reported is gone; {context}");
                assert_eq!(keys(&storage), before, "leftovers; {context}");
                check_rows(&storage, &[0..60]);
                let report = ingest_all(&storage, &[rows(100..500)], mode).unwrap();
                report.garbage.into_iter().for_each(|garbage| garbage.collect().unwrap());
            }
            check_rows(&storage, after);
            let known = |key: &Vec<u8>| [4, 8].contains(&key[0]);
            assert!(keys(&storage).iter().all(known), "leftovers; {context}");
            survived += u32::from(done);
            crash_at += 1;
        }
        assert!(crash_at > 10, "the ingests were over after {crash_at} operations");
    }
}

#[test]
fn a_full_disk_in_the_middle_of_an_ingest() {
    let disk = SimulatedDisk::new();
    let storage = open(&disk);
    ingest_all(&storage, &[rows(0..60)], IngestMode::Create).unwrap();
    load_text(&storage, &sam(60, Lie::Sorted, 1), "earlier").unwrap();
    let before = keys(&storage);
    disk.set_capacity(disk.used_bytes() + (300 << 10), true);
    let error = ingest_all(&storage, &[rows(0..40_000)], IngestMode::Append).unwrap_err();
    assert!(matches!(error, LoadError::Storage(_)), "{error}");
    disk.set_capacity(1 << 40, true);
    drop(storage);
    let storage = open(&disk);
    collect_leftovers(&storage).unwrap();
    assert_eq!(keys(&storage), before);
    check_rows(&storage, &[0..60]);
    ingest_all(&storage, &[rows(0..40_000)], IngestMode::Append).unwrap();
    check_rows(&storage, &[0..60, 0..40_000]);
}
