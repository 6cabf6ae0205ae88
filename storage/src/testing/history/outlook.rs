//! What the search sees ahead: whether answers still to be explained have become impossible.
//!
//! Each rule is one that every order obeys, so that looking ahead finds no fewer orders, only sooner
//! that there is none.
#![expect(
    clippy::indexing_slicing,
    reason = "slots are numbered by the same preparation that made the vectors"
)]

use std::collections::BTreeMap;

use super::{
    model::{Effect, State, Symbol},
    preparation::{Operation, Prepared},
};

/// What the operations that are not taken yet need and bring.
pub(super) struct Outlook<'a> {
    prepared: &'a Prepared,
    /// How many answers need, and how many operations can bring about, each slot.
    demand: Vec<u32>,
    supply: Vec<u32>,
    /// Numbers that answers need, if the key is a counter that only rises.
    numbers: BTreeMap<i64, u32>,
    /// If the key is only ever a deque: when its elements are popped.
    pops: Option<Pops>,
}

/// Pops of a deque on which nothing but pushes and pops are done.
struct Pops {
    /// Of elements pushed once and popped once for certain: from the front or not, and when.
    of: BTreeMap<Symbol, (bool, u64, u64)>,
    /// When pops of unknown end began, in order.
    unknown: Vec<u64>,
    unknown_left: usize,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(prepared: &'a Prepared) -> Self {
        let mut outlook = Self {
            prepared,
            demand: vec![0; prepared.slots()],
            supply: vec![0; prepared.slots()],
            numbers: BTreeMap::new(),
            pops: Pops::of(prepared),
        };
        prepared.operations.iter().for_each(|operation| outlook.give_back(operation));
        if let Some(pops) = &mut outlook.pops {
            pops.unknown_left = pops.unknown.len();
        }
        outlook
    }

    /// An operation is taken.
    pub(super) fn take(&mut self, operation: &Operation) {
        operation.needs.inspect(|slot| self.demand[*slot as usize] -= 1);
        operation.brings.inspect(|slot| self.supply[*slot as usize] -= 1);
        if let Some(number) = self.number(operation)
            && let Some(count) = self.numbers.get_mut(&number)
        {
            *count -= 1;
            if *count == 0 {
                self.numbers.remove(&number);
            }
        }
        if let (Some(pops), Effect::Pop { element: None, .. }) = (&mut self.pops, operation.effect) {
            pops.unknown_left -= 1;
        }
    }

    /// An operation is not taken any more.
    pub(super) fn give_back(&mut self, operation: &Operation) {
        operation.needs.inspect(|slot| self.demand[*slot as usize] += 1);
        operation.brings.inspect(|slot| self.supply[*slot as usize] += 1);
        if let Some(number) = self.number(operation) {
            *self.numbers.entry(number).or_default() += 1;
        }
        if let (Some(pops), Effect::Pop { element: None, .. }) = (&mut self.pops, operation.effect) {
            pops.unknown_left += 1;
        }
    }

    /// The number that the answer of an operation needs, of a counter that only rises.
    fn number(&self, operation: &Operation) -> Option<i64> {
        if !self.prepared.only_rises {
            return None;
        }
        match operation.effect {
            Effect::Get(None) => Some(0),
            Effect::Get(Some(Symbol::Number(number))) => Some(number),
            // It never is anything else than a number.
            Effect::Get(Some(_)) => Some(i64::MIN),
            Effect::Add { change, sum: Some(sum) } => Some(sum.saturating_sub(change)),
            _ => None,
        }
    }

    /// Whether something that is still needed cannot come any more, now that an operation was taken and
    /// changed the key from `before` to `after`.
    pub(super) fn is_hopeless(&self, operation: &Operation, before: &State, after: &State) -> bool {
        let lost = self.prepared.slot_of_state(before);
        if lost.is_some_and(|slot| self.demand[slot] > 0 && self.supply[slot] == 0) {
            return true;
        }
        if let (State::Value(Symbol::Number(number)), Some((least, _))) =
            (after, self.numbers.first_key_value())
            && least < number
        {
            return true;
        }
        match operation.effect {
            // Only a pop of which nobody knows the element takes one that another may need.
            Effect::Pop { front, element: None } => self.lacks_element(front, before),
            Effect::Push { front, .. } => match (&self.pops, after) {
                (Some(pops), State::Deque(elements)) => pops.is_out_of_order(front, elements),
                _ => false,
            },
            _ => false,
        }
    }

    fn lacks_element(&self, front: bool, before: &State) -> bool {
        let elements = before.elements().unwrap_or_default();
        let Some(lost) = (if front { elements.first() } else { elements.last() }) else { return false };
        self.prepared.slot_of_element(*lost).is_some_and(|slot| {
            let held = elements.iter().filter(|element| *element == lost).count() - 1;
            self.demand[slot] as usize > self.supply[slot] as usize + held
        })
    }
}

impl Pops {
    fn of(prepared: &Prepared) -> Option<Self> {
        let (mut of, mut unknown, mut pushes) = (BTreeMap::new(), Vec::new(), BTreeMap::<_, u32>::new());
        let mut twice = Vec::new();
        for operation in &prepared.operations {
            match (operation.effect, operation.completed) {
                (Effect::Push { element, .. }, _) => *pushes.entry(element).or_default() += 1,
                (Effect::Pop { element: Some(None), .. }, _) => {}
                (Effect::Pop { front, element: Some(Some(element)) }, Some(completed)) => {
                    if of.insert(element, (front, operation.invoked, completed)).is_some() {
                        twice.push(element);
                    }
                }
                (Effect::Pop { element: None, .. }, None) => unknown.push(operation.invoked),
                _ => return None,
            }
        }
        of.retain(|element, _| pushes.get(element) == Some(&1) && !twice.contains(element));
        unknown.sort_unstable();
        Some(Self { of, unknown, unknown_left: 0 })
    }

    /// How many pops of unknown end can have happened by a moment.
    fn unknown_by(&self, until: u64) -> usize {
        self.unknown.partition_point(|invoked| *invoked <= until).min(self.unknown_left)
    }

    /// Whether, after a push at one end, an element lies behind others that leave after it.
    fn is_out_of_order(&self, front: bool, elements: &[Symbol]) -> bool {
        let pushed = if front { elements.split_first() } else { elements.split_last() };
        let Some((pushed, others)) = pushed else { return false };
        if let Some(pop) = self.of.get(pushed) {
            let others = others.iter().filter_map(|other| self.of.get(other));
            let crossed = |other: &(bool, u64, u64)| {
                if front { leave_crossed(pop, other) } else { leave_crossed(other, pop) }
            };
            if others.into_iter().any(crossed) {
                return true;
            }
        }
        // What no answer pops stays, or is taken by a pop of unknown end.
        self.is_buried(true, elements.iter()) || self.is_buried(false, elements.iter().rev())
    }

    fn is_buried<'s>(&self, front: bool, elements: impl Iterator<Item = &'s Symbol>) -> bool {
        let mut above = 0;
        for element in elements {
            match self.of.get(element) {
                Some((from_front, _, completed))
                    if *from_front == front && above > self.unknown_by(*completed) =>
                {
                    return true;
                }
                None if *element == Symbol::Unseen => above += 1,
                _ => {}
            }
        }
        false
    }
}

/// Whether two elements, one left of the other, cannot leave as they are popped.
fn leave_crossed(left: &(bool, u64, u64), right: &(bool, u64, u64)) -> bool {
    match (left.0, right.0) {
        (true, true) => right.2 < left.1,
        (false, false) => left.2 < right.1,
        // Each has to wait for the other.
        (false, true) => true,
        (true, false) => false,
    }
}
