//! Optional fields (SAM v1 § 1.5, § 4.2.4): a walk over their BAM bytes.

/// The key of an optional field, as `NM`. Case matters: `nM` is another tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagKey(pub [u8; 2]);

impl std::fmt::Display for TagKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b] = self.0;
        write!(f, "{}{}", char::from(a), char::from(b))
    }
}

/// The exact type of an optional field as BAM stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagType {
    /// `A`, `c`, `C`, `s`, `S`, `i`, `I`, `f`, `Z` or `H`.
    Single(u8),
    /// `B` with the type of its elements: `c`, `C`, `s`, `S`, `i`, `I` or `f`.
    Array(u8),
}

/// One optional field: its key, its exact type, and the bytes of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The key.
    pub key: TagKey,
    /// The exact type.
    pub kind: TagType,
    /// The value: little-endian numbers; text without its NUL; an array without its count.
    pub value: &'a [u8],
}

/// The bytes of a record's optional fields break off or hold an unknown type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("optional field {index} at byte {offset} is malformed")]
pub struct MalformedTag {
    /// Which field, from 0.
    pub index: usize,
    /// Where it starts, in bytes from the first field.
    pub offset: usize,
}

/// Returns the bytes of one value of a scalar type or array element, `None` for an unknown one.
pub fn value_width(kind: u8) -> Option<usize> {
    match kind {
        b'A' | b'c' | b'C' => Some(1),
        b's' | b'S' => Some(2),
        b'i' | b'I' | b'f' => Some(4),
        _ => None,
    }
}

/// Walks over the BAM bytes of a record's optional fields, in file order.
///
/// Yields an error once, and then ends, where the bytes are malformed. Never panics.
pub fn tags(bytes: &[u8]) -> impl Iterator<Item = Result<Tag<'_>, MalformedTag>> {
    let mut rest = bytes;
    let mut index = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let offset = bytes.len() - rest.len();
        let Some((tag, tail)) = split_tag(rest) else {
            rest = &[];
            return Some(Err(MalformedTag { index, offset }));
        };
        rest = tail;
        index += 1;
        Some(Ok(tag))
    })
}

fn split_tag(bytes: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (&[a, b, kind], rest) = bytes.split_first_chunk::<3>()?;
    let (kind, value, rest) = match kind {
        b'Z' | b'H' => {
            let length = rest.iter().position(|&byte| byte == 0)?;
            let (value, rest) = rest.split_at_checked(length)?;
            (TagType::Single(kind), value, rest.split_first()?.1)
        }
        b'B' => {
            let (&[element, c0, c1, c2, c3], rest) = rest.split_first_chunk::<5>()?;
            if element == b'A' {
                return None;
            }
            let count = usize::try_from(u32::from_le_bytes([c0, c1, c2, c3])).ok()?;
            let (value, rest) = rest.split_at_checked(count.checked_mul(value_width(element)?)?)?;
            (TagType::Array(element), value, rest)
        }
        _ => {
            let (value, rest) = rest.split_at_checked(value_width(kind)?)?;
            (TagType::Single(kind), value, rest)
        }
    };
    Some((Tag { key: TagKey([a, b]), kind, value }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_every_type_and_stops_at_a_break() {
        let bytes = b"NMC\x05RGZgrp\0MLBC\x02\0\0\0\x01\x02XFf\0\0\x80\x3f";
        let found: Vec<_> =
            tags(bytes).map(|tag| tag.map(|tag| (tag.key.to_string(), tag.value.len()))).collect();
        let expected = [("NM", 1), ("RG", 3), ("ML", 2), ("XF", 4)];
        assert_eq!(found, expected.map(|(key, length)| Ok((key.to_owned(), length))));
        for end in 1..bytes.len() {
            let broken = tags(&bytes[..end]).filter(Result::is_err).count();
            assert_eq!(broken, usize::from(![4, 11, 21].contains(&end)), "cut at {end}");
        }
    }
}
