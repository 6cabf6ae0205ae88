//! Banks and watchers.

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::super::{
    Action, Answer, CallId, KeyHistory,
    bank::{BankAction, BankAnswer, BankError, BankHistory, check},
    simulated::{Simulation, simulate},
    watch::{Change, Stretch, WatchError, check_against_history, check_against_log},
    workload::Mix,
};
use super::{failed, history, ok, put, swap, unknown, value};
use crate::kv::{Key, KeyRange};

/// A bank that does everything right, and what it holds at the end.
fn simulate_bank(seed: u64) -> (BankHistory, Vec<i64>) {
    let mut random = SmallRng::seed_from_u64(seed);
    let initial = vec![100; 4];
    let (mut balances, mut history) = (initial, BankHistory::new());
    // Transfers on their way, of which nobody knows; they arrive later.
    let mut late = Vec::new();
    for now in (0..400).step_by(4) {
        let move_money = |balances: &mut Vec<i64>, from: usize, to: usize, amount: i64| {
            let enough = balances[from] >= amount;
            if enough {
                balances[from] -= amount;
                balances[to] += amount;
            }
            enough
        };
        if random.random_bool(0.3) {
            let call = history.invoke(0, now, BankAction::Read);
            history.ok(call, now + 2, BankAnswer::Balances(balances.clone()));
            continue;
        }
        let (from, to) = (random.random_range(0..4), random.random_range(0..4));
        let amount = random.random_range(1..60);
        let call = history.invoke(0, now, BankAction::Transfer { from, to, amount });
        match random.random_range(0..10) {
            0 => late.push((from, to, amount)),
            1 => history.failed(call, now + 2),
            _ => {
                let moved = move_money(&mut balances, from, to, amount);
                let answer = if moved { BankAnswer::Transferred } else { BankAnswer::Refused };
                history.ok(call, now + 2, answer);
            }
        }
        if !late.is_empty() && random.random_bool(0.1) {
            let (from, to, amount) = late.remove(0);
            move_money(&mut balances, from, to, amount);
        }
    }
    let call = history.invoke(0, 500, BankAction::Read);
    history.ok(call, 501, BankAnswer::Balances(balances.clone()));
    (history, balances)
}

#[test]
fn a_right_bank_passes_and_a_wrong_balance_does_not() {
    for seed in 0..100 {
        let (history, balances) = simulate_bank(seed);
        let report = check(&history, &[100; 4], 1_000_000).unwrap();
        assert!(report.reads > 1 && report.undecided == 0, "seed {seed}: {report:?}");
        let with_end = |balances: Vec<i64>| {
            let mut wrong = history.clone();
            wrong.ok(CallId(history.calls().len() - 1), 501, BankAnswer::Balances(balances));
            check(&wrong, &[100; 4], 1_000_000)
        };
        let mut lost = balances.clone();
        lost[0] += 1;
        assert!(matches!(with_end(lost), Err(BankError::Sum { sum: 401, .. })), "seed {seed}");
        assert!(matches!(with_end(vec![-1, 401, 0, 0]), Err(BankError::Overdrawn { .. })));
        assert!(matches!(with_end(vec![400]), Err(BankError::Accounts { found: 1, .. })));
    }
}

#[test]
fn balances_follow_from_transfers() {
    let transfer = |amount| BankAction::Transfer { from: 0, to: 1, amount };
    let mut history = BankHistory::new();
    let certain = history.invoke(0, 0, transfer(10));
    history.ok(certain, 1, BankAnswer::Transferred);
    history.invoke(1, 0, transfer(3));
    let failed = history.invoke(2, 0, transfer(5));
    history.failed(failed, 1);
    let refused = history.invoke(2, 2, transfer(7));
    history.ok(refused, 3, BankAnswer::Refused);
    let read = history.invoke(3, 10, BankAction::Read);
    let late = history.invoke(4, 21, transfer(20));
    history.ok(late, 22, BankAnswer::Transferred);
    for (moved, right) in
        [(10, true), (13, true), (0, false), (3, false), (15, false), (17, false), (20, false), (30, false)]
    {
        history.ok(read, 20, BankAnswer::Balances(vec![100 - moved, moved]));
        assert_eq!(check(&history, &[100, 0], 1_000).is_ok(), right, "{moved}");
    }
}

fn change(position: u64, key: &str, text: &str) -> Change {
    let value = (!text.is_empty()).then(|| value(text));
    Change { position, key: Key::from(key.to_owned()), value }
}

#[test]
fn a_watcher_sees_the_log() {
    let log = [
        change(1, "a", "1"),
        change(2, "x", "2"),
        change(3, "a", "3"),
        change(3, "b", "4"),
        change(5, "a", ""),
        change(6, "b", "6"),
    ];
    let range = KeyRange::new("a", "c");
    let see = |stretches: Vec<(u64, Vec<usize>)>, until| {
        let stretches: Vec<_> = stretches
            .into_iter()
            .map(|(after, seen)| Stretch {
                after,
                changes: seen.into_iter().map(|at| log[at].clone()).collect(),
            })
            .collect();
        check_against_log(&log, &range, &stretches, until)
    };
    assert_eq!(see(vec![(0, vec![0, 2, 3, 4, 5])], 6), Ok(()));
    assert_eq!(see(vec![(0, vec![0, 2, 3]), (3, vec![]), (3, vec![4, 5])], 6), Ok(()));
    assert_eq!(see(vec![(2, vec![2, 3])], 4), Ok(()));
    let differs = |found| assert!(matches!(found, Err(WatchError::Differs { .. })), "{found:?}");
    // A gap, a gap at the end, a change outside the range, half a transaction.
    differs(see(vec![(0, vec![0, 2, 3, 5])], 6));
    differs(see(vec![(0, vec![0, 2, 3])], 6));
    differs(see(vec![(0, vec![0, 1, 2, 3])], 3));
    differs(see(vec![(0, vec![0, 2]), (3, vec![4])], 5));
    let not_after = |found| assert!(matches!(found, Err(WatchError::NotAfter { .. })), "{found:?}");
    // Again, again after resuming, and back in time.
    not_after(see(vec![(0, vec![0, 0])], 1));
    not_after(see(vec![(0, vec![0, 2, 3]), (3, vec![3, 4])], 5));
    not_after(see(vec![(0, vec![2, 0])], 3));
    let elsewhere = see(vec![(0, vec![0, 2, 3]), (5, vec![5])], 6);
    assert_eq!(elsewhere, Err(WatchError::ResumedElsewhere { was: 3, after: 5 }));
}

#[test]
fn a_watcher_sees_the_writes_of_a_history() {
    let calls = history(vec![
        ok(0, 1, put("a"), Answer::Done),
        ok(2, 5, put("b"), Answer::Done),
        ok(3, 5, put("c"), Answer::Done),
        unknown(6, put("d")),
        failed(6, 7, put("e")),
        ok(8, 9, swap("z", "f"), Answer::Swapped(false)),
    ]);
    let see = |seen: &[&str]| {
        let changes = (1..).zip(seen).map(|(position, text)| change(position, "k", text)).collect();
        check_against_history(&calls, &KeyRange::all(), &[Stretch { after: 0, changes }])
    };
    assert_eq!(see(&["a", "b", "c"]), Ok(()));
    assert_eq!(see(&["a", "c", "b", "d"]), Ok(()));
    assert!(matches!(see(&["a", "c"]), Err(WatchError::Missed { .. })));
    assert!(matches!(see(&["b", "a", "c"]), Err(WatchError::OutOfOrder { .. })));
    for extra in ["a", "e", "f", "g"] {
        assert!(matches!(see(&["a", "b", "c", extra]), Err(WatchError::OutOfNowhere { .. })), "{extra}");
    }
}

#[test]
fn workloads_are_drawn_from_their_seed_and_write_unique_values() {
    let simulation = Simulation {
        mix: Mix::ALL,
        keys: 3,
        processes: 5,
        calls: 500,
        latency_max: 9,
        unknown: 0.1,
        failed: 0.1,
    };
    let (calls, _) = simulate(&simulation, 1);
    assert_eq!(calls, simulate(&simulation, 1).0);
    assert_ne!(calls, simulate(&simulation, 2).0);
    assert_eq!(calls.calls().len(), 500);
    let values = written(&calls);
    assert_eq!(values.iter().collect::<std::collections::BTreeSet<_>>().len(), values.len());
    assert!(values.len() > 100);
}

fn written(history: &KeyHistory) -> Vec<crate::kv::Value> {
    let value = |action: &Action| match action {
        Action::Put(value) | Action::CompareAndSet { new: value, .. } | Action::Push(_, value) => {
            Some(value.clone())
        }
        _ => None,
    };
    history.calls().iter().filter_map(|call| value(&call.action.action)).collect()
}
