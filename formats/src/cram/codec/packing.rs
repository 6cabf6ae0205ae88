//! What rANS Nx16 and the arithmetic coder share: bit packing and stripes (CRAM codecs § 3, § 4).

use crate::cram::{budget::Budget, corrupt::Corrupt, cursor::Cursor};

pub(super) const ORDER: u8 = 0x01;
pub(super) const STRIPE: u8 = 0x08;
pub(super) const NO_SIZE: u8 = 0x10;
pub(super) const CAT: u8 = 0x20;
pub(super) const RUNS: u8 = 0x40;
pub(super) const PACK: u8 = 0x80;

/// Reads the size of a stream, or takes the one that its container knows.
pub(super) fn read_size(
    cursor: &mut Cursor<'_>,
    flags: u8,
    known: Option<usize>,
    budget: &mut Budget,
) -> Result<usize, Corrupt> {
    let size = if flags & NO_SIZE == 0 {
        cursor.uint7()?
    } else {
        known.ok_or("a stream without a size stands alone")?
    };
    if known.is_some_and(|known| known != size) {
        return Err("a stream has another size than its block".into());
    }
    budget.spend(size)?;
    Ok(size)
}

/// Symbols of at most four bits, several in a byte.
pub(super) struct Packed {
    symbols: Vec<u8>,
    length: usize,
}

impl Packed {
    /// Reads the symbols; returns also how many packed bytes there are.
    pub(super) fn read(cursor: &mut Cursor<'_>, length: usize) -> Result<(Self, usize), Corrupt> {
        let count = usize::from(cursor.byte()?);
        if count == 0 || count > 16 {
            return Err(format!("{count} symbols cannot be packed").into());
        }
        let symbols = cursor.take(count)?.to_vec();
        let packed_length = cursor.uint7()?;
        let packed = Self { symbols, length };
        if packed_length > length {
            return Err("packed bytes are more than what they stand for".into());
        }
        Ok((packed, packed_length))
    }

    pub(super) fn unpack(&self, bytes: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let bits = match self.symbols.len() {
            1 => return Ok(vec![self.symbols.first().copied().unwrap_or_default(); self.length]),
            2 => 1,
            3..=4 => 2,
            _ => 4,
        };
        let (per_byte, mask) = (8 / bits, (1_u8 << bits) - 1);
        if bytes.len() < self.length.div_ceil(per_byte) {
            return Err("packed symbols break off".into());
        }
        let mut unpacked = Vec::with_capacity(self.length);
        'all: for &byte in bytes {
            for index in 0..per_byte {
                if unpacked.len() == self.length {
                    break 'all;
                }
                let symbol = usize::from(byte >> (index * bits) & mask);
                unpacked.push(*self.symbols.get(symbol).ok_or("a packed symbol is unknown")?);
            }
        }
        Ok(unpacked)
    }
}

/// Decodes a stream whose n-th byte comes from the stripe `n % stripes`.
pub(super) fn unstripe(
    cursor: &mut Cursor<'_>,
    length: usize,
    budget: &mut Budget,
    decode: impl Fn(&[u8], usize, &mut Budget) -> Result<Vec<u8>, Corrupt>,
) -> Result<Vec<u8>, Corrupt> {
    let stripes = usize::from(cursor.byte()?);
    if stripes == 0 {
        return Err("a striped stream has no stripe".into());
    }
    let sizes = (0..stripes).map(|_| cursor.uint7()).collect::<Result<Vec<_>, _>>()?;
    let mut decoded = vec![0; length];
    for (index, size) in sizes.into_iter().enumerate() {
        let stripe_length = length / stripes + usize::from(length % stripes > index);
        let stripe = decode(cursor.take(size)?, stripe_length, budget)?;
        for (place, byte) in decoded.iter_mut().skip(index).step_by(stripes).zip(stripe) {
            *place = byte;
        }
    }
    Ok(decoded)
}

/// Reads the size of an alphabet, where 0 stands for all 256 bytes.
pub(super) fn alphabet_size(cursor: &mut Cursor<'_>) -> Result<usize, Corrupt> {
    let size = usize::from(cursor.byte()?);
    Ok(if size == 0 { 256 } else { size })
}
