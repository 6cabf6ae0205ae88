//! The same question answered by trying every order, on values as they are.

use std::collections::VecDeque;

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::super::{
    Action, Answer, Call, Completion, Consistency, KeyHistory, Request,
    linearizable::{Budget, check},
};
use super::{found, push, put, swap, with};
use crate::kv::{End, Value};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Absent,
    Value(Value),
    Deque(VecDeque<Value>),
}

/// What an action answers, if it can be done at all.
fn perform(cell: &Cell, action: &Action) -> Option<(Cell, Answer)> {
    let value = || match cell {
        Cell::Absent => Some(None),
        Cell::Value(value) => Some(Some(value.clone())),
        Cell::Deque(_) => None,
    };
    let deque = || match cell {
        Cell::Absent => Some(VecDeque::new()),
        Cell::Value(_) => None,
        Cell::Deque(deque) => Some(deque.clone()),
    };
    Some(match action {
        Action::Get(_) => (cell.clone(), Answer::Value(value()?)),
        Action::Put(new) => (Cell::Value(new.clone()), Answer::Done),
        Action::Delete => (Cell::Absent, Answer::Done),
        Action::CompareAndSet { expected, new } if value()? == *expected => {
            (Cell::Value(new.clone()), Answer::Swapped(true))
        }
        Action::CompareAndSet { .. } => (cell.clone(), Answer::Swapped(false)),
        Action::Add(change) => {
            let number = match value()? {
                None => 0,
                Some(value) => std::str::from_utf8(&value).ok()?.parse::<i64>().ok()?,
            };
            (Cell::Value(Value::from((number + change).to_string())), Answer::Counter(number + change))
        }
        Action::Push(end, element) => {
            let mut deque = deque()?;
            match end {
                End::Front => deque.push_front(element.clone()),
                End::Back => deque.push_back(element.clone()),
            }
            let length = deque.len() as u64;
            (Cell::Deque(deque), Answer::Length(length))
        }
        Action::Pop(end) => {
            let mut deque = deque()?;
            let taken = if *end == End::Front { deque.pop_front() } else { deque.pop_back() };
            (if deque.is_empty() { Cell::Absent } else { Cell::Deque(deque) }, Answer::Value(taken))
        }
    })
}

fn explains(cell: &Cell, left: &[&Call<Request, Answer>]) -> bool {
    if left.iter().all(|call| call.answer().is_none()) {
        return true;
    }
    (0..left.len()).any(|index| {
        let call = left[index];
        let early = |other: &&&Call<Request, Answer>| other.ends().is_some_and(|end| end < begin(call));
        if left.iter().any(|other| early(&other)) {
            return false;
        }
        let Some((after, answer)) = perform(cell, &call.action.action) else { return false };
        if call.answer().is_some_and(|(_, told)| *told != answer) {
            return false;
        }
        let mut rest = left.to_vec();
        rest.remove(index);
        explains(&after, &rest)
    })
}

fn begin(call: &Call<Request, Answer>) -> u64 {
    match call.action.action {
        Action::Get(Consistency::BoundedStale(bound)) => call.invoked.saturating_sub(bound),
        _ => call.invoked,
    }
}

fn is_linearizable(history: &KeyHistory) -> bool {
    let possible: Vec<_> = history.calls().iter().filter(|call| call.possible()).collect();
    explains(&Cell::Absent, &possible)
}

/// A few calls with answers drawn from few values: some histories are right, most are not.
fn draw(random: &mut SmallRng, kind: u8) -> KeyHistory {
    let calls = random.random_range(1..=7);
    (0..calls).map(|_| draw_call(random, kind)).collect()
}

fn draw_call(random: &mut SmallRng, kind: u8) -> Call<Request, Answer> {
    let texts = if kind == 1 { ["", "1", "2", "3"] } else { ["", "a", "b", "c"] };
    let mut text = |from: usize| texts[random.random_range(from..4)];
    let (first, second) = (text(0), text(1));
    let end = if random.random_bool(0.5) { End::Front } else { End::Back };
    let (action, answer) = match (kind, random.random_range(0..10)) {
        (3, choice) => return draw_call(random, choice % 3),
        (0 | 1, 0) => (Action::Delete, Answer::Done),
        (0, 1) => (Action::Get(Consistency::BoundedStale(random.random_range(0..9))), found(first)),
        (0 | 1, 2..=4) => (Action::Get(Consistency::Linearizable), found(first)),
        (0, 5..=7) | (1, 5) => (put(second), Answer::Done),
        (0, _) => (swap(first, second), Answer::Swapped(random.random_bool(0.6))),
        (1, _) => (Action::Add(random.random_range(1..=2)), Answer::Counter(random.random_range(1..=4))),
        (2.., 0..=5) => {
            let Action::Push(_, element) = push(second) else { unreachable!() };
            (Action::Push(end, element), Answer::Length(random.random_range(1..=3)))
        }
        _ => (Action::Pop(end), found(first)),
    };
    let invoked = random.random_range(0..14);
    let at = invoked + random.random_range(0..8);
    match random.random_range(0..10) {
        0..=1 => with(invoked, action, Completion::Unknown),
        2 => with(invoked, action, Completion::Failed { at }),
        _ => with(invoked, action, Completion::Ok { at, result: answer }),
    }
}

#[test]
fn the_search_and_trying_everything_agree() {
    let mut right = 0;
    let count: u64 = std::env::var("HISTORIES").map_or(24_000, |count| count.parse().unwrap());
    for seed in 0..count {
        let mut random = SmallRng::seed_from_u64(seed);
        let history = draw(&mut random, (seed % 4) as u8);
        let expected = is_linearizable(&history);
        let verdict = check(&history, Budget::default());
        assert_eq!(
            (verdict.is_linearizable(), verdict.is_violated()),
            (expected, !expected),
            "seed {seed}: {verdict:#?}\n{}",
            super::super::json::export(&history)
        );
        right += u64::from(expected);
    }
    // Both kinds were there.
    assert!(count / 20 < right && right < count * 19 / 20, "{right} of {count}");
}
