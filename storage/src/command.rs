//! What an entry of the log says: a transaction, as bytes.
//!
//! ```text
//! conditions   u32, then each: tag u8 (1 absent, 2 present, 3 equals), key, [value]
//! operations   u32, then each: tag u8, key, more
//!              1 put: value   2 delete   3 delete range: key   4 delete to the last key
//!              5 put until: value, u64 ms   6 add: i64   7 push: end u8, value   8 pop: end u8
//! key          length u32, bytes        value   length u32, bytes        little-endian
//! ```

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::kv::{Condition, End, KeyRange, Operation, Timestamp, Transaction, WriteBatch};

/// Values from this size on go to the log from where they are; smaller ones are cheaper to copy.
const BORROWED_VALUE_BYTES_MIN: usize = 1024;

/// Encodes a transaction, in pieces: large values are not copied.
pub(crate) fn encode(transaction: &Transaction) -> Vec<Bytes> {
    let mut pieces = Pieces::default();
    let Transaction { conditions, batch } = transaction;
    pieces.u32(conditions.len());
    for condition in conditions {
        let (tag, value) = match condition {
            Condition::Absent(_) => (1, None),
            Condition::Present(_) => (2, None),
            Condition::Equals(_, value) => (3, Some(value)),
        };
        pieces.text.put_u8(tag);
        pieces.bytes(condition.key());
        value.into_iter().for_each(|value| pieces.bytes(value));
    }
    pieces.u32(batch.operations().len());
    batch.operations().iter().for_each(|operation| encode_operation(operation, &mut pieces));
    pieces.finish()
}

fn encode_operation(operation: &Operation, pieces: &mut Pieces) {
    let (tag, key, more) = match operation {
        Operation::Put(key, value) => (1, key, Some(value)),
        Operation::Delete(key) => (2, key, None),
        Operation::DeleteRange(KeyRange { start, end: Some(end) }) => (3, start, Some(end)),
        Operation::DeleteRange(KeyRange { start, end: None }) => (4, start, None),
        Operation::PutUntil(key, value, _) => (5, key, Some(value)),
        Operation::Add(key, _) => (6, key, None),
        Operation::Push(key, _, value) => (7, key, Some(value)),
        Operation::Pop(key, _) => (8, key, None),
    };
    pieces.text.put_u8(tag);
    pieces.bytes(key);
    more.into_iter().for_each(|more| pieces.bytes(more));
    match operation {
        Operation::PutUntil(_, _, until) => pieces.text.put_u64_le(until.0),
        Operation::Add(_, change) => pieces.text.put_i64_le(*change),
        Operation::Push(_, end, _) | Operation::Pop(_, end) => pieces.text.put_u8(*end as u8),
        Operation::Put(..) | Operation::Delete(_) | Operation::DeleteRange(_) => {}
    }
}

#[derive(Default)]
struct Pieces {
    text: BytesMut,
    pieces: Vec<Bytes>,
}

impl Pieces {
    fn u32(&mut self, number: usize) {
        // Lengths and counts are within the limits of `Config`, all far below 4 Gi.
        self.text.put_u32_le(u32::try_from(number).unwrap_or(u32::MAX));
    }

    fn bytes(&mut self, bytes: &Bytes) {
        self.u32(bytes.len());
        if bytes.len() < BORROWED_VALUE_BYTES_MIN {
            self.text.put_slice(bytes);
        } else {
            self.pieces.push(self.text.split().freeze());
            self.pieces.push(bytes.clone());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        if !self.text.is_empty() {
            self.pieces.push(self.text.freeze());
        }
        self.pieces
    }
}

/// Decodes a transaction; keys and values share the memory of `payload`.
///
/// # Errors
///
/// Says what is wrong, if these bytes are not exactly one transaction.
pub(crate) fn decode(payload: Bytes) -> Result<Transaction, &'static str> {
    let mut rest = payload;
    let mut conditions = Vec::new();
    for _ in 0..take_u32(&mut rest)? {
        let (tag, key) = (take_tag(&mut rest)?, take_bytes(&mut rest)?);
        conditions.push(match tag {
            1 => Condition::Absent(key),
            2 => Condition::Present(key),
            3 => Condition::Equals(key, take_bytes(&mut rest)?),
            _ => return Err("unknown condition"),
        });
    }
    let mut batch = WriteBatch::new();
    for _ in 0..take_u32(&mut rest)? {
        let (tag, key) = (take_tag(&mut rest)?, take_bytes(&mut rest)?);
        match tag {
            1 => batch.put(key, take_bytes(&mut rest)?),
            2 => batch.delete(key),
            3 => batch.delete_range(KeyRange { start: key, end: Some(take_bytes(&mut rest)?) }),
            4 => batch.delete_range(KeyRange { start: key, end: None }),
            5 => {
                let value = take_bytes(&mut rest)?;
                batch.put_until(key, value, Timestamp(rest.try_get_u64_le().map_err(|_| "it ends within a time")?))
            }
            6 => batch.add(key, rest.try_get_i64_le().map_err(|_| "it ends within a number")?),
            7 => {
                let value = take_bytes(&mut rest)?;
                batch.push(key, take_end(&mut rest)?, value)
            }
            8 => batch.pop(key, take_end(&mut rest)?),
            _ => return Err("unknown operation"),
        };
    }
    if rest.is_empty() { Ok(Transaction { conditions, batch }) } else { Err("bytes left over") }
}

fn take_tag(rest: &mut Bytes) -> Result<u8, &'static str> {
    rest.try_get_u8().map_err(|_| "it ends within an operation")
}

fn take_end(rest: &mut Bytes) -> Result<End, &'static str> {
    match take_tag(rest)? {
        0 => Ok(End::Front),
        1 => Ok(End::Back),
        _ => Err("unknown end of a deque"),
    }
}

fn take_u32(rest: &mut Bytes) -> Result<u32, &'static str> {
    rest.try_get_u32_le().map_err(|_| "it ends within a number")
}

fn take_bytes(rest: &mut Bytes) -> Result<Bytes, &'static str> {
    let length = take_u32(rest)? as usize;
    if length > rest.len() {
        return Err("it ends within a key or value");
    }
    Ok(rest.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(Bytes::from)
    }

    fn transaction() -> impl Strategy<Value = Transaction> {
        let condition = prop_oneof![
            key().prop_map(Condition::Absent),
            key().prop_map(Condition::Present),
            (key(), key()).prop_map(|(key, value)| Condition::Equals(key, value)),
        ];
        let operation = (0..8, key(), key());
        let operations = prop::collection::vec(operation, 0..5).prop_map(|steps| {
            let mut batch = WriteBatch::new();
            for (kind, key, more) in steps {
                match kind {
                    0 => batch.put(key, more),
                    1 => batch.delete(key),
                    2 => batch.delete_range(KeyRange { start: key, end: Some(more) }),
                    3 => batch.delete_range(KeyRange { start: key, end: None }),
                    4 => batch.put_until(key, more, Timestamp(7)),
                    5 => batch.add(key, -3),
                    6 => batch.push(key, End::Back, more),
                    _ => batch.pop(key, End::Front),
                };
            }
            batch
        });
        (prop::collection::vec(condition, 0..3), operations)
            .prop_map(|(conditions, batch)| Transaction { conditions, batch })
    }

    proptest! {
        #[test]
        fn decode_inverts_encode(transaction in transaction()) {
            let bytes = Bytes::from(encode(&transaction).concat());
            prop_assert_eq!(decode(bytes), Ok(transaction));
        }

        #[test]
        fn any_bytes_decode_or_say_why(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(bytes.into());
        }

        #[test]
        fn a_part_is_refused(transaction in transaction(), cut in any::<prop::sample::Index>()) {
            let bytes = Bytes::from(encode(&transaction).concat());
            let cut = cut.index(bytes.len());
            prop_assert!(decode(bytes.slice(..cut)).is_err());
        }
    }
}
