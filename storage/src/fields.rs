//! The fields of everything that is stored or sent: little-endian numbers, and bytes behind their length.
//! Nothing is believed on reading.

mod message;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::{
    kv::{KeyRange, Timestamp},
    log_id::LogId,
    range::{RangeDescriptor, RangeId, Space},
};

pub(crate) use message::{Reader, Writer};

/// Why bytes are not what they should be.
pub(crate) type Reason = &'static str;

/// Appends a length or count.
pub(crate) fn put_length(out: &mut BytesMut, length: usize) {
    // Lengths and counts are within the limits of `Config`, all far below 4 Gi.
    out.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_length(out, bytes.len());
    out.put_slice(bytes);
}

/// Appends an option of bytes.
pub(crate) fn put_option(out: &mut BytesMut, bytes: Option<&Bytes>) {
    out.put_u8(u8::from(bytes.is_some()));
    bytes.into_iter().for_each(|bytes| put_bytes(out, bytes));
}

/// Appends the place of an entry.
pub(crate) fn put_log_id(out: &mut BytesMut, id: LogId) {
    out.put_u64_le(id.term);
    out.put_u64_le(id.index);
}

/// Appends a range's descriptor.
pub(crate) fn put_descriptor(out: &mut BytesMut, descriptor: &RangeDescriptor) {
    out.put_u64_le(descriptor.id.0);
    out.put_u8(descriptor.space as u8);
    put_bytes(out, &descriptor.keys.start);
    put_option(out, descriptor.keys.end.as_ref());
    out.put_u64_le(descriptor.version);
}

pub(crate) fn take_u8(rest: &mut Bytes) -> Result<u8, Reason> {
    rest.try_get_u8().map_err(|_| "it ends within a tag")
}

pub(crate) fn take_bool(rest: &mut Bytes) -> Result<bool, Reason> {
    match take_u8(rest)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err("neither yes nor no"),
    }
}

pub(crate) fn take_u32(rest: &mut Bytes) -> Result<u32, Reason> {
    rest.try_get_u32_le().map_err(|_| "it ends within a number")
}

pub(crate) fn take_u64(rest: &mut Bytes) -> Result<u64, Reason> {
    rest.try_get_u64_le().map_err(|_| "it ends within a number")
}

pub(crate) fn take_i64(rest: &mut Bytes) -> Result<i64, Reason> {
    rest.try_get_i64_le().map_err(|_| "it ends within a number")
}

pub(crate) fn take_u128(rest: &mut Bytes) -> Result<u128, Reason> {
    rest.try_get_u128_le().map_err(|_| "it ends within a number")
}

pub(crate) fn take_timestamp(rest: &mut Bytes) -> Result<Timestamp, Reason> {
    take_u64(rest).map(Timestamp)
}

/// Takes bytes behind their length; they share the memory of `rest`.
pub(crate) fn take_bytes(rest: &mut Bytes) -> Result<Bytes, Reason> {
    let length = take_u32(rest)? as usize;
    if length > rest.len() {
        return Err("it ends within a key or value");
    }
    Ok(rest.split_to(length))
}

pub(crate) fn take_option(rest: &mut Bytes) -> Result<Option<Bytes>, Reason> {
    if take_bool(rest)? { take_bytes(rest).map(Some) } else { Ok(None) }
}

pub(crate) fn take_log_id(rest: &mut Bytes) -> Result<LogId, Reason> {
    Ok(LogId { term: take_u64(rest)?, index: take_u64(rest)? })
}

pub(crate) fn take_descriptor(rest: &mut Bytes) -> Result<RangeDescriptor, Reason> {
    let id = RangeId(take_u64(rest)?);
    let space = match take_u8(rest)? {
        0 => Space::User,
        1 => Space::Placement,
        _ => return Err("unknown space"),
    };
    let keys = KeyRange { start: take_bytes(rest)?, end: take_option(rest)? };
    Ok(RangeDescriptor { id, space, keys, version: take_u64(rest)? })
}

/// Refuses what is left behind the last field.
pub(crate) fn finish<T>(rest: &Bytes, done: T) -> Result<T, Reason> {
    if rest.is_empty() { Ok(done) } else { Err("bytes left over") }
}
