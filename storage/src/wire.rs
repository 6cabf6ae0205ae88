//! Bytes of messages: little-endian numbers, lengths in front of bytes; nothing is believed on reading.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// What is wrong with received bytes.
pub(crate) type Malformed = &'static str;

/// Appends fields.
#[derive(Debug, Default)]
pub(crate) struct Writer(BytesMut);

impl Writer {
    /// A writer that expects about so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    pub(crate) fn u8(&mut self, number: u8) -> &mut Self {
        self.0.put_u8(number);
        self
    }

    pub(crate) fn flag(&mut self, flag: bool) -> &mut Self {
        self.u8(u8::from(flag))
    }

    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        self.0.put_u64_le(number);
        self
    }

    pub(crate) fn u128(&mut self, number: u128) -> &mut Self {
        self.0.put_u128_le(number);
        self
    }

    /// A count of what follows.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        // Messages are far below 4 Gi.
        self.0.put_u32_le(u32::try_from(count).unwrap_or(u32::MAX));
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.count(bytes.len());
        self.0.put_slice(bytes);
        self
    }

    /// A flag, and the value if there is one.
    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    /// A count and each item.
    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.count(items.len());
        items.for_each(|item| write(self, item));
        self
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

/// Takes fields off the front; byte strings share the memory of the message.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.0.try_get_u8().map_err(|_| "it ends within a field")
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("a flag that is neither 0 nor 1"),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.0.try_get_u64_le().map_err(|_| "it ends within a number")
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        self.0.try_get_u128_le().map_err(|_| "it ends within a number")
    }

    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.0.try_get_u32_le().map_err(|_| "it ends within a count")?;
        Ok(count as usize)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let length = self.count()?;
        if length > self.0.len() {
            return Err("it ends within a byte string");
        }
        Ok(self.0.split_to(length))
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| "a text that is not UTF-8")
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.count()?;
        // Each item takes a byte at least, so a false count takes no more memory than the message.
        let mut items = Vec::with_capacity(count.min(self.0.len()));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Checks that nothing is left.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Malformed> {
        if self.0.is_empty() { Ok(value) } else { Err("bytes left over") }
    }
}
