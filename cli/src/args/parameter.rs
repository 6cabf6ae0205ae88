//! Values on the command line: of parameters, and of times.

use std::{str::FromStr, time::Duration};

use serde_json::Value;

/// `NAME=VALUE`: the value of `$NAME`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What stands behind the `$`.
    pub name: String,
    /// What it stands for.
    pub value: Value,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
        let name = name.strip_prefix('$').unwrap_or(name);
        if name.is_empty() || !name.chars().all(|character| character.is_alphanumeric() || character == '_') {
            return Err("a name has letters, digits and `_`".to_owned());
        }
        // A number, true, false or null; everything else is a text, also what looks like JSON of other kinds.
        let parsed = serde_json::from_str(value).ok();
        let value = parsed.filter(|value: &Value| !value.is_array() && !value.is_object());
        let value = value.unwrap_or_else(|| Value::String(text_of(text)));
        Ok(Self { name: name.to_owned(), value })
    }
}

fn text_of(text: &str) -> String {
    text.split_once('=').map_or_else(String::new, |(_, value)| value.to_owned())
}

/// Reads a time: seconds, or a number with `ms`, `s`, `m` or `h`.
///
/// # Errors
///
/// In words, if it is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end =
        text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit.trim() {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; there are ms, s, m and h")),
    };
    let duration =
        number.parse().ok().and_then(|number: f64| Duration::try_from_secs_f64(number * seconds).ok());
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| format!("`{text}` is no time above zero"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters() {
        let check = |text: &str, name: &str, value: Value| {
            assert_eq!(text.parse(), Ok(Parameter { name: name.to_owned(), value }), "{text}");
        };
        check("n=30", "n", json!(30));
        check("$n=1.5", "n", json!(1.5));
        check("a_1=it's = x", "a_1", json!("it's = x"));
        check("b=true", "b", json!(true));
        check("c=null", "c", json!(null));
        check("d=", "d", json!(""));
        check("e=[1]", "e", json!("[1]"));
        check("f=\"30\"", "f", json!("30"));
        for wrong in ["n", "=1", "a b=1", "a'=1"] {
            assert!(wrong.parse::<Parameter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times() {
        let ms = |text: &str| parse_duration(text).map(|duration| duration.as_millis()).ok();
        assert_eq!(ms("30"), Some(30_000));
        assert_eq!(ms("0.5 s"), Some(500));
        assert_eq!(ms("250ms"), Some(250));
        assert_eq!(ms("2m"), Some(120_000));
        assert_eq!(ms("1h"), Some(3_600_000));
        for wrong in ["", "0", "-1", "x", "1d", "1.2.3", "99999999999999999999999h"] {
            assert_eq!(ms(wrong), None, "{wrong}");
        }
    }
}
