//! What nodes and clients ask each other, and its bytes; Raft's own messages are in `raft::message`.

mod answer;
mod events;
mod failure;
mod placement;
mod request;

pub(crate) use answer::{Answer, Identity, Peer};
pub(crate) use events::{decode_events, encode_events};
pub(crate) use failure::Failure;
pub(crate) use placement::{
    Joined, Orders, decode_join, decode_joined, decode_orders, decode_report, decode_status, encode_join,
    encode_joined, encode_orders, encode_report, encode_status,
};
pub(crate) use request::{Admin, Query, ReadMode, Request};

use bytes::Bytes;

use crate::{
    action::TransactionId,
    fields::{Reader, Reason, Writer},
    kv::{Key, KeyRange, Timestamp},
    range::{NodeId, RangeDescriptor},
};

/// A lock that a read met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lock {
    pub(crate) key: Key,
    pub(crate) id: TransactionId,
    /// The key whose range knows how the transaction stands.
    pub(crate) primary: Key,
    /// From then on anybody may decide against the transaction.
    pub(crate) deadline: Timestamp,
}

impl Lock {
    fn write(writer: &mut Writer, lock: &Self) {
        writer.bytes(&lock.key).u128(lock.id.0).bytes(&lock.primary).u64(lock.deadline.0);
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        Ok(Self {
            key: reader.bytes()?,
            id: TransactionId(reader.u128()?),
            primary: reader.bytes()?,
            deadline: Timestamp(reader.u64()?),
        })
    }
}

/// A range, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) descriptor: RangeDescriptor,
    /// Who votes in its group.
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) leader: Option<NodeId>,
}

impl Route {
    fn write(writer: &mut Writer, route: &Self) {
        writer.descriptor(&route.descriptor);
        writer
            .list(route.nodes.iter(), |writer, node| {
                writer.u64(node.0);
            })
            .option(route.leader, |writer, node| {
                writer.u64(node.0);
            });
    }

    fn read(reader: &mut Reader) -> Result<Self, Reason> {
        let node = |reader: &mut Reader| reader.u64().map(NodeId);
        let descriptor = reader.descriptor()?;
        Ok(Self { descriptor, nodes: reader.list(node)?, leader: reader.option(node)? })
    }
}

pub(crate) fn write_key_range(writer: &mut Writer, range: &KeyRange) {
    writer.bytes(&range.start).option(range.end.as_ref(), |writer, end| {
        writer.bytes(end);
    });
}

pub(crate) fn read_key_range(reader: &mut Reader) -> Result<KeyRange, Reason> {
    Ok(KeyRange { start: reader.bytes()?, end: reader.option(Reader::bytes)? })
}

/// Encodes the answer to a request.
pub(crate) fn encode_result(result: &Result<Answer, Failure>) -> Bytes {
    match result {
        Ok(answer) => {
            let mut writer = Writer::with_capacity(answer.size_hint());
            writer.u8(0);
            answer.write(&mut writer);
            writer.finish()
        }
        Err(failure) => {
            let mut writer = Writer::default();
            writer.u8(1);
            failure.write(&mut writer);
            writer.finish()
        }
    }
}

/// Decodes the answer to a request.
pub(crate) fn decode_result(bytes: Bytes) -> Result<Result<Answer, Failure>, Reason> {
    let mut reader = Reader::new(bytes);
    let result = match reader.u8()? {
        0 => Ok(Answer::read(&mut reader)?),
        1 => Err(Failure::read(&mut reader)?),
        _ => return Err("neither an answer nor a failure"),
    };
    reader.finish(result)
}
