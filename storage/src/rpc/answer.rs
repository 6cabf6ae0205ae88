//! Answers.

use bytes::Bytes;

use super::{Lock, read_key_range, write_key_range};
use crate::{
    fields::{Reader, Reason, Writer},
    kv::{Key, ScanPage, Timestamp, Value},
    range::{NodeId, RangeId},
};

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, and there is nothing to say.
    Done,
    Identity(Identity),
    /// An encoded [`Response`](crate::action::Response), and the index of the entry.
    Response {
        index: u64,
        response: Bytes,
    },
    Values {
        values: Vec<Option<Value>>,
        locks: Vec<Lock>,
    },
    Page {
        page: ScanPage<(Key, Value)>,
        locks: Vec<Lock>,
    },
    Keys {
        page: ScanPage<Key>,
        locks: Vec<Lock>,
    },
    Deque {
        length: u64,
        elements: Vec<Value>,
        locks: Vec<Lock>,
    },
    Expiry {
        expiry: Option<Timestamp>,
        locks: Vec<Lock>,
    },
    Decision(Option<bool>),
    Index(u64),
    /// Bytes whose meaning the asker knows: orders, status, events.
    Bytes(Bytes),
}

/// What a node says of itself and of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) cluster: u64,
    pub(crate) node: NodeId,
    /// All nodes that it knows of.
    pub(crate) peers: Vec<Peer>,
    /// Who leads the placement driver's range, as far as it knows.
    pub(crate) placement_leader: Option<NodeId>,
    /// Who else has a replica of that range.
    pub(crate) placement_nodes: Vec<NodeId>,
    /// Ranges that it has a replica of.
    pub(crate) ranges: Vec<RangeId>,
}

/// A node and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) node: NodeId,
    pub(crate) address: String,
}

fn write_value(writer: &mut Writer, value: Option<&Value>) {
    writer.option(value, |writer, value| {
        writer.bytes(value);
    });
}

fn write_locks(writer: &mut Writer, locks: &[Lock]) {
    writer.list(locks.iter(), Lock::write);
}

fn write_next<E>(writer: &mut Writer, page: &ScanPage<E>) {
    writer.option(page.next.as_ref(), write_key_range);
}

impl Answer {
    /// About how many bytes it takes.
    pub(super) fn size_hint(&self) -> usize {
        const OTHERS: usize = 64;
        match self {
            Self::Values { values, .. } => {
                values.iter().map(|value| 8 + value.as_ref().map_or(0, Bytes::len)).sum::<usize>() + OTHERS
            }
            Self::Page { page, .. } => {
                page.entries.iter().map(|(key, value)| 8 + key.len() + value.len()).sum::<usize>() + OTHERS
            }
            Self::Response { response, .. } | Self::Bytes(response) => response.len() + OTHERS,
            _ => OTHERS,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Done => {
                writer.u8(0);
            }
            Self::Identity(identity) => {
                writer.u8(1);
                identity.write(writer);
            }
            Self::Response { index, response } => {
                writer.u8(2).u64(*index).bytes(response);
            }
            Self::Values { values, locks } => {
                writer.u8(3).list(values.iter(), |writer, value| write_value(writer, value.as_ref()));
                write_locks(writer, locks);
            }
            Self::Page { page, locks } => {
                writer.u8(4).list(page.entries.iter(), |writer, (key, value)| {
                    writer.bytes(key).bytes(value);
                });
                write_next(writer, page);
                write_locks(writer, locks);
            }
            Self::Keys { page, locks } => {
                writer.u8(5).list(page.entries.iter(), |writer, key| {
                    writer.bytes(key);
                });
                write_next(writer, page);
                write_locks(writer, locks);
            }
            Self::Deque { length, elements, locks } => {
                writer.u8(6).u64(*length).list(elements.iter(), |writer, element| {
                    writer.bytes(element);
                });
                write_locks(writer, locks);
            }
            Self::Expiry { expiry, locks } => {
                writer.u8(7).option(*expiry, |writer, expiry| {
                    writer.u64(expiry.0);
                });
                write_locks(writer, locks);
            }
            Self::Decision(decision) => {
                writer.u8(8).option(*decision, |writer, committed| {
                    writer.flag(committed);
                });
            }
            Self::Index(index) => {
                writer.u8(9).u64(*index);
            }
            Self::Bytes(bytes) => {
                writer.u8(10).bytes(bytes);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Reason> {
        let locks = |reader: &mut Reader| reader.list(Lock::read);
        Ok(match reader.u8()? {
            0 => Self::Done,
            1 => Self::Identity(Identity::read(reader)?),
            2 => Self::Response { index: reader.u64()?, response: reader.bytes()? },
            3 => Self::Values {
                values: reader.list(|reader| reader.option(Reader::bytes))?,
                locks: locks(reader)?,
            },
            4 => {
                let entries = reader.list(|reader| Ok((reader.bytes()?, reader.bytes()?)))?;
                let page = ScanPage { entries, next: reader.option(read_key_range)? };
                Self::Page { page, locks: locks(reader)? }
            }
            5 => {
                let entries = reader.list(Reader::bytes)?;
                let page = ScanPage { entries, next: reader.option(read_key_range)? };
                Self::Keys { page, locks: locks(reader)? }
            }
            6 => Self::Deque {
                length: reader.u64()?,
                elements: reader.list(Reader::bytes)?,
                locks: locks(reader)?,
            },
            7 => Self::Expiry {
                expiry: reader.option(|reader| reader.u64().map(Timestamp))?,
                locks: locks(reader)?,
            },
            8 => Self::Decision(reader.option(Reader::flag)?),
            9 => Self::Index(reader.u64()?),
            10 => Self::Bytes(reader.bytes()?),
            _ => return Err("unknown answer"),
        })
    }
}

impl Identity {
    fn write(&self, writer: &mut Writer) {
        writer.u64(self.cluster).u64(self.node.0);
        writer.list(self.peers.iter(), |writer, peer| {
            writer.u64(peer.node.0).bytes(peer.address.as_bytes());
        });
        writer.option(self.placement_leader, |writer, node| {
            writer.u64(node.0);
        });
        writer.list(self.placement_nodes.iter(), |writer, node| {
            writer.u64(node.0);
        });
        writer.list(self.ranges.iter(), |writer, range| {
            writer.u64(range.0);
        });
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        let node = |reader: &mut Reader| reader.u64().map(NodeId);
        Ok(Self {
            cluster: reader.u64()?,
            node: node(reader)?,
            peers: reader.list(|reader| Ok(Peer { node: node(reader)?, address: reader.text()? }))?,
            placement_leader: reader.option(node)?,
            placement_nodes: reader.list(node)?,
            ranges: reader.list(|reader| reader.u64().map(RangeId))?,
        })
    }
}
