//! All rows of a range, one after the other: for its checksum and its snapshots.
//!
//! ```text
//! row   tag u8, fields:  1 value: key, value        2 expiry: key, ms u64    3 deque: key, first i64, next i64
//!                        4 element: key, i64, bytes 5 lock: key, bytes       6 decision: key, u128, bytes
//!                        7 session: client u64, bytes
//! ```
//! The queue of expiries follows from the expiries and is not among them.

use std::ops::{Bound, ControlFlow};

use bytes::{BufMut as _, Bytes, BytesMut};
use redb::ReadableTable;

use super::{
    fault::Fault,
    tables::{SpaceReads, SpaceTables},
    values::{decision_bounds, element_bounds},
};
use crate::{
    fields::{Reason, put_bytes, take_bytes, take_i64, take_u8, take_u64, take_u128},
    range::RangeDescriptor,
};

type Slice = &'static [u8];

/// One row of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row<B> {
    Value(B, B),
    Expiry(B, u64),
    Deque(B, i64, i64),
    Element(B, i64, B),
    Lock(B, B),
    Decision(B, u128, B),
    Session(u64, B),
}

/// Tables of a space, whether to be read or to be changed.
pub(super) trait Tables {
    fn data(&self) -> &impl ReadableTable<Slice, Slice>;
    fn expiries(&self) -> &impl ReadableTable<Slice, u64>;
    fn deques(&self) -> &impl ReadableTable<Slice, (i64, i64)>;
    fn elements(&self) -> &impl ReadableTable<(Slice, i64), Slice>;
    fn locks(&self) -> &impl ReadableTable<Slice, Slice>;
    fn decisions(&self) -> &impl ReadableTable<(Slice, u128), Slice>;
}

macro_rules! tables {
    ($($tables:ty)*) => {
        $(impl Tables for $tables {
            fn data(&self) -> &impl ReadableTable<Slice, Slice> { &self.data }
            fn expiries(&self) -> &impl ReadableTable<Slice, u64> { &self.expiries }
            fn deques(&self) -> &impl ReadableTable<Slice, (i64, i64)> { &self.deques }
            fn elements(&self) -> &impl ReadableTable<(Slice, i64), Slice> { &self.elements }
            fn locks(&self) -> &impl ReadableTable<Slice, Slice> { &self.locks }
            fn decisions(&self) -> &impl ReadableTable<(Slice, u128), Slice> { &self.decisions }
        })*
    };
}

tables!(SpaceTables<'_> SpaceReads);

/// Which row: enough to go on behind it.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Value(Bytes),
    Expiry(Bytes),
    Deque(Bytes),
    Element(Bytes, i64),
    Lock(Bytes),
    Decision(Bytes, u128),
    Session(u64),
}

impl Place {
    const fn table(&self) -> u8 {
        match self {
            Self::Value(_) => 1,
            Self::Expiry(_) => 2,
            Self::Deque(_) => 3,
            Self::Element(..) => 4,
            Self::Lock(_) => 5,
            Self::Decision(..) => 6,
            Self::Session(_) => 7,
        }
    }
}

/// Visits the rows of `range` behind `after`, table after table, each in the order of its keys, until
/// `visit` says that it is enough.
pub(super) fn visit(
    tables: &impl Tables,
    sessions: &impl ReadableTable<(u64, u64), Slice>,
    range: &RangeDescriptor,
    after: Option<&Place>,
    visit: &mut impl FnMut(Row<&[u8]>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Fault> {
    let (start, end) = range.keys.bounds();
    let from = after.map_or(1, Place::table);
    macro_rules! rows {
        ($table:expr, $key:ty, $source:expr, $bounds:expr, $place:pat => $behind:expr, |$k:pat_param, $v:pat_param| $row:expr) => {
            if from <= $table {
                let (start, end) = $bounds;
                let start = match after {
                    Some($place) => Bound::Excluded($behind),
                    _ => start,
                };
                for row in $source.range::<$key>((start, end))? {
                    let (key, value) = row?;
                    let ($k, $v) = (key.value(), value.value());
                    if visit($row).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        };
    }
    let keys = (start, end);
    rows!(1, &[u8], tables.data(), keys, Place::Value(key) => key.as_ref(), |k, v| Row::Value(k, v));
    rows!(2, &[u8], tables.expiries(), keys, Place::Expiry(key) => key.as_ref(), |k, v| Row::Expiry(k, v));
    rows!(3, &[u8], tables.deques(), keys, Place::Deque(key) => key.as_ref(), |k, v| Row::Deque(k, v.0, v.1));
    let elements = element_bounds(&range.keys);
    rows!(4, (&[u8], i64), tables.elements(), elements, Place::Element(key, position) => (key.as_ref(), *position),
        |k, v| Row::Element(k.0, k.1, v));
    rows!(5, &[u8], tables.locks(), keys, Place::Lock(key) => key.as_ref(), |k, v| Row::Lock(k, v));
    let decisions = decision_bounds(&range.keys);
    rows!(6, (&[u8], u128), tables.decisions(), decisions, Place::Decision(key, id) => (key.as_ref(), *id),
        |k, v| Row::Decision(k.0, k.1, v));
    let clients = (Bound::Included((range.id.0, 0)), Bound::Included((range.id.0, u64::MAX)));
    rows!(7, (u64, u64), sessions, clients, Place::Session(client) => (range.id.0, *client), |k, v| Row::Session(k.1, v));
    Ok(ControlFlow::Continue(()))
}

impl Row<&[u8]> {
    /// Appends it.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match *self {
            Self::Value(key, value) => {
                out.put_u8(1);
                put_bytes(out, key);
                put_bytes(out, value);
            }
            Self::Expiry(key, until) => {
                out.put_u8(2);
                put_bytes(out, key);
                out.put_u64_le(until);
            }
            Self::Deque(key, first, next) => {
                out.put_u8(3);
                put_bytes(out, key);
                out.put_i64_le(first);
                out.put_i64_le(next);
            }
            Self::Element(key, position, element) => {
                out.put_u8(4);
                put_bytes(out, key);
                out.put_i64_le(position);
                put_bytes(out, element);
            }
            Self::Lock(key, lock) => {
                out.put_u8(5);
                put_bytes(out, key);
                put_bytes(out, lock);
            }
            Self::Decision(key, id, decision) => {
                out.put_u8(6);
                put_bytes(out, key);
                out.put_u128_le(id);
                put_bytes(out, decision);
            }
            Self::Session(client, session) => {
                out.put_u8(7);
                out.put_u64_le(client);
                put_bytes(out, session);
            }
        }
    }

    /// Which row it is.
    pub(super) fn place(&self) -> Place {
        let copy = Bytes::copy_from_slice;
        match *self {
            Self::Value(key, _) => Place::Value(copy(key)),
            Self::Expiry(key, _) => Place::Expiry(copy(key)),
            Self::Deque(key, ..) => Place::Deque(copy(key)),
            Self::Element(key, position, _) => Place::Element(copy(key), position),
            Self::Lock(key, _) => Place::Lock(copy(key)),
            Self::Decision(key, id, _) => Place::Decision(copy(key), id),
            Self::Session(client, _) => Place::Session(client),
        }
    }
}

/// Takes a row; it shares the memory of `rest`.
pub(super) fn take_row(rest: &mut Bytes) -> Result<Row<Bytes>, Reason> {
    Ok(match take_u8(rest)? {
        1 => Row::Value(take_bytes(rest)?, take_bytes(rest)?),
        2 => Row::Expiry(take_bytes(rest)?, take_u64(rest)?),
        3 => Row::Deque(take_bytes(rest)?, take_i64(rest)?, take_i64(rest)?),
        4 => Row::Element(take_bytes(rest)?, take_i64(rest)?, take_bytes(rest)?),
        5 => Row::Lock(take_bytes(rest)?, take_bytes(rest)?),
        6 => Row::Decision(take_bytes(rest)?, take_u128(rest)?, take_bytes(rest)?),
        7 => Row::Session(take_u64(rest)?, take_bytes(rest)?),
        _ => return Err("unknown row"),
    })
}
