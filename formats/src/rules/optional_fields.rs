//! What optional fields must obey, seen in one pass over their BAM bytes (SAM v1 § 1.5, § 4.2.4).

use genomdb_genome::alignment::tag::value_width;

use super::characters::prefix_within;
use crate::error::{Fault, printable};

/// Checks the bytes of a record's optional fields.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut rest = bytes;
    while let Some((&[first, second, kind], value)) = rest.split_first_chunk::<3>() {
        // The specification allows only a letter or digit as the second; htslib and its tests have more.
        if !first.is_ascii_alphabetic() || !second.is_ascii_graphic() {
            let reason = format!("`{}` is not a key", printable(&[first, second]));
            return Err(Fault::new("optional fields", reason));
        }
        rest = skip_value(kind, value)
            .map_err(|reason| Fault::new(format!("{}{}", char::from(first), char::from(second)), reason))?;
    }
    match rest {
        [] => Ok(()),
        _ => Err(Fault::new("optional fields", format!("{} bytes are left over", rest.len()))),
    }
}

/// Checks a value and returns what follows it.
fn skip_value(kind: u8, value: &[u8]) -> Result<&[u8], String> {
    let length = match kind {
        b'Z' => text_length(value, b' ')? + 1,
        b'H' => {
            let length = text_length(value, b'!')?;
            let digits = value.get(..length).unwrap_or_default();
            // The specification wants capitals; htslib and its tests have both.
            if !length.is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(format!("`{}` is not pairs of hexadecimal digits", printable(digits)));
            }
            length + 1
        }
        b'A' => match value.first() {
            Some(character) if !character.is_ascii_graphic() => return Err(unprintable(value, 0)),
            _ => 1,
        },
        b'B' => array_length(value)?,
        _ => value_width(kind).ok_or_else(|| format!("type `{}` is unknown", printable(&[kind])))?,
    };
    value.get(length..).ok_or_else(breaks_off)
}

/// Returns the length of a text without its NUL.
fn text_length(value: &[u8], low: u8) -> Result<usize, String> {
    let length = prefix_within(value, low, b'~');
    match value.get(length) {
        Some(0) => Ok(length),
        Some(_) => Err(unprintable(value, length)),
        None => Err(breaks_off()),
    }
}

fn array_length(value: &[u8]) -> Result<usize, String> {
    let (&[kind, c0, c1, c2, c3], elements) = value.split_first_chunk::<5>().ok_or_else(breaks_off)?;
    let width = value_width(kind).filter(|_| kind != b'A');
    let width = width.ok_or_else(|| format!("an array of type `{}` is unknown", printable(&[kind])))?;
    let count = u32::from_le_bytes([c0, c1, c2, c3]);
    let length = usize::try_from(count).ok().and_then(|count| count.checked_mul(width));
    let length = length.filter(|&length| length <= elements.len());
    Ok(5 + length.ok_or_else(|| format!("claims {count} elements, the record ends before"))?)
}

fn unprintable(value: &[u8], at: usize) -> String {
    format!("byte {} of `{}` is not printable", at + 1, printable(value.get(..=at).unwrap_or(value)))
}

fn breaks_off() -> String {
    "the record ends within it".into()
}
