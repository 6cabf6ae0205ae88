//! What an entry of the log says: a transaction, as bytes.
//!
//! ```text
//! conditions   u32, then each: tag u8 (1 absent, 2 present, 3 equals), key, [value]
//! operations   u32, then each: tag u8, key, more
//!              1 put: value   2 delete   3 delete range: key   4 delete to the last key
//!              5 put until: value, u64 ms   6 add: i64   7 push: end u8, value   8 pop: end u8
//! key          length u32, bytes        value   length u32, bytes        little-endian
//! ```

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    fields::{self, Reason, put_bytes, put_length, take_bytes, take_i64, take_timestamp, take_u8, take_u32},
    kv::{Condition, End, KeyRange, Operation, Transaction, WriteBatch},
};

/// Encodes a transaction.
#[cfg(test)]
pub(crate) fn encode(transaction: &Transaction) -> Bytes {
    let mut text = BytesMut::new();
    encode_into(transaction, &mut text);
    text.freeze()
}

/// Appends a transaction to `text`.
pub(crate) fn encode_into(transaction: &Transaction, text: &mut BytesMut) {
    let Transaction { conditions, batch } = transaction;
    text.reserve(batch.bytes() as usize + 32 * (batch.operations().len() + conditions.len()) + 8);
    put_length(text, conditions.len());
    for condition in conditions {
        let (tag, value) = match condition {
            Condition::Absent(_) => (1, None),
            Condition::Present(_) => (2, None),
            Condition::Equals(_, value) => (3, Some(value)),
        };
        text.put_u8(tag);
        put_bytes(text, condition.key());
        value.into_iter().for_each(|value| put_bytes(text, value));
    }
    put_length(text, batch.operations().len());
    batch.operations().iter().for_each(|operation| encode_operation(operation, text));
}

fn encode_operation(operation: &Operation, text: &mut BytesMut) {
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
    text.put_u8(tag);
    put_bytes(text, key);
    more.into_iter().for_each(|more| put_bytes(text, more));
    match operation {
        Operation::PutUntil(_, _, until) => text.put_u64_le(until.0),
        Operation::Add(_, change) => text.put_i64_le(*change),
        Operation::Push(_, end, _) | Operation::Pop(_, end) => text.put_u8(*end as u8),
        Operation::Put(..) | Operation::Delete(_) | Operation::DeleteRange(_) => {}
    }
}

/// Decodes a transaction; keys and values share the memory of `payload`.
///
/// # Errors
///
/// Says what is wrong, if these bytes are not exactly one transaction.
pub(crate) fn decode(payload: Bytes) -> Result<Transaction, Reason> {
    let mut rest = payload;
    let transaction = take_transaction(&mut rest)?;
    fields::finish(&rest, transaction)
}

/// Takes one transaction from the front of `rest`.
pub(crate) fn take_transaction(rest: &mut Bytes) -> Result<Transaction, Reason> {
    let mut conditions = Vec::new();
    for _ in 0..take_u32(rest)? {
        let (tag, key) = (take_u8(rest)?, take_bytes(rest)?);
        conditions.push(match tag {
            1 => Condition::Absent(key),
            2 => Condition::Present(key),
            3 => Condition::Equals(key, take_bytes(rest)?),
            _ => return Err("unknown condition"),
        });
    }
    let mut batch = WriteBatch::new();
    for _ in 0..take_u32(rest)? {
        let (tag, key) = (take_u8(rest)?, take_bytes(rest)?);
        match tag {
            1 => batch.put(key, take_bytes(rest)?),
            2 => batch.delete(key),
            3 => batch.delete_range(KeyRange { start: key, end: Some(take_bytes(rest)?) }),
            4 => batch.delete_range(KeyRange { start: key, end: None }),
            5 => {
                let value = take_bytes(rest)?;
                batch.put_until(key, value, take_timestamp(rest)?)
            }
            6 => batch.add(key, take_i64(rest)?),
            7 => {
                let value = take_bytes(rest)?;
                batch.push(key, take_end(rest)?, value)
            }
            8 => batch.pop(key, take_end(rest)?),
            _ => return Err("unknown operation"),
        };
    }
    Ok(Transaction { conditions, batch })
}

fn take_end(rest: &mut Bytes) -> Result<End, Reason> {
    match take_u8(rest)? {
        0 => Ok(End::Front),
        1 => Ok(End::Back),
        _ => Err("unknown end of a deque"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kv::Timestamp;

    pub(crate) fn key() -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..2000).prop_map(Bytes::from)
    }

    pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
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
            let bytes = encode(&transaction);
            prop_assert_eq!(decode(bytes), Ok(transaction));
        }

        #[test]
        fn any_bytes_decode_or_say_why(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(bytes.into());
        }

        #[test]
        fn a_part_is_refused(transaction in transaction(), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&transaction);
            let cut = cut.index(bytes.len());
            prop_assert!(decode(bytes.slice(..cut)).is_err());
        }
    }
}
