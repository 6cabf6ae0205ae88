//! Histories of a store that does everything right, to test what judges histories.

use std::collections::{BTreeMap, VecDeque};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    Action, Answer, CallId, Consistency, KeyHistory, Request,
    workload::{Mix, Workload},
};
use crate::kv::{End, Key, Value};

/// What the simulated callers do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Simulation {
    /// What they ask.
    pub mix: Mix,
    /// Keys of each kind.
    pub keys: usize,
    /// How many call at the same time.
    pub processes: u64,
    /// How many calls they make in all.
    pub calls: usize,
    /// Ticks that a call takes at most.
    pub latency_max: u64,
    /// How often nobody learns what became of a call; it then happens late or never.
    pub unknown: f64,
    /// How often a call fails.
    pub failed: f64,
}

#[derive(Clone, Copy)]
enum Event {
    Invoke { process: u64 },
    Apply { call: CallId },
    Complete { call: CallId },
}

#[derive(Clone, Debug, Default)]
struct Cell {
    value: Option<Value>,
    elements: VecDeque<Value>,
    /// When the value became what it is, and what it was before, each with its time.
    past: Vec<(u64, Option<Value>)>,
}

struct Run {
    options: Simulation,
    random: SmallRng,
    workload: Workload,
    history: KeyHistory,
    queue: BTreeMap<(u64, u64), Event>,
    events: u64,
    cells: BTreeMap<Key, Cell>,
    answers: BTreeMap<CallId, Answer>,
}

/// Makes a linearizable history, and returns it with what the keys hold at the end: values of registers
/// and counters, elements of deques. The same seed makes the same.
pub fn simulate(options: &Simulation, seed: u64) -> (KeyHistory, BTreeMap<Key, Vec<Value>>) {
    let mut run = Run {
        options: *options,
        random: SmallRng::seed_from_u64(seed),
        workload: Workload::new(options.mix, "", options.keys),
        history: KeyHistory::new(),
        queue: BTreeMap::new(),
        events: 0,
        cells: BTreeMap::new(),
        answers: BTreeMap::new(),
    };
    for process in 0..options.processes {
        run.push(process % 3, Event::Invoke { process });
    }
    while let Some(((now, _), event)) = run.queue.pop_first() {
        run.handle(now, event);
    }
    let end =
        run.cells.into_iter().map(|(key, cell)| (key, cell.value.into_iter().chain(cell.elements).collect()));
    (run.history, end.collect())
}

impl Run {
    fn push(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.insert((at, self.events), event);
    }

    fn handle(&mut self, now: u64, event: Event) {
        match event {
            Event::Invoke { process } => self.invoke(now, process),
            Event::Apply { call } => {
                if let Some(request) = self.history.call(call).map(|call| call.action.clone()) {
                    let answer = self.apply(now, call, &request);
                    self.answers.insert(call, answer);
                }
            }
            Event::Complete { call } => {
                let Some((request, process)) = self.history.call(call).map(|c| (c.action.clone(), c.process))
                else {
                    return;
                };
                match self.answers.get(&call).cloned() {
                    Some(answer) => {
                        self.workload.observe(&request, &answer);
                        self.history.ok(call, now, answer);
                    }
                    None => self.history.failed(call, now),
                }
                let pause = self.random.random_range(0..=self.options.latency_max / 4 + 1);
                self.push(now + pause, Event::Invoke { process });
            }
        }
    }

    fn invoke(&mut self, now: u64, process: u64) {
        if self.history.calls().len() == self.options.calls {
            return;
        }
        let request = self.workload.next(process, &mut self.random);
        let call = self.history.invoke(process, now, request);
        let latency = self.random.random_range(0..=self.options.latency_max);
        let until = now + self.random.random_range(0..=latency);
        if self.random.random_bool(self.options.unknown) {
            // The process goes on, and so may the call, long after.
            if self.random.random_bool(0.7) {
                let late = self.random.random_range(0..=self.options.latency_max * 20);
                let late = if self.random.random_bool(0.5) { 0 } else { late };
                self.push(until + late, Event::Apply { call });
            }
            self.push(now + latency, Event::Invoke { process });
        } else {
            if !self.random.random_bool(self.options.failed) {
                self.push(until, Event::Apply { call });
            }
            self.push(now + latency, Event::Complete { call });
        }
    }

    fn apply(&mut self, now: u64, call: CallId, request: &Request) -> Answer {
        let cell = self.cells.entry(request.key.clone()).or_default();
        match &request.action {
            Action::Get(Consistency::Linearizable) => Answer::Value(cell.value.clone()),
            Action::Get(Consistency::BoundedStale(bound)) => {
                let invoked = self.history.call(call).map_or(now, |call| call.invoked);
                let when = self.random.random_range(invoked.saturating_sub(*bound)..=now);
                let was = cell.past.iter().rev().find(|(since, _)| *since <= when);
                Answer::Value(was.and_then(|(_, value)| value.clone()))
            }
            Action::Put(value) => {
                cell.set(now, Some(value.clone()));
                Answer::Done
            }
            Action::Delete => {
                cell.set(now, None);
                Answer::Done
            }
            Action::CompareAndSet { expected, new } => {
                let swaps = cell.value == *expected;
                if swaps {
                    cell.set(now, Some(new.clone()));
                }
                Answer::Swapped(swaps)
            }
            Action::Add(change) => {
                let text = cell.value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
                let number = text.and_then(|text| text.parse::<i64>().ok()).unwrap_or_default() + change;
                cell.set(now, Some(Value::from(number.to_string())));
                Answer::Counter(number)
            }
            Action::Push(end, element) => {
                match end {
                    End::Front => cell.elements.push_front(element.clone()),
                    End::Back => cell.elements.push_back(element.clone()),
                }
                Answer::Length(cell.elements.len() as u64)
            }
            Action::Pop(End::Front) => Answer::Value(cell.elements.pop_front()),
            Action::Pop(End::Back) => Answer::Value(cell.elements.pop_back()),
        }
    }
}

impl Cell {
    fn set(&mut self, now: u64, value: Option<Value>) {
        self.value = value.clone();
        self.past.push((now, value));
    }
}
