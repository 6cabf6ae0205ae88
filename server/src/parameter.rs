//! The values of `$1`, `$2`, … as clients send them: in JSON.

use datafusion::scalar::ScalarValue;
use serde_json::Value;

/// Returns the value that a parameter in JSON stands for.
///
/// # Errors
///
/// In words, if it stands for none.
pub fn sql_value(value: &Value) -> Result<ScalarValue, &'static str> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::String(text) => ScalarValue::Utf8(Some(text.clone())),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => ScalarValue::Int64(Some(number)),
            (None, Some(number)) => ScalarValue::Float64(Some(number)),
            (None, None) => return Err("a parameter is out of the range of numbers"),
        },
        Value::Array(_) | Value::Object(_) => {
            return Err("a parameter is a number, a string, true, false or null");
        }
    })
}
