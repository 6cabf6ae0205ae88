//! Law: the store behaves like a `BTreeMap`, also after closing and opening again.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use genomdb_storage::{Condition, Config, KeyRange, Outcome, ScanLimit, Storage, Transaction, WriteBatch};
use proptest::prelude::*;

type Model = BTreeMap<Bytes, Bytes>;

#[derive(Clone, Debug)]
enum Step {
    Transact(Vec<(u8, Bytes, Bytes)>, Vec<(u8, Bytes, Bytes)>),
    Scan(KeyRange, usize, usize),
    Get(Vec<Bytes>),
    Checkpoint,
    Compact,
    Reopen,
}

/// Few keys, so that steps meet.
fn key() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(0..3_u8, 1..4).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => (0..50_usize, any::<u8>()),
        1 => (3000..9000_usize, any::<u8>()),
        1 => (60_000..70_000_usize, any::<u8>()),
    ]
    .prop_map(|(length, byte)| Bytes::from(vec![byte; length]))
}

fn step() -> impl Strategy<Value = Step> {
    let range = (key(), prop::option::of(key())).prop_map(|(start, end)| KeyRange { start, end });
    prop_oneof![
        8 => (
            prop::collection::vec((0..3_u8, key(), value()), 0..2),
            prop::collection::vec((0..6_u8, key(), value()), 0..12),
        ).prop_map(|(conditions, operations)| Step::Transact(conditions, operations)),
        2 => (range, 1..5_usize, 1..10_000_usize).prop_map(|(range, n, bytes)| Step::Scan(range, n, bytes)),
        2 => prop::collection::vec(key(), 0..6).prop_map(Step::Get),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Compact),
        1 => Just(Step::Reopen),
    ]
}

fn transaction(conditions: &[(u8, Bytes, Bytes)], steps: &[(u8, Bytes, Bytes)]) -> Transaction {
    let conditions = conditions.iter().cloned().map(|(kind, key, value)| match kind {
        0 => Condition::Absent(key),
        1 => Condition::Present(key),
        _ => Condition::Equals(key, value),
    });
    let mut batch = WriteBatch::new();
    for (kind, key, value) in steps.iter().cloned() {
        match kind {
            0 => batch.delete(key),
            1 => batch.delete_range(KeyRange::prefix(key)),
            _ => batch.put(key, value),
        };
    }
    Transaction { conditions: conditions.collect(), batch }
}

fn apply(model: &mut Model, conditions: &[(u8, Bytes, Bytes)], steps: &[(u8, Bytes, Bytes)]) -> Outcome {
    for (number, (kind, key, value)) in conditions.iter().enumerate() {
        let found = model.get(key);
        let holds = match kind {
            0 => found.is_none(),
            1 => found.is_some(),
            _ => found == Some(value),
        };
        if !holds {
            return Outcome::ConditionFailed { condition: number, found: found.cloned() };
        }
    }
    for (kind, key, value) in steps {
        match kind {
            0 => drop(model.remove(key)),
            1 => model.retain(|other, _| !other.starts_with(key)),
            _ => drop(model.insert(key.clone(), value.clone())),
        }
    }
    Outcome::Committed
}

fn expect_scan(storage: &Storage, model: &Model, range: &KeyRange, limit: ScanLimit) {
    let bound = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
    let expected: Vec<_> = if range.is_empty() {
        Vec::new()
    } else {
        let range = model.range((Bound::Included(range.start.clone()), bound));
        range.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let (mut found, mut keys) = (Vec::new(), Vec::new());
    let mut next = Some(range.clone());
    while let Some(range) = next {
        let page = storage.scan_blocking(&range, limit).unwrap();
        assert!(page.entries.len() <= limit.entries.max(1));
        found.extend(page.entries);
        next = page.next;
    }
    next = Some(range.clone());
    while let Some(range) = next {
        let page = storage.scan_keys_blocking(&range, limit).unwrap();
        keys.extend(page.entries);
        next = page.next;
    }
    assert!(found == expected, "scan of {range:?}");
    assert!(keys.iter().eq(expected.iter().map(|(key, _)| key)), "keys of {range:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let config = || Config {
            cache_bytes: 1 << 20,
            segment_bytes: 128 << 10,
            checkpoint_bytes: 200 << 10,
            ..Config::default()
        };
        let mut storage = Storage::open(folder.path(), config()).unwrap();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Transact(conditions, operations) => {
                    let outcome = storage.transact_blocking(transaction(&conditions, &operations));
                    prop_assert_eq!(outcome.unwrap(), apply(&mut model, &conditions, &operations));
                }
                Step::Scan(range, entries, bytes) => {
                    expect_scan(&storage, &model, &range, ScanLimit { entries, bytes });
                }
                Step::Get(keys) => {
                    let expected: Vec<_> = keys.iter().map(|key| model.get(key).cloned()).collect();
                    prop_assert!(storage.batch_get_blocking(&keys).unwrap() == expected);
                }
                Step::Checkpoint => block_on(storage.checkpoint()).unwrap(),
                Step::Compact => block_on(storage.compact()).unwrap(),
                Step::Reopen => {
                    storage.close_blocking().unwrap();
                    storage = Storage::open(folder.path(), config()).unwrap();
                }
            }
        }
        expect_scan(&storage, &model, &KeyRange::all(), ScanLimit::default());
        prop_assert_eq!(storage.stats_blocking().unwrap().keys, model.len() as u64);
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
