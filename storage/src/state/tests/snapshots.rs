//! Ranges that go from one node to another.

use super::*;
use crate::{error::StorageError, kv::End, state::install::Installer};

/// A store whose ranges 2 and 9 have rows in every table; 9 has several chunks of them.
pub(super) fn full() -> Bench {
    let bench = Bench::new();
    bench.act(Action::Split { at: k("m"), child: RangeId(9) });
    fill(&bench, USER, "a");
    fill(&bench, RangeId(9), "n");
    for number in 0..6 {
        let large = Operation::Put(k(&format!("z{number}")), vec![number; 400_000].into());
        bench.send(RangeId(9), None, Action::Transact(transaction([], [large])));
    }
    bench
}

fn fill(bench: &Bench, range: RangeId, prefix: &str) {
    let key = |name: &str| k(&format!("{prefix}{name}"));
    let push = |number: u8| Operation::Push(key("deque"), End::Front, vec![number].into());
    let mut operations: Vec<Operation> = (0..20).map(push).collect();
    operations.push(Operation::PutUntil(key("until"), k("x"), Timestamp(9000)));
    operations.push(Operation::Put(key("value"), k("x")));
    let session = Some(Session { client: 3, sequence: 4 });
    bench.send(range, session, Action::Transact(transaction([], operations)));
    let deadline = Timestamp(9000);
    for (id, name) in [(1, "lock"), (2, "other")] {
        let part = transaction([], [Operation::Put(key(name), k("new"))]);
        let id = TransactionId(id);
        bench.send(range, None, Action::Prepare { id, primary: key(name), deadline, part });
    }
    bench.send(range, None, Action::Decide { id: TransactionId(2), primary: key("other"), commit: true });
}

pub(super) fn chunks(store: &Store, range: RangeId) -> (Group, Vec<Bytes>) {
    let (group, mut reader) = store.snapshot(range).unwrap();
    let chunks = std::iter::from_fn(|| reader.next_chunk().unwrap()).collect();
    (group, chunks)
}

fn install(store: &Store, group: &Group, chunks: &[Bytes]) {
    let mut installer = store.installer(group).unwrap();
    chunks.iter().for_each(|chunk| installer.chunk(store, chunk.clone()).unwrap());
    assert_eq!(&installer.finish(store).unwrap(), group);
}

fn empty() -> Bench {
    let bench = Bench::new();
    bench.store.remove_group(USER).unwrap();
    bench
}

#[test]
fn an_installed_range_equals_its_source() {
    let (source, target) = (full(), empty());
    for range in [USER, RangeId(9)] {
        let (group, chunks) = chunks(&source.store, range);
        assert!(range == USER || chunks.len() > 2, "{}", chunks.len());
        install(&target.store, &group, &chunks);
        assert_eq!(target.group(range), source.group(range));
        assert_eq!(checksum(&target.store, range), checksum(&source.store, range));
        let bytes = |bench: &Bench| bench.store.view().unwrap().approximate_bytes(range).unwrap();
        assert!(bytes(&target).unwrap().abs_diff(bytes(&source).unwrap()) < 100);
    }
    for bench in [&source, &target] {
        // The queue of expiries came along, the lock can be resolved, the session is known.
        let due = bench.store.view().unwrap().due(&bench.group(USER).descriptor, Timestamp(9000), 9).unwrap();
        assert_eq!(due, [(k("auntil"), Timestamp(9000))]);
        let decide = Action::Decide { id: TransactionId(1), primary: k("alock"), commit: true };
        assert_eq!(bench.act(decide), Response::Decided { committed: true });
        assert_eq!(bench.get("alock"), Some(k("new")));
        let old = Some(Session { client: 3, sequence: 3 });
        let again = bench.send(USER, old, Action::Transact(Transaction::default()));
        assert_eq!(again, Response::Refused(Refusal::Superseded));
    }
    // To be checked is no change.
    assert_eq!(source.send(RangeId(9), None, Action::Verify), Response::Verified);
    assert_eq!(checksum(&source.store, RangeId(9)), checksum(&target.store, RangeId(9)));
}

#[test]
fn a_snapshot_is_of_its_moment() {
    let source = full();
    let before = checksum(&source.store, USER);
    let (group, mut reader) = source.store.snapshot(USER).unwrap();
    source.write([Operation::Delete(k("avalue")), put("b", "1")]);
    let target = empty();
    let mut installer = target.store.installer(&group).unwrap();
    while let Some(chunk) = reader.next_chunk().unwrap() {
        installer.chunk(&target.store, chunk).unwrap();
    }
    installer.finish(&target.store).unwrap();
    assert_eq!(checksum(&target.store, USER), before);
}

#[test]
fn what_was_there_before_is_gone() {
    let (source, target) = (full(), Bench::new());
    // It lags behind: the range had all keys then.
    fill(&target, USER, "b");
    fill(&target, USER, "y");
    let (group, parts) = chunks(&source.store, USER);
    install(&target.store, &group, &parts);
    assert_eq!(checksum(&target.store, USER), checksum(&source.store, USER));
    let (group, parts) = chunks(&source.store, RangeId(9));
    install(&target.store, &group, &parts);
    assert_eq!(checksum(&target.store, RangeId(9)), checksum(&source.store, RangeId(9)));
    let view = target.store.view().unwrap();
    assert_eq!(view.keys(Space::User).unwrap(), source.store.view().unwrap().keys(Space::User).unwrap());
}

#[test]
fn keys_of_another_range_are_not_taken() {
    let (source, target) = (full(), Bench::new());
    let (group, _) = chunks(&source.store, RangeId(9));
    let error = target.store.installer(&group).unwrap_err();
    assert!(matches!(error, StorageError::RangeOverlap { range: RangeId(9), other: USER }), "{error}");
    assert_eq!(target.group(USER).phase, Phase::Live);
    let (group, _) = chunks(&target.store, USER);
    source.store.remove_group(RangeId(9)).unwrap();
    // A range never grows.
    assert!(matches!(source.store.installer(&group), Err(StorageError::Snapshot { .. })));
}

#[test]
fn chunks_are_refused_unless_whole_and_in_order() {
    let (source, target) = (full(), empty());
    let (group, parts) = chunks(&source.store, RangeId(9));
    let (_, foreign) = chunks(&source.store, USER);
    let mut installer = target.store.installer(&group).unwrap();
    let refused = |installer: &mut Installer, chunk: Bytes| {
        let error = installer.chunk(&target.store, chunk).unwrap_err();
        assert!(matches!(error, StorageError::Snapshot { .. }), "{error}");
    };
    refused(&mut installer, parts[1].clone());
    refused(&mut installer, foreign[0].clone());
    for at in [0, 9, 17, 20, 100, parts[0].len() - 1] {
        let mut damaged = parts[0].to_vec();
        damaged[at] ^= 1;
        refused(&mut installer, damaged.into());
        refused(&mut installer, parts[0].slice(..at));
    }
    installer.chunk(&target.store, parts[0].clone()).unwrap();
    refused(&mut installer, parts[0].clone());
    // In between nothing is live.
    assert!(matches!(target.store.snapshot(RangeId(9)), Err(StorageError::RangeAbsent { .. })));
    let error = installer.finish(&target.store).unwrap_err();
    assert!(error.to_string().contains("its last chunk is missing"), "{error}");
    assert_eq!(target.group(RangeId(9)).phase, Phase::Installing);
    target.store.remove_group(RangeId(9)).unwrap();
    assert_eq!(target.store.view().unwrap().keys(Space::User).unwrap(), 0);
    target.store.remove_group(RangeId(9)).unwrap();
}

#[test]
fn chunks_with_foreign_rows_are_refused() {
    use bytes::{BufMut as _, BytesMut};

    use crate::state::rows::Row;
    let (source, target) = (full(), empty());
    let (group, _) = chunks(&source.store, RangeId(9));
    let chunk = |rows: &[Row<&[u8]>]| {
        let mut out = BytesMut::new();
        out.put_u64_le(9);
        out.put_u32_le(0);
        out.put_u8(1);
        rows.iter().for_each(|row| row.encode(&mut out));
        let sum = xxhash_rust::xxh3::xxh3_64(&out).to_le_bytes();
        Bytes::from([sum.as_slice(), &out].concat())
    };
    let mut installer = target.store.installer(&group).unwrap();
    let outside = Row::Value(b"a".as_slice(), b"".as_slice());
    let (n, o) = (Row::Value(b"n".as_slice(), b"".as_slice()), Row::Value(b"o".as_slice(), b"".as_slice()));
    for rows in [vec![outside], vec![o.clone(), n.clone()], vec![n.clone(), n.clone()]] {
        let error = installer.chunk(&target.store, chunk(&rows)).unwrap_err();
        assert!(matches!(error, StorageError::Snapshot { .. }), "{error}");
    }
    installer.chunk(&target.store, chunk(&[n, o])).unwrap();
    installer.finish(&target.store).unwrap();
}
