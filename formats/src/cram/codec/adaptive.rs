//! The range coder and the adaptive model under the arithmetic and quality codecs (CRAM codecs § 4.1, § 4.2).

use crate::cram::{corrupt::Corrupt, cursor::Cursor};

/// A range decoder over 32 bits.
pub(super) struct RangeDecoder<'a> {
    cursor: Cursor<'a>,
    range: u32,
    code: u32,
}

impl<'a> RangeDecoder<'a> {
    pub(super) fn new(mut cursor: Cursor<'a>) -> Result<Self, Corrupt> {
        // The first of five bytes is the encoder's carry, always 0.
        cursor.byte()?;
        let code = u32::from_be_bytes(cursor.array()?);
        Ok(Self { cursor, range: u32::MAX, code })
    }

    #[inline]
    fn frequency(&mut self, total: u32) -> u32 {
        // The range is at least 2^24 after every step, a total at most 2^16.
        self.range /= total;
        self.code / self.range
    }

    #[inline]
    fn advance(&mut self, start: u32, frequency: u32) -> Result<(), Corrupt> {
        self.code = self.code.wrapping_sub(start.wrapping_mul(self.range));
        self.range = self.range.wrapping_mul(frequency);
        while self.range < 1 << 24 {
            self.code = self.code << 8 | u32::from(self.cursor.byte()?);
            self.range <<= 8;
            if self.range == 0 {
                return Err("the range coder ran dry".into());
            }
        }
        Ok(())
    }
}

/// Frequencies that follow the symbols seen; frequent symbols move to the front.
#[derive(Clone, Debug)]
pub(super) struct Model {
    symbols: Vec<(u8, u16)>,
    total: u32,
}

const STEP: u16 = 16;
const TOTAL_MAX: u32 = (1 << 16) - 17;

impl Model {
    /// Creates a model of the symbols 0 to `size - 1`; `size` is 1 to 256.
    pub(super) fn new(size: usize) -> Self {
        let symbols: Vec<_> = (0..=255).take(size.clamp(1, 256)).map(|symbol| (symbol, 1)).collect();
        let total = u32::try_from(symbols.len()).unwrap_or(256);
        Self { symbols, total }
    }

    pub(super) fn decode(&mut self, decoder: &mut RangeDecoder<'_>) -> Result<u8, Corrupt> {
        let frequency = decoder.frequency(self.total);
        let mut start = 0_u32;
        let found = self.symbols.iter().position(|&(_, width)| {
            let end = start + u32::from(width);
            let found = frequency < end;
            if !found {
                start = end;
            }
            found
        });
        let index = found.ok_or("the range coder points past its model")?;
        let (_, rest) = self.symbols.split_at_mut(index.saturating_sub(1));
        let (before, here) = match rest {
            [here, ..] if index == 0 => (None, here),
            [before, here, ..] => (Some(before), here),
            _ => return Err("the range coder points past its model".into()),
        };
        let symbol = here.0;
        decoder.advance(start, u32::from(here.1))?;
        here.1 += STEP;
        self.total += u32::from(STEP);
        if self.total > TOTAL_MAX {
            // Halving keeps the order, so the swap below may come after it; it is done on halved values.
            self.halve();
            self.bring_forward(index);
        } else if let Some(before) = before
            && here.1 > before.1
        {
            std::mem::swap(before, here);
        }
        Ok(symbol)
    }

    fn halve(&mut self) {
        self.total = 0;
        for (_, width) in &mut self.symbols {
            *width -= *width / 2;
            self.total += u32::from(*width);
        }
    }

    fn bring_forward(&mut self, index: usize) {
        if let Some(before) = index.checked_sub(1)
            && let (Some(left), Some(right)) = (self.symbols.get(before), self.symbols.get(index))
            && right.1 > left.1
        {
            self.symbols.swap(before, index);
        }
    }
}
