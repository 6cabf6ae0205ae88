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
const LEVEL: usize = 6;

/// Appends values.
pub(crate) fn encode(values: &[i64], order: Order, out: &mut Vec<u8>) {
    let Some((&first, rest)) = values.split_first() else {
        out.push(EMPTY);
        return;
    };
    let step = rest.first().map_or(Some(0), |second| second.checked_sub(first));
    let evenly =
        |step: &i64| values.array_windows().all(|[left, right]| left.checked_add(*step) == Some(*right));
    if let Some(step) = step.filter(evenly) {
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
        .with_compression_level(LEVEL)
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

/// A type that whole numbers are read into.
pub(crate) trait Whole: Copy {
    /// The least and the largest value that fit.
    const RANGE: (i64, i64);

    /// Converts a value that fits.
    fn cast(value: i64) -> Self;
}

macro_rules! whole {
    ($($type:ty: $max:expr),*) => {$(
        impl Whole for $type {
            const RANGE: (i64, i64) = (<$type>::MIN as i64, $max);

            fn cast(value: i64) -> Self {
                value as $type
            }
        }
    )*};
}

whole!(u8: u8::MAX as i64, u16: u16::MAX as i64, u32: u32::MAX as i64, u64: i64::MAX, i64: i64::MAX);

/// Reads `count` values, each of which must fit `T`.
pub(crate) fn decode<T: Whole>(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<T>, LayoutError> {
    let stored = read(cursor, count)?;
    let (least, largest) = T::RANGE;
    let fits = |value: i64| least <= value && value <= largest;
    let fit = |value: i64| {
        if fits(value) { Ok(T::cast(value)) } else { Err(cursor.corrupt("a number is out of range")) }
    };
    match stored {
        Stored::Constant(value) if count > 0 => Ok(vec![fit(value)?; count]),
        Stored::Constant(_) => Ok(Vec::new()),
        Stored::Steps(first, step) => {
            // Evenly spaced: where the first and the last fit without a wrap, so do all between them.
            let last = i64::try_from(count.saturating_sub(1)).ok().and_then(|steps| step.checked_mul(steps));
            let last = last.and_then(|distance| first.checked_add(distance));
            if !fits(first) || !last.is_some_and(fits) {
                return Err(cursor.corrupt("a number is out of range"));
            }
            Ok((0..count).map(|index| T::cast(first + step * index as i64)).collect())
        }
        Stored::Signed(values) => values.into_iter().map(fit).collect(),
        Stored::Above16(min, values) => lift(cursor, min, values, i64::from),
        Stored::Above32(min, values) => lift(cursor, min, values, i64::from),
        Stored::Above64(min, values) => {
            values.into_iter().map(|value| fit(min.wrapping_add(value.cast_signed()))).collect()
        }
    }
}

/// Adds the least value to each distance; where the largest fits, all do, and no more is checked.
fn lift<T: Whole, D: Copy + Ord>(
    cursor: &Cursor<'_>,
    min: i64,
    distances: Vec<D>,
    widen: impl Fn(D) -> i64,
) -> Result<Vec<T>, LayoutError> {
    let (least, largest) = T::RANGE;
    let top = distances.iter().copied().max().map_or(Some(min), |distance| min.checked_add(widen(distance)));
    if min < least || top.is_none_or(|top| top > largest) {
        return Err(cursor.corrupt("a number is out of range"));
    }
    Ok(distances.into_iter().map(|distance| T::cast(min + widen(distance))).collect())
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
