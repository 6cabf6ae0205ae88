//! Cuts names into fields and writes each field as a column.

use std::ops::Range;

use super::{FIELDS_MAX, NUMBERS, TEXTS};
use crate::{
    cursor::{put_bytes, put_varint},
    page::{
        integers::{self, Order},
        texts::{self, Scratch, Strings},
    },
};

/// More digits might not fit a number.
const DIGITS_MAX: usize = 18;

/// Appends names.
pub(crate) fn encode(names: &Strings, level: i32, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let (distances, stored) = link(names, scratch);
    integers::encode(&distances, Order::None, out);
    let template = stored.first().map_or(&[][..], |range| slice(names, range));
    let mut cut = Cut { delimiters: delimiters(template), ..Cut::default() };
    let alike = cut.delimiters.len() < FIELDS_MAX;
    if !alike {
        cut.delimiters.clear();
    }
    for (number, range) in (0..).zip(&stored) {
        if !alike || !cut.push(&names.bytes, range) {
            cut.apart.push(number);
            cut.apart_names.push(slice(names, range));
        }
    }
    put_varint(out, cut.apart.len() as u64);
    integers::encode(&cut.apart, Order::Delta, out);
    texts::encode(&cut.apart_names, level, scratch, out);
    put_bytes(out, &cut.delimiters);
    for field in 0..=cut.delimiters.len() {
        cut.encode_field(field, names, level, scratch, out);
    }
}

fn slice<'a>(names: &'a Strings, range: &Range<usize>) -> &'a [u8] {
    names.bytes.get(range.clone()).unwrap_or_default()
}

/// Finds the rows whose name an earlier row has: how far back it is, or 0; and the names of the other rows.
fn link(names: &Strings, scratch: &mut Scratch) -> (Vec<i64>, Vec<Range<usize>>) {
    let distinct = &mut scratch.distinct;
    distinct.clear(names.len());
    let mut last_rows: Vec<usize> = Vec::with_capacity(names.len());
    let mut distances = Vec::with_capacity(names.len());
    let mut start = 0;
    for (row, &end) in names.ends.iter().enumerate() {
        let number = distinct.number(&names.bytes, std::mem::replace(&mut start, end)..end) as usize;
        match last_rows.get_mut(number) {
            Some(last) => distances.push((row - std::mem::replace(last, row)) as i64),
            None => {
                last_rows.push(row);
                distances.push(0);
            }
        }
    }
    (distances, distinct.ranges().to_vec())
}

fn is_delimiter(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

fn delimiters(name: &[u8]) -> Vec<u8> {
    name.iter().copied().filter(|&byte| is_delimiter(byte)).collect()
}

/// Names cut into fields.
#[derive(Debug, Default)]
struct Cut {
    delimiters: Vec<u8>,
    /// The fields of each name that is built alike, one name after the other.
    fields: Vec<Range<usize>>,
    apart: Vec<i64>,
    apart_names: Strings,
}

impl Cut {
    /// Cuts the name at `range`; false where it is built otherwise.
    fn push(&mut self, bytes: &[u8], range: &Range<usize>) -> bool {
        let before = self.fields.len();
        let mut expected = self.delimiters.iter();
        let mut start = range.start;
        for (place, &byte) in range.clone().zip(bytes.get(range.clone()).unwrap_or_default()) {
            if is_delimiter(byte) {
                if expected.next() != Some(&byte) {
                    self.fields.truncate(before);
                    return false;
                }
                self.fields.push(start..place);
                start = place + 1;
            }
        }
        if expected.next().is_some() {
            self.fields.truncate(before);
            return false;
        }
        self.fields.push(start..range.end);
        true
    }

    fn encode_field(
        &self,
        field: usize,
        names: &Strings,
        level: i32,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) {
        let texts = || {
            let column = self.fields.iter().skip(field).step_by(self.delimiters.len() + 1);
            column.map(|range| slice(names, range))
        };
        let numbers: Option<Vec<i64>> = texts().map(number).collect();
        if let Some(numbers) = numbers {
            out.push(NUMBERS);
            integers::encode(&numbers, order(&numbers), out);
            return;
        }
        let mut strings = Strings::default();
        texts().for_each(|text| strings.push(text));
        out.push(TEXTS);
        texts::encode(&strings, level, scratch, out);
    }
}

/// Reads a number that is written as we would write it.
fn number(text: &[u8]) -> Option<i64> {
    let canonical =
        !text.is_empty() && text.len() <= DIGITS_MAX && (text.len() == 1 || text.first() != Some(&b'0'));
    if !canonical {
        return None;
    }
    text.iter().try_fold(0_i64, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
    })
}

/// Tells whether numbers follow one another closely.
fn order(numbers: &[i64]) -> Order {
    let distance = |sum: u64, [left, right]: &[i64; 2]| sum.saturating_add(left.abs_diff(*right));
    let steps = numbers.array_windows().fold(0, distance);
    let least = numbers.iter().min().copied().unwrap_or(0);
    let heights = numbers.iter().fold(0_u64, |sum, number| sum.saturating_add(number.abs_diff(least)));
    if steps.saturating_mul(8) < heights { Order::Delta } else { Order::None }
}
