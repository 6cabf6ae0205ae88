//! A walk over bytes with CRAM's numbers: ITF8, LTF8 (CRAM v3 § 2.3) and the codecs' 7-bit ones.

use super::corrupt::Corrupt;

/// The bytes not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

const ENDS: &str = "ends inside a value";

impl<'a> Cursor<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Result<u8, Corrupt> {
        let (&byte, rest) = self.0.split_first().ok_or(ENDS)?;
        self.0 = rest;
        Ok(byte)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (&bytes, rest) = self.0.split_first_chunk().ok_or(ENDS)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(ENDS)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Corrupt> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads an ITF8 number: the leading ones of the first byte tell how many bytes follow.
    pub(super) fn itf8(&mut self) -> Result<i32, Corrupt> {
        let first = self.byte()?;
        let follow = first.leading_ones().min(4);
        let mut value =
            if follow == 4 { u32::from(first & 0x0f) } else { u32::from(first) & (0x7f >> follow) };
        for index in 0..follow {
            let byte = self.byte()?;
            // The fifth byte carries four bits only.
            value =
                if index == 3 { value << 4 | u32::from(byte & 0x0f) } else { value << 8 | u32::from(byte) };
        }
        Ok(value.cast_signed())
    }

    /// Reads an ITF8 number that counts or measures something.
    pub(super) fn size(&mut self, what: &'static str) -> Result<usize, Corrupt> {
        let value = self.itf8()?;
        usize::try_from(value).map_err(|_| format!("{what} is negative: {value}").into())
    }

    /// Reads an LTF8 number, which is ITF8 up to 64 bits.
    pub(super) fn ltf8(&mut self) -> Result<i64, Corrupt> {
        let first = self.byte()?;
        let follow = first.leading_ones();
        let mut value = u64::from(first) & (0x7f_u64 >> follow.min(7));
        for _ in 0..follow {
            value = value << 8 | u64::from(self.byte()?);
        }
        Ok(value.cast_signed())
    }

    /// Reads a big-endian number of 7 bits a byte, as the CRAM 3.1 codecs write sizes.
    pub(super) fn uint7(&mut self) -> Result<usize, Corrupt> {
        let mut value = 0_u32;
        for _ in 0..5 {
            let byte = self.byte()?;
            value = value.checked_mul(128).ok_or("a size is above 2^32")? | u32::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return usize::try_from(value).map_err(|_| "a size is above the address space".into());
            }
        }
        Err("a size runs over five bytes".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn itf8_of_every_length() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7f], 127),
            (&[0x80, 0x80], 128),
            (&[0xbf, 0xff], 16_383),
            (&[0xc0, 0x40, 0x00], 16_384),
            (&[0xe0, 0x45, 0x4f, 0x46], 4_542_278),
            (&[0xf7, 0xff, 0xff, 0xff, 0x0f], i32::MAX),
            (&[0xff, 0xff, 0xff, 0xff, 0x0f], -1),
            (&[0xff, 0xff, 0xff, 0xff, 0xff], -1),
        ] {
            assert_eq!(Cursor(bytes).itf8(), Ok(value), "{bytes:x?}");
            let cut = &bytes[..bytes.len() - 1];
            assert_eq!(Cursor(cut).itf8(), Err(ENDS.into()), "{cut:x?}");
        }
    }

    #[test]
    fn ltf8_of_some_lengths() {
        for (bytes, value) in [
            (&[0x7f][..], 127),
            (&[0x80, 0x80], 128),
            (&[0xf0, 0x10, 0x00, 0x00, 0x00], 1 << 28),
            (&[0xfe, 1, 0, 0, 0, 0, 0, 0], 1 << 48),
            (&[0xff; 9], -1),
        ] {
            assert_eq!(Cursor(bytes).ltf8(), Ok(value), "{bytes:x?}");
        }
    }

    #[test]
    fn seven_bit_numbers() {
        for (bytes, value) in [(&[0x05][..], Some(5)), (&[0x81, 0x00], Some(128)), (&[0xff; 6], None)] {
            assert_eq!(Cursor(bytes).uint7().ok(), value, "{bytes:x?}");
        }
    }
}
