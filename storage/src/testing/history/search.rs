//! The search for an order in which one key can have done all that it answered.
//!
//! It is the search of Wing and Gong, with Lowe's memory of what was tried: operations lie in a list
//! of calls and ends in the order of their times; whatever is called before the first end of the list
//! may come next. What makes it fast on long histories is what it need not try:
//! - An answered operation that fits and changes nothing is taken at once and for good.
//! - Of operations of equal effect, only the one that ends first is tried.
//! - An unknown operation is not taken if it changes nothing, nor right before a blind write.
//! - What makes an answer still to come impossible is not done; see [`Outlook`].
//!
//! None of this loses an answer: of all orders that explain the history, look at those with the fewest
//! unknown operations. In these no unknown one changes nothing or comes right before a blind write, for
//! it could be left out; and moving a fitting read forward, or exchanging equals, makes another such order.
#![expect(
    clippy::indexing_slicing,
    reason = "indices of vectors that are made here, as long as what they index"
)]

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, Hasher},
};

use xxhash_rust::xxh3::xxh3_128;

use super::{model::State, outlook::Outlook, preparation::Prepared};

/// What came of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order that explains everything: indices of operations.
    Order(Vec<usize>),
    /// There is none.
    Nothing(DeadEnd),
    /// The search was stopped.
    Undecided,
}

/// The end of the longest order found that explains a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DeadEnd {
    pub(super) order: Vec<usize>,
    pub(super) state: State,
    /// Operations that could come next by their times, and cannot by their answers.
    pub(super) stuck: Vec<usize>,
}

/// How a search goes about it.
pub(super) struct Options<'a> {
    /// Asked at every step; `false` stops the search.
    pub(super) go_on: &'a mut dyn FnMut() -> bool,
    /// Whether to look ahead at what is still to be read. Faster; but a dead end is then found
    /// earlier than a reader would see it.
    pub(super) look_ahead: bool,
}

/// Searches for an order.
pub(super) fn search(prepared: &Prepared, options: Options<'_>) -> Found {
    let mut search = Search::new(prepared, options.look_ahead);
    if options.look_ahead && prepared.reads_what_is_gone() {
        return Found::Nothing(search.deepest);
    }
    search.push_frame(None);
    loop {
        if search.answered_left == 0 {
            return Found::Order(search.order());
        }
        if !(options.go_on)() {
            return Found::Undecided;
        }
        if search.advance() {
            continue;
        }
        search.note_dead_end();
        if !search.retreat() {
            return Found::Nothing(search.deepest);
        }
    }
}

/// A hasher for what is already a hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // A `u128` comes as one slice of 16 bytes.
        self.0 = bytes.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
    }
}

/// One step of the order, and what else could be there instead.
struct Frame {
    /// What led here, and the state before it.
    taken: Option<(usize, State)>,
    /// Where this frame's candidates begin, and the next of them to try.
    candidates: usize,
    next: usize,
}

struct Search<'a> {
    prepared: &'a Prepared,
    outlook: Option<Outlook<'a>>,
    list: List,
    state: State,
    /// 128 bits for the set of operations taken: equal for two different sets of a run with a
    /// probability that needs no thought.
    taken: u128,
    keys: Vec<u128>,
    tried: HashSet<u128, BuildHasherDefault<Identity>>,
    frames: Vec<Frame>,
    candidates: Vec<usize>,
    answered_left: usize,
    /// For each class, the frame count and the step at which it was last met.
    met: Vec<u64>,
    round: u64,
    deepest: DeadEnd,
    deepest_answered: Option<usize>,
}

impl<'a> Search<'a> {
    fn new(prepared: &'a Prepared, look_ahead: bool) -> Self {
        let count = prepared.operations.len();
        Self {
            prepared,
            outlook: look_ahead.then(|| Outlook::new(prepared)),
            list: List::new(prepared),
            state: State::Absent,
            taken: 0,
            keys: (0..count as u64).map(|number| xxh3_128(&number.to_le_bytes())).collect(),
            tried: HashSet::default(),
            frames: Vec::new(),
            candidates: Vec::new(),
            answered_left: prepared
                .operations
                .iter()
                .filter(|operation| operation.completed.is_some())
                .count(),
            met: vec![0; prepared.classes],
            round: 0,
            deepest: DeadEnd { order: Vec::new(), state: State::Absent, stuck: Vec::new() },
            deepest_answered: None,
        }
    }

    /// Tries the candidates of the last frame until one can be taken.
    fn advance(&mut self) -> bool {
        while let Some(frame) = self.frames.last_mut()
            && frame.next < self.candidates.len()
        {
            let index = self.candidates[frame.next];
            frame.next += 1;
            let operation = &self.prepared.operations[index];
            let Some(after) = operation.effect.step(&self.state) else { continue };
            let changed = after != self.state;
            if !changed && operation.completed.is_none() {
                continue;
            }
            let before = std::mem::replace(&mut self.state, after);
            self.lift(index);
            let hopeless = |outlook: &Outlook<'_>| outlook.is_hopeless(operation, &before, &self.state);
            if (changed && self.outlook.as_ref().is_some_and(hopeless)) || !self.tried.insert(self.position())
            {
                self.unlift(index, before);
                continue;
            }
            self.push_frame(Some((index, before)));
            return true;
        }
        false
    }

    /// Drops the last frame and undoes what led to it; `false` if it was the first.
    fn retreat(&mut self) -> bool {
        let Some(frame) = self.frames.pop() else { return false };
        self.candidates.truncate(frame.candidates);
        let Some((index, before)) = frame.taken else { return false };
        self.unlift(index, before);
        true
    }

    /// What was taken and what the key now holds, as one number.
    fn position(&self) -> u128 {
        self.taken ^ xxh3_128(&self.state.bytes())
    }

    fn lift(&mut self, index: usize) {
        let operation = &self.prepared.operations[index];
        self.list.lift(index);
        self.taken ^= self.keys[index];
        self.answered_left -= usize::from(operation.completed.is_some());
        if let Some(outlook) = &mut self.outlook {
            outlook.take(operation);
        }
    }

    fn unlift(&mut self, index: usize, before: State) {
        let operation = &self.prepared.operations[index];
        self.list.unlift(index);
        self.taken ^= self.keys[index];
        self.answered_left += usize::from(operation.completed.is_some());
        if let Some(outlook) = &mut self.outlook {
            outlook.give_back(operation);
        }
        self.state = before;
    }

    /// Goes one step deeper: collects what may come next, what ends first before the others.
    fn push_frame(&mut self, taken: Option<(usize, State)>) {
        let operations = &self.prepared.operations;
        let start = self.candidates.len();
        let after_unknown = taken.as_ref().is_some_and(|(index, _)| operations[*index].completed.is_none());
        let mut only = None;
        for index in self.list.enabled() {
            let operation = &operations[index];
            if operation.completed.is_some()
                && !operation.effect.is_blind()
                && operation.effect.step(&self.state).is_some_and(|after| after == self.state)
            {
                only = Some(index);
                break;
            }
            if !(after_unknown && operation.effect.is_blind()) {
                self.candidates.push(index);
            }
        }
        if let Some(only) = only {
            self.candidates.truncate(start);
            self.candidates.push(only);
        } else {
            self.keep_one_of_each_class(start);
        }
        self.frames.push(Frame { taken, candidates: start, next: start });
    }

    fn keep_one_of_each_class(&mut self, start: usize) {
        let operations = &self.prepared.operations;
        self.candidates[start..].sort_unstable_by_key(|index| {
            let operation = &operations[*index];
            (
                operation.completed.unwrap_or(u64::MAX),
                operation.completed.is_none(),
                operation.invoked,
                *index,
            )
        });
        self.round += 1;
        let mut kept = start;
        for position in start..self.candidates.len() {
            let index = self.candidates[position];
            let met = &mut self.met[operations[index].class as usize];
            if std::mem::replace(met, self.round) != self.round {
                self.candidates[kept] = index;
                kept += 1;
            }
        }
        self.candidates.truncate(kept);
    }

    fn order(&self) -> Vec<usize> {
        self.frames.iter().filter_map(|frame| frame.taken.as_ref().map(|(index, _)| *index)).collect()
    }

    /// Remembers where the search is if it never explained more answers.
    fn note_dead_end(&mut self) {
        let answered = self.prepared.operations.len() - self.answered_left;
        if self.deepest_answered.is_some_and(|deepest| answered <= deepest) {
            return;
        }
        self.deepest_answered = Some(answered);
        let operations = &self.prepared.operations;
        let stuck = self.list.enabled().filter(|index| operations[*index].completed.is_some()).collect();
        self.deepest = DeadEnd { order: self.order(), state: self.state.clone(), stuck };
    }
}

/// Calls and ends in the order of their times, as a ring around node 0 that operations leave and
/// enter again. Operation i is node 2i + 1, its end node 2i + 2; an unknown one has no end.
struct List {
    next: Vec<u32>,
    previous: Vec<u32>,
    has_end: Vec<bool>,
}

impl List {
    fn new(prepared: &Prepared) -> Self {
        let mut nodes = Vec::new();
        for (index, operation) in prepared.operations.iter().enumerate() {
            // A call comes before an end of the same time: they overlap.
            nodes.push((operation.invoked, false, 2 * index + 1));
            if let Some(completed) = operation.completed {
                nodes.push((completed, true, 2 * index + 2));
            }
        }
        nodes.sort_unstable();
        let count = 2 * prepared.operations.len() + 1;
        let (mut next, mut previous) = (vec![0; count], vec![0; count]);
        let mut last = 0;
        for (_, _, node) in nodes {
            next[last] = node as u32;
            previous[node] = last as u32;
            last = node;
        }
        previous[0] = last as u32;
        let has_end = prepared.operations.iter().map(|operation| operation.completed.is_some()).collect();
        Self { next, previous, has_end }
    }

    /// The operations called before the first end.
    fn enabled(&self) -> impl Iterator<Item = usize> {
        let mut node = 0;
        std::iter::from_fn(move || {
            node = self.next[node] as usize;
            (node % 2 == 1).then_some(node / 2)
        })
    }

    fn lift(&mut self, index: usize) {
        self.unlink(2 * index + 1);
        if self.has_end[index] {
            self.unlink(2 * index + 2);
        }
    }

    /// Undoes the last `lift`.
    fn unlift(&mut self, index: usize) {
        if self.has_end[index] {
            self.link(2 * index + 2);
        }
        self.link(2 * index + 1);
    }

    fn unlink(&mut self, node: usize) {
        let (next, previous) = (self.next[node], self.previous[node]);
        self.next[previous as usize] = next;
        self.previous[next as usize] = previous;
    }

    fn link(&mut self, node: usize) {
        let (next, previous) = (self.next[node], self.previous[node]);
        self.next[previous as usize] = node as u32;
        self.previous[next as usize] = node as u32;
    }
}
