//! Why a request was not answered.

use super::Route;
use crate::{
    fields::{Reader, Reason, Writer},
    range::{NodeId, RangeId},
};

/// Why a node did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Another node leads the range, or nobody yet. Nothing was done.
    NotLeader { range: RangeId, leader: Option<NodeId> },
    /// The leader changed meanwhile: whether it was done is unknown. Only a request with a session may
    /// be sent again.
    LeaderChanged { range: RangeId, leader: Option<NodeId> },
    /// The node has no replica of the range, or not yet. Nothing was done.
    NotHere { range: RangeId },
    /// The range is another one than the sender knew; this is what is there now. Nothing was done.
    Version { range: RangeId, routes: Vec<Route> },
    /// The replica did not hear from its leader lately enough for this read.
    TooStale { range: RangeId },
    /// The disk is full: writes are refused, reads go on. Nothing was done.
    DiskFull { node: NodeId, available: u64, needed: u64 },
    /// The node cannot do it now; in its words. Nothing was done.
    Busy(String),
    /// The request is wrong, or can never succeed.
    Invalid(String),
    /// The node's storage failed, in its words. Whether it was done is unknown.
    Broken(String),
    /// The disk turned out to be full after the request was taken: it may still be done, when there is
    /// space again.
    Stalled,
    /// Changes before this place of a watched range are no longer known.
    Compacted { range: RangeId, oldest: u64 },
}

impl Failure {
    pub(super) fn write(&self, writer: &mut Writer) {
        let node = |writer: &mut Writer, node: &NodeId| {
            writer.u64(node.0);
        };
        match self {
            Self::NotLeader { range, leader } => writer.u8(0).u64(range.0).option(leader.as_ref(), node),
            Self::LeaderChanged { range, leader } => writer.u8(1).u64(range.0).option(leader.as_ref(), node),
            Self::NotHere { range } => writer.u8(2).u64(range.0),
            Self::Version { range, routes } => writer.u8(3).u64(range.0).list(routes.iter(), Route::write),
            Self::TooStale { range } => writer.u8(4).u64(range.0),
            Self::DiskFull { node, available, needed } => {
                writer.u8(5).u64(node.0).u64(*available).u64(*needed)
            }
            Self::Busy(text) => writer.u8(6).bytes(text.as_bytes()),
            Self::Invalid(text) => writer.u8(7).bytes(text.as_bytes()),
            Self::Broken(text) => writer.u8(8).bytes(text.as_bytes()),
            Self::Stalled => writer.u8(10),
            Self::Compacted { range, oldest } => writer.u8(9).u64(range.0).u64(*oldest),
        };
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Self, Reason> {
        let node = |reader: &mut Reader| reader.u64().map(NodeId);
        Ok(match reader.u8()? {
            0 => Self::NotLeader { range: RangeId(reader.u64()?), leader: reader.option(node)? },
            1 => Self::LeaderChanged { range: RangeId(reader.u64()?), leader: reader.option(node)? },
            2 => Self::NotHere { range: RangeId(reader.u64()?) },
            3 => Self::Version { range: RangeId(reader.u64()?), routes: reader.list(Route::read)? },
            4 => Self::TooStale { range: RangeId(reader.u64()?) },
            5 => {
                let (node, available) = (NodeId(reader.u64()?), reader.u64()?);
                Self::DiskFull { node, available, needed: reader.u64()? }
            }
            6 => Self::Busy(reader.text()?),
            7 => Self::Invalid(reader.text()?),
            8 => Self::Broken(reader.text()?),
            9 => Self::Compacted { range: RangeId(reader.u64()?), oldest: reader.u64()? },
            10 => Self::Stalled,
            _ => return Err("unknown failure"),
        })
    }
}
