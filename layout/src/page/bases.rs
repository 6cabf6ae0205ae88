//! SEQ: two bits a base, and runs of the codes that two bits cannot say.
//!
//! Rows lie one after the other without padding, so that a row is found from the base counts alone.

use super::integers::{self, Order};
use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
};

/// The letters of SEQ by their 4-bit codes.
pub(crate) const LETTERS: &[u8; 16] = b"=ACMGRSVTWYHKDBN";
/// The 4-bit codes of A, C, G and T.
const CODES: [u8; 4] = [1, 2, 4, 8];
/// Says that a 4-bit code is none of A, C, G and T.
const OTHER: u8 = 0x80;

/// Two bits of each 4-bit code, [`OTHER`] where it has none.
const TWO_BITS: [u8; 16] = {
    let mut table = [OTHER; 16];
    table[1] = 0;
    table[2] = 1;
    table[4] = 2;
    table[8] = 3;
    table
};

/// Four bits of each byte of two 4-bit codes, the first one lowest; [`OTHER`] where one has none.
const FOUR_BITS: [u8; 256] = {
    let mut table = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        let (first, second) = (TWO_BITS[byte >> 4], TWO_BITS[byte & 15]);
        if first != OTHER && second != OTHER {
            table[byte] = first | second << 2;
        }
        byte += 1;
    }
    table
};

/// The letters of each byte of four bases.
const FOUR_LETTERS: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut base = 0;
        while base < 4 {
            table[byte][base] = LETTERS[CODES[byte >> (2 * base) & 3] as usize];
            base += 1;
        }
        byte += 1;
    }
    table
};

/// Packs rows of 4-bit codes into two bits a base.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    packed: Vec<u8>,
    bits: u64,
    bit_count: u32,
    base_count: u64,
    run_starts: Vec<i64>,
    run_lengths: Vec<i64>,
    run_codes: Vec<i64>,
}

impl Packer {
    pub(crate) fn clear(&mut self) {
        self.packed.clear();
        (self.bits, self.bit_count, self.base_count) = (0, 0, 0);
        self.run_starts.clear();
        self.run_lengths.clear();
        self.run_codes.clear();
    }

    /// Appends a row of `count` bases, two 4-bit codes a byte.
    #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
    pub(crate) fn push(&mut self, bases: &[u8], count: u32) {
        let whole = (count / 2) as usize;
        for &byte in bases.iter().take(whole) {
            let bits = FOUR_BITS[usize::from(byte)];
            if bits & OTHER == 0 {
                self.push_bits(bits, 4);
            } else {
                self.push_code(byte >> 4);
                self.push_code(byte & 15);
            }
        }
        if count % 2 == 1 {
            self.push_code(bases.get(whole).map_or(0, |byte| byte >> 4));
        }
    }

    #[expect(clippy::indexing_slicing, reason = "4 bits index a table of 16")]
    fn push_code(&mut self, code: u8) {
        let bits = TWO_BITS[usize::from(code & 15)];
        if bits == OTHER {
            self.push_other(code);
        }
        self.push_bits(bits & 3, 2);
    }

    fn push_bits(&mut self, bits: u8, count: u32) {
        self.bits |= u64::from(bits) << self.bit_count;
        self.bit_count += count;
        self.base_count += u64::from(count / 2);
        if self.bit_count >= 56 {
            self.packed.extend_from_slice(&(self.bits as u32).to_le_bytes());
            self.bits >>= 32;
            self.bit_count -= 32;
        }
    }

    fn push_other(&mut self, code: u8) {
        let position = self.base_count as i64;
        let last = self.run_starts.last().zip(self.run_lengths.last_mut()).zip(self.run_codes.last());
        match last {
            Some(((start, length), &known)) if start + *length == position && known == i64::from(code) => {
                *length += 1
            }
            _ => {
                self.run_starts.push(position);
                self.run_lengths.push(1);
                self.run_codes.push(i64::from(code));
            }
        }
    }

    /// Appends what was packed to a page.
    pub(crate) fn encode(&mut self, out: &mut Vec<u8>) {
        put_varint(out, self.run_starts.len() as u64);
        integers::encode(&self.run_starts, Order::Delta, out);
        integers::encode(&self.run_lengths, Order::None, out);
        integers::encode(&self.run_codes, Order::None, out);
        let tail = self.bits.to_le_bytes();
        let tail_length = self.bit_count.div_ceil(8) as usize;
        self.packed.extend(tail.iter().take(tail_length));
        put_varint(out, self.base_count);
        put_bytes(out, &self.packed);
    }
}

/// Rows of bases read back.
#[derive(Debug)]
pub(crate) struct PackedBases<'a> {
    packed: &'a [u8],
    runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    end: u64,
    code: u8,
}

impl<'a> PackedBases<'a> {
    /// Reads `base_count` bases.
    pub(crate) fn decode(cursor: &mut Cursor<'a>, base_count: u64) -> Result<Self, LayoutError> {
        let count = cursor.number(base_count)? as usize;
        let starts: Vec<u64> = integers::decode(cursor, count)?;
        let lengths: Vec<u64> = integers::decode(cursor, count)?;
        let codes: Vec<u8> = integers::decode(cursor, count)?;
        let mut runs = Vec::with_capacity(count);
        let mut last = 0;
        for ((start, length), code) in starts.into_iter().zip(lengths).zip(codes) {
            let end =
                start.checked_add(length).filter(|&end| last <= start && start < end && end <= base_count);
            let Some(end) = end.filter(|_| code < 16) else {
                return Err(cursor.corrupt("a run of bases is impossible"));
            };
            last = end;
            runs.push(Run { start, end, code });
        }
        if cursor.varint()? != base_count {
            return Err(cursor.corrupt("its count of bases differs"));
        }
        let packed = cursor.bytes()?;
        if packed.len() as u64 != base_count.div_ceil(4) {
            return Err(cursor.corrupt("its bases differ from their count"));
        }
        Ok(Self { packed, runs })
    }

    /// Appends the letters of the bases from `start` to before `end`.
    pub(crate) fn letters(&self, start: u64, end: u64, out: &mut Vec<u8>) {
        let from = out.len();
        let (first, skip) = ((start / 4) as usize, (start % 4) as usize);
        let count = (end - start) as usize;
        let bytes = self.packed.get(first..).unwrap_or_default();
        #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
        for &byte in bytes.iter().take((skip + count).div_ceil(4)) {
            out.extend_from_slice(&FOUR_LETTERS[usize::from(byte)]);
        }
        if skip > 0 {
            out.drain(from..from + skip);
        }
        out.truncate(from + count);
        self.patch(start, end, out.split_at_mut(from).1, |code| {
            LETTERS.get(usize::from(code)).copied().unwrap_or(b'N')
        });
    }

    /// Appends the 4-bit codes of the bases from `start` to before `end`, two a byte.
    pub(crate) fn codes(&self, start: u64, end: u64, letters: &mut Vec<u8>, out: &mut Vec<u8>) {
        letters.clear();
        self.letters(start, end, letters);
        pack_letters(letters, out);
    }

    fn patch(&self, start: u64, end: u64, bases: &mut [u8], value: impl Fn(u8) -> u8) {
        let first = self.runs.partition_point(|run| run.end <= start);
        for run in self.runs.iter().skip(first).take_while(|run| run.start < end) {
            let range = (run.start.max(start) - start) as usize..(run.end.min(end) - start) as usize;
            if let Some(bases) = bases.get_mut(range) {
                bases.fill(value(run.code));
            }
        }
    }
}

/// The 4-bit code of each letter of SEQ; N's for a byte that is none.
const CODE_OF: [u8; 256] = {
    let mut table = [15; 256];
    let mut code = 0;
    while code < 16 {
        table[LETTERS[code] as usize] = code as u8;
        code += 1;
    }
    table
};

/// Appends letters of SEQ as 4-bit codes, two a byte, the unused last nibble 0.
#[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
pub(crate) fn pack_letters(letters: &[u8], out: &mut Vec<u8>) {
    let (pairs, last) = letters.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[a, b]| CODE_OF[usize::from(a)] << 4 | CODE_OF[usize::from(b)]));
    out.extend(last.iter().map(|&letter| CODE_OF[usize::from(letter)] << 4));
}
