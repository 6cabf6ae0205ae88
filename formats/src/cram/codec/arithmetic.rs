//! The adaptive arithmetic coder (CRAM codecs § 4).

use super::{
    adaptive::{Model, RangeDecoder},
    packing::{CAT, ORDER, PACK, Packed, RUNS, STRIPE, alphabet_size, read_size, unstripe},
    read_limited,
};
use crate::cram::{budget::Budget, corrupt::Corrupt, cursor::Cursor};

/// The bytes are bzip2's.
const EXTERNAL: u8 = 0x04;

/// Decodes a stream; `known` is its size where the block or the stripes tell it.
pub(super) fn decode(bytes: &[u8], known: Option<usize>, budget: &mut Budget) -> Result<Vec<u8>, Corrupt> {
    nested(bytes, known, budget, true)
}

fn nested(
    bytes: &[u8],
    known: Option<usize>,
    budget: &mut Budget,
    may_stripe: bool,
) -> Result<Vec<u8>, Corrupt> {
    let mut cursor = Cursor(bytes);
    let flags = cursor.byte()?;
    let mut length = read_size(&mut cursor, flags, known, budget)?;
    if flags & STRIPE != 0 {
        if !may_stripe {
            return Err("stripes within stripes".into());
        }
        let decode = |bytes: &[u8], length, budget: &mut Budget| nested(bytes, Some(length), budget, false);
        return unstripe(&mut cursor, length, budget, decode);
    }
    let mut packed = None;
    if flags & PACK != 0 {
        let (symbols, packed_length) = Packed::read(&mut cursor, length)?;
        packed = Some(symbols);
        length = packed_length;
    }
    let decoded = if length == 0 {
        Vec::new()
    } else if flags & CAT != 0 {
        cursor.take(length)?.to_vec()
    } else if flags & EXTERNAL != 0 {
        let decoded = read_limited(bzip2::read::BzDecoder::new(cursor.0), length)?;
        if decoded.len() != length {
            return Err("bzip2 yields another number of bytes than stated".into());
        }
        decoded
    } else if flags & RUNS != 0 {
        with_runs(cursor, length, flags & ORDER)?
    } else {
        literals(cursor, length, flags & ORDER)?
    };
    match packed {
        Some(packed) => packed.unpack(&decoded),
        None => Ok(decoded),
    }
}

/// One model for all bytes (order 0), or one for each byte before (order 1).
struct Literals {
    models: Vec<Model>,
    context: usize,
}

impl Literals {
    fn new(size: usize, order: u8) -> Self {
        Self { models: vec![Model::new(size); if order == 0 { 1 } else { size }], context: 0 }
    }

    fn decode(&mut self, decoder: &mut RangeDecoder<'_>) -> Result<u8, Corrupt> {
        let model = self.models.get_mut(self.context).ok_or("a context is outside of the alphabet")?;
        let symbol = model.decode(decoder)?;
        if self.models.len() > 1 {
            self.context = usize::from(symbol);
        }
        Ok(symbol)
    }
}

fn literals(mut cursor: Cursor<'_>, length: usize, order: u8) -> Result<Vec<u8>, Corrupt> {
    let mut literals = Literals::new(alphabet_size(&mut cursor)?, order);
    let mut decoder = RangeDecoder::new(cursor)?;
    let mut decoded = vec![0; length];
    for symbol in &mut decoded {
        *symbol = literals.decode(&mut decoder)?;
    }
    Ok(decoded)
}

fn with_runs(mut cursor: Cursor<'_>, length: usize, order: u8) -> Result<Vec<u8>, Corrupt> {
    let mut literals = Literals::new(alphabet_size(&mut cursor)?, order);
    // A run is a sum of parts of at most 3: the first by the symbol, the second and the rest by models of
    // their own.
    const SECOND: usize = 256;
    let mut runs = vec![Model::new(4); SECOND + 2];
    let mut decoder = RangeDecoder::new(cursor)?;
    let mut decoded = Vec::with_capacity(length);
    while decoded.len() < length {
        let symbol = literals.decode(&mut decoder)?;
        let mut run = 1_usize;
        let mut model = usize::from(symbol);
        loop {
            let part = runs.get_mut(model).ok_or("a run has no model")?.decode(&mut decoder)?;
            run += usize::from(part);
            if part < 3 {
                break;
            }
            model = if model < SECOND { SECOND } else { SECOND + 1 };
            if run > length {
                break;
            }
        }
        if run > length - decoded.len() {
            return Err("a run passes the end".into());
        }
        decoded.resize(decoded.len() + run, symbol);
    }
    Ok(decoded)
}
