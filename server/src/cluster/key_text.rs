//! Keys as people read and type them: printable bytes as they are, others as `\x1F`.

use genomdb_storage::Key;

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no key: a backslash begins one of \\xNN, \\n, \\r, \\t, \\\\, \\', \\\"")]
pub struct BadKey {
    text: String,
}

/// Writes a key.
pub fn write(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// If a backslash begins nothing that is known.
pub fn parse(text: &str) -> Result<Key, BadKey> {
    let bad = || BadKey { text: text.to_owned() };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().ok_or_else(bad)? {
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let digits = digit().zip(digit()).ok_or_else(bad)?;
                // Two hexadecimal digits are less than 256.
                u8::try_from(digits.0 * 16 + digits.1).map_err(|_| bad())?
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            same @ (b'\\' | b'\'' | b'"') => same,
            _ => return Err(bad()),
        });
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_can_be_typed_as_it_is_shown() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(parse(&write(&all)), Ok(all.into()));
        for text in ["\\", "\\x", "\\x1", "\\xg0", "\\q", "a\\"] {
            assert_eq!(parse(text), Err(BadKey { text: text.to_owned() }));
        }
    }
}
