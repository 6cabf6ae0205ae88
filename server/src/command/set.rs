//! `SET` and `RESET`: settings of the session.

use genomdb_grammar::ast::{OptionValue, Reset, SetVariable};

use crate::{Answer, QueryError, Session};

/// Changes a setting.
pub(crate) fn set(session: &Session, set: &SetVariable) -> Result<Answer, QueryError> {
    let [value] = set.values.as_slice() else {
        return Err(QueryError::at(set.at.0, "a setting takes one value"));
    };
    let text =
        OptionValue::as_text(value).ok_or_else(|| QueryError::at(value.at.0, "a setting takes one value"))?;
    session.set(&set.setting.name, &text).map_err(|error| error.place(set.setting.at.0))?;
    Ok(Answer::Done("SET".to_owned()))
}

/// Takes a change back.
pub(crate) fn reset(session: &Session, reset: &Reset) -> Result<Answer, QueryError> {
    let at = reset.setting.as_ref().map_or(reset.at, |setting| setting.at);
    session
        .reset(reset.setting.as_ref().map(|setting| setting.name.as_str()))
        .map_err(|error| error.place(at.0))?;
    Ok(Answer::Done("RESET".to_owned()))
}
