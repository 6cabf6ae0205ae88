//! Whole numbers: constant, evenly spaced, or through `pco` in the narrowest width.

use pco::{ChunkConfig, DeltaSpec, ModeSpec, data_types::Number, standalone};

use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_signed},
};

const EMPTY: u8 = 0;
const CONSTANT: u8 = 1;
const STEPS: u8 = 2;
const VARINTS: u8 = 3;
const PCO_16: u8 = 4;
const PCO_32: u8 = 5;
const PCO_64: u8 = 6;

/// Below it a varint each is smaller than `pco`'s tables.
const PCO_FROM: usize = 24;

/// Whether a column's values follow one another closely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// No: each stands for itself.
    None,
    /// Yes: the difference to the one before is small.
    Delta,
}

/// The level of `pco`, chosen by measurement: see docs/decisions on encodings.
const LEVEL: usize = 4;

/// Appends values.
pub(crate) fn encode(values: &[i64], order: Order, out: &mut Vec<u8>) {
    encode_at(values, order, LEVEL, out);
}

/// Appends values at a level of `pco`.
pub(crate) fn encode_at(values: &[i64], order: Order, level: usize, out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else {
        out.push(EMPTY);
        return;
    };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(first));
    let mut expected = first;
    if rest.iter().all(|&value| {
        expected = expected.wrapping_add(step);
        value == expected
    }) {
        if step == 0 {
            out.push(CONSTANT);
            put_signed(out, first);
        } else {
            out.push(STEPS);
            put_signed(out, first);
            put_signed(out, step);
        }
        return;
    }
    if values.len() < PCO_FROM {
        out.push(VARINTS);
        values.iter().for_each(|&value| put_signed(out, value));
        return;
    }
    let (min, max) =
        values.iter().fold((first, first), |(min, max), &value| (min.min(value), max.max(value)));
    let config = ChunkConfig::default()
        .with_compression_level(level)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(match order {
            Order::None => DeltaSpec::NoOp,
            Order::Delta => DeltaSpec::TryConsecutive(1),
        });
    let above = values.iter().map(|&value| value.wrapping_sub(min) as u64);
    match max.wrapping_sub(min) as u64 {
        0..=0xffff => put_pco(PCO_16, min, above.map(|value| value as u16).collect(), &config, values, out),
        0x1_0000..=0xffff_ffff => {
            put_pco(PCO_32, min, above.map(|value| value as u32).collect(), &config, values, out);
        }
        _ => put_pco::<u64>(PCO_64, min, above.collect(), &config, values, out),
    }
}

fn put_pco<T: Number>(
    mode: u8,
    min: i64,
    above: Vec<T>,
    config: &ChunkConfig,
    values: &[i64],
    out: &mut Vec<u8>,
) {
    match standalone::simple_compress(&above, config) {
        Ok(bytes) => {
            out.push(mode);
            put_signed(out, min);
            put_bytes(out, &bytes);
        }
        // Not for the levels and counts given here; the values must not be lost if it ever is.
        Err(_) => {
            out.push(VARINTS);
            values.iter().for_each(|&value| put_signed(out, value));
        }
    }
}

/// Whole numbers as they were stored, before they take their final width.
enum Stored {
    Constant(i64),
    Steps(i64, i64),
    Signed(Vec<i64>),
    Above16(i64, Vec<u16>),
    Above32(i64, Vec<u32>),
    Above64(i64, Vec<u64>),
}

/// Reads `count` values, each of which must fit `T`.
pub(crate) fn decode<T: TryFrom<i64> + Copy>(
    cursor: &mut Cursor<'_>,
    count: usize,
) -> Result<Vec<T>, LayoutError> {
    let stored = read(cursor, count)?;
    let cursor = *cursor;
    let fit = |value: i64| T::try_from(value).map_err(|_| cursor.corrupt("a number is out of range"));
    match stored {
        Stored::Constant(value) if count > 0 => Ok(vec![fit(value)?; count]),
        Stored::Constant(_) => Ok(Vec::new()),
        Stored::Steps(first, step) => {
            let nth = |index: usize| first.wrapping_add(step.wrapping_mul(index as i64));
            (0..count).map(|index| fit(nth(index))).collect()
        }
        Stored::Signed(values) => values.into_iter().map(fit).collect(),
        Stored::Above16(min, values) => {
            values.into_iter().map(|value| fit(min.wrapping_add(i64::from(value)))).collect()
        }
        Stored::Above32(min, values) => {
            values.into_iter().map(|value| fit(min.wrapping_add(i64::from(value)))).collect()
        }
        Stored::Above64(min, values) => {
            values.into_iter().map(|value| fit(min.wrapping_add(value as i64))).collect()
        }
    }
}

fn read(cursor: &mut Cursor<'_>, count: usize) -> Result<Stored, LayoutError> {
    let mode = cursor.u8()?;
    if (mode == EMPTY) != (count == 0) {
        return Err(cursor.corrupt("its count of numbers differs"));
    }
    Ok(match mode {
        EMPTY => Stored::Constant(0),
        CONSTANT => Stored::Constant(cursor.signed()?),
        STEPS => Stored::Steps(cursor.signed()?, cursor.signed()?),
        VARINTS => {
            // A varint takes a byte at least, so that the count is bounded by the bytes.
            let mut values = Vec::with_capacity(count.min(cursor.clone().rest().len()));
            for _ in 0..count {
                values.push(cursor.signed()?);
            }
            Stored::Signed(values)
        }
        PCO_16 => Stored::Above16(cursor.signed()?, read_pco(cursor, count)?),
        PCO_32 => Stored::Above32(cursor.signed()?, read_pco(cursor, count)?),
        PCO_64 => Stored::Above64(cursor.signed()?, read_pco(cursor, count)?),
        _ => return Err(cursor.corrupt("its mode of numbers is unknown")),
    })
}

fn read_pco<T: Number + Default>(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<T>, LayoutError> {
    let bytes = cursor.bytes()?;
    let mut values = vec![T::default(); count];
    match standalone::simple_decompress_into(bytes, &mut values) {
        Ok(progress) if progress.n_processed == count && progress.finished => Ok(values),
        Ok(_) => Err(cursor.corrupt("its count of numbers differs")),
        Err(_) => Err(cursor.corrupt("its numbers are damaged")),
    }
}
