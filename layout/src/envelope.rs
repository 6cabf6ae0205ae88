//! The frame of every stored structure but a page: `checksum u32 · version u16 · payload`.

use crate::{
    FORMAT_VERSION, LayoutError,
    cursor::Cursor,
    page::{blob, checksum},
};

/// The most bytes of a payload.
const PAYLOAD_BYTES_MAX: usize = 1 << 30;
/// These structures are small and read often: better packed than a page.
const ZSTD_LEVEL: i32 = 3;

/// Frames a payload.
pub(crate) fn seal(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 4];
    out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
    blob::encode(payload, ZSTD_LEVEL, &mut out);
    if let Some((sum, rest)) = out.split_first_chunk_mut::<4>() {
        *sum = checksum(rest).to_le_bytes();
    }
    out
}

/// Checks the frame and returns the payload.
pub(crate) fn open(what: &'static str, bytes: &[u8]) -> Result<Vec<u8>, LayoutError> {
    let mut cursor = Cursor::new(what, bytes);
    let sum = cursor.u32()?;
    let mut rest = cursor;
    if checksum(rest.rest()) != sum {
        return Err(cursor.corrupt("its checksum differs"));
    }
    let found = cursor.u16()?;
    if found == 0 || found > FORMAT_VERSION {
        return Err(LayoutError::UnknownVersion { what, found });
    }
    let payload = blob::decode(&mut cursor, PAYLOAD_BYTES_MAX)?;
    cursor.finish()?;
    Ok(payload)
}

/// Puts a right checksum over bytes that a test has damaged: the readers must hold by themselves.
#[cfg(test)]
pub(crate) fn mend(bytes: &mut [u8]) {
    if let Some((sum, rest)) = bytes.split_first_chunk_mut::<4>() {
        *sum = checksum(rest).to_le_bytes();
    }
}
