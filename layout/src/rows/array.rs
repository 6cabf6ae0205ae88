//! The stored form of an array: its buffers, one after the other, as Arrow's format has them.
//!
//! How long a buffer is follows from the type and the number of values, or from the last offset; only what
//! cannot be known otherwise is written beside it. So a reader takes no length on trust, and Arrow's own check
//! of offsets, texts and keys does the rest.

use arrow_array::{Array, ArrayRef, cast::AsArray, make_array};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, bit_util};
use arrow_data::{ArrayData, BufferSpec, layout, transform::MutableArrayData};
use arrow_schema::{DataType, UnionMode};
use arrow_select::dictionary::garbage_collect_any_dictionary;

use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
};

// Arrow's buffers are in the byte order of the machine, and these bytes are little-endian.
#[cfg(target_endian = "big")]
compile_error!("tables of rows are stored by little-endian machines only");

/// Values of an array, or of an array within it, at most.
const VALUES_MAX: usize = 1 << 29;

/// Appends an array; the reader knows its type and how many values it has.
///
/// # Errors
///
/// If it, or an array within it, has more values than a reader takes.
pub(super) fn encode(array: &dyn Array, out: &mut Vec<u8>) -> Result<(), LayoutError> {
    put(&whole(&array.to_data(), array.len())?, out)
}

/// Reads `length` values, and nothing behind them.
pub(super) fn decode(
    mut cursor: Cursor<'_>,
    data_type: &DataType,
    length: usize,
) -> Result<ArrayRef, LayoutError> {
    let data = read(&mut cursor, data_type, length)?;
    cursor.finish()?;
    Ok(make_array(data))
}

/// The first values of an array, without those that stand before and behind them in its buffers.
fn whole(data: &ArrayData, length: usize) -> Result<ArrayData, LayoutError> {
    // Offsets may begin anywhere, and what is within may be a slice in turn.
    let is_flat = data.child_data().is_empty() && !has_offsets(data.data_type());
    if is_flat && data.offset() == 0 && data.len() == length {
        return Ok(data.clone());
    }
    let mut own = MutableArrayData::new(vec![data], false, length);
    let fits = own.try_extend(0, 0, length);
    fits.map_err(|_| LayoutError::RecordTooLarge { bytes: length, max: VALUES_MAX })?;
    Ok(own.freeze())
}

/// Appends data that begins at offset 0.
fn put(data: &ArrayData, out: &mut Vec<u8>) -> Result<(), LayoutError> {
    if data.len() > VALUES_MAX {
        return Err(LayoutError::RecordTooLarge { bytes: data.len(), max: VALUES_MAX });
    }
    let compact = compact(data);
    let data = compact.as_ref().unwrap_or(data);
    let spec = layout(data.data_type());
    if spec.can_contain_null_mask {
        out.push(u8::from(data.nulls().is_some()));
        if let Some(nulls) = data.nulls() {
            put_buffer(out, &nulls.inner().sliced(), bit_util::ceil(data.len(), 8));
        }
    }
    let end = data.buffers().first().and_then(|first| last_offset(data.data_type(), first, data.len()));
    for (buffer, spec) in data.buffers().iter().zip(&spec.buffers) {
        let length = buffer_bytes(data.data_type(), spec, data.len());
        put_buffer(out, buffer, length.or(end).unwrap_or_default());
    }
    if spec.variadic {
        let more = data.buffers().get(spec.buffers.len()..).unwrap_or_default();
        put_varint(out, more.len() as u64);
        more.iter().for_each(|buffer| put_bytes(out, buffer));
    }
    for (child, (_, known)) in data.child_data().iter().zip(children(data.data_type(), data.len())) {
        let length = known.unwrap_or(child.len());
        if known.is_none() {
            put_varint(out, length as u64);
        }
        put(&whole(child, length)?, out)?;
    }
    Ok(())
}

/// An empty array may come without its only offset, which is 0.
fn put_buffer(out: &mut Vec<u8>, buffer: &Buffer, length: usize) {
    let end = out.len() + length;
    out.extend_from_slice(buffer.get(..length).unwrap_or(buffer));
    out.resize(end, 0);
}

/// Leaves out texts of views, and values of dictionaries, that none of the values needs.
fn compact(data: &ArrayData) -> Option<ArrayData> {
    match data.data_type() {
        DataType::Utf8View => Some(make_array(data.clone()).as_string_view().gc().into()),
        DataType::BinaryView => Some(make_array(data.clone()).as_binary_view().gc().into()),
        DataType::Dictionary(..) if data.child_data().first()?.len() > data.len() => {
            // What cannot be made smaller stays as it is.
            let array = make_array(data.clone());
            Some(garbage_collect_any_dictionary(array.as_any_dictionary_opt()?).ok()?.to_data())
        }
        _ => None,
    }
}

fn read(cursor: &mut Cursor<'_>, data_type: &DataType, length: usize) -> Result<ArrayData, LayoutError> {
    if length > VALUES_MAX {
        return Err(cursor.corrupt("its values are too many"));
    }
    let spec = layout(data_type);
    let mut builder = ArrayData::builder(data_type.clone()).len(length);
    if spec.can_contain_null_mask {
        match cursor.u8()? {
            0 => {}
            1 => {
                let bits = Buffer::from(cursor.take(bit_util::ceil(length, 8))?);
                builder = builder.nulls(Some(NullBuffer::new(BooleanBuffer::new(bits, 0, length))));
            }
            _ => return Err(cursor.corrupt("a choice is neither 0 nor 1")),
        }
    }
    let mut end = None;
    for spec in &spec.buffers {
        let Some(bytes) = buffer_bytes(data_type, spec, length).or(end) else {
            return Err(cursor.corrupt("an offset is out of range"));
        };
        // A copy, and aligned as its type needs it.
        let buffer = Buffer::from(cursor.take(bytes)?);
        end = last_offset(data_type, &buffer, length);
        builder = builder.add_buffer(buffer);
    }
    if spec.variadic {
        for _ in 0..cursor.count(1)? {
            builder = builder.add_buffer(Buffer::from(cursor.bytes()?));
        }
    }
    for (child, known) in children(data_type, length) {
        let length = match known {
            Some(length) => length,
            None => cursor.number(VALUES_MAX)?,
        };
        builder = builder.add_child_data(read(cursor, child, length)?);
    }
    builder.build().map_err(|_| cursor.corrupt("its values contradict one another"))
}

/// The bytes of a buffer of `length` values; `None` if they are what the offsets before it say.
fn buffer_bytes(data_type: &DataType, spec: &BufferSpec, length: usize) -> Option<usize> {
    let slots = length + usize::from(has_offsets(data_type));
    match spec {
        BufferSpec::FixedWidth { byte_width, .. } => Some(slots.saturating_mul(*byte_width)),
        BufferSpec::BitMap => Some(bit_util::ceil(length, 8)),
        BufferSpec::VariableWidth => None,
        BufferSpec::AlwaysNull => Some(0),
    }
}

/// Whether the first buffer has one offset more than there are values.
fn has_offsets(data_type: &DataType) -> bool {
    use DataType::{Binary, LargeBinary, LargeList, LargeUtf8, List, Map, Utf8};
    matches!(data_type, Binary | LargeBinary | Utf8 | LargeUtf8 | List(_) | LargeList(_) | Map(..))
}

/// The end of the values of `length` texts, 0 for other types; `None` if it is no place.
fn last_offset(data_type: &DataType, offsets: &Buffer, length: usize) -> Option<usize> {
    let last = match data_type {
        DataType::Binary | DataType::Utf8 => {
            let bytes = offsets.get(length * 4..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| i64::from(i32::from_le_bytes(*bytes)))
        }
        DataType::LargeBinary | DataType::LargeUtf8 => {
            let bytes = offsets.get(length * 8..).and_then(<[u8]>::first_chunk);
            bytes.map_or(0, |bytes| i64::from_le_bytes(*bytes))
        }
        _ => 0,
    };
    usize::try_from(last).ok()
}

/// The types of the arrays within one of `length` values, and how long they are if that is known.
fn children(data_type: &DataType, length: usize) -> Vec<(&DataType, Option<usize>)> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::Map(field, _) => vec![(field.data_type(), None)],
        DataType::FixedSizeList(field, size) => {
            let size = usize::try_from(*size).unwrap_or_default();
            vec![(field.data_type(), Some(length.saturating_mul(size)))]
        }
        DataType::Struct(fields) => fields.iter().map(|field| (field.data_type(), Some(length))).collect(),
        DataType::Union(fields, mode) => {
            let length = (*mode == UnionMode::Sparse).then_some(length);
            fields.iter().map(|(_, field)| (field.data_type(), length)).collect()
        }
        DataType::Dictionary(_, values) => vec![(values, None)],
        DataType::RunEndEncoded(ends, values) => {
            vec![(ends.data_type(), None), (values.data_type(), None)]
        }
        _ => Vec::new(),
    }
}
