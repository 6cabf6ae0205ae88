//! The calls of one key, made ready for the search: symbols instead of values, only what matters.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, Answer, Call, CallId, Completion, Consistency, Request,
    model::{Effect, State, Symbol, is_front, number},
    shown,
};
use crate::kv::Value;

/// The calls of one key that may have taken effect.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) operations: Vec<Operation>,
    /// How many different kinds of operations there are; see [`Operation::class`].
    pub(super) classes: usize,
    /// Whether the key is a counter that is only read and added to, and never to less.
    pub(super) only_rises: bool,
    slots: BTreeMap<Slot, u32>,
    /// The values that have numbers, in the order of these.
    texts: Vec<Value>,
}

/// A call that may have taken effect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) call: CallId,
    pub(super) invoked: u64,
    /// Without one, it is unknown whether it took effect.
    pub(super) completed: Option<u64>,
    pub(super) effect: Effect,
    /// Operations of equal effect have one class: which of them is first makes no difference.
    pub(super) class: u32,
    pub(super) needs: Option<u32>,
    pub(super) brings: Option<u32>,
}

/// Something that the answer of one operation needs, and others bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// That the key holds this.
    State(Option<Symbol>),
    /// That the deque has this element.
    Element(Symbol),
}

impl Prepared {
    /// How many slots there are; they are numbered from 0.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The slot of what a key holds, if any operation names it.
    pub(super) fn slot_of_state(&self, state: &State) -> Option<usize> {
        let slot = Slot::State(state.value()?);
        self.slots.get(&slot).map(|slot| *slot as usize)
    }

    /// Whether an answer names a value that was written once, and certainly written over before.
    pub(super) fn reads_what_is_gone(&self) -> bool {
        // Writes that certainly leave something else behind, by their beginning; and the first end of
        // all from each on.
        let mut writes: Vec<(u64, u64)> = self
            .operations
            .iter()
            .filter(|operation| {
                let swap = matches!(operation.effect, Effect::Swap { swapped: Some(true), .. });
                operation.effect.is_blind() || swap
            })
            .filter_map(|operation| Some((operation.invoked, operation.completed?)))
            .collect();
        writes.sort_unstable();
        let mut first_end = u64::MAX;
        for (_, end) in writes.iter_mut().rev() {
            first_end = first_end.min(*end);
            *end = first_end;
        }
        // When each value was written: no time if nobody knows, or if more than one did.
        let mut written: BTreeMap<u32, Option<u64>> = BTreeMap::new();
        for operation in &self.operations {
            let Some(slot) = operation.brings else { continue };
            written.entry(slot).and_modify(|end| *end = None).or_insert(operation.completed);
        }
        self.operations.iter().any(|operation| {
            let value = match operation.effect {
                Effect::Get(value) => value,
                Effect::Swap { expected, swapped: Some(true), .. } => expected,
                _ => return false,
            };
            let end = operation.needs.and_then(|slot| written.get(&slot).copied().flatten());
            let over = end.map(|end| writes.partition_point(|(begun, _)| *begun <= end));
            // Every key begins with nothing, which need not be written.
            value.is_some()
                && over.and_then(|at| writes.get(at)).is_some_and(|(_, end)| *end < operation.invoked)
        })
    }

    /// What a key holds, for a reader.
    pub(super) fn show(&self, state: &State) -> String {
        let show = |symbol: &Symbol| match symbol {
            Symbol::Number(number) => format!("`{number}`"),
            Symbol::Text(number) => shown(self.texts.get(*number as usize)),
            Symbol::Unseen => "a value that nobody saw".to_owned(),
        };
        match state {
            State::Absent => "nothing".to_owned(),
            State::Value(symbol) => show(symbol),
            State::Deque(elements) => {
                format!("[{}]", elements.iter().map(show).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The slot of an element of a deque, if any operation names it.
    pub(super) fn slot_of_element(&self, element: Symbol) -> Option<usize> {
        self.slots.get(&Slot::Element(element)).map(|slot| *slot as usize)
    }
}

/// Prepares the calls of one key.
///
/// # Panics
///
/// If an answer is not of the kind of its action: the recorder is wrong.
pub(super) fn prepare<'a>(calls: impl Iterator<Item = (CallId, &'a Call<Request, Answer>)>) -> Prepared {
    let calls: Vec<_> = calls.filter(|(_, call)| matters(call)).collect();
    let symbols = Symbols::of(&calls);
    let mut operations: Vec<Operation> = calls
        .iter()
        .map(|(id, call)| Operation {
            call: *id,
            invoked: begins(call),
            completed: call.ends(),
            effect: symbols.effect(call),
            class: 0,
            needs: None,
            brings: None,
        })
        .collect();
    drop_useless(&mut operations);

    let effects: BTreeSet<Effect> = operations.iter().map(|operation| operation.effect).collect();
    let classes: BTreeMap<Effect, u32> = effects.into_iter().zip(0..).collect();
    let mut texts: Vec<(u32, Value)> =
        symbols.seen.iter().map(|(value, number)| (*number, (*value).clone())).collect();
    texts.sort_unstable();
    let mut prepared = Prepared {
        operations,
        classes: classes.len(),
        only_rises: classes.keys().all(|effect| match effect {
            Effect::Get(_) => symbols.numbers,
            Effect::Add { change, .. } => *change >= 0,
            _ => false,
        }),
        slots: BTreeMap::new(),
        texts: texts.into_iter().map(|(_, value)| value).collect(),
    };
    // What an addition of unknown result brings about, nobody can say beforehand.
    let tracked = !classes.keys().any(|effect| matches!(effect, Effect::Add { sum: None, .. }));
    for operation in &mut prepared.operations {
        operation.class = classes.get(&operation.effect).copied().unwrap_or_default();
        let mut slot_of = |slot: Slot| {
            let new = prepared.slots.len() as u32;
            *prepared.slots.entry(slot).or_insert(new)
        };
        operation.needs = need(&operation.effect).filter(|_| tracked).map(&mut slot_of);
        operation.brings = bring(&operation.effect).filter(|_| tracked).map(&mut slot_of);
    }
    prepared
}

/// Whether a call can matter: it may have taken effect, and is not a read without an answer.
fn matters(call: &Call<Request, Answer>) -> bool {
    let unread = matches!(call.action.action, Action::Get(_)) && call.answer().is_none();
    call.possible() && !unread
}

/// The first moment it can have taken effect: a read that may be stale looks back.
fn begins(call: &Call<Request, Answer>) -> u64 {
    match call.action.action {
        Action::Get(Consistency::BoundedStale(bound)) => call.invoked.saturating_sub(bound),
        _ => call.invoked,
    }
}

/// An unknown write of what no answer needs can be left out, unless an answer says that something
/// else than expected was there; those and additions can tell.
fn drop_useless(operations: &mut Vec<Operation>) {
    let telling = operations.iter().any(|operation| {
        matches!(operation.effect, Effect::Swap { swapped: Some(false), .. } | Effect::Add { .. })
    });
    if telling {
        return;
    }
    let named: BTreeSet<Option<Symbol>> = operations
        .iter()
        .filter_map(|operation| match operation.effect {
            Effect::Get(found) => Some(found),
            Effect::Swap { expected, .. } => Some(expected),
            // A deque begins where there is nothing.
            Effect::Push { .. } | Effect::Pop { .. } => Some(None),
            Effect::Put(_) | Effect::Delete | Effect::Add { .. } => None,
        })
        .collect();
    operations.retain(|operation| {
        let written = match operation.effect {
            Effect::Put(value) | Effect::Swap { new: value, .. } => Some(value),
            Effect::Delete => None,
            Effect::Get(_) | Effect::Add { .. } | Effect::Push { .. } | Effect::Pop { .. } => return true,
        };
        operation.completed.is_some() || named.contains(&written)
    });
}

/// What the answer of an operation needs before it.
fn need(effect: &Effect) -> Option<Slot> {
    match *effect {
        Effect::Get(found) => Some(Slot::State(found)),
        Effect::Swap { expected, swapped: Some(true), .. } => Some(Slot::State(expected)),
        // A sum equal to the change comes from 0, which nothing counts as, too.
        Effect::Add { change, sum: Some(sum) } if sum != change => {
            Some(Slot::State(Some(Symbol::Number(sum.checked_sub(change)?))))
        }
        Effect::Pop { element: Some(Some(element)), .. } => Some(Slot::Element(element)),
        _ => None,
    }
}

/// What an operation brings about.
fn bring(effect: &Effect) -> Option<Slot> {
    match *effect {
        Effect::Put(value) => Some(Slot::State(Some(value))),
        Effect::Delete | Effect::Pop { .. } => Some(Slot::State(None)),
        Effect::Swap { new, swapped: Some(true) | None, .. } => Some(Slot::State(Some(new))),
        Effect::Add { sum: Some(sum), .. } => Some(Slot::State(Some(Symbol::Number(sum)))),
        Effect::Push { element, .. } => Some(Slot::Element(element)),
        Effect::Get(_) | Effect::Swap { .. } | Effect::Add { .. } => None,
    }
}

/// The values that answers or expectations name, numbered.
struct Symbols<'a> {
    seen: BTreeMap<&'a Value, u32>,
    /// Whether numbers are told apart by being added to.
    numbers: bool,
}

impl<'a> Symbols<'a> {
    fn of(calls: &[(CallId, &'a Call<Request, Answer>)]) -> Self {
        let mut seen = BTreeMap::new();
        let mut numbers = false;
        for (_, call) in calls {
            let mut see = |value: &'a Option<Value>| {
                if let Some(value) = value {
                    let new = seen.len() as u32;
                    seen.entry(value).or_insert(new);
                }
            };
            match (&call.action.action, &call.completion) {
                (_, Completion::Ok { result: Answer::Value(value), .. }) => see(value),
                (Action::CompareAndSet { expected, .. }, _) => see(expected),
                (Action::Add(_), _) => numbers = true,
                _ => {}
            }
        }
        Self { seen, numbers }
    }

    fn symbol(&self, value: &Value) -> Symbol {
        match (self.numbers.then(|| number(value)).flatten(), self.seen.get(value)) {
            (Some(number), _) => Symbol::Number(number),
            (None, Some(seen)) => Symbol::Text(*seen),
            (None, None) => Symbol::Unseen,
        }
    }

    fn effect(&self, call: &Call<Request, Answer>) -> Effect {
        let optional = |value: &Option<Value>| value.as_ref().map(|value| self.symbol(value));
        let answer = call.answer().map(|(_, answer)| answer);
        match (&call.action.action, answer) {
            (Action::Get(_), Some(Answer::Value(found))) => Effect::Get(optional(found)),
            (Action::Put(value), None | Some(Answer::Done)) => Effect::Put(self.symbol(value)),
            (Action::Delete, None | Some(Answer::Done)) => Effect::Delete,
            (Action::CompareAndSet { expected, new }, None | Some(Answer::Swapped(_))) => Effect::Swap {
                expected: optional(expected),
                new: self.symbol(new),
                swapped: answer.map(|answer| *answer == Answer::Swapped(true)),
            },
            (Action::Add(change), None) => Effect::Add { change: *change, sum: None },
            (Action::Add(change), Some(Answer::Counter(sum))) => {
                Effect::Add { change: *change, sum: Some(*sum) }
            }
            (Action::Push(end, element), None) => {
                Effect::Push { front: is_front(*end), element: self.symbol(element), length: None }
            }
            (Action::Push(end, element), Some(Answer::Length(length))) => {
                Effect::Push { front: is_front(*end), element: self.symbol(element), length: Some(*length) }
            }
            (Action::Pop(end), None) => Effect::Pop { front: is_front(*end), element: None },
            (Action::Pop(end), Some(Answer::Value(element))) => {
                Effect::Pop { front: is_front(*end), element: Some(optional(element)) }
            }
            (action, answer) => panic!("`{action}` is not answered by {answer:?}"),
        }
    }
}

/// Whether an answer is of the kind that an action has.
pub(super) const fn answers(action: &Action, answer: &Answer) -> bool {
    matches!(
        (action, answer),
        (Action::Get(_) | Action::Pop(_), Answer::Value(_))
            | (Action::Put(_) | Action::Delete, Answer::Done)
            | (Action::CompareAndSet { .. }, Answer::Swapped(_))
            | (Action::Add(_), Answer::Counter(_))
            | (Action::Push(..), Answer::Length(_))
    )
}
