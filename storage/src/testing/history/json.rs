//! Histories as JSON, for other checkers and for a failing run to be kept.
//!
//! One object a call, in one array: `process`, `invoked`, `key`, `action`; then `completed` unless the
//! end is unknown, and the answer, or `"failed": true`. Bytes are text where they are printable, and
//! hexadecimal behind `0x` otherwise.

use serde_json::{Map, Value as Json, json};

use super::{
    Action, Answer, Call, Completion, Consistency, KeyHistory, Request, Shown, preparation::answers,
};
use crate::kv::{End, Value};

/// Text that is not a history.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("a history that is not JSON")]
    Syntax(#[from] serde_json::Error),
    /// A call is not one.
    #[error("call {call} of a history has no right `{field}`")]
    Field {
        /// Number of the call.
        call: usize,
        /// What is missing or wrong.
        field: &'static str,
    },
    /// It is not an array of calls.
    #[error("a history that is not an array")]
    Shape,
}

/// Writes a history, a line for each call.
pub fn export(history: &KeyHistory) -> String {
    let calls: Vec<String> =
        history.calls().iter().map(|call| Json::Object(call_to_json(call)).to_string()).collect();
    format!("[\n{}\n]\n", calls.join(",\n"))
}

/// Reads what [`export`] wrote.
pub fn import(text: &str) -> Result<KeyHistory, JsonError> {
    let json: Json = serde_json::from_str(text)?;
    let calls = json.as_array().ok_or(JsonError::Shape)?;
    calls
        .iter()
        .enumerate()
        .map(|(number, json)| call_from_json(json).map_err(|field| JsonError::Field { call: number, field }))
        .collect()
}

fn call_to_json(call: &Call<Request, Answer>) -> Map<String, Json> {
    let mut json = Map::new();
    let mut put = |field: &str, value: Json| json.insert(field.to_owned(), value);
    put("process", call.process.into());
    put("invoked", call.invoked.into());
    put("key", bytes_to_json(&call.action.key));
    let name = match &call.action.action {
        Action::Get(Consistency::Linearizable) => "get",
        Action::Get(Consistency::BoundedStale(bound)) => {
            put("bound", (*bound).into());
            "get-stale"
        }
        Action::Put(value) => {
            put("value", bytes_to_json(value));
            "put"
        }
        Action::Delete => "delete",
        Action::CompareAndSet { expected, new } => {
            put("expected", option_to_json(expected.as_ref()));
            put("value", bytes_to_json(new));
            "compare-and-set"
        }
        Action::Add(change) => {
            put("change", (*change).into());
            "add"
        }
        Action::Push(end, value) => {
            put("value", bytes_to_json(value));
            if *end == End::Front { "push-front" } else { "push-back" }
        }
        Action::Pop(End::Front) => "pop-front",
        Action::Pop(End::Back) => "pop-back",
    };
    put("action", name.into());
    match &call.completion {
        Completion::Ok { at, result } => {
            put("completed", (*at).into());
            match result {
                Answer::Done => None,
                Answer::Value(value) => put("found", option_to_json(value.as_ref())),
                Answer::Swapped(swapped) => put("swapped", (*swapped).into()),
                Answer::Counter(number) => put("number", (*number).into()),
                Answer::Length(length) => put("length", (*length).into()),
            };
        }
        Completion::Failed { at } => {
            put("completed", (*at).into());
            put("failed", true.into());
        }
        Completion::Unknown => {}
    }
    json
}

fn call_from_json(json: &Json) -> Result<Call<Request, Answer>, &'static str> {
    let number = |field: &'static str| json.get(field).and_then(Json::as_u64).ok_or(field);
    let text = json.get("action").and_then(Json::as_str).ok_or("action")?;
    let value = || bytes_from_json(json.get("value")).ok_or("value");
    let action = match text {
        "get" => Action::Get(Consistency::Linearizable),
        "get-stale" => Action::Get(Consistency::BoundedStale(number("bound")?)),
        "put" => Action::Put(value()?),
        "delete" => Action::Delete,
        "compare-and-set" => {
            let expected = option_from_json(json.get("expected")).ok_or("expected")?;
            Action::CompareAndSet { expected, new: value()? }
        }
        "add" => Action::Add(json.get("change").and_then(Json::as_i64).ok_or("change")?),
        "push-front" => Action::Push(End::Front, value()?),
        "push-back" => Action::Push(End::Back, value()?),
        "pop-front" => Action::Pop(End::Front),
        "pop-back" => Action::Pop(End::Back),
        _ => return Err("action"),
    };
    let invoked = number("invoked")?;
    let completion = match json.get("completed") {
        None => Completion::Unknown,
        Some(_) => {
            let at = Some(number("completed")?).filter(|at| invoked <= *at).ok_or("completed")?;
            match json.get("failed") {
                Some(failed) if *failed == json!(true) => Completion::Failed { at },
                Some(_) => return Err("failed"),
                None => Completion::Ok { at, result: answer_from_json(json, &action)? },
            }
        }
    };
    let key = bytes_from_json(json.get("key")).ok_or("key")?;
    Ok(Call { process: number("process")?, invoked, action: Request { key, action }, completion })
}

fn answer_from_json(json: &Json, action: &Action) -> Result<Answer, &'static str> {
    let answer = match (json.get("found"), json.get("swapped"), json.get("number"), json.get("length")) {
        (None, None, None, None) => Answer::Done,
        (found @ Some(_), None, None, None) => Answer::Value(option_from_json(found).ok_or("found")?),
        (None, Some(swapped), None, None) => Answer::Swapped(swapped.as_bool().ok_or("swapped")?),
        (None, None, Some(number), None) => Answer::Counter(number.as_i64().ok_or("number")?),
        (None, None, None, Some(length)) => Answer::Length(length.as_u64().ok_or("length")?),
        _ => return Err("answer"),
    };
    if answers(action, &answer) { Ok(answer) } else { Err("answer") }
}

fn bytes_to_json(bytes: &[u8]) -> Json {
    Shown(bytes).to_string().into()
}

fn option_to_json(value: Option<&Value>) -> Json {
    value.map_or(Json::Null, |value| bytes_to_json(value))
}

fn bytes_from_json(json: Option<&Json>) -> Option<Value> {
    let text = json?.as_str()?;
    let Some(digits) = text.strip_prefix("0x") else { return Some(Value::from(text.to_owned())) };
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| match pair {
        [high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        }
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().map(Value::from)
}

/// The outer is none if it is not right, the inner if it says that there is nothing.
#[expect(clippy::option_option, reason = "two questions: is it right, and is there anything")]
fn option_from_json(json: Option<&Json>) -> Option<Option<Value>> {
    match json? {
        Json::Null => Some(None),
        text => bytes_from_json(Some(text)).map(Some),
    }
}
