//! The words behind a command: divided by blanks, or in single quotes.

/// Divides a text into words. In quotes, two quotes stand for one.
///
/// # Errors
///
/// In words, if a quote is never closed.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some('\'') if characters.peek() == Some(&'\'') => {
                            characters.next();
                            word.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => word.push(other),
                        None => return Err("a quote is never closed".to_owned()),
                    }
                }
            }
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_divide_and_quotes_keep_together() {
        let check = |text: &str, expected: &[&str]| assert_eq!(words(text).unwrap(), expected, "{text}");
        check("", &[]);
        check("  a  b ", &["a", "b"]);
        check("'a b' c", &["a b", "c"]);
        check("it''s 'it''s' ''", &["its", "it's", ""]);
        check("a'b c'd", &["ab cd"]);
        assert!(words("'a").is_err());
    }
}
