//! Messages between nodes: the same fields, as calls one behind the other.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{
    Reason, finish, put_bytes, put_descriptor, put_length, take_bool, take_bytes, take_descriptor, take_u8,
    take_u32, take_u64, take_u128,
};
use crate::range::RangeDescriptor;

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
        put_length(&mut self.0, count);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        put_bytes(&mut self.0, bytes);
        self
    }

    pub(crate) fn descriptor(&mut self, descriptor: &RangeDescriptor) -> &mut Self {
        put_descriptor(&mut self.0, descriptor);
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

    pub(crate) fn u8(&mut self) -> Result<u8, Reason> {
        take_u8(&mut self.0)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Reason> {
        take_bool(&mut self.0)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Reason> {
        take_u64(&mut self.0)
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Reason> {
        take_u128(&mut self.0)
    }

    pub(crate) fn count(&mut self) -> Result<usize, Reason> {
        take_u32(&mut self.0).map(|count| count as usize)
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Reason> {
        take_bytes(&mut self.0)
    }

    pub(crate) fn descriptor(&mut self) -> Result<RangeDescriptor, Reason> {
        take_descriptor(&mut self.0)
    }

    pub(crate) fn text(&mut self) -> Result<String, Reason> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| "a text that is not UTF-8")
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Reason>,
    ) -> Result<Option<T>, Reason> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Reason>,
    ) -> Result<Vec<T>, Reason> {
        let count = self.count()?;
        // Each item takes a byte at least, so a false count takes no more memory than the message.
        let mut items = Vec::with_capacity(count.min(self.0.len()));
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Checks that nothing is left.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Reason> {
        finish(&self.0, value)
    }
}
