//! The tables of the state, and what their rows look like.
//!
//! Each space has its own tables of keys, so the keys of one never meet those of another.

use bytes::{BufMut as _, Bytes, BytesMut};
use redb::{ReadOnlyTable, ReadTransaction, Table, TableDefinition, WriteTransaction};

use super::fault::Fault;
use crate::{
    action::TransactionId,
    command,
    fields::{self, Reason, put_bytes, take_bool, take_bytes, take_timestamp, take_u64, take_u128},
    kv::{Key, Operation, Timestamp, Transaction, WriteBatch},
    range::Space,
};

type Bytes_ = &'static [u8];
pub(super) type BytesDefinition = TableDefinition<'static, Bytes_, Bytes_>;

/// Range → [`GroupRow`](super::group::GroupRow).
pub(super) const GROUPS: TableDefinition<'static, u64, Bytes_> = TableDefinition::new("groups");
/// Range and client → [`SessionRow`].
pub(super) const SESSIONS: TableDefinition<'static, (u64, u64), Bytes_> = TableDefinition::new("sessions");

/// Definitions of the tables of one space.
pub(super) struct SpaceDefinition {
    /// Key → value.
    pub(super) data: BytesDefinition,
    /// Key → ms from which its value is gone.
    pub(super) expiries: TableDefinition<'static, Bytes_, u64>,
    /// The same by time.
    pub(super) expiry_queue: TableDefinition<'static, (u64, Bytes_), ()>,
    /// Key → positions of the first element, and behind the last.
    pub(super) deques: TableDefinition<'static, Bytes_, (i64, i64)>,
    /// Key and position → element.
    pub(super) elements: TableDefinition<'static, (Bytes_, i64), Bytes_>,
    /// Key → [`Lock`].
    pub(super) locks: BytesDefinition,
    /// Primary key and transaction → [`Decision`].
    pub(super) decisions: TableDefinition<'static, (Bytes_, u128), Bytes_>,
}

const USER: SpaceDefinition = SpaceDefinition {
    data: TableDefinition::new("data"),
    expiries: TableDefinition::new("expiries"),
    expiry_queue: TableDefinition::new("expiry_queue"),
    deques: TableDefinition::new("deques"),
    elements: TableDefinition::new("elements"),
    locks: TableDefinition::new("locks"),
    decisions: TableDefinition::new("decisions"),
};

const PLACEMENT: SpaceDefinition = SpaceDefinition {
    data: TableDefinition::new("placement"),
    expiries: TableDefinition::new("placement_expiries"),
    expiry_queue: TableDefinition::new("placement_expiry_queue"),
    deques: TableDefinition::new("placement_deques"),
    elements: TableDefinition::new("placement_elements"),
    locks: TableDefinition::new("placement_locks"),
    decisions: TableDefinition::new("placement_decisions"),
};

/// All spaces.
pub(super) const SPACES: [Space; 2] = [Space::User, Space::Placement];

/// The tables of `space`.
pub(super) const fn definition(space: Space) -> &'static SpaceDefinition {
    match space {
        Space::User => &USER,
        Space::Placement => &PLACEMENT,
    }
}

pub(super) type DataTable<'t> = Table<'t, Bytes_, Bytes_>;
pub(super) type SessionsTable<'t> = Table<'t, (u64, u64), Bytes_>;

/// The tables of a space, to be changed.
pub(super) struct SpaceTables<'t> {
    pub(super) data: DataTable<'t>,
    pub(super) expiries: Table<'t, Bytes_, u64>,
    pub(super) expiry_queue: Table<'t, (u64, Bytes_), ()>,
    pub(super) deques: Table<'t, Bytes_, (i64, i64)>,
    pub(super) elements: Table<'t, (Bytes_, i64), Bytes_>,
    pub(super) locks: Table<'t, Bytes_, Bytes_>,
    pub(super) decisions: Table<'t, (Bytes_, u128), Bytes_>,
    /// By how many bytes the keys and values of `data` grew, since somebody took it.
    pub(super) data_growth: i64,
}

impl<'t> SpaceTables<'t> {
    /// Opens them, creating those that are absent.
    pub(super) fn open(transaction: &'t WriteTransaction, space: Space) -> Result<Self, Fault> {
        let tables = definition(space);
        Ok(Self {
            data: transaction.open_table(tables.data)?,
            expiries: transaction.open_table(tables.expiries)?,
            expiry_queue: transaction.open_table(tables.expiry_queue)?,
            deques: transaction.open_table(tables.deques)?,
            elements: transaction.open_table(tables.elements)?,
            locks: transaction.open_table(tables.locks)?,
            decisions: transaction.open_table(tables.decisions)?,
            data_growth: 0,
        })
    }
}

/// The tables of a space, to be read.
pub(super) struct SpaceReads {
    pub(super) data: ReadOnlyTable<Bytes_, Bytes_>,
    pub(super) expiries: ReadOnlyTable<Bytes_, u64>,
    pub(super) expiry_queue: ReadOnlyTable<(u64, Bytes_), ()>,
    pub(super) deques: ReadOnlyTable<Bytes_, (i64, i64)>,
    pub(super) elements: ReadOnlyTable<(Bytes_, i64), Bytes_>,
    pub(super) locks: ReadOnlyTable<Bytes_, Bytes_>,
    pub(super) decisions: ReadOnlyTable<(Bytes_, u128), Bytes_>,
}

impl SpaceReads {
    /// Opens them.
    pub(super) fn open(transaction: &ReadTransaction, space: Space) -> Result<Self, Fault> {
        let tables = definition(space);
        Ok(Self {
            data: transaction.open_table(tables.data)?,
            expiries: transaction.open_table(tables.expiries)?,
            expiry_queue: transaction.open_table(tables.expiry_queue)?,
            deques: transaction.open_table(tables.deques)?,
            elements: transaction.open_table(tables.elements)?,
            locks: transaction.open_table(tables.locks)?,
            decisions: transaction.open_table(tables.decisions)?,
        })
    }
}

/// A row of `locks`: a transaction over several ranges has the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    pub(super) id: TransactionId,
    pub(super) primary: Key,
    pub(super) deadline: Timestamp,
    /// What is to be done with the key when the transaction is committed. Counters are already
    /// computed, so nothing of it can fail.
    pub(super) operations: Vec<Operation>,
}

impl Lock {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u128_le(self.id.0);
        put_bytes(&mut out, &self.primary);
        out.put_u64_le(self.deadline.0);
        let batch: WriteBatch = self.operations.iter().cloned().collect();
        command::encode_into(&Transaction { conditions: Vec::new(), batch }, &mut out);
        out.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let id = TransactionId(take_u128(&mut rest)?);
        let (primary, deadline) = (take_bytes(&mut rest)?, take_timestamp(&mut rest)?);
        let operations = command::decode(rest)?.batch.operations().to_vec();
        Ok(Self { id, primary, deadline, operations })
    }
}

/// A row of `decisions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) committed: bool,
    /// Until then a `Prepare` that was sent before may still arrive.
    pub(super) deadline: Timestamp,
    /// Whether the row may go after `deadline`.
    pub(super) forgotten: bool,
}

impl Decision {
    pub(super) fn encode(self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(u8::from(self.committed));
        out.put_u64_le(self.deadline.0);
        out.put_u8(u8::from(self.forgotten));
        out.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let committed = take_bool(&mut rest)?;
        let deadline = take_timestamp(&mut rest)?;
        let forgotten = take_bool(&mut rest)?;
        fields::finish(&rest, Self { committed, deadline, forgotten })
    }
}

/// A row of `sessions`: the last request of a client and its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionRow {
    pub(super) sequence: u64,
    /// When the request was proposed.
    pub(super) stamp: Timestamp,
    /// The encoded response.
    pub(super) response: Bytes,
}

impl SessionRow {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(16 + self.response.len());
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.stamp.0);
        out.put_slice(&self.response);
        out.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let mut rest = Bytes::copy_from_slice(bytes);
        Ok(Self { sequence: take_u64(&mut rest)?, stamp: take_timestamp(&mut rest)?, response: rest })
    }
}
