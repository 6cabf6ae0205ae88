//! `\set name value`, and `:name`, `:'name'`, `:"name"` in what follows, as psql has them.

use std::collections::BTreeMap;

use genomdb_server::grammar::{TokenKind, tokens};

/// The variables of a shell.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Gives a variable a value.
    ///
    /// # Errors
    ///
    /// In words, if it cannot have that name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let begins_well = name.starts_with(|first: char| first.is_alphabetic() || first == '_');
        if !begins_well || !name.chars().all(|character| character.is_alphanumeric() || character == '_') {
            return Err(format!("`{name}` is no name: it has letters, digits and `_`"));
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Takes a variable away; false if there is none.
    pub(super) fn unset(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Puts values in their places: `:name` as it is, `:'name'` as a string, `:"name"` as a name, both quoted
    /// so that nothing in a value ends the quotes. What is no variable, or stands in quotes, stays.
    pub(super) fn fill(&self, text: &str) -> String {
        if self.0.is_empty() || !text.contains(':') {
            return text.to_owned();
        }
        let tokens = tokens(text);
        let mut filled = text.to_owned();
        // From the end, so that places before keep their offsets.
        for pair in tokens.windows(2).rev() {
            let [colon, name] = pair else { continue };
            let (operator, word) = (colon.span.text(text), name.span.text(text));
            let is_colon =
                colon.kind == TokenKind::Operator && operator.ends_with(':') && !operator.ends_with("::");
            if !is_colon || colon.span.end != name.span.start || !name.is_closed {
                continue;
            }
            let inner = |quote: char| word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote));
            let quoted = |quote: char, value: &str| {
                let doubled = value.replace(quote, &format!("{quote}{quote}"));
                format!("{quote}{doubled}{quote}")
            };
            let value = match name.kind {
                TokenKind::Identifier | TokenKind::Keyword => self.0.get(word).cloned(),
                TokenKind::String => {
                    inner('\'').and_then(|name| self.0.get(name)).map(|value| quoted('\'', value))
                }
                TokenKind::QuotedIdentifier => {
                    inner('"').and_then(|name| self.0.get(name)).map(|value| quoted('"', value))
                }
                _ => None,
            };
            if let Some(value) = value {
                filled.replace_range(name.span.range().start - 1..name.span.range().end, &value);
            }
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_their_places() {
        let mut variables = Variables::default();
        variables.set("t", "reads").unwrap();
        variables.set("s", "it's").unwrap();
        variables.set("c", "a\"b").unwrap();
        variables.set("n", "30").unwrap();
        let check = |text: &str, expected: &str| assert_eq!(variables.fill(text), expected, "{text}");
        check(
            "SELECT :\"c\" FROM :t WHERE a=:n AND b = :'s'",
            "SELECT \"a\"\"b\" FROM reads WHERE a=30 AND b = 'it''s'",
        );
        check("SELECT ':t', \":t\", a::t, x[1:2] -- :t", "SELECT ':t', \":t\", a::t, x[1:2] -- :t");
        check("SELECT :other, : t", "SELECT :other, : t");
        check(":t:n", "reads30");
        assert!(
            variables.set("a b", "").is_err()
                && variables.set("1", "").is_err()
                && variables.set("", "").is_err()
        );
        assert!(variables.unset("t") && !variables.unset("t"));
    }
}
