//! Histories written down by hand: what must be found, and what must not be taken for it.

use super::super::{
    Action, Answer, Call, Completion, Consistency, KeyHistory, Request,
    linearizable::{Budget, Verdict, check},
    once, session,
};
use super::{GET, by, failed, found, history, ok, push, put, swap, unknown, value};
use crate::kv::{End, Key};

#[track_caller]
fn right(calls: Vec<Call<Request, Answer>>) {
    let verdict = check(&history(calls), Budget::default());
    assert_eq!(verdict, Verdict::Linearizable);
}

#[track_caller]
fn wrong(calls: Vec<Call<Request, Answer>>) -> String {
    match check(&history(calls), Budget::default()) {
        Verdict::Violated(violation) => violation.to_string(),
        verdict => panic!("{verdict:?}"),
    }
}

#[test]
fn a_stale_read_is_found_and_explained() {
    let calls = vec![
        ok(0, 1, put("a"), Answer::Done),
        ok(2, 3, put("b"), Answer::Done),
        ok(4, 5, GET, found("a")),
        ok(6, 7, put("c"), Answer::Done),
    ];
    let text = wrong(calls);
    let expected = "key `k` is not linearizable, as of time 5
explained, in this order (0 more before):
  #0 [0..1] process 0: put `a` → done
  #1 [2..3] process 2: put `b` → done
then the key holds a value that nobody saw, and none of these can be next:
  #2 [4..5] process 4: get → `a`
";
    assert_eq!(text, expected);
}

#[test]
fn calls_that_touch_in_time_are_not_ordered() {
    right(vec![
        ok(0, 1, put("a"), Answer::Done),
        ok(2, 4, put("b"), Answer::Done),
        ok(4, 5, GET, found("a")),
    ]);
}

#[test]
fn a_lost_update_is_found() {
    wrong(vec![
        ok(0, 1, put("a"), Answer::Done),
        ok(2, 5, swap("a", "b"), Answer::Swapped(true)),
        ok(3, 6, swap("a", "c"), Answer::Swapped(true)),
    ]);
    wrong(vec![ok(0, 5, Action::Add(1), Answer::Counter(1)), ok(0, 5, Action::Add(1), Answer::Counter(1))]);
}

#[test]
fn a_retry_that_counts_twice_is_found() {
    wrong(vec![ok(0, 5, Action::Add(1), Answer::Counter(1)), ok(6, 7, GET, found("2"))]);
    // An unknown one may count once, late, but not twice.
    right(vec![unknown(0, Action::Add(1)), ok(6, 7, GET, found("")), ok(8, 9, GET, found("1"))]);
    wrong(vec![unknown(0, Action::Add(1)), ok(6, 7, GET, found("2"))]);
    wrong(vec![ok(0, 1, push("a"), Answer::Length(1)), ok(2, 3, push("b"), Answer::Length(3))]);
}

#[test]
fn a_value_from_nowhere_is_found() {
    wrong(vec![ok(0, 1, put("a"), Answer::Done), ok(2, 3, GET, found("b"))]);
    wrong(vec![ok(0, 1, GET, found("a")), ok(2, 3, put("a"), Answer::Done)]);
    wrong(vec![ok(0, 1, Action::Pop(End::Front), found("a"))]);
}

#[test]
fn a_dirty_read_is_found() {
    wrong(vec![failed(0, 1, put("a")), ok(2, 3, GET, found("a"))]);
    wrong(vec![failed(0, 3, put("a")), ok(2, 3, GET, found("a"))]);
    right(vec![unknown(0, put("a")), ok(2, 3, GET, found("a"))]);
}

#[test]
fn an_unknown_write_happens_late_or_never_but_once() {
    right(vec![
        unknown(0, put("a")),
        ok(1, 2, put("b"), Answer::Done),
        ok(3, 4, GET, found("b")),
        ok(500, 501, GET, found("a")),
    ]);
    wrong(vec![
        unknown(0, put("a")),
        ok(1, 2, GET, found("a")),
        ok(3, 4, put("b"), Answer::Done),
        ok(5, 6, GET, found("a")),
    ]);
    // A swap that failed tells that something else was there.
    right(vec![
        ok(0, 1, put("a"), Answer::Done),
        unknown(2, put("b")),
        ok(3, 4, swap("a", "c"), Answer::Swapped(false)),
        ok(5, 6, put("d"), Answer::Done),
    ]);
}

#[test]
fn an_acknowledged_write_that_is_lost_is_found() {
    wrong(vec![ok(0, 1, put("a"), Answer::Done), ok(2, 3, GET, found(""))]);
    wrong(vec![ok(0, 1, push("a"), Answer::Length(1)), ok(2, 3, Action::Pop(End::Back), found(""))]);
}

#[test]
fn a_deque_has_two_ends() {
    let pushes = || {
        vec![
            ok(0, 1, push("a"), Answer::Length(1)),
            ok(2, 3, push("b"), Answer::Length(2)),
            ok(4, 5, Action::Push(End::Front, value("c")), Answer::Length(3)),
        ]
    };
    let pops = |first: &str, last: &str| {
        let pop = |at, end, text: &str| ok(at, at + 1, Action::Pop(end), found(text));
        let calls = pushes().into_iter();
        calls.chain([pop(10, End::Front, first), pop(12, End::Back, last)]).collect::<Vec<_>>()
    };
    right(pops("c", "b"));
    wrong(pops("a", "b"));
    wrong(pops("c", "a"));
}

#[test]
fn a_stale_read_is_as_stale_as_it_may_be() {
    let calls = |bound| {
        vec![
            ok(0, 1, put("a"), Answer::Done),
            ok(10, 20, put("b"), Answer::Done),
            ok(30, 31, Action::Get(Consistency::BoundedStale(bound)), found("a")),
        ]
    };
    right(calls(10));
    right(calls(100));
    wrong(calls(9));
    // The future cannot be read, however stale a read may be.
    wrong(vec![
        ok(5, 6, Action::Get(Consistency::BoundedStale(100)), found("a")),
        ok(7, 8, put("a"), Answer::Done),
    ]);
}

#[test]
fn sessions_do_not_go_back() {
    let stale = Action::Get(Consistency::BoundedStale(1_000));
    let writes = [by(1, ok(0, 1, put("a"), Answer::Done)), by(1, ok(2, 3, put("b"), Answer::Done))];
    let after = |reads: Vec<Call<Request, Answer>>| {
        session::check(&writes.clone().into_iter().chain(reads).collect())
    };
    assert_eq!(
        after(vec![by(2, ok(4, 5, stale.clone(), found("a"))), by(2, ok(6, 7, stale.clone(), found("b")))]),
        Ok(())
    );
    let key = Key::from_static(b"k");
    let [read, earlier] = [3, 2].map(super::super::CallId);
    assert_eq!(
        after(vec![by(2, ok(4, 5, stale.clone(), found("b"))), by(2, ok(6, 7, stale.clone(), found("a")))]),
        Err(session::SessionError::WentBack { key: key.clone(), read, earlier })
    );
    let [read, write] = [2, 1].map(super::super::CallId);
    assert_eq!(
        after(vec![by(1, ok(4, 5, stale.clone(), found("a")))]),
        Err(session::SessionError::OwnWriteUnseen { key: key.clone(), read, write })
    );
    // Nothing is older than every write, as long as nothing is removed.
    assert!(after(vec![by(1, ok(4, 5, stale.clone(), found("")))]).is_err());
    let removed = ok(2, 4, Action::Delete, Answer::Done);
    assert!(after(vec![removed, by(1, ok(4, 5, stale.clone(), found("")))]).is_ok());
    assert!(after(vec![by(3, ok(4, 5, stale, found("")))]).is_ok());
}

#[test]
fn counters_and_deques_count_once() {
    let key = Key::from_static(b"k");
    let additions: KeyHistory = history(vec![
        ok(0, 1, Action::Add(1), Answer::Counter(1)),
        ok(0, 1, Action::Add(1), Answer::Counter(2)),
        unknown(0, Action::Add(5)),
        failed(0, 1, Action::Add(100)),
    ]);
    for (found, right) in [(1, false), (2, true), (3, false), (7, true), (12, false), (102, false)] {
        assert_eq!(once::check_counter(&additions, &key, found, 1_000).is_ok(), right, "{found}");
    }
    let deque = history(vec![
        ok(0, 1, push("a"), Answer::Length(1)),
        ok(0, 1, push("b"), Answer::Length(2)),
        unknown(0, push("c")),
        failed(0, 1, push("d")),
        ok(4, 5, Action::Pop(End::Front), found("a")),
    ]);
    for (remaining, right) in [
        (&["b"][..], true),
        (&["b", "c"], true),
        (&["b", "b"], false),
        (&["a", "b"], false),
        (&["b", "d"], false),
        (&["b", "c", "c"], false),
        (&["c"], false),
    ] {
        let remaining: Vec<_> = remaining.iter().map(|text| value(text)).collect();
        assert_eq!(once::check_deque(&deque, &key, &remaining).is_ok(), right, "{remaining:?}");
    }
}

#[test]
fn a_search_without_budget_is_undecided() {
    let calls = (0..20).map(|number| ok(0, 9, put(&number.to_string()), Answer::Done)).collect();
    assert_eq!(check(&history(calls), Budget::steps(3)), Verdict::Undecided(vec![Key::from_static(b"k")]));
}

#[test]
fn a_call_under_way_is_unknown() {
    let mut history = KeyHistory::new();
    let call = history.invoke(1, 5, Request { key: Key::from_static(b"k"), action: put("a") });
    assert_eq!(history.call(call).unwrap().completion, Completion::Unknown);
    history.ok(call, 5, Answer::Done);
    assert_eq!(history.calls()[0].answer(), Some((5, &Answer::Done)));
}
