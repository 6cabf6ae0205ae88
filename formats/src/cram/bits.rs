//! The core block of a slice: bits, most significant first (CRAM v3 § 2.2).

use super::corrupt::Corrupt;

/// The bits not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits of the first byte already read, below 8.
    used: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, used: 0 }
    }

    /// Reads one bit.
    pub(super) fn bit(&mut self) -> Result<bool, Corrupt> {
        let (&first, rest) = self.bytes.split_first().ok_or("the core block ends inside a value")?;
        let bit = first << self.used & 0x80 != 0;
        self.used += 1;
        if self.used == 8 {
            (self.bytes, self.used) = (rest, 0);
        }
        Ok(bit)
    }

    /// Reads `count` bits, at most 32, as a number.
    pub(super) fn number(&mut self, count: u32) -> Result<u32, Corrupt> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Ok(value)
    }

    /// Counts the bits equal to `bit` up to the first other one, which is read too; at most 32.
    pub(super) fn unary(&mut self, bit: bool) -> Result<u32, Corrupt> {
        let mut count = 0;
        while self.bit()? == bit {
            count += 1;
            if count > 32 {
                return Err("a unary number is above 32".into());
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_bytes() {
        let mut bits = Bits::new(&[0b1010_0011, 0b1000_0000]);
        assert_eq!(bits.number(3), Ok(0b101));
        assert_eq!(bits.unary(false), Ok(3));
        assert_eq!(bits.number(2), Ok(0b11));
        assert_eq!(bits.number(7), Ok(0));
        assert!(bits.bit().is_err());
    }
}
