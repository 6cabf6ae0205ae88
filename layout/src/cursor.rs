//! Reading of stored bytes that trusts no length, and the writing that mirrors it.

use crate::LayoutError;

/// Bytes being read; every error names the structure and the offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    what: &'static str,
    bytes: &'a [u8],
    length: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, length: bytes.len() }
    }

    pub(crate) fn corrupt(&self, reason: &'static str) -> LayoutError {
        LayoutError::Corrupt { what: self.what, offset: self.length - self.bytes.len(), reason }
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], LayoutError> {
        let (head, rest) =
            self.bytes.split_at_checked(length).ok_or_else(|| self.corrupt("it breaks off"))?;
        self.bytes = rest;
        Ok(head)
    }

    /// Takes every byte that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], LayoutError> {
        let (head, rest) =
            self.bytes.split_first_chunk::<N>().ok_or_else(|| self.corrupt("it breaks off"))?;
        self.bytes = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, LayoutError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, LayoutError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, LayoutError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, LayoutError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                // The tenth byte holds the last bit alone.
                return if shift == 63 && byte > 1 {
                    Err(self.corrupt("a number is too long"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(self.corrupt("a number is too long"))
    }

    pub(crate) fn signed(&mut self) -> Result<i64, LayoutError> {
        self.varint().map(unzigzag)
    }

    /// Reads a number that must not be above `max`.
    pub(crate) fn number<T: TryFrom<u64> + PartialOrd + Copy>(&mut self, max: T) -> Result<T, LayoutError> {
        let value = T::try_from(self.varint()?).map_err(|_| self.corrupt("a number is out of range"))?;
        if value > max { Err(self.corrupt("a number is out of range")) } else { Ok(value) }
    }

    /// Reads how many things follow, each of at least `width` bytes: never more than the bytes allow.
    pub(crate) fn count(&mut self, width: usize) -> Result<usize, LayoutError> {
        let count = self.number(usize::MAX)?;
        match count.checked_mul(width.max(1)) {
            Some(bytes) if bytes <= self.bytes.len() => Ok(count),
            _ => Err(self.corrupt("a count exceeds the bytes that are left")),
        }
    }

    /// Checks a number of elements that was summed up from what was read.
    pub(crate) fn elements(&self, count: u64) -> Result<usize, LayoutError> {
        let count = usize::try_from(count).ok().filter(|&count| count <= 1 << 29);
        count.ok_or_else(|| self.corrupt("its elements are too many"))
    }

    /// Reads a length and that many bytes.
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], LayoutError> {
        let length = self.count(1)?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, LayoutError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.corrupt("a text is not UTF-8"))
    }

    /// Ends the reading: bytes that nobody asked for are an error.
    pub(crate) fn finish(self) -> Result<(), LayoutError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.corrupt("bytes follow the end")) }
    }
}

pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
