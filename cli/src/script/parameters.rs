//! `--param name=value`: `$name` becomes `$1`, `$2`, …, whose values are bound, in a text of the same shape, so
//! that errors point where the user wrote.

use genomdb_server::grammar::{Span, TokenKind, render_caret, tokens};
use serde_json::Value;

use crate::{args::Parameter, connection::Failure};

/// A text whose parameters have numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The text.
    pub text: String,
    values: Vec<Value>,
    /// Where parameters stand.
    places: Vec<Span>,
}

impl Bound {
    /// The values for a statement of the text; none if it has no parameters.
    pub fn values_of(&self, statement: Span) -> Vec<Value> {
        let within = |place: &Span| statement.start <= place.start && place.end <= statement.end;
        if self.places.iter().any(within) { self.values.clone() } else { Vec::new() }
    }
}

/// Numbers the parameters of a text. Without values the text is left as it is.
///
/// # Errors
///
/// If a parameter has no value.
pub fn bind(text: &str, parameters: &[Parameter]) -> Result<Bound, Failure> {
    let mut bound = Bound { text: text.to_owned(), values: Vec::new(), places: Vec::new() };
    if parameters.is_empty() {
        return Ok(bound);
    }
    let tokens = tokens(text).into_iter().filter(|token| token.kind == TokenKind::Parameter);
    let places: Vec<Span> = tokens.map(|token| token.span).collect();
    let named = |name: &str| {
        // The last word counts, as with other flags.
        parameters.iter().rev().find(|parameter| format!("${}", parameter.name) == name)
    };
    let mut used: Vec<&Parameter> = Vec::new();
    for place in &places {
        let name = place.text(text);
        let Some(parameter) = named(name) else {
            let message = format!("parameter `{name}` has no value");
            let shown = render_caret(text, *place, &message, Some("--param NAME=VALUE gives it one"));
            return Err(Failure::new(shown.trim_start_matches("error: ").trim_end()));
        };
        if !used.iter().any(|used| used.name == parameter.name) {
            used.push(parameter);
        }
    }
    // The shortest names get the shortest numbers: a number is never longer than the name in its place.
    used.sort_by_key(|parameter| parameter.name.len());
    for place in places.iter().rev() {
        let name = place.text(text);
        let number =
            used.iter().position(|parameter| format!("${}", parameter.name) == name).unwrap_or_default();
        let number = format!("${}", number + 1);
        if number.len() > name.len() {
            return Err(Failure::new("there are too many parameters with names of one letter"));
        }
        bound.text.replace_range(place.range(), &format!("{number:width$}", width = name.len()));
    }
    bound.values = used.iter().map(|parameter| parameter.value.clone()).collect();
    bound.places = places;
    Ok(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(all: &[&str]) -> Vec<Parameter> {
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn names_become_numbers_in_their_place() {
        let text = "SELECT $sample, '$n' WHERE a > $n AND b < $n; SELECT 1";
        let bound = bind(text, &parameters(&["sample=NA12878", "n=1", "n=30", "unused=2"])).unwrap();
        assert_eq!(bound.text, "SELECT $2     , '$n' WHERE a > $1 AND b < $1; SELECT 1");
        assert_eq!(bound.values_of(Span::new(0, 44)), [Value::from(30), Value::from("NA12878")]);
        assert!(bound.values_of(Span::new(46, 54)).is_empty());
        assert_eq!(bind("SELECT $1", &[]).unwrap().text, "SELECT $1");
        assert_eq!(bind("SELECT $1", &parameters(&["1=x"])).unwrap().text, "SELECT $1");
    }

    #[test]
    fn a_parameter_without_a_value() {
        let error = bind("SELECT $n,\n $m", &parameters(&["n=1"])).unwrap_err().to_string();
        assert!(error.starts_with("error: parameter `$m` has no value\n --> line 2, column 2"), "{error}");
    }
}
