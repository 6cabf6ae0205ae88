//! Streams of requests, drawn from a seed: a choice of keys and operations, and values told apart.

use rand::{Rng as _, rngs::SmallRng};

use super::{Action, Answer, Consistency, Request};
use crate::kv::{End, Key, Value};

/// How often each kind of request comes, in proportion to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Reads of registers.
    pub get: u32,
    /// Reads of registers that may be stale.
    pub get_stale: u32,
    /// How stale they may be, in ticks.
    pub stale_ticks: u64,
    /// Writes of registers.
    pub put: u32,
    /// Removals of registers.
    pub delete: u32,
    /// Conditional writes of registers.
    pub compare_and_set: u32,
    /// Additions to counters.
    pub add: u32,
    /// Reads of counters.
    pub get_counter: u32,
    /// Pushes to deques, at both ends.
    pub push: u32,
    /// Pops from deques, at both ends.
    pub pop: u32,
}

impl Mix {
    /// Registers only.
    pub const REGISTERS: Self = Self {
        get: 40,
        get_stale: 0,
        stale_ticks: 0,
        put: 35,
        delete: 5,
        compare_and_set: 20,
        add: 0,
        get_counter: 0,
        push: 0,
        pop: 0,
    };
    /// Counters only.
    pub const COUNTERS: Self = Self { add: 70, get_counter: 30, ..Self::NOTHING };
    /// Deques only.
    pub const DEQUES: Self = Self { push: 52, pop: 48, ..Self::NOTHING };
    /// Something of everything.
    pub const ALL: Self = Self {
        get_stale: 10,
        stale_ticks: 200,
        add: 20,
        get_counter: 10,
        push: 15,
        pop: 15,
        ..Self::REGISTERS
    };
    const NOTHING: Self = Self { get: 0, put: 0, delete: 0, compare_and_set: 0, ..Self::REGISTERS };

    fn draw(&self, random: &mut SmallRng) -> Kind {
        let kinds = [
            (self.get, Kind::Get),
            (self.get_stale, Kind::GetStale),
            (self.put, Kind::Put),
            (self.delete, Kind::Delete),
            (self.compare_and_set, Kind::CompareAndSet),
            (self.add, Kind::Add),
            (self.get_counter, Kind::GetCounter),
            (self.push, Kind::Push),
            (self.pop, Kind::Pop),
        ];
        let total: u32 = kinds.iter().map(|(weight, _)| weight).sum();
        assert!(total > 0, "a mix of nothing");
        let mut left = random.random_range(0..total);
        for (weight, kind) in kinds {
            if left < weight {
                return kind;
            }
            left -= weight;
        }
        Kind::Get
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Get,
    GetStale,
    Put,
    Delete,
    CompareAndSet,
    Add,
    GetCounter,
    Push,
    Pop,
}

/// A stream of requests; give it the answers, so that conditional writes have a chance.
#[derive(Clone, Debug)]
pub struct Workload {
    mix: Mix,
    prefix: String,
    /// What was last written to, or read from, each register.
    known: Vec<Option<Value>>,
    /// Values given out so far.
    values: u64,
}

impl Workload {
    /// Requests for so many registers, counters and deques each, under keys that begin with `prefix`.
    pub fn new(mix: Mix, prefix: &str, keys: usize) -> Self {
        assert!(keys > 0, "a workload of no keys");
        Self { mix, prefix: prefix.to_owned(), known: vec![None; keys], values: 0 }
    }

    /// The keys of all registers.
    pub fn registers(&self) -> Vec<Key> {
        (0..self.known.len()).map(|number| self.key("r", number)).collect()
    }

    /// The keys of all counters.
    pub fn counters(&self) -> Vec<Key> {
        (0..self.known.len()).map(|number| self.key("c", number)).collect()
    }

    /// The keys of all deques.
    pub fn deques(&self) -> Vec<Key> {
        (0..self.known.len()).map(|number| self.key("d", number)).collect()
    }

    /// The next request of a process. Every value it writes is written by no other request.
    pub fn next(&mut self, process: u64, random: &mut SmallRng) -> Request {
        let number = random.random_range(0..self.known.len());
        let end = if random.random_bool(0.5) { End::Front } else { End::Back };
        let kind = self.mix.draw(random);
        let (key, action) = match kind {
            Kind::Get => ("r", Action::Get(Consistency::Linearizable)),
            Kind::GetStale => ("r", Action::Get(Consistency::BoundedStale(self.mix.stale_ticks))),
            Kind::Put => ("r", Action::Put(self.value(process))),
            Kind::Delete => ("r", Action::Delete),
            Kind::CompareAndSet => {
                let expected = self.known.get(number).cloned().flatten();
                ("r", Action::CompareAndSet { expected, new: self.value(process) })
            }
            Kind::Add => ("c", Action::Add(random.random_range(1..=3))),
            Kind::GetCounter => ("c", Action::Get(Consistency::Linearizable)),
            Kind::Push => ("d", Action::Push(end, self.value(process))),
            Kind::Pop => ("d", Action::Pop(end)),
        };
        Request { key: self.key(key, number), action }
    }

    /// Takes note of an answer.
    pub fn observe(&mut self, request: &Request, answer: &Answer) {
        let value = match (&request.action, answer) {
            (Action::Get(_), Answer::Value(value)) => value.clone(),
            (Action::Put(value), _) => Some(value.clone()),
            (Action::CompareAndSet { new, .. }, Answer::Swapped(true)) => Some(new.clone()),
            (Action::Delete, _) => None,
            _ => return,
        };
        let number = self.registers().iter().position(|key| *key == request.key);
        if let Some(known) = number.and_then(|number| self.known.get_mut(number)) {
            *known = value;
        }
    }

    fn key(&self, kind: &str, number: usize) -> Key {
        Key::from(format!("{}{kind}{number}", self.prefix))
    }

    fn value(&mut self, process: u64) -> Value {
        self.values += 1;
        Value::from(format!("p{process}-{}", self.values))
    }
}
