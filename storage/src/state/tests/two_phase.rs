//! The rules of transactions over several ranges, each by itself.

use super::*;
use crate::kv::End;

const ID: TransactionId = TransactionId(77);
const OTHER: TransactionId = TransactionId(78);

fn prepare_as(id: TransactionId, part: Transaction) -> Action {
    Action::Prepare { id, primary: k("p"), deadline: Timestamp(5000), part }
}

fn prepare(operations: impl IntoIterator<Item = Operation>) -> Action {
    prepare_as(ID, transaction([], operations))
}

fn decide(commit: bool) -> Action {
    Action::Decide { id: ID, primary: k("p"), commit }
}

fn resolve(keys: &[&str], commit: bool) -> Action {
    Action::Resolve { id: ID, keys: keys.iter().map(|key| k(key)).collect(), commit }
}

fn locked(key: &str) -> Response {
    let deadline = Timestamp(5000);
    Response::Refused(Refusal::Locked { key: k(key), id: ID, primary: k("p"), deadline })
}

fn decided(committed: bool) -> Response {
    Response::Decided { committed }
}

fn already(committed: bool) -> Response {
    Response::Refused(Refusal::AlreadyDecided { committed })
}

fn locks(bench: &Bench) -> Vec<String> {
    let view = bench.store.view().unwrap();
    let user = view.group(USER).unwrap().unwrap().descriptor;
    let locks = view.overdue_locks(&user, Timestamp(u64::MAX), usize::MAX).unwrap();
    locks.into_iter().map(|lock| String::from_utf8(lock.key.to_vec()).unwrap()).collect()
}

#[test]
fn a_commit_does_what_was_prepared_and_told() {
    let bench = Bench::new();
    bench.write([put("n", "40"), Operation::Push(k("d"), End::Back, k("first")), put("gone", "1")]);
    let told = bench.act(prepare([
        put("p", "1"),
        Operation::Add(k("n"), 1),
        Operation::Add(k("n"), 1),
        Operation::Push(k("d"), End::Back, k("second")),
        Operation::Pop(k("d"), End::Front),
        Operation::Delete(k("gone")),
    ]));
    let results = [
        OperationResult::Counter(41),
        OperationResult::Counter(42),
        OperationResult::Length(2),
        OperationResult::Element(Some(k("first"))),
    ];
    assert_eq!(told, Response::Done(results.to_vec()));
    assert_eq!(locks(&bench), ["d", "gone", "n", "p"]);
    // Undecided: everything is as before.
    assert_eq!((bench.get("n"), bench.get("gone"), bench.get("p")), (Some(k("40")), Some(k("1")), None));
    assert_eq!(bench.elements("d"), ["first"]);
    assert_eq!(bench.act(decide(true)), decided(true));
    assert_eq!((bench.get("p"), bench.get("n")), (Some(k("1")), Some(k("40"))));
    assert_eq!(bench.act(resolve(&["d", "gone", "n", "p", "unknown"], true)), DONE);
    assert_eq!((bench.get("n"), bench.get("gone")), (Some(k("42")), None));
    assert_eq!(bench.elements("d"), ["second"]);
    assert_eq!(bench.act(resolve(&["d", "gone", "n"], true)), DONE);
    assert_eq!((bench.elements("d").len(), locks(&bench).len()), (1, 0));
}

/// Each node applies the entries of two ranges in an order of its own.
#[test]
fn what_another_range_decided_is_no_matter_of_a_part() {
    let child = RangeId(9);
    let states = [false, true].map(|decides_first| {
        let bench = Bench::new();
        bench.act(Action::Split { at: k("q"), child });
        bench.act(prepare([put("p", "1")]));
        let part = || bench.send(child, None, prepare([put("s", "2")]));
        if decides_first {
            assert_eq!(bench.act(decide(true)), decided(true));
            assert_eq!(part(), DONE);
        } else {
            assert_eq!(part(), DONE);
            assert_eq!(bench.act(decide(true)), decided(true));
        }
        assert_eq!(bench.send(child, None, resolve(&["s"], true)), DONE);
        assert_eq!((bench.get("p"), bench.get("s")), (Some(k("1")), Some(k("2"))));
        (checksum(&bench.store, USER), checksum(&bench.store, child))
    });
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_rollback_leaves_everything_as_it_was() {
    let bench = Bench::new();
    bench.write([put("n", "40")]);
    bench.act(prepare([put("p", "1"), Operation::Add(k("n"), 1)]));
    assert_eq!(bench.act(decide(false)), decided(false));
    assert_eq!(bench.act(resolve(&["n"], false)), DONE);
    assert_eq!((bench.get("n"), bench.get("p"), locks(&bench).len()), (Some(k("40")), None, 0));
    assert_eq!(bench.act(decide(true)), decided(false));
}

#[test]
fn a_lock_keeps_others_out() {
    let bench = Bench::new();
    bench.write([put("b", "1")]);
    let part = transaction([Condition::Present(k("b"))], [put("p", "1"), put("x", "1")]);
    assert_eq!(bench.act(prepare_as(ID, part)), DONE);
    assert_eq!(bench.write([put("a", "1"), put("x", "2")]), locked("x"));
    assert_eq!(bench.write([put("b", "2")]), locked("b"));
    assert_eq!(bench.write([Operation::DeleteRange(KeyRange::prefix("x"))]), locked("x"));
    assert_eq!(bench.write([Operation::DeleteRange(KeyRange::all())]), locked("b"));
    let condition = transaction([Condition::Absent(k("x"))], [put("a", "1")]);
    assert_eq!(bench.act(Action::Transact(condition.clone())), locked("x"));
    assert_eq!(bench.act(prepare_as(OTHER, condition)), locked("x"));
    assert_eq!((bench.get("a"), bench.get("b")), (None, Some(k("1"))));
    assert_eq!(bench.write([put("c", "1")]), DONE);
    let view = bench.store.view().unwrap();
    let read = view.batch_get(Space::User, &[k("x"), k("c"), k("b")], Timestamp(0)).unwrap();
    assert_eq!(read.found, [None, Some(k("1")), Some(k("1"))]);
    let met: Vec<_> = read.locks.iter().map(|lock| (&lock.key, lock.id)).collect();
    assert_eq!(met, [(&k("b"), ID), (&k("x"), ID)]);
    let limit = ScanLimit { entries: 1, bytes: 100 };
    let page = view.scan_keys(Space::User, &KeyRange::all(), limit, Timestamp(0)).unwrap();
    // A lock behind the page is the next page's.
    assert_eq!((page.found.entries, page.locks.len()), (vec![k("b")], 1));
    let next = view.scan_keys(Space::User, &page.found.next.unwrap(), limit, Timestamp(0)).unwrap();
    assert_eq!((next.found.entries, next.locks.len()), (vec![k("c")], 2));
    assert_eq!(view.lock(Space::User, &k("x")).unwrap().unwrap().primary, "p");
}

#[test]
fn what_cannot_be_prepared_locks_nothing() {
    let bench = Bench::new();
    bench.write([put("text", "abc")]);
    let failed = transaction([Condition::Absent(k("text"))], [put("p", "1")]);
    let found = Some(k("abc"));
    assert_eq!(bench.act(prepare_as(ID, failed)), Response::ConditionFailed { condition: 0, found });
    let refused = bench.act(prepare([put("p", "1"), Operation::Add(k("text"), 1)]));
    assert_eq!(refused, Response::Refused(Refusal::NotACounter { key: k("text") }));
    let refused = bench.act(prepare([put("p", "1"), Operation::DeleteRange(KeyRange::prefix("q"))]));
    assert_eq!(refused, Response::Refused(Refusal::NotLockable { key: k("q") }));
    assert_eq!(locks(&bench).len(), 0);
}

#[test]
fn prepared_twice_is_prepared_once() {
    let bench = Bench::new();
    let count = || prepare([put("p", "1"), Operation::Add(k("n"), 1)]);
    let first = bench.act(count());
    assert_eq!(bench.act(count()), first);
    bench.act(decide(true));
    bench.act(resolve(&["n"], true));
    assert_eq!(bench.get("n"), Some(k("1")));
    assert_eq!(bench.act(count()), already(true));
}

#[test]
fn without_a_lock_nothing_commits_and_a_late_prepare_is_refused() {
    let bench = Bench::new();
    assert_eq!(bench.act(decide(true)), decided(false));
    assert_eq!(bench.act(prepare([put("p", "1")])), already(false));
    assert_eq!(bench.act(decide(true)), decided(false));
    assert_eq!((bench.get("p"), locks(&bench).len()), (None, 0));
}

#[test]
fn a_prepare_after_its_deadline_is_refused() {
    let mut bench = Bench::new();
    bench.now = 5000;
    assert_eq!(bench.act(prepare([put("p", "1")])), already(false));
    assert_eq!(locks(&bench).len(), 0);
}

#[test]
fn a_decision_stands() {
    let bench = Bench::new();
    bench.act(prepare([put("p", "1")]));
    assert_eq!(bench.act(decide(true)), decided(true));
    assert_eq!(bench.act(decide(false)), decided(true));
    let view = bench.store.view().unwrap();
    assert_eq!(view.decision(Space::User, &k("p"), ID).unwrap(), Some(true));
    assert_eq!(view.decision(Space::User, &k("p"), OTHER).unwrap(), None);
}

#[test]
fn resolving_leaves_the_primary_and_the_locks_of_others() {
    let bench = Bench::new();
    bench.act(prepare([put("p", "1")]));
    assert_eq!(bench.act(resolve(&["p"], true)), DONE);
    assert_eq!(bench.act(resolve(&["p"], false)), DONE);
    let others = Action::Resolve { id: OTHER, keys: vec![k("p")], commit: false };
    assert_eq!(bench.act(others), DONE);
    assert_eq!((locks(&bench).len(), bench.get("p")), (1, None));
}

#[test]
fn a_forgotten_commit_cannot_be_prepared_again() {
    let mut bench = Bench::new();
    let forget = || Action::Forget { id: ID, primary: k("p") };
    bench.act(prepare([Operation::Add(k("p"), 1)]));
    bench.act(decide(true));
    assert_eq!(bench.act(forget()), DONE);
    // A copy of the first message, still on its way.
    assert_eq!(bench.act(prepare([Operation::Add(k("p"), 1)])), already(true));
    bench.now = 5000;
    assert_eq!(bench.act(forget()), DONE);
    assert_eq!(bench.store.view().unwrap().decision(Space::User, &k("p"), ID).unwrap(), None);
    assert_eq!(bench.act(prepare([Operation::Add(k("p"), 1)])), already(false));
}

#[test]
fn needless_decisions_are_swept_and_commits_kept() {
    let mut bench = Bench::new();
    bench.act(prepare([put("p", "1")]));
    bench.act(decide(true));
    for id in 100..130 {
        bench.act(Action::Decide { id: TransactionId(id), primary: k("p"), commit: false });
    }
    bench.now += 2 * 60 * 60 * 1000;
    for id in 200..210 {
        bench.act(Action::Decide { id: TransactionId(id), primary: k("p"), commit: false });
    }
    let view = bench.store.view().unwrap();
    let decision = |id| view.decision(Space::User, &k("p"), TransactionId(id)).unwrap();
    assert_eq!((100..130).filter(|id| decision(*id).is_some()).count(), 0);
    assert_eq!((200..210).filter(|id| decision(*id) == Some(false)).count(), 10);
    assert_eq!(decision(ID.0), Some(true));
}

#[test]
fn a_split_takes_locks_and_decisions_along() {
    let bench = Bench::new();
    bench.act(prepare([put("p", "1"), put("a", "1")]));
    bench.act(Action::Split { at: k("m"), child: RangeId(9) });
    assert_eq!(bench.act(decide(true)), Response::Refused(Refusal::NotInRange { key: k("p") }));
    assert_eq!(bench.send(RangeId(9), None, decide(true)), decided(true));
    assert_eq!(bench.act(resolve(&["a"], true)), DONE);
    assert_eq!((bench.get("p"), bench.get("a"), locks(&bench).len()), (Some(k("1")), Some(k("1")), 0));
}
