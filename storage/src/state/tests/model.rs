//! Law: the state behaves like a few maps in memory, however its entries are batched.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::kv::End;

type Counted = Result<Vec<OperationResult>, Refusal>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    values: BTreeMap<Key, (Value, Option<u64>)>,
    deques: BTreeMap<Key, VecDeque<Value>>,
    sessions: BTreeMap<(RangeId, u64), (u64, Response)>,
    ranges: BTreeMap<RangeId, (KeyRange, u64)>,
}

impl Model {
    fn value(&self, key: &Key, now: u64) -> Option<&Value> {
        self.values
            .get(key)
            .filter(|(_, until)| until.is_none_or(|until| now < until))
            .map(|(value, _)| value)
    }

    fn run(&mut self, operations: &[Operation], now: u64) -> Counted {
        let mut results = Vec::new();
        for operation in operations {
            match operation.clone() {
                Operation::Put(key, value) => drop(self.values.insert(key, (value, None))),
                Operation::PutUntil(key, value, until) => {
                    self.values.insert(key, (value, Some(until.0)));
                }
                Operation::Delete(key) => {
                    self.values.remove(&key);
                    self.deques.remove(&key);
                }
                Operation::DeleteRange(keys) => {
                    self.values.retain(|key, _| !keys.contains(key));
                    self.deques.retain(|key, _| !keys.contains(key));
                }
                Operation::Add(key, change) => {
                    let text = self.value(&key, now).cloned();
                    let until = text.as_ref().and_then(|_| self.values[&key].1);
                    let number = text.map_or(Ok(0), |text| String::from_utf8_lossy(&text).parse::<i64>());
                    let Ok(number) = number else { return Err(Refusal::NotACounter { key }) };
                    let Some(number) = number.checked_add(change) else {
                        return Err(Refusal::CounterOverflow { key });
                    };
                    self.values.insert(key, (number.to_string().into(), until));
                    results.push(OperationResult::Counter(number));
                }
                Operation::Push(key, end, value) => {
                    let deque = self.deques.entry(key).or_default();
                    match end {
                        End::Front => deque.push_front(value),
                        End::Back => deque.push_back(value),
                    }
                    results.push(OperationResult::Length(deque.len() as u64));
                }
                Operation::Pop(key, end) => {
                    let deque = self.deques.entry(key.clone()).or_default();
                    let element = match end {
                        End::Front => deque.pop_front(),
                        End::Back => deque.pop_back(),
                    };
                    if deque.is_empty() {
                        self.deques.remove(&key);
                    }
                    results.push(OperationResult::Element(element));
                }
            }
        }
        Ok(results)
    }

    fn transact(&mut self, range: RangeId, transaction: &Transaction, now: u64) -> Response {
        let (keys, _) = &self.ranges[&range];
        let inside = |operation: &Operation| match operation {
            // Every span of these tests is a prefix, so it is inside if both its ends are.
            Operation::DeleteRange(span) => {
                keys.contains(&span.start)
                    && (keys.end.is_none() || span.end <= keys.end && span.end.is_some())
            }
            other => keys.contains(other.key()),
        };
        for condition in &transaction.conditions {
            if !keys.contains(condition.key()) {
                return Response::Refused(Refusal::NotInRange { key: condition.key().clone() });
            }
        }
        if let Some(other) = transaction.batch.operations().iter().find(|operation| !inside(operation)) {
            return Response::Refused(Refusal::NotInRange { key: other.key().clone() });
        }
        for (condition, number) in transaction.conditions.iter().zip(0..) {
            let found = self.value(condition.key(), now);
            if !condition.holds(found.map(AsRef::as_ref)) {
                return Response::ConditionFailed { condition: number, found: found.cloned() };
            }
        }
        let mut after = self.clone();
        match after.run(transaction.batch.operations(), now) {
            Ok(results) => {
                *self = after;
                Response::Done(results)
            }
            Err(refusal) => Response::Refused(refusal),
        }
    }

    fn descriptor(&self, range: RangeId) -> RangeDescriptor {
        let (keys, version) = self.ranges[&range].clone();
        RangeDescriptor { id: range, space: Space::User, keys, version }
    }

    fn propose(&mut self, range: RangeId, proposal: &Proposal) -> Response {
        let session = proposal.session.unwrap_or(Session { client: 0, sequence: u64::MAX });
        let client = (range, session.client);
        if let Some((sequence, response)) = self.sessions.get(&client).filter(|_| proposal.session.is_some())
        {
            match session.sequence.cmp(sequence) {
                std::cmp::Ordering::Less => return Response::Refused(Refusal::Superseded),
                std::cmp::Ordering::Equal => return response.clone(),
                std::cmp::Ordering::Greater => {}
            }
        }
        if proposal.version != self.ranges[&range].1 {
            return Response::Refused(Refusal::Version(self.descriptor(range)));
        }
        let now = proposal.now.0;
        let response = match &proposal.action {
            Action::Transact(transaction) => self.transact(range, transaction, now),
            Action::Expire { entries } => {
                let keys = &self.ranges[&range].0;
                if let Some((key, _)) = entries.iter().find(|(key, _)| !keys.contains(key)) {
                    return Response::Refused(Refusal::NotInRange { key: key.clone() });
                }
                for (key, until) in entries {
                    let found = self.values.get(key).and_then(|(_, until)| *until);
                    if until.0 <= now && found == Some(until.0) {
                        self.values.remove(key);
                    }
                }
                DONE
            }
            Action::Split { at, child } => self.split(range, at, *child),
            other => unreachable!("{other:?}"),
        };
        let forgotten = matches!(&response, Response::Refused(refusal) if !refusal.is_remembered());
        if proposal.session.is_some() && !forgotten {
            self.sessions.insert(client, (session.sequence, response.clone()));
        }
        response
    }

    fn split(&mut self, range: RangeId, at: &Key, child: RangeId) -> Response {
        let (keys, version) = self.ranges[&range].clone();
        if !keys.contains(at) || keys.start == at {
            return Response::Refused(Refusal::NotInRange { key: at.clone() });
        }
        let child_keys = KeyRange { start: at.clone(), end: keys.end };
        self.ranges.insert(range, (KeyRange { start: keys.start, end: Some(at.clone()) }, version + 1));
        self.ranges.insert(child, (child_keys, version + 1));
        let copied: Vec<_> =
            self.sessions.range((range, 0)..=(range, u64::MAX)).map(|(k, v)| (k.1, v.clone())).collect();
        self.sessions.extend(copied.into_iter().map(|(client, row)| ((child, client), row)));
        Response::Split { parent: self.descriptor(range), child: self.descriptor(child) }
    }
}

#[derive(Clone, Debug)]
struct Step {
    range: prop::sample::Index,
    stale: bool,
    session: Option<(u64, u64)>,
    wait: u64,
    what: What,
    batch_ends: bool,
}

#[derive(Clone, Debug)]
enum What {
    Transact(Vec<Condition>, Vec<Operation>),
    Expire(Vec<(Key, u64)>),
    Split(Key),
}

fn key() -> impl Strategy<Value = Key> {
    prop::collection::vec(b'a'..b'd', 1..4).prop_map(Key::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (0..30_i64).prop_map(|number| number.to_string().into()),
        1 => Just(i64::MAX.to_string().into()),
        1 => (0..6000_usize).prop_map(|length| vec![b'x'; length].into()),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![Just(End::Front), Just(End::Back)]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (key(), value()).prop_map(|(key, value)| Operation::Put(key, value)),
        2 => key().prop_map(Operation::Delete),
        1 => key().prop_map(|key| Operation::DeleteRange(KeyRange::prefix(key))),
        2 => (key(), value(), 0..300_u64).prop_map(|(k, v, t)| Operation::PutUntil(k, v, Timestamp(t))),
    ]
}

fn computing() -> impl Strategy<Value = Operation> {
    prop_oneof![
        2 => operation(),
        2 => (key(), -3..5_i64).prop_map(|(key, change)| Operation::Add(key, change)),
        2 => (key(), end(), value()).prop_map(|(key, end, value)| Operation::Push(key, end, value)),
        1 => (key(), end()).prop_map(|(key, end)| Operation::Pop(key, end)),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        key().prop_map(Condition::Absent),
        key().prop_map(Condition::Present),
        (key(), value()).prop_map(|(key, value)| Condition::Equals(key, value)),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let transact = |operations| {
        let conditions = prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec(condition(), 1..3)];
        (conditions, operations).prop_map(|(conditions, operations)| What::Transact(conditions, operations))
    };
    prop_oneof![
        6 => transact(prop::collection::vec(operation(), 0..8).boxed()),
        6 => transact(prop::collection::vec(computing(), 0..6).boxed()),
        1 => prop::collection::vec((key(), 0..300_u64), 0..20).prop_map(What::Expire),
        1 => key().prop_map(What::Split),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let session = prop::option::weighted(0.3, (1..3_u64, 1..12_u64));
    (any::<prop::sample::Index>(), prop::bool::weighted(0.05), session, 0..10_u64, what(), any::<bool>())
        .prop_map(|(range, stale, session, wait, what, batch_ends)| Step {
            range,
            stale,
            session,
            wait,
            what,
            batch_ends,
        })
}

/// What can be read of a store, as the model has it.
fn read(store: &Store, now: u64) -> (BTreeMap<Key, Value>, BTreeMap<Key, Vec<Value>>, u64) {
    let view = store.view().unwrap();
    let (limit, now) = (ScanLimit { entries: 3, bytes: 5000 }, Timestamp(now));
    let (mut values, mut rest) = (BTreeMap::new(), Some(KeyRange::all()));
    while let Some(keys) = rest {
        let page = view.scan_entries(Space::User, &keys, limit, now).unwrap();
        assert_eq!(page.locks, []);
        values.extend(page.found.entries);
        rest = page.found.next;
    }
    let keys: Vec<Key> = values.keys().cloned().collect();
    let found = view.scan_keys(Space::User, &KeyRange::all(), ScanLimit::default(), now).unwrap();
    assert_eq!(found.found.entries, keys);
    let got = view.batch_get(Space::User, &keys, now).unwrap().found;
    assert!(got.into_iter().eq(values.values().cloned().map(Some)));
    let mut deques = BTreeMap::new();
    for key in all_keys() {
        let page = view.deque(Space::User, &key, 0, ScanLimit::default()).unwrap().found;
        if page.length > 0 {
            let second = view.deque(Space::User, &key, 1, ScanLimit { entries: 1, bytes: 9 }).unwrap().found;
            assert!(second.elements.iter().eq(page.elements.iter().skip(1).take(1)));
            deques.insert(key, page.elements);
        }
    }
    let bytes = view.groups().unwrap().into_iter();
    let bytes = bytes.map(|group| view.approximate_bytes(group.descriptor.id).unwrap().unwrap()).sum();
    (values, deques, bytes)
}

fn all_keys() -> Vec<Key> {
    let letters = || [b'a', b'b', b'c'].into_iter();
    let one: Vec<Vec<u8>> = letters().map(|a| vec![a]).collect();
    let longer = |keys: &[Vec<u8>]| -> Vec<Vec<u8>> {
        keys.iter().flat_map(|key| letters().map(|b| [key.as_slice(), &[b]].concat())).collect()
    };
    let (two, three) = (longer(&one), longer(&longer(&one)));
    [one, two, three].concat().into_iter().map(Key::from).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_maps(steps in prop::collection::vec(step(), 1..60)) {
        let (one, other) = (Bench::new(), Bench::new());
        let mut model = Model::default();
        model.ranges.insert(USER, (KeyRange::all(), 1));
        let mut now = 0;
        let (mut pending, mut expected) = (Vec::<GroupEntries>::new(), Vec::new());
        let mut next = BTreeMap::from([(USER, LogId::BIRTH.index + 1)]);
        for (number, step) in steps.iter().enumerate() {
            now += step.wait;
            let ranges: Vec<RangeId> = model.ranges.keys().copied().collect();
            let range = *step.range.get(&ranges);
            let child = RangeId(100 + number as u64);
            let action = match step.what.clone() {
                What::Transact(conditions, operations) => Action::Transact(transaction(conditions, operations)),
                What::Expire(entries) => {
                    let keys = &model.ranges[&range].0;
                    let entries = entries.into_iter().map(|(key, until)| (key, Timestamp(until)));
                    Action::Expire { entries: entries.filter(|(key, _)| keys.contains(key)).collect() }
                }
                What::Split(at) => Action::Split { at, child },
            };
            let version = model.ranges[&range].1 - u64::from(step.stale);
            let session = step.session.map(|(client, sequence)| Session { client, sequence });
            let proposal = Proposal { version, session, now: Timestamp(now), action };
            let response = model.propose(range, &proposal);
            if matches!(response, Response::Split { .. }) {
                next.insert(child, LogId::BIRTH.index + 1);
            }
            let index = next.get_mut(&range).unwrap();
            let entry = (LogId { term: 1, index: *index }, Payload::Command(proposal.encode()));
            *index += 1;
            let single = GroupEntries { range, entries: vec![entry.clone()] };
            prop_assert_eq!(one.store.apply(&[single]).unwrap(), vec![vec![Some(response.clone())]]);
            match pending.last_mut() {
                Some(last) if last.range == range => last.entries.push(entry),
                _ => pending.push(GroupEntries { range, entries: vec![entry] }),
            }
            expected.push(Some(response));
            if step.batch_ends || number + 1 == steps.len() {
                let responses = other.store.apply(&pending).unwrap().concat();
                prop_assert_eq!(&responses, &expected);
                (pending, expected) = (Vec::new(), Vec::new());
            }
        }
        let values = model.values.keys().filter_map(|key| Some((key.clone(), model.value(key, now)?.clone())));
        let values: BTreeMap<Key, Value> = values.collect();
        let deques = model.deques.iter().map(|(key, deque)| (key.clone(), deque.iter().cloned().collect()));
        let deques: BTreeMap<Key, Vec<Value>> = deques.collect();
        let bytes: u64 = model.values.iter().map(|(key, (value, _))| (key.len() + value.len()) as u64).sum();
        for store in [&one.store, &other.store] {
            let (found_values, found_deques, found_bytes) = read(store, now);
            prop_assert_eq!(&found_values, &values);
            prop_assert_eq!(&found_deques, &deques);
            // After a split it is an estimate.
            prop_assert!(found_bytes == bytes || model.ranges.len() > 1, "{found_bytes} is not {bytes}");
        }
        for range in model.ranges.keys() {
            prop_assert_eq!(one.group(*range), other.group(*range));
            prop_assert_eq!(&one.group(*range).descriptor, &model.descriptor(*range));
            // However entries are batched, the rows are the same.
            prop_assert_eq!(checksum(&one.store, *range), checksum(&other.store, *range));
        }
    }
}
