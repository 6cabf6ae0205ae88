//! Tests of what judges histories: what is right passes, each kind of wrong is found.

mod anomalies;
mod brute_force;
mod others;
mod random;

use super::{Action, Answer, Call, Completion, Consistency, KeyHistory, Request};
use crate::kv::{End, Key, Value};

fn value(text: &str) -> Value {
    Value::from(text.to_owned())
}

fn found(text: &str) -> Answer {
    Answer::Value((!text.is_empty()).then(|| value(text)))
}

const GET: Action = Action::Get(Consistency::Linearizable);

fn put(text: &str) -> Action {
    Action::Put(value(text))
}

fn swap(expected: &str, new: &str) -> Action {
    Action::CompareAndSet { expected: (!expected.is_empty()).then(|| value(expected)), new: value(new) }
}

fn push(text: &str) -> Action {
    Action::Push(End::Back, value(text))
}

/// A call of a process of its own: from, to, what, answer.
fn ok(invoked: u64, at: u64, action: Action, result: Answer) -> Call<Request, Answer> {
    with(invoked, action, Completion::Ok { at, result })
}

fn failed(invoked: u64, at: u64, action: Action) -> Call<Request, Answer> {
    with(invoked, action, Completion::Failed { at })
}

fn unknown(invoked: u64, action: Action) -> Call<Request, Answer> {
    with(invoked, action, Completion::Unknown)
}

fn with(invoked: u64, action: Action, completion: Completion<Answer>) -> Call<Request, Answer> {
    Call { process: invoked, invoked, action: Request { key: Key::from_static(b"k"), action }, completion }
}

fn by(process: u64, call: Call<Request, Answer>) -> Call<Request, Answer> {
    Call { process, ..call }
}

fn history(calls: Vec<Call<Request, Answer>>) -> KeyHistory {
    calls.into_iter().collect()
}
