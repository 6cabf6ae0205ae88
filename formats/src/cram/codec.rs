//! Decompression of a block's bytes by the method that it names (CRAM v3 § 8, CRAM codecs v3.1).
//!
//! Every size that a stream claims is paid from a [`Budget`] before it is allocated.

mod adaptive;
mod arithmetic;
mod names;
mod packing;
mod qualities;
mod rans_4x8;
mod rans_nx16;

use std::io::Read;

use super::{budget::Budget, corrupt::Corrupt};

/// What xz may take for its dictionary, which a stream chooses: the largest preset asks for 64 MiB.
const XZ_KIB_MAX: u32 = 128 << 10;

/// Decompresses `bytes` into exactly `length` bytes.
pub(super) fn decompress(
    method: u8,
    bytes: &[u8],
    length: usize,
    budget: &mut Budget,
) -> Result<Vec<u8>, Corrupt> {
    budget.spend(length)?;
    let decoded = match method {
        0 => bytes.to_vec(),
        1 => inflate(bytes, length)?,
        2 => read_limited(bzip2::read::MultiBzDecoder::new(bytes), length)?,
        3 => read_limited(lzma_rust2::XzReader::new_mem_limit(bytes, true, XZ_KIB_MAX), length)?,
        4 => rans_4x8::decode(bytes, length)?,
        5 => rans_nx16::decode(bytes, Some(length), budget)?,
        6 => arithmetic::decode(bytes, Some(length), budget)?,
        7 => qualities::decode(bytes, length)?,
        8 => names::decode(bytes, length, budget)?,
        _ => return Err(format!("unknown compression method {method}").into()),
    };
    if decoded.len() == length {
        Ok(decoded)
    } else {
        Err(format!("inflates to {} bytes, its header says {length}", decoded.len()).into())
    }
}

fn inflate(bytes: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    // DEFLATE reaches 1032:1 at most: more is a lie that need not be allocated.
    if length / 1032 > bytes.len() {
        return Err("claims to inflate further than DEFLATE can".into());
    }
    let mut decoded = vec![0; length];
    let mut decompressor = libdeflater::Decompressor::new();
    let inflated = if bytes.starts_with(&[0x1f, 0x8b]) {
        decompressor.gzip_decompress(bytes, &mut decoded)
    } else {
        decompressor.zlib_decompress(bytes, &mut decoded)
    };
    let written = inflated.map_err(|error| format!("DEFLATE: {error}"))?;
    decoded.truncate(written);
    Ok(decoded)
}

fn read_limited(reader: impl Read, length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut decoded = Vec::new();
    // One byte more than it should yield tells a stream that runs on.
    reader.take(length as u64 + 1).read_to_end(&mut decoded).map_err(|error| error.to_string())?;
    Ok(decoded)
}

#[cfg(test)]
mod tests;
