//! What one key is, and what each call does to it: the sequential store that answers are held against.

use std::rc::Rc;

use crate::kv::{End, Value};

/// A value, known only by what calls can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Symbol {
    /// A decimal number as `Add` writes it.
    Number(i64),
    /// Any other value, numbered within its key.
    Text(u32),
    /// A value that no answer and no expectation ever names: all those are alike.
    Unseen,
}

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Absent,
    /// A value.
    Value(Symbol),
    /// A deque; never an empty one, which is nothing.
    Deque(Rc<[Symbol]>),
}

/// A call with its answer; an unknown call has none, where it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effect {
    Get(Option<Symbol>),
    Put(Symbol),
    Delete,
    Swap { expected: Option<Symbol>, new: Symbol, swapped: Option<bool> },
    Add { change: i64, sum: Option<i64> },
    Push { front: bool, element: Symbol, length: Option<u64> },
    Pop { front: bool, element: Option<Option<Symbol>> },
}

impl Effect {
    /// Whether it takes effect in any state and leaves the same state behind: nothing of what was
    /// before can be seen after it.
    pub(super) const fn is_blind(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Delete)
    }

    /// The state after it, or none if it cannot answer so in this state.
    pub(super) fn step(&self, state: &State) -> Option<State> {
        match *self {
            Self::Get(found) => (state.value() == Some(found)).then(|| state.clone()),
            Self::Put(value) => Some(State::Value(value)),
            Self::Delete => Some(State::Absent),
            Self::Swap { expected, new, swapped } => {
                let swaps = state.value()? == expected;
                let agrees = swapped.is_none_or(|swapped| swapped == swaps);
                agrees.then(|| if swaps { State::Value(new) } else { state.clone() })
            }
            Self::Add { change, sum } => {
                let before = match state {
                    State::Absent => 0,
                    State::Value(Symbol::Number(number)) => *number,
                    State::Value(_) | State::Deque(_) => return None,
                };
                let after = before.checked_add(change)?;
                sum.is_none_or(|sum| sum == after).then_some(State::Value(Symbol::Number(after)))
            }
            Self::Push { front, element, length } => {
                let elements = state.elements()?;
                if length.is_some_and(|length| length != elements.len() as u64 + 1) {
                    return None;
                }
                let all = if front {
                    std::iter::once(element).chain(elements.iter().copied()).collect()
                } else {
                    elements.iter().copied().chain(std::iter::once(element)).collect()
                };
                Some(State::Deque(all))
            }
            Self::Pop { front, element } => {
                let elements = state.elements()?;
                let split = if front { elements.split_first() } else { elements.split_last() };
                if element.is_some_and(|element| element != split.map(|(taken, _)| *taken)) {
                    return None;
                }
                Some(match split {
                    None | Some((_, [])) => State::Absent,
                    Some((_, rest)) => State::Deque(rest.into()),
                })
            }
        }
    }
}

impl State {
    /// As a value, which a deque is not.
    pub(super) const fn value(&self) -> Option<Option<Symbol>> {
        match self {
            Self::Absent => Some(None),
            Self::Value(symbol) => Some(Some(*symbol)),
            Self::Deque(_) => None,
        }
    }

    /// As bytes that differ for different states.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let (kind, symbols) = match self {
            Self::Absent => (0, [].as_slice()),
            Self::Value(symbol) => (1, std::slice::from_ref(symbol)),
            Self::Deque(elements) => (2, &**elements),
        };
        let mut bytes = Vec::with_capacity(1 + 9 * symbols.len());
        bytes.push(kind);
        for symbol in symbols {
            let (kind, number) = match *symbol {
                Symbol::Number(number) => (0, number),
                Symbol::Text(number) => (1, i64::from(number)),
                Symbol::Unseen => (2, 0),
            };
            bytes.push(kind);
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// As a deque, which a value is not.
    pub(super) fn elements(&self) -> Option<&[Symbol]> {
        match self {
            Self::Absent => Some(&[]),
            Self::Value(_) => None,
            Self::Deque(elements) => Some(elements),
        }
    }
}

/// The number that a value is, if it is written as `Add` writes numbers.
pub(super) fn number(value: &Value) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse::<i64>().ok().filter(|number| number.to_string() == text)
}

/// Whether an end is the front.
pub(super) fn is_front(end: End) -> bool {
    end == End::Front
}
