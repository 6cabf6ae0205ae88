//! What single entries do.

use super::*;
use crate::{
    error::StorageError,
    kv::End,
    state::{Change, events::Compacted},
};

const MINUTE: u64 = 60_000;

fn session(client: u64, sequence: u64) -> Option<Session> {
    Some(Session { client, sequence })
}

fn add(key: &str, change: i64) -> Operation {
    Operation::Add(k(key), change)
}

#[test]
fn a_request_that_comes_again_counts_once() {
    let bench = Bench::new();
    let count = || Action::Transact(transaction([], [add("n", 5)]));
    let first = bench.send(USER, session(7, 1), count());
    assert_eq!(first, Response::Done(vec![OperationResult::Counter(5)]));
    assert_eq!(bench.send(USER, session(7, 1), count()), first);
    assert_eq!(bench.send(USER, session(7, 2), count()), Response::Done(vec![OperationResult::Counter(10)]));
    assert_eq!(bench.send(USER, session(7, 1), count()), Response::Refused(Refusal::Superseded));
    assert_eq!(bench.get("n"), Some("10".into()));
}

#[test]
fn sessions_long_unused_are_dropped_and_others_kept() {
    let mut bench = Bench::new();
    let count = || Action::Transact(transaction([], [add("n", 1)]));
    for client in 0..40 {
        bench.send(USER, session(client, 1), count());
    }
    bench.now += 59 * MINUTE;
    bench.send(USER, session(3, 2), count());
    bench.now += 2 * MINUTE;
    for client in 100..110 {
        bench.send(USER, session(client, 1), count());
    }
    let view = bench.store.view().unwrap();
    let sessions = view.transaction.open_table(crate::state::tables::SESSIONS).unwrap();
    assert_eq!(redb::ReadableTableMetadata::len(&sessions).unwrap(), 11);
    assert!(sessions.get((USER.0, 3)).unwrap().is_some());
}

#[test]
fn a_refused_counter_writes_nothing() {
    let bench = Bench::new();
    bench.write([put("text", "abc"), put("max", &i64::MAX.to_string())]);
    let refused = bench.write([put("a", "1"), Operation::Push(k("d"), End::Back, k("x")), add("text", 1)]);
    assert_eq!(refused, Response::Refused(Refusal::NotACounter { key: k("text") }));
    let refused = bench.write([put("a", "1"), add("max", 1)]);
    assert_eq!(refused, Response::Refused(Refusal::CounterOverflow { key: k("max") }));
    assert_eq!((bench.get("a"), bench.elements("d").len()), (None, 0));
}

#[test]
fn an_expired_value_is_absent_and_removed_only_at_its_time() {
    let mut bench = Bench::new();
    let until = Timestamp(bench.now + 10);
    bench.write([Operation::PutUntil(k("a"), k("1"), until), Operation::PutUntil(k("b"), k("1"), until)]);
    let expire = || Action::Expire { entries: vec![(k("a"), until), (k("b"), until)] };
    assert_eq!(bench.act(expire()), DONE);
    assert_eq!(bench.get("a"), Some("1".into()));
    bench.now += 10;
    assert_eq!(bench.get("a"), None);
    let absent = Action::Transact(transaction([Condition::Absent(k("a"))], [put("b", "2")]));
    assert_eq!(bench.act(absent), DONE);
    let user = bench.group(USER).descriptor;
    let due = || bench.store.view().unwrap().due(&user, Timestamp(bench.now), 10).unwrap();
    assert_eq!(due(), [(k("a"), until)]);
    bench.act(expire());
    assert_eq!((due(), bench.get("b")), (vec![], Some("2".into())));
    assert_eq!(bench.store.view().unwrap().keys(Space::User).unwrap(), 1);
}

#[test]
fn the_spaces_have_nothing_in_common() {
    let bench = Bench::new();
    let write = |value| {
        Action::Transact(transaction([], [put("a", value), Operation::Push(k("a"), End::Back, k("x"))]))
    };
    bench.act(write("1"));
    bench.send(RangeId::PLACEMENT, None, write("2"));
    bench.act(Action::Transact(transaction([], [Operation::DeleteRange(KeyRange::all())])));
    let view = bench.store.view().unwrap();
    let get = |space| view.batch_get(space, &[k("a")], Timestamp(0)).unwrap().found;
    assert_eq!((get(Space::User), get(Space::Placement)), (vec![None], vec![Some("2".into())]));
    let split = Action::Split { at: k("m"), child: RangeId(9) };
    let refused = bench.send(RangeId::PLACEMENT, None, split);
    assert_eq!(refused, Response::Refused(Refusal::NotInRange { key: k("m") }));
}

#[test]
fn a_split_makes_two_of_one() {
    let bench = Bench::new();
    bench.write(('a'..='z').map(|key| put(&key.to_string(), "value")));
    let count = || Action::Transact(transaction([], [add("zz", 5)]));
    let answer = bench.send(USER, session(7, 1), count());
    let middle = bench.store.view().unwrap().middle_key(USER).unwrap();
    assert_eq!(middle, Some(k("o")));
    let split = Action::Split { at: k("n"), child: RangeId(9) };
    let Response::Split { parent, child } = bench.act(split.clone()) else { panic!() };
    assert_eq!(parent.keys, KeyRange { start: k(""), end: Some(k("n")) });
    assert_eq!((child.keys.clone(), child.version), (KeyRange { start: k("n"), end: None }, 2));
    let born = bench.group(RangeId(9));
    assert_eq!((&born.descriptor, born.applied, born.membership.id), (&child, LogId::BIRTH, LogId::BIRTH));
    assert_eq!(born.membership.bytes, "node 1");
    // The request that the parent answered comes to the child.
    assert_eq!(bench.send(RangeId(9), session(7, 1), count()), answer);
    // RANGE-1.
    let stale = Proposal { version: 1, session: None, now: Timestamp(0), action: split };
    let refused = Response::Refused(Refusal::Version(parent));
    assert_eq!(bench.apply(USER, &[stale]), [Some(refused)]);
    let refused = bench.write([put("z", "1")]);
    assert_eq!(refused, Response::Refused(Refusal::NotInRange { key: k("z") }));
    let span = Operation::DeleteRange(KeyRange { start: k("a"), end: Some(k("o")) });
    assert_eq!(bench.write([span]), Response::Refused(Refusal::NotInRange { key: k("a") }));
    let at_the_start = bench.send(RangeId(9), None, Action::Split { at: k("n"), child: RangeId(10) });
    assert_eq!(at_the_start, Response::Refused(Refusal::NotInRange { key: k("n") }));
}

#[test]
fn watchers_are_told_in_order_or_that_they_are_late() {
    let bench = Bench::new();
    let start = LogId::BIRTH.index;
    bench.write([put("a", "1"), Operation::Delete(k("b")), add("c", 1)]);
    bench.write([Operation::Put(k("long"), vec![0; 5000].into()), Operation::Pop(k("d"), End::Back)]);
    let all = bench.store.events_since(USER, start).unwrap().unwrap();
    let changes: Vec<_> =
        all.events.iter().map(|event| (event.index - start, &event.key, &event.change)).collect();
    assert_eq!(
        changes,
        [
            (1, &k("a"), &Change::Put(Some(k("1")))),
            (1, &k("b"), &Change::Deleted),
            (1, &k("c"), &Change::Put(Some(k("1")))),
            (2, &k("long"), &Change::Put(None)),
            (2, &k("d"), &Change::Popped(End::Back)),
        ]
    );
    assert_eq!(all.through, start + 2);
    let rest = bench.store.events_since(USER, start + 1).unwrap().unwrap();
    assert_eq!(rest.events, all.events[3..]);
    bench.act(Action::Split { at: k("b"), child: RangeId(9) });
    let told = bench.store.events_since(USER, start + 2).unwrap().unwrap().events;
    let born = bench.store.events_since(RangeId(9), start - 1).unwrap().unwrap().events;
    assert_eq!((&told[0].change, told[0].index), (&born[0].change, start + 3));
    // Too many for the ring.
    bench.write((0..5000).map(|number| put(&format!("a{number:04}"), "")));
    let late = bench.store.events_since(USER, start + 3).unwrap();
    assert_eq!(late, Err(Compacted { floor: start + 4 }));
    assert_eq!(bench.store.events_since(USER, start + 4).unwrap().unwrap().events, []);
    for number in 0..5000 {
        bench.store.apply(&[bench.entries(USER, &[])]).unwrap();
        if number % 1000 == 0 {
            bench.write([put("a", "2")]);
        }
    }
    assert_eq!(bench.store.events_since(USER, start + 4).unwrap().unwrap().events.len(), 5);
}

#[test]
fn what_is_no_proposal_is_named() {
    let bench = Bench::new();
    let id = LogId { term: 2, index: LogId::BIRTH.index + 1 };
    let entries = vec![(id, Payload::Command("nonsense".into()))];
    let error = bench.store.apply(&[GroupEntries { range: USER, entries }]).unwrap_err();
    assert!(error.to_string().contains("entry 2:6 of range 2: unknown format"), "{error}");
    let entries = GroupEntries { range: RangeId(5), entries: Vec::new() };
    assert!(matches!(bench.store.apply(&[entries]), Err(StorageError::RangeAbsent { range: RangeId(5) })));
    let entries = vec![(id, Payload::Membership("node 2".into()))];
    bench.store.apply(&[GroupEntries { range: USER, entries }]).unwrap();
    assert_eq!(bench.group(USER).membership, Membership { id, bytes: "node 2".into() });
}

#[test]
#[should_panic(expected = "STATE-1")]
fn state_1_no_entry_is_left_out() {
    let bench = Bench::new();
    let id = LogId { term: 1, index: LogId::BIRTH.index + 2 };
    let _ = bench.store.apply(&[GroupEntries { range: USER, entries: vec![(id, Payload::Blank)] }]);
}

#[test]
fn all_may_be_used_on_any_thread() {
    const fn send<T: Send>() {}
    const fn sync<T: Sync>() {}
    send::<crate::state::SnapshotReader>();
    send::<crate::state::install::Installer>();
    send::<crate::state::View>();
    sync::<crate::state::View>();
    sync::<Store>();
}
