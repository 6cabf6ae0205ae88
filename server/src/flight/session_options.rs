//! Options of a session: its catalog, its schema, and every setting by its name.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::{CATALOG, Caller, Flight};
use crate::{QueryError, Session, command::DEFAULT_DATASET};

/// The option that names the catalog: there is one.
const CATALOG_OPTION: &str = "catalog";
/// The option that names the dataset of names that say none.
const SCHEMA_OPTION: &str = "schema";

// The messages of Flight.proto (Arrow 17 and later), which the library has not yet.

/// A value.
#[derive(Clone, PartialEq, Message)]
struct OptionValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Truth(bool),
    #[prost(sfixed64, tag = "3")]
    Integer(i64),
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(message, tag = "5")]
    Texts(Texts),
}

#[derive(Clone, PartialEq, Message)]
struct Texts {
    #[prost(string, repeated, tag = "1")]
    values: Vec<String>,
}

/// Options that are to have other values; without a value, the one that the session began with.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SetRequest {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, Message)]
struct SetResult {
    #[prost(map = "string, message", tag = "1")]
    errors: HashMap<String, OptionError>,
}

#[derive(Clone, PartialEq, Message)]
struct OptionError {
    #[prost(enumeration = "ErrorValue", tag = "1")]
    value: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum ErrorValue {
    Unspecified = 0,
    InvalidName = 1,
    InvalidValue = 2,
    Error = 3,
}

#[derive(Clone, PartialEq, Message)]
struct GetResult {
    #[prost(map = "string, message", tag = "1")]
    options: HashMap<String, OptionValue>,
}

#[derive(Clone, PartialEq, Message)]
struct CloseResult {
    #[prost(enumeration = "CloseStatus", tag = "1")]
    status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
enum CloseStatus {
    Unspecified = 0,
    Closed = 1,
    Closing = 2,
    NotCloseable = 3,
}

/// Changes options; those that cannot be are named in the result.
pub(super) async fn set(flight: &Flight, caller: &Caller, request: SetRequest) -> Result<Bytes, Status> {
    let key = caller.session_to_keep(&flight.sessions);
    let key = key.ok_or_else(|| Status::failed_precondition("the connection has no session"))?;
    let session = flight.sessions.keep(key, caller)?;
    let mut errors = HashMap::new();
    for (name, value) in request.options {
        if let Err(value) = set_one(&session, &name, value.value) {
            errors.insert(name, OptionError { value: value as i32 });
        }
    }
    Ok(SetResult { errors }.encode_to_vec().into())
}

fn set_one(session: &Session, name: &str, value: Option<Value>) -> Result<(), ErrorValue> {
    let text = match value {
        None => None,
        Some(Value::Text(text)) => Some(text),
        Some(Value::Truth(value)) => Some(value.to_string()),
        Some(Value::Integer(value)) => Some(value.to_string()),
        Some(Value::Float(value)) => Some(value.to_string()),
        // No setting takes a list.
        Some(Value::Texts(_)) => return Err(ErrorValue::InvalidValue),
    };
    match name {
        CATALOG_OPTION if text.as_deref().is_none_or(|text| text == CATALOG) => Ok(()),
        SCHEMA_OPTION if text.as_deref().is_none_or(|text| text == DEFAULT_DATASET) => Ok(()),
        CATALOG_OPTION | SCHEMA_OPTION => Err(ErrorValue::InvalidValue),
        _ if !session.settings().iter().any(|(known, _, _)| known == name) => Err(ErrorValue::InvalidName),
        _ => {
            let changed = match text {
                Some(text) => session.set(name, &text),
                None => session.reset(Some(name)),
            };
            changed.map_err(|_: QueryError| ErrorValue::InvalidValue)
        }
    }
}

/// Every option and its value.
pub(super) fn get(flight: &Flight, caller: &Caller) -> Bytes {
    let session = flight.sessions.find(caller);
    let text = |text: String| OptionValue { value: Some(Value::Text(text)) };
    let settings = session.settings().into_iter().filter_map(|(name, value, _)| Some((name, text(value?))));
    let mut options: HashMap<_, _> = settings.collect();
    options.insert(CATALOG_OPTION.to_owned(), text(CATALOG.to_owned()));
    options.insert(SCHEMA_OPTION.to_owned(), text(DEFAULT_DATASET.to_owned()));
    GetResult { options }.encode_to_vec().into()
}

/// Forgets the session.
pub(super) fn close(flight: &Flight, caller: &mut Caller) -> Bytes {
    if let Some(key) = caller.session {
        flight.sessions.close(key);
    }
    caller.forget_session();
    CloseResult { status: CloseStatus::Closed as i32 }.encode_to_vec().into()
}
