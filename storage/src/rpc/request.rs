//! Requests.

use std::time::Duration;

use bytes::Bytes;

use super::{read_key_range, write_key_range};
use crate::{
    action::TransactionId,
    fields::{Reader, Reason, Writer},
    kv::{Key, KeyRange, ScanLimit},
    range::{NodeId, RangeId},
};

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Who are you, and whom do you know?
    Identify,
    /// Propose an encoded [`Proposal`](crate::action::Proposal) to the group of a range.
    Propose { range: RangeId, proposal: Bytes },
    /// Read from a range that has this version.
    Read { range: RangeId, version: u64, mode: ReadMode, query: Query },
    /// Up to which index must a replica have applied to answer a read that begins now?
    ReadIndex { range: RangeId },
    /// What changed behind `after` in a range; waits up to `wait` if nothing did.
    Watch { range: RangeId, keys: KeyRange, after: u64, wait: Duration },
    /// The checksum of a range as of the entry `index`, which was a `Verify`.
    Checksum { range: RangeId, index: u64 },
    /// A node's report to the placement driver.
    Report(Bytes),
    /// A node asks to become a member.
    Join(Bytes),
    /// Something that an operator wants.
    Admin(Admin),
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Everything acknowledged before it began; by the leader.
    Linearizable,
    /// The same, by any replica, which asks the leader only for an index.
    Follower,
    /// What a replica has, if it heard from its leader within this time.
    Stale(Duration),
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    Values(Vec<Key>),
    Scan(KeyRange, ScanLimit),
    ScanKeys(KeyRange, ScanLimit),
    /// Elements of a deque from a place on, counted from the front.
    Deque {
        key: Key,
        from: u64,
        limit: ScanLimit,
    },
    /// When a key expires.
    Expiry(Key),
    /// How a transaction stands, in the range of its primary key.
    Decision {
        primary: Key,
        id: TransactionId,
    },
}

/// What an operator can ask of any node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admin {
    Status,
    Drain { node: NodeId, on: bool },
    Remove { node: NodeId, force: bool },
    Split { range: RangeId, at: Option<Key> },
    TransferLeader { range: RangeId, to: NodeId },
}

impl Request {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Self::Identify => {
                writer.u8(0);
            }
            Self::Propose { range, proposal } => {
                writer = Writer::with_capacity(proposal.len() + 13);
                writer.u8(1).u64(range.0).bytes(proposal);
            }
            Self::Read { range, version, mode, query } => {
                writer.u8(2).u64(range.0).u64(*version);
                mode.write(&mut writer);
                query.write(&mut writer);
            }
            Self::ReadIndex { range } => {
                writer.u8(3).u64(range.0);
            }
            Self::Watch { range, keys, after, wait } => {
                writer.u8(4).u64(range.0).u64(*after).u64(millis(*wait));
                write_key_range(&mut writer, keys);
            }
            Self::Checksum { range, index } => {
                writer.u8(8).u64(range.0).u64(*index);
            }
            Self::Report(report) => {
                writer.u8(5).bytes(report);
            }
            Self::Join(join) => {
                writer.u8(6).bytes(join);
            }
            Self::Admin(admin) => {
                writer.u8(7);
                admin.write(&mut writer);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Reason> {
        let mut reader = Reader::new(bytes);
        let request = match reader.u8()? {
            0 => Self::Identify,
            1 => Self::Propose { range: RangeId(reader.u64()?), proposal: reader.bytes()? },
            2 => Self::Read {
                range: RangeId(reader.u64()?),
                version: reader.u64()?,
                mode: ReadMode::read(&mut reader)?,
                query: Query::read(&mut reader)?,
            },
            3 => Self::ReadIndex { range: RangeId(reader.u64()?) },
            4 => {
                let (range, after, wait) = (RangeId(reader.u64()?), reader.u64()?, reader.u64()?);
                let keys = read_key_range(&mut reader)?;
                Self::Watch { range, keys, after, wait: Duration::from_millis(wait) }
            }
            5 => Self::Report(reader.bytes()?),
            6 => Self::Join(reader.bytes()?),
            7 => Self::Admin(Admin::read(&mut reader)?),
            8 => Self::Checksum { range: RangeId(reader.u64()?), index: reader.u64()? },
            _ => return Err("unknown request"),
        };
        reader.finish(request)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl ReadMode {
    fn write(self, writer: &mut Writer) {
        match self {
            Self::Linearizable => writer.u8(0),
            Self::Follower => writer.u8(1),
            Self::Stale(bound) => writer.u8(2).u64(millis(bound)),
        };
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        Ok(match reader.u8()? {
            0 => Self::Linearizable,
            1 => Self::Follower,
            2 => Self::Stale(Duration::from_millis(reader.u64()?)),
            _ => return Err("unknown read mode"),
        })
    }
}

fn write_limit(writer: &mut Writer, limit: ScanLimit) {
    writer.u64(limit.entries as u64).u64(limit.bytes as u64);
}

fn read_limit(reader: &mut Reader) -> Result<ScanLimit, Reason> {
    let mut size = || reader.u64().map(|size| usize::try_from(size).unwrap_or(usize::MAX));
    Ok(ScanLimit { entries: size()?, bytes: size()? })
}

impl Query {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Values(keys) => {
                writer.u8(0).list(keys.iter(), |writer, key| {
                    writer.bytes(key);
                });
            }
            Self::Scan(range, limit) | Self::ScanKeys(range, limit) => {
                writer.u8(if matches!(self, Self::Scan(..)) { 1 } else { 2 });
                write_key_range(writer, range);
                write_limit(writer, *limit);
            }
            Self::Deque { key, from, limit } => {
                writer.u8(3).bytes(key).u64(*from);
                write_limit(writer, *limit);
            }
            Self::Expiry(key) => {
                writer.u8(4).bytes(key);
            }
            Self::Decision { primary, id } => {
                writer.u8(5).bytes(primary).u128(id.0);
            }
        }
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        Ok(match reader.u8()? {
            0 => Self::Values(reader.list(Reader::bytes)?),
            1 => Self::Scan(read_key_range(reader)?, read_limit(reader)?),
            2 => Self::ScanKeys(read_key_range(reader)?, read_limit(reader)?),
            3 => Self::Deque { key: reader.bytes()?, from: reader.u64()?, limit: read_limit(reader)? },
            4 => Self::Expiry(reader.bytes()?),
            5 => Self::Decision { primary: reader.bytes()?, id: TransactionId(reader.u128()?) },
            _ => return Err("unknown query"),
        })
    }
}

impl Admin {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Status => writer.u8(0),
            Self::Drain { node, on } => writer.u8(1).u64(node.0).flag(*on),
            Self::Remove { node, force } => writer.u8(2).u64(node.0).flag(*force),
            Self::Split { range, at } => writer.u8(3).u64(range.0).option(at.as_ref(), |writer, at| {
                writer.bytes(at);
            }),
            Self::TransferLeader { range, to } => writer.u8(4).u64(range.0).u64(to.0),
        };
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        Ok(match reader.u8()? {
            0 => Self::Status,
            1 => Self::Drain { node: NodeId(reader.u64()?), on: reader.flag()? },
            2 => Self::Remove { node: NodeId(reader.u64()?), force: reader.flag()? },
            3 => Self::Split { range: RangeId(reader.u64()?), at: reader.option(Reader::bytes)? },
            4 => Self::TransferLeader { range: RangeId(reader.u64()?), to: NodeId(reader.u64()?) },
            _ => return Err("unknown operation"),
        })
    }
}
