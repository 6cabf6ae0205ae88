//! The stored form of Arrow's types: a code, and what belongs to it.

use std::sync::Arc;

use arrow_schema::{
    DECIMAL32_MAX_PRECISION, DECIMAL64_MAX_PRECISION, DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION,
    DataType, FieldRef, IntervalUnit, TimeUnit, UnionFields, UnionMode,
};

use super::schema::{DEPTH_MAX, put_field, put_fields, read_field, read_fields};
use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_signed, put_varint},
};

/// Types that are their code, from 0 on.
const PLAIN: [DataType; 21] = [
    DataType::Null,
    DataType::Boolean,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Float16,
    DataType::Float32,
    DataType::Float64,
    DataType::Date32,
    DataType::Date64,
    DataType::Binary,
    DataType::LargeBinary,
    DataType::BinaryView,
    DataType::Utf8,
    DataType::LargeUtf8,
    DataType::Utf8View,
];

const TIMESTAMP: u8 = 32;
const TIME32: u8 = 33;
const TIME64: u8 = 34;
const DURATION: u8 = 35;
const INTERVAL: u8 = 36;
const FIXED_SIZE_BINARY: u8 = 37;
const DECIMAL32: u8 = 38;
const DECIMAL64: u8 = 39;
const DECIMAL128: u8 = 40;
const DECIMAL256: u8 = 41;
const LIST: u8 = 48;
const LARGE_LIST: u8 = 49;
const LIST_VIEW: u8 = 50;
const LARGE_LIST_VIEW: u8 = 51;
const FIXED_SIZE_LIST: u8 = 52;
const STRUCT: u8 = 53;
const UNION: u8 = 54;
const DICTIONARY: u8 = 55;
const MAP: u8 = 56;
const RUN_END_ENCODED: u8 = 57;

const TIME_UNITS: [TimeUnit; 4] =
    [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
const INTERVAL_UNITS: [IntervalUnit; 3] =
    [IntervalUnit::YearMonth, IntervalUnit::DayTime, IntervalUnit::MonthDayNano];

/// Appends a type. What is nested too deep becomes a code that no reader takes.
pub(super) fn put_type(out: &mut Vec<u8>, data_type: &DataType, depth: usize) {
    if depth > DEPTH_MAX {
        out.push(u8::MAX);
        return;
    }
    if let Some(code) = PLAIN.iter().position(|plain| plain == data_type) {
        out.push(code as u8);
        return;
    }
    let nested = |out: &mut Vec<u8>, code: u8, field: &FieldRef| {
        out.push(code);
        put_field(out, field, depth + 1);
    };
    match data_type {
        DataType::Timestamp(unit, zone) => {
            out.extend([TIMESTAMP, time_unit_code(*unit), u8::from(zone.is_some())]);
            zone.iter().for_each(|zone| put_bytes(out, zone.as_bytes()));
        }
        DataType::Time32(unit) => out.extend([TIME32, time_unit_code(*unit)]),
        DataType::Time64(unit) => out.extend([TIME64, time_unit_code(*unit)]),
        DataType::Duration(unit) => out.extend([DURATION, time_unit_code(*unit)]),
        DataType::Interval(unit) => {
            let code = INTERVAL_UNITS.iter().position(|known| known == unit).unwrap_or_default();
            out.extend([INTERVAL, code as u8]);
        }
        DataType::FixedSizeBinary(size) => {
            out.push(FIXED_SIZE_BINARY);
            put_signed(out, i64::from(*size));
        }
        DataType::Decimal32(precision, scale) => put_decimal(out, DECIMAL32, *precision, *scale),
        DataType::Decimal64(precision, scale) => put_decimal(out, DECIMAL64, *precision, *scale),
        DataType::Decimal128(precision, scale) => put_decimal(out, DECIMAL128, *precision, *scale),
        DataType::Decimal256(precision, scale) => put_decimal(out, DECIMAL256, *precision, *scale),
        DataType::List(field) => nested(out, LIST, field),
        DataType::LargeList(field) => nested(out, LARGE_LIST, field),
        DataType::ListView(field) => nested(out, LIST_VIEW, field),
        DataType::LargeListView(field) => nested(out, LARGE_LIST_VIEW, field),
        DataType::FixedSizeList(field, size) => {
            nested(out, FIXED_SIZE_LIST, field);
            put_signed(out, i64::from(*size));
        }
        DataType::Struct(fields) => {
            out.push(STRUCT);
            put_fields(out, fields, depth + 1);
        }
        DataType::Union(fields, mode) => {
            out.extend([UNION, u8::from(*mode == UnionMode::Dense)]);
            put_varint(out, fields.len() as u64);
            for (id, field) in fields.iter() {
                out.push(id.cast_unsigned());
                put_field(out, field, depth + 1);
            }
        }
        DataType::Dictionary(keys, values) => {
            out.push(DICTIONARY);
            put_type(out, keys, depth + 1);
            put_type(out, values, depth + 1);
        }
        DataType::Map(field, sorted) => {
            nested(out, MAP, field);
            out.push(u8::from(*sorted));
        }
        DataType::RunEndEncoded(ends, values) => {
            nested(out, RUN_END_ENCODED, ends);
            put_field(out, values, depth + 1);
        }
        // Every other type is plain; one that is new to Arrow is taken by no reader.
        _ => out.push(u8::MAX),
    }
}

/// Reads a type, and refuses those that Arrow has no arrays of.
pub(super) fn read_type(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType, LayoutError> {
    if depth > DEPTH_MAX {
        return Err(cursor.corrupt("its type is nested more than 32 deep"));
    }
    let code = cursor.u8()?;
    if let Some(plain) = PLAIN.get(usize::from(code)) {
        return Ok(plain.clone());
    }
    let nested = |cursor: &mut Cursor<'_>| read_field(cursor, depth + 1).map(Arc::new);
    Ok(match code {
        TIMESTAMP => {
            let unit = time_unit(cursor)?;
            DataType::Timestamp(unit, if flag(cursor)? { Some(cursor.text()?.into()) } else { None })
        }
        TIME32 => match time_unit(cursor)? {
            unit @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(unit),
            _ => return Err(cursor.corrupt("a time of 32 bits has seconds or milliseconds")),
        },
        TIME64 => match time_unit(cursor)? {
            unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond) => DataType::Time64(unit),
            _ => return Err(cursor.corrupt("a time of 64 bits has microseconds or nanoseconds")),
        },
        DURATION => DataType::Duration(time_unit(cursor)?),
        INTERVAL => {
            let unit = INTERVAL_UNITS.get(usize::from(cursor.u8()?)).copied();
            DataType::Interval(unit.ok_or_else(|| cursor.corrupt("its unit is unknown"))?)
        }
        FIXED_SIZE_BINARY => DataType::FixedSizeBinary(size(cursor)?),
        DECIMAL32 => decimal(cursor, DECIMAL32_MAX_PRECISION, DataType::Decimal32)?,
        DECIMAL64 => decimal(cursor, DECIMAL64_MAX_PRECISION, DataType::Decimal64)?,
        DECIMAL128 => decimal(cursor, DECIMAL128_MAX_PRECISION, DataType::Decimal128)?,
        DECIMAL256 => decimal(cursor, DECIMAL256_MAX_PRECISION, DataType::Decimal256)?,
        LIST => DataType::List(nested(cursor)?),
        LARGE_LIST => DataType::LargeList(nested(cursor)?),
        LIST_VIEW => DataType::ListView(nested(cursor)?),
        LARGE_LIST_VIEW => DataType::LargeListView(nested(cursor)?),
        FIXED_SIZE_LIST => DataType::FixedSizeList(nested(cursor)?, size(cursor)?),
        STRUCT => DataType::Struct(read_fields(cursor, depth + 1)?.into()),
        UNION => union(cursor, depth)?,
        DICTIONARY => {
            let (keys, values) = (read_type(cursor, depth + 1)?, read_type(cursor, depth + 1)?);
            if !keys.is_dictionary_key_type() {
                return Err(cursor.corrupt("the keys of a dictionary are integers"));
            }
            DataType::Dictionary(Box::new(keys), Box::new(values))
        }
        MAP => {
            let entries = nested(cursor)?;
            let is_map = !entries.is_nullable()
                && matches!(entries.data_type(), DataType::Struct(fields)
                    if matches!(fields.as_ref(), [key, _] if !key.is_nullable()));
            if !is_map {
                return Err(cursor.corrupt("the entries of a map are a key, never NULL, and a value"));
            }
            DataType::Map(entries, flag(cursor)?)
        }
        RUN_END_ENCODED => {
            let (ends, values) = (nested(cursor)?, nested(cursor)?);
            if ends.is_nullable() || !ends.data_type().is_run_ends_type() {
                return Err(cursor.corrupt("the ends of runs are integers, never NULL"));
            }
            DataType::RunEndEncoded(ends, values)
        }
        _ => return Err(cursor.corrupt("its type is unknown")),
    })
}

fn union(cursor: &mut Cursor<'_>, depth: usize) -> Result<DataType, LayoutError> {
    let mode = if flag(cursor)? { UnionMode::Dense } else { UnionMode::Sparse };
    let count = cursor.count(5)?;
    let (mut ids, mut fields) = (Vec::new(), Vec::new());
    for _ in 0..count {
        ids.push(cursor.u8()?.cast_signed());
        fields.push(read_field(cursor, depth + 1)?);
    }
    let fields = UnionFields::try_new(ids, fields);
    let fields = fields.map_err(|_| cursor.corrupt("the numbers of a union's types are wrong"))?;
    Ok(DataType::Union(fields, mode))
}

fn put_decimal(out: &mut Vec<u8>, code: u8, precision: u8, scale: i8) {
    out.extend([code, precision, scale.cast_unsigned()]);
}

fn decimal(
    cursor: &mut Cursor<'_>,
    precision_max: u8,
    make: fn(u8, i8) -> DataType,
) -> Result<DataType, LayoutError> {
    let (precision, scale) = (cursor.u8()?, cursor.u8()?.cast_signed());
    if 1 <= precision && precision <= precision_max && i16::from(scale) <= i16::from(precision) {
        Ok(make(precision, scale))
    } else {
        Err(cursor.corrupt("a decimal has another precision or scale than its width allows"))
    }
}

fn time_unit_code(unit: TimeUnit) -> u8 {
    TIME_UNITS.iter().position(|known| *known == unit).unwrap_or_default() as u8
}

fn time_unit(cursor: &mut Cursor<'_>) -> Result<TimeUnit, LayoutError> {
    let unit = TIME_UNITS.get(usize::from(cursor.u8()?)).copied();
    unit.ok_or_else(|| cursor.corrupt("its unit is unknown"))
}

fn flag(cursor: &mut Cursor<'_>) -> Result<bool, LayoutError> {
    match cursor.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(cursor.corrupt("a choice is neither 0 nor 1")),
    }
}

fn size(cursor: &mut Cursor<'_>) -> Result<i32, LayoutError> {
    let size = i32::try_from(cursor.signed()?).ok().filter(|size| *size >= 0);
    size.ok_or_else(|| cursor.corrupt("a fixed size is negative or too large"))
}
