//! What a node has of a range: its group's row, and the entries that change it.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    fields::{
        self, Reason, put_bytes, put_descriptor, put_log_id, take_bytes, take_descriptor, take_log_id,
        take_u8, take_u64,
    },
    log_id::LogId,
    range::{RangeDescriptor, RangeId},
};

/// A range on this node, as of its last applied entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// What the range holds.
    pub(crate) descriptor: RangeDescriptor,
    /// The last entry applied.
    pub(crate) applied: LogId,
    /// Who its members are.
    pub(crate) membership: Membership,
    /// Whether it can be used.
    pub(crate) phase: Phase,
}

/// The members of a group, in bytes that only the layer above reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The entry that said so.
    pub(crate) id: LogId,
    /// What it said.
    pub(crate) bytes: Bytes,
}

/// Whether the rows of a range are all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// They are.
    Live = 0,
    /// A snapshot is being installed, or the group removed; after a crash there is only to remove it.
    Installing = 1,
}

/// Entries of one group, ascending without gaps, the first one behind what is applied.
#[derive(Clone, Debug)]
pub(crate) struct GroupEntries {
    /// Which group.
    pub(crate) range: RangeId,
    /// Its entries.
    pub(crate) entries: Vec<(LogId, Payload)>,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Nothing; a new leader begins with it.
    Blank,
    /// Who the members are from now on.
    Membership(Bytes),
    /// An encoded [`Proposal`](crate::action::Proposal).
    Command(Bytes),
}

impl Group {
    /// A replica that has nothing yet and waits for a snapshot: its version is that of no request.
    ///
    /// It is made under a membership that does not name its node, whose index is remembered.
    pub(crate) fn empty(descriptor: &RangeDescriptor, made_under: u64) -> Self {
        let id = LogId { index: made_under, ..LogId::default() };
        Self {
            descriptor: RangeDescriptor { version: 0, ..descriptor.clone() },
            applied: LogId::default(),
            membership: Membership { id, bytes: Bytes::new() },
            phase: Phase::Live,
        }
    }

    /// Whether the replica has nothing yet.
    pub(crate) const fn is_empty(&self) -> bool {
        self.descriptor.version == 0
    }

    /// The membership under which an empty replica was made; 0 for one that has something.
    pub(crate) const fn made_under(&self) -> u64 {
        if self.is_empty() { self.membership.id.index } else { 0 }
    }
}

impl Payload {
    /// Bytes of what it says.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Blank => 0,
            Self::Membership(bytes) | Self::Command(bytes) => bytes.len(),
        }
    }
}

/// The row of a group: the group, and about how many bytes its keys and values have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupRow {
    pub(super) group: Group,
    /// Kept by adding up what entries change; after a split both halves get half of it.
    pub(super) bytes: u64,
}

impl GroupRow {
    pub(super) fn encode(&self) -> Bytes {
        let Group { descriptor, applied, membership, phase } = &self.group;
        let mut out = BytesMut::new();
        put_descriptor(&mut out, descriptor);
        put_log_id(&mut out, *applied);
        put_log_id(&mut out, membership.id);
        put_bytes(&mut out, &membership.bytes);
        out.put_u8(*phase as u8);
        out.put_u64_le(self.bytes);
        out.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Reason> {
        let mut rest = Bytes::copy_from_slice(bytes);
        let descriptor = take_descriptor(&mut rest)?;
        let applied = take_log_id(&mut rest)?;
        let membership = Membership { id: take_log_id(&mut rest)?, bytes: take_bytes(&mut rest)? };
        let phase = match take_u8(&mut rest)? {
            0 => Phase::Live,
            1 => Phase::Installing,
            _ => return Err("unknown phase of a group"),
        };
        let bytes = take_u64(&mut rest)?;
        fields::finish(&rest, Self { group: Group { descriptor, applied, membership, phase }, bytes })
    }
}
