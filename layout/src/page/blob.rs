//! Bytes inside a page: as they are, or through zstd where that is smaller.

use std::cell::RefCell;

use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
    page::COLUMN_BYTES_MAX,
};

const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// Below it zstd's frame costs more than it saves.
const ZSTD_FROM: usize = 48;
/// zstd makes a block of 128 KiB of one byte into a few bytes; more than this is no honest ratio.
const RATIO_MAX: usize = 50_000;

thread_local! {
    static COMPRESSOR: RefCell<Option<(i32, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends `bytes`, compressed at `level` where it helps.
pub(crate) fn encode(bytes: &[u8], level: i32, out: &mut Vec<u8>) {
    if bytes.len() >= ZSTD_FROM
        && let Some(compressed) = compress(bytes, level)
        && compressed.len() < bytes.len()
    {
        out.push(ZSTD);
        put_varint(out, bytes.len() as u64);
        put_bytes(out, &compressed);
        return;
    }
    out.push(RAW);
    put_bytes(out, bytes);
}

/// zstd fails only without memory; the caller then stores the bytes as they are.
fn compress(bytes: &[u8], level: i32) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(known, _)| *known != level) {
            *slot = Some((level, zstd::bulk::Compressor::new(level).ok()?));
        }
        slot.as_mut()?.1.compress(bytes).ok()
    })
}

/// Reads what [`encode`] wrote, which must not be longer than `max`.
pub(crate) fn decode(cursor: &mut Cursor<'_>, max: usize) -> Result<Vec<u8>, LayoutError> {
    match cursor.u8()? {
        RAW => {
            let bytes = cursor.bytes()?;
            if bytes.len() > max { Err(cursor.corrupt("its bytes are too many")) } else { Ok(bytes.to_vec()) }
        }
        ZSTD => {
            let length = cursor.number(max.min(COLUMN_BYTES_MAX))?;
            let compressed = cursor.bytes()?;
            if length / RATIO_MAX > compressed.len() {
                return Err(cursor.corrupt("its length is impossible"));
            }
            let bytes = decompress(compressed, length).filter(|bytes| bytes.len() == length);
            bytes.ok_or_else(|| cursor.corrupt("its compressed bytes are damaged"))
        }
        _ => Err(cursor.corrupt("its compression is unknown")),
    }
}

fn decompress(compressed: &[u8], length: usize) -> Option<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Decompressor::new().ok()?);
        }
        slot.as_mut()?.decompress(compressed, length).ok()
    })
}
