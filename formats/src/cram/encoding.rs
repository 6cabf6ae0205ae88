//! How a data series is stored: encodings over the core bits and the external blocks (CRAM v3 § 13).

use std::collections::HashMap;

use super::{bits::Bits, budget::Budget, corrupt::Corrupt, cursor::Cursor};

/// Encodings of a number or a byte.
#[derive(Clone, Debug)]
pub(super) enum Encoding {
    /// ITF8 numbers, or bytes, in the external block of a slot.
    External(Slot),
    /// Canonical Huffman codes in the core block; a code of no bits is a constant.
    Huffman(Huffman),
    /// Fixed width: `bits` bits less `offset`.
    Beta { offset: i32, bits: u32 },
    /// Elias gamma.
    Gamma { offset: i32 },
    /// Sub-exponential.
    Subexponential { offset: i32, order: u32 },
}

/// Encodings of byte arrays.
#[derive(Clone, Debug)]
pub(super) enum ArrayEncoding {
    /// A length, then that many bytes.
    Length { lengths: Encoding, values: Encoding },
    /// Bytes up to a stop byte.
    Stop { stop: u8, slot: Slot },
    /// One byte, as the number of it.
    Single(Encoding),
}

/// The number of an external block among those that a compression header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(usize);

/// The content ids of external blocks in the order of their slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots(HashMap<i32, usize>);

impl Slots {
    fn slot(&mut self, content_id: i32) -> Slot {
        let next = self.0.len();
        Slot(*self.0.entry(content_id).or_insert(next))
    }

    /// Lays the blocks of a slice, with their content ids, in the order of the slots.
    pub(super) fn arrange<'a>(
        &self,
        blocks: impl IntoIterator<Item = (i32, &'a [u8])>,
    ) -> Vec<Option<Cursor<'a>>> {
        let mut arranged = vec![None; self.0.len()];
        for (content_id, bytes) in blocks {
            if let Some(place) = self.0.get(&content_id).and_then(|&slot| arranged.get_mut(slot)) {
                *place = Some(Cursor(bytes));
            }
        }
        arranged
    }
}

/// The unread bytes of a slice: core bits, and external blocks by slot.
pub(super) struct Streams<'a> {
    pub(super) core: Bits<'a>,
    pub(super) external: Vec<Option<Cursor<'a>>>,
    /// What the records may still take in memory.
    pub(super) budget: Budget,
}

impl<'a> Streams<'a> {
    fn external(&mut self, slot: Slot) -> Result<&mut Cursor<'a>, Corrupt> {
        let cursor = self.external.get_mut(slot.0).and_then(Option::as_mut);
        cursor.ok_or_else(|| "an external block that a data series names is not in the slice".into())
    }
}

impl Encoding {
    /// Parses an encoding; `None` for NULL (0), which stands for "absent".
    pub(super) fn parse(cursor: &mut Cursor<'_>, slots: &mut Slots) -> Result<Option<Self>, Corrupt> {
        let id = cursor.itf8()?;
        let length = cursor.size("the size of an encoding's parameters")?;
        let mut parameters = Cursor(cursor.take(length)?);
        let parameters = &mut parameters;
        Ok(Some(match id {
            0 => return Ok(None),
            1 => Self::External(slots.slot(parameters.itf8()?)),
            3 => Self::Huffman(Huffman::parse(parameters)?),
            6 => Self::Beta { offset: parameters.itf8()?, bits: width(parameters)? },
            7 => Self::Subexponential { offset: parameters.itf8()?, order: width(parameters)? },
            9 => Self::Gamma { offset: parameters.itf8()? },
            2 | 8 => return Err("Golomb encodings are not supported; no known writer makes them".into()),
            _ => return Err(format!("unknown encoding {id} of a number").into()),
        }))
    }

    /// Reads a number.
    pub(super) fn number(&self, streams: &mut Streams<'_>) -> Result<i32, Corrupt> {
        match self {
            Self::External(slot) => streams.external(*slot)?.itf8(),
            Self::Huffman(huffman) => huffman.decode(&mut streams.core),
            Self::Beta { offset, bits } => {
                Ok(streams.core.number(*bits)?.cast_signed().wrapping_sub(*offset))
            }
            Self::Gamma { offset } => {
                let zeros = streams.core.unary(false)?;
                if zeros > 31 {
                    return Err("a gamma code is above 32 bits".into());
                }
                let value = 1 << zeros | streams.core.number(zeros)?;
                Ok(value.cast_signed().wrapping_sub(*offset))
            }
            Self::Subexponential { offset, order } => {
                let ones = streams.core.unary(true)?;
                let value = if ones == 0 {
                    streams.core.number(*order)?
                } else {
                    let bits = ones + order - 1;
                    if bits > 31 {
                        return Err("a sub-exponential code is above 32 bits".into());
                    }
                    1 << bits | streams.core.number(bits)?
                };
                Ok(value.cast_signed().wrapping_sub(*offset))
            }
        }
    }

    /// Reads a byte.
    pub(super) fn byte(&self, streams: &mut Streams<'_>) -> Result<u8, Corrupt> {
        match self {
            Self::External(slot) => streams.external(*slot)?.byte(),
            _ => {
                let value = self.number(streams)?;
                u8::try_from(value).map_err(|_| format!("a byte is {value}").into())
            }
        }
    }

    /// Appends `length` bytes to `out`.
    pub(super) fn bytes(
        &self,
        streams: &mut Streams<'_>,
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Corrupt> {
        streams.budget.spend(length)?;
        if let Self::External(slot) = self {
            // An empty array needs no block.
            if length > 0 {
                out.extend_from_slice(streams.external(*slot)?.take(length)?);
            }
            return Ok(());
        }
        for _ in 0..length {
            out.push(self.byte(streams)?);
        }
        Ok(())
    }
}

fn width(cursor: &mut Cursor<'_>) -> Result<u32, Corrupt> {
    let bits = cursor.itf8()?;
    u32::try_from(bits)
        .ok()
        .filter(|&bits| bits <= 32)
        .ok_or_else(|| format!("a width of {bits} bits").into())
}

impl ArrayEncoding {
    /// Parses an encoding; `None` for NULL (0), which stands for "absent".
    pub(super) fn parse(cursor: &mut Cursor<'_>, slots: &mut Slots) -> Result<Option<Self>, Corrupt> {
        let mut look = *cursor;
        let id = look.itf8()?;
        let length = look.size("the size of an encoding's parameters")?;
        let mut parameters = Cursor(look.take(length)?);
        let encoding = match id {
            4 => {
                let lengths = Encoding::parse(&mut parameters, slots)?.ok_or("an array without lengths")?;
                let values = Encoding::parse(&mut parameters, slots)?.ok_or("an array without values")?;
                Self::Length { lengths, values }
            }
            5 => Self::Stop { stop: parameters.byte()?, slot: slots.slot(parameters.itf8()?) },
            _ => return Ok(Encoding::parse(cursor, slots)?.map(Self::Single)),
        };
        *cursor = look;
        Ok(Some(encoding))
    }

    /// Appends the bytes of one array to `out` and returns how many.
    pub(super) fn append(&self, streams: &mut Streams<'_>, out: &mut Vec<u8>) -> Result<usize, Corrupt> {
        match self {
            Self::Length { lengths, values } => {
                let length = lengths.number(streams)?;
                let length =
                    usize::try_from(length).map_err(|_| format!("an array has the length {length}"))?;
                values.bytes(streams, length, out)?;
                Ok(length)
            }
            Self::Stop { stop, slot } => {
                let cursor = streams.external(*slot)?;
                let length =
                    cursor.0.iter().position(|byte| byte == stop).ok_or("an array has no stop byte")?;
                out.extend_from_slice(cursor.take(length)?);
                cursor.byte()?;
                streams.budget.spend(length)?;
                Ok(length)
            }
            Self::Single(encoding) => {
                encoding.bytes(streams, 1, out)?;
                Ok(1)
            }
        }
    }
}

/// A canonical Huffman code.
#[derive(Clone, Debug)]
pub(super) struct Huffman {
    /// The symbols, ordered by code length and value.
    symbols: Vec<i32>,
    /// For each code length present: the length, its first code, and where its symbols start.
    lengths: Vec<CodeLength>,
}

#[derive(Clone, Copy, Debug)]
struct CodeLength {
    bits: u32,
    first_code: u32,
    first_symbol: usize,
    count: u32,
}

impl Huffman {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Corrupt> {
        let count = cursor.size("the size of a Huffman alphabet")?;
        let symbols = numbers(cursor, count)?;
        if cursor.size("the number of Huffman code lengths")? != count {
            return Err("a Huffman code has another number of lengths than of symbols".into());
        }
        let lengths = numbers(cursor, count)?;
        let mut codes: Vec<(u32, i32)> = Vec::with_capacity(count.min(symbols.len()));
        for (&symbol, &bits) in symbols.iter().zip(&lengths) {
            let bits = u32::try_from(bits).ok().filter(|&bits| bits < 32);
            codes.push((bits.ok_or("a Huffman code is above 31 bits")?, symbol));
        }
        Self::new(codes)
    }

    fn new(mut codes: Vec<(u32, i32)>) -> Result<Self, Corrupt> {
        codes.sort_unstable();
        if codes.len() > 1 && codes.first().is_some_and(|&(bits, _)| bits == 0) {
            return Err("a Huffman code of no bits beside others".into());
        }
        let mut lengths: Vec<CodeLength> = Vec::new();
        let (mut code, mut last_bits) = (0_u32, 0);
        for (index, &(bits, _)) in codes.iter().enumerate() {
            let same = lengths.last_mut().filter(|length| length.bits == bits);
            if let Some(length) = same {
                length.count += 1;
            } else {
                code = code.checked_shl(bits - last_bits).ok_or("a Huffman code overflows")?;
                lengths.push(CodeLength { bits, first_code: code, first_symbol: index, count: 1 });
                last_bits = bits;
            }
            code += 1;
            if bits > 0 && code > 1 << bits {
                return Err("a Huffman code has more symbols than its lengths allow".into());
            }
        }
        Ok(Self { symbols: codes.into_iter().map(|(_, symbol)| symbol).collect(), lengths })
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<i32, Corrupt> {
        let (mut code, mut read) = (0_u32, 0);
        for length in &self.lengths {
            let more = length.bits - read;
            code = if more == 0 { code } else { code << more | bits.number(more)? };
            read = length.bits;
            let offset = code.wrapping_sub(length.first_code);
            if offset < length.count {
                let symbol = self.symbols.get(length.first_symbol + offset as usize);
                return symbol.copied().ok_or_else(|| "a Huffman code is unknown".into());
            }
        }
        Err("a Huffman code is unknown".into())
    }
}

/// Reads `count` numbers; each takes at least a byte, so that the memory is bounded by the input.
fn numbers(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<i32>, Corrupt> {
    if count > cursor.0.len() {
        return Err("a list is longer than its bytes".into());
    }
    (0..count).map(|_| cursor.itf8()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(parameters: &[u8], core: &[u8], count: usize) -> Result<Vec<i32>, Corrupt> {
        let mut slots = Slots::default();
        let encoding = Encoding::parse(&mut Cursor(parameters), &mut slots)?.unwrap();
        let mut streams =
            Streams { core: Bits::new(core), external: Vec::new(), budget: Budget::new(1 << 20) };
        (0..count).map(|_| encoding.number(&mut streams)).collect()
    }

    #[test]
    fn numbers_of_each_encoding() {
        for (name, parameters, core, expected) in [
            ("constant", &[3, 4, 1, 5, 1, 0][..], &[][..], &[5, 5][..]),
            ("huffman", &[3, 8, 3, 7, 8, 9, 3, 1, 2, 2], &[0b0101_1000], &[7, 8, 9, 7]),
            ("beta", &[6, 2, 1, 4], &[0x2f], &[1, 14]),
            ("gamma", &[9, 1, 0], &[0b1010_0110], &[1, 2, 3]),
            ("subexponential", &[7, 2, 0, 1], &[0b0001_1010], &[0, 1, 3]),
        ] {
            let found = decode(parameters, core, expected.len());
            assert_eq!(found.as_deref(), Ok(expected), "{name}");
        }
    }

    #[test]
    fn refuses_impossible_codes() {
        for parameters in [
            &[3, 8, 3, 7, 8, 9, 3, 1, 1, 1][..],
            &[3, 6, 2, 7, 8, 2, 0, 1],
            &[3, 5, 2, 7, 8, 1, 1],
            &[6, 2, 0, 33],
            &[3, 6, 0xf7, 0xff, 0xff, 0xff, 0x0f, 0],
            &[2, 2, 0, 1],
        ] {
            assert!(decode(parameters, &[], 0).is_err(), "{parameters:?}");
        }
    }
}
