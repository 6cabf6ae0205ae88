//! A block: a compressed stream with its kind, its id and its checksum (CRAM v3 § 8).

use super::{Version, budget::Budget, codec::decompress, corrupt::Corrupt, cursor::Cursor};

/// A block whose bytes are still compressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) kind: u8,
    pub(super) content_id: i32,
    method: u8,
    length: usize,
    bytes: &'a [u8],
}

// Kinds of blocks.
pub(super) const FILE_HEADER: u8 = 0;
pub(super) const COMPRESSION_HEADER: u8 = 1;
pub(super) const MAPPED_SLICE_HEADER: u8 = 2;
pub(super) const UNMAPPED_SLICE_HEADER: u8 = 3;
pub(super) const EXTERNAL_DATA: u8 = 4;
pub(super) const CORE_DATA: u8 = 5;

impl<'a> Block<'a> {
    /// Reads a block and checks its CRC, which CRAM has since 3.0.
    pub(super) fn read(cursor: &mut Cursor<'a>, version: Version) -> Result<Self, Corrupt> {
        let start = cursor.0;
        let (method, kind) = (cursor.byte()?, cursor.byte()?);
        let content_id = cursor.itf8()?;
        let compressed = cursor.size("the compressed size of a block")?;
        let length = cursor.size("the size of a block")?;
        let bytes = cursor.take(compressed)?;
        if version.has_checksums() {
            let covered = start.get(..start.len() - cursor.0.len()).unwrap_or_default();
            let stated = cursor.u32()?;
            let found = crc32(covered);
            if stated != found {
                return Err(format!("CRC of a block is {found:08x}, not {stated:08x} as stated").into());
            }
        }
        // CRAM v3 § 8: a block of no bytes is empty whatever its method.
        let (method, bytes) = if length == 0 { (0, &[][..]) } else { (method, bytes) };
        Ok(Self { kind, content_id, method, length, bytes })
    }

    /// Returns how many bytes the block at the front takes, as its sizes say.
    pub(super) fn size(bytes: &[u8], version: Version) -> Result<usize, Corrupt> {
        let mut cursor = Cursor(bytes);
        cursor.array::<2>()?;
        cursor.itf8()?;
        let compressed = cursor.size("the compressed size of a block")?;
        cursor.itf8()?;
        Ok(bytes.len() - cursor.0.len() + compressed + if version.has_checksums() { 4 } else { 0 })
    }

    /// Returns the bytes, decompressed.
    pub(super) fn decompress(&self, budget: &mut Budget) -> Result<Vec<u8>, Corrupt> {
        let decoded = decompress(self.method, self.bytes, self.length, budget);
        decoded.map_err(|Corrupt(reason)| {
            format!("block of content id {} and method {}: {reason}", self.content_id, self.method).into()
        })
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = libdeflater::Crc::new();
    crc.update(bytes);
    crc.sum()
}
