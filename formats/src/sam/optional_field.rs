//! An optional field between SAM text and BAM bytes (SAM v1 § 1.5, § 4.2.4).

use std::io::{self, Write};

use genomdb_genome::alignment::tag::{Tag, TagKey, TagType, value_width};

use super::number;
use crate::error::{Fault, printable};

/// Reads `NM:i:1` and appends its BAM bytes. Contents of text are left to [`crate::rules`].
pub(super) fn parse(text: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let &[a, b, b':', kind, b':', ref value @ ..] = text else {
        let reason = format!("`{}` is not of the form TAG:TYPE:VALUE", printable(text));
        return Err(Fault::new("optional fields", reason));
    };
    let key = TagKey([a, b]);
    let refuse = |what: &str| {
        let field = key.0.escape_ascii().to_string();
        Err(Fault::new(field, format!("`{}` is not {what}", printable(value))))
    };
    out.extend_from_slice(&key.0);
    match kind {
        b'A' => match value {
            [character] => out.extend_from_slice(&[b'A', *character]),
            _ => return refuse("one character"),
        },
        b'i' => match number::signed(value).and_then(|number| push_integer(number, out)) {
            Some(()) => {}
            None => return refuse("an integer from -2^31 to 2^32-1"),
        },
        b'f' => match number::float(value) {
            Some(number) => {
                out.push(b'f');
                out.extend_from_slice(&number.to_le_bytes());
            }
            None => return refuse("a number"),
        },
        b'Z' | b'H' if value.contains(&0) => return refuse("text"),
        b'Z' | b'H' => {
            out.push(kind);
            out.extend_from_slice(value);
            out.push(0);
        }
        b'B' => match push_array(value, out) {
            Some(()) => {}
            None => return refuse("an array"),
        },
        _ => {
            let reason = format!("type `{}` is unknown", printable(&[kind]));
            return Err(Fault::new(key.0.escape_ascii().to_string(), reason));
        }
    }
    Ok(())
}

/// As htslib narrows: the smallest unsigned type that fits, a signed one only below 0.
fn push_integer(number: i64, out: &mut Vec<u8>) -> Option<()> {
    let (kind, width) = match number {
        0..=0xff => (b'C', 1),
        0x100..=0xffff => (b'S', 2),
        0x1_0000..=0xffff_ffff => (b'I', 4),
        -0x80..0 => (b'c', 1),
        -0x8000..0 => (b's', 2),
        -0x8000_0000..0 => (b'i', 4),
        _ => return None,
    };
    out.push(kind);
    out.extend_from_slice(number.to_le_bytes().get(..width)?);
    Some(())
}

fn push_array(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (&kind, elements) = value.split_first()?;
    let width = value_width(kind).filter(|_| kind != b'A')?;
    let range = match kind {
        b'c' => i8::MIN.into()..=i8::MAX.into(),
        b'C' => 0..=u8::MAX.into(),
        b's' => i16::MIN.into()..=i16::MAX.into(),
        b'S' => 0..=u16::MAX.into(),
        b'i' => i32::MIN.into()..=i32::MAX.into(),
        _ => 0..=u32::MAX.into(),
    };
    out.extend_from_slice(&[b'B', kind]);
    let count_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let mut count = 0_u32;
    if !elements.is_empty() {
        for element in elements.strip_prefix(b",")?.split(|&byte| byte == b',') {
            if kind == b'f' {
                out.extend_from_slice(&number::float(element)?.to_le_bytes());
            } else {
                let number = number::signed(element).filter(|number| range.contains(number))?;
                out.extend_from_slice(number.to_le_bytes().get(..width)?);
            }
            count = count.checked_add(1)?;
        }
    }
    out.get_mut(count_at..count_at + 4)?.copy_from_slice(&count.to_le_bytes());
    Some(())
}

/// Writes a field as `samtools view` prints it.
pub(super) fn write(tag: &Tag<'_>, out: &mut impl Write) -> io::Result<()> {
    out.write_all(&tag.key.0)?;
    match tag.kind {
        TagType::Single(kind @ (b'A' | b'Z' | b'H')) => {
            out.write_all(&[b':', kind, b':'])?;
            out.write_all(tag.value)
        }
        TagType::Single(b'f') => {
            out.write_all(b":f:")?;
            write_number(b'f', tag.value, out)
        }
        TagType::Single(kind) => {
            out.write_all(b":i:")?;
            write_number(kind, tag.value, out)
        }
        TagType::Array(kind) => {
            out.write_all(&[b':', b'B', b':', kind])?;
            tag.value.chunks_exact(value_width(kind).unwrap_or(1)).try_for_each(|element| {
                out.write_all(b",")?;
                match (kind, element) {
                    (b'f', &[a, b, c, d]) => number::write_array_float(f32::from_le_bytes([a, b, c, d]), out),
                    _ => write_number(kind, element, out),
                }
            })
        }
    }
}

fn write_number(kind: u8, value: &[u8], out: &mut impl Write) -> io::Result<()> {
    match (kind, value) {
        (b'c', &[a]) => write!(out, "{}", i8::from_le_bytes([a])),
        (b'C', &[a]) => write!(out, "{a}"),
        (b's', &[a, b]) => write!(out, "{}", i16::from_le_bytes([a, b])),
        (b'S', &[a, b]) => write!(out, "{}", u16::from_le_bytes([a, b])),
        (b'i', &[a, b, c, d]) => write!(out, "{}", i32::from_le_bytes([a, b, c, d])),
        (b'I', &[a, b, c, d]) => write!(out, "{}", u32::from_le_bytes([a, b, c, d])),
        (b'f', &[a, b, c, d]) => number::write_float(f32::from_le_bytes([a, b, c, d]), out),
        _ => Err(io::Error::other("an optional field is malformed")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use genomdb_genome::alignment::tag::tags;

    use super::*;

    fn check(text: &str, expected: Expect) {
        let mut bytes = Vec::new();
        let found = match parse(text.as_bytes(), &mut bytes) {
            Ok(()) => {
                let mut out = Vec::new();
                let tag = tags(&bytes).next().unwrap().unwrap();
                write(&tag, &mut out).unwrap();
                format!("{} {:?}", String::from_utf8(out).unwrap(), tag.kind)
            }
            Err(fault) => fault.to_string(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn reads_and_writes_every_type() {
        check("NM:i:+7", expect!["NM:i:7 Single(67)"]);
        check("NM:i:-129", expect!["NM:i:-129 Single(115)"]);
        check("NM:i:4294967295", expect!["NM:i:4294967295 Single(73)"]);
        check("NM:i:4294967296", expect!["NM: `4294967296` is not an integer from -2^31 to 2^32-1"]);
        check("XA:A:x", expect!["XA:A:x Single(65)"]);
        check("XA:A:", expect!["XA: `` is not one character"]);
        check("XF:f:1e6", expect!["XF:f:1e+06 Single(102)"]);
        check("XZ:Z:", expect!["XZ:Z: Single(90)"]);
        check("XB:B:c,-128,127", expect!["XB:B:c,-128,127 Array(99)"]);
        check("XB:B:c,128", expect!["XB: `c,128` is not an array"]);
        check("XB:B:f,0.5,1", expect!["XB:B:f,0.5,1 Array(102)"]);
        check("XB:B:I", expect!["XB:B:I Array(73)"]);
        check("XB:B:I,", expect!["XB: `I,` is not an array"]);
        check("XB:B:A,1", expect!["XB: `A,1` is not an array"]);
        check("XX:d:1", expect!["XX: type `d` is unknown"]);
        check("XX", expect!["optional fields: `XX` is not of the form TAG:TYPE:VALUE"]);
    }
}
