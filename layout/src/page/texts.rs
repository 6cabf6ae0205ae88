//! Byte strings: one for all rows, a dictionary, or one after the other.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::{
    COLUMN_BYTES_MAX, blob,
    integers::{self, Order},
};
use crate::{LayoutError, cursor::Cursor, cursor::put_varint};

const PLAIN: u8 = 0;
const DICTIONARY: u8 = 1;

/// A column of byte strings being collected.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strings {
    pub(crate) ends: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

impl Strings {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends
            .iter()
            .map(move |&end| self.bytes.get(std::mem::replace(&mut start, end)..end).unwrap_or_default())
    }
}

/// Numbers byte strings by their first occurrence.
#[derive(Debug, Default)]
pub(crate) struct Distinct {
    /// Open addressing: a number plus one, or 0.
    slots: Vec<u32>,
    ranges: Vec<Range<usize>>,
    hashes: Vec<u64>,
}

impl Distinct {
    pub(crate) fn clear(&mut self, rows: usize) {
        self.slots.clear();
        self.slots.resize((rows * 2).next_power_of_two(), 0);
        self.ranges.clear();
        self.hashes.clear();
    }

    /// Returns the number of a string, which is `bytes[range]`, and the number of the new one if it is new.
    pub(crate) fn number(&mut self, bytes: &[u8], range: Range<usize>) -> u32 {
        let string = bytes.get(range.clone()).unwrap_or_default();
        let hash = xxh3_64(string);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while let Some(&number) = self.slots.get(slot).filter(|&&number| number != 0) {
            let known = number as usize - 1;
            let same = self.hashes.get(known) == Some(&hash)
                && self.ranges.get(known).and_then(|range| bytes.get(range.clone())) == Some(string);
            if same {
                return number - 1;
            }
            slot = (slot + 1) & mask;
        }
        self.ranges.push(range);
        self.hashes.push(hash);
        let number = self.ranges.len() as u32;
        if let Some(free) = self.slots.get_mut(slot) {
            *free = number;
        }
        number - 1
    }

    pub(crate) fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }
}

/// What encoding needs and keeps from block to block.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) distinct: Distinct,
    numbers: Vec<i64>,
}

/// Appends byte strings, compressed at `level`.
pub(crate) fn encode(strings: &Strings, level: i32, scratch: &mut Scratch, out: &mut Vec<u8>) {
    if number_rows(strings, scratch) {
        out.push(DICTIONARY);
        let ranges = scratch.distinct.ranges();
        put_varint(out, ranges.len() as u64);
        let lengths: Vec<i64> = ranges.iter().map(|range| range.len() as i64).collect();
        integers::encode(&lengths, Order::None, out);
        let entries: Vec<u8> = ranges
            .iter()
            .flat_map(|range| strings.bytes.get(range.clone()).unwrap_or_default())
            .copied()
            .collect();
        blob::encode(&entries, level, out);
        integers::encode(&scratch.numbers, Order::None, out);
        return;
    }
    out.push(PLAIN);
    scratch.numbers.clear();
    let mut start = 0;
    scratch.numbers.extend(strings.ends.iter().map(|&end| (end - std::mem::replace(&mut start, end)) as i64));
    integers::encode(&scratch.numbers, Order::None, out);
    blob::encode(&strings.bytes, level, out);
}

/// Numbers the rows; false where a dictionary would not pay.
fn number_rows(strings: &Strings, scratch: &mut Scratch) -> bool {
    let rows = strings.len();
    scratch.distinct.clear(rows);
    scratch.numbers.clear();
    let mut start = 0;
    for (row, &end) in strings.ends.iter().enumerate() {
        let number = scratch.distinct.number(&strings.bytes, std::mem::replace(&mut start, end)..end);
        scratch.numbers.push(i64::from(number));
        // Mostly new strings so far: give up before the work is done.
        if row == 1023 && number > 640 {
            return false;
        }
    }
    rows > 0 && scratch.distinct.ranges().len() <= rows.div_ceil(2)
}

/// Byte strings read back: distinct ones, and which of them each row has.
#[derive(Debug)]
pub(crate) struct StringRows {
    bytes: Vec<u8>,
    /// Where each string ends, after a leading 0.
    bounds: Vec<usize>,
    /// The string of each row; `None` where each row has its own.
    numbers: Option<Vec<u32>>,
}

impl StringRows {
    /// Reads `rows` byte strings.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, rows: usize) -> Result<Self, LayoutError> {
        let mode = cursor.u8()?;
        let count = match mode {
            PLAIN => rows,
            DICTIONARY => cursor.number(rows)?,
            _ => return Err(cursor.corrupt("its mode of texts is unknown")),
        };
        let lengths: Vec<u32> = integers::decode(cursor, count)?;
        let mut bounds = Vec::with_capacity(count + 1);
        bounds.push(0);
        let mut end = 0_usize;
        for length in lengths {
            end += length as usize;
            bounds.push(end);
        }
        if end > COLUMN_BYTES_MAX {
            return Err(cursor.corrupt("its texts are too long"));
        }
        let bytes = blob::decode(cursor, end)?;
        if bytes.len() != end {
            return Err(cursor.corrupt("its texts differ from their lengths"));
        }
        let numbers: Option<Vec<u32>> =
            if mode == PLAIN { None } else { Some(integers::decode(cursor, rows)?) };
        if numbers.iter().flatten().any(|&number| number as usize >= count) {
            return Err(cursor.corrupt("a row names no text"));
        }
        Ok(Self { bytes, bounds, numbers })
    }

    /// Returns the number of the string of a row.
    pub(crate) fn number(&self, row: usize) -> usize {
        match &self.numbers {
            Some(numbers) => numbers.get(row).map_or(0, |&number| number as usize),
            None => row,
        }
    }

    /// Returns a string by its number; empty beyond the last.
    pub(crate) fn string(&self, number: usize) -> &[u8] {
        let bound = |index: usize| self.bounds.get(index).copied();
        match (bound(number), bound(number + 1)) {
            (Some(start), Some(end)) => self.bytes.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// Returns the number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.numbers.as_ref().map_or(self.distinct(), Vec::len)
    }

    /// Returns how many strings there are: of the dictionary, or of the rows.
    pub(crate) fn distinct(&self) -> usize {
        self.bounds.len() - 1
    }

    /// Tells whether rows share the strings of a dictionary.
    pub(crate) fn is_dictionary(&self) -> bool {
        self.numbers.is_some()
    }

    /// Returns the string of a row.
    pub(crate) fn get(&self, row: usize) -> &[u8] {
        self.string(self.number(row))
    }
}
