//! The bytes of Raft's messages between the replicas of a group.

use bytes::Bytes;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
    VoteResponse,
};

use super::{
    log_store::{decode_entry, encode_entry},
    types::{
        RaftLogId, RaftVote, TypeConfig, entry_bytes, from_raft_log_id, from_raft_vote, to_raft_log_id,
        to_raft_vote,
    },
};
use crate::{
    fields::{Reader, Reason, Writer},
    kv::Timestamp,
    log,
    log_id::LogId,
    range::{NodeId, RangeDescriptor, RangeId},
};

/// A message to a replica.
#[derive(Debug)]
pub(crate) enum RaftRequest {
    /// Entries, and the leader's time.
    Append {
        sent: Timestamp,
        request: AppendEntriesRequest<TypeConfig>,
    },
    Vote(VoteRequest<TypeConfig>),
    PreVote(VoteRequest<TypeConfig>),
    Transfer(TransferLeaderRequest<TypeConfig>),
    /// A snapshot begins: whose it is, and which state it holds.
    SnapshotBegin {
        transfer: u64,
        descriptor: RangeDescriptor,
        meta: SnapshotMeta,
    },
    /// A piece of it.
    SnapshotChunk {
        transfer: u64,
        number: u64,
        chunk: Bytes,
    },
    /// All of it was sent.
    SnapshotEnd {
        vote: RaftVote,
        transfer: u64,
        chunks: u64,
    },
}

/// Up to where a snapshot reaches, and who belonged to the group then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotMeta {
    pub(crate) applied: LogId,
    pub(crate) membership_id: Option<LogId>,
    pub(crate) membership: Bytes,
}

/// The answer of a replica.
#[derive(Debug)]
pub(crate) enum RaftReply {
    Append(AppendEntriesResponse<TypeConfig>),
    Vote(VoteResponse<TypeConfig>),
    Transferred(Result<(), String>),
    Snapshot(SnapshotResponse<TypeConfig>),
    /// Go on with the next piece.
    More,
    /// Not done, for a reason of the node.
    Refused(String),
}

fn write_log_id(writer: &mut Writer, id: LogId) {
    writer.u64(id.term).u64(id.index);
}

fn write_optional(writer: &mut Writer, id: Option<&RaftLogId>) {
    writer.option(id, |writer, id| write_log_id(writer, from_raft_log_id(id)));
}

fn read_log_id(reader: &mut Reader) -> Result<LogId, Reason> {
    Ok(LogId { term: reader.u64()?, index: reader.u64()? })
}

fn read_optional(reader: &mut Reader) -> Result<Option<RaftLogId>, Reason> {
    Ok(reader.option(read_log_id)?.map(to_raft_log_id))
}

fn write_vote(writer: &mut Writer, vote: &RaftVote) {
    let log::Vote { term, node, committed } = from_raft_vote(vote);
    writer.u64(term).u64(node.0).flag(committed);
}

fn read_vote(reader: &mut Reader) -> Result<RaftVote, Reason> {
    let (term, node, committed) = (reader.u64()?, NodeId(reader.u64()?), reader.flag()?);
    Ok(to_raft_vote(log::Vote { term, node, committed }))
}

fn write_vote_request(writer: &mut Writer, request: &VoteRequest<TypeConfig>) {
    write_vote(writer, &request.vote);
    write_optional(writer, request.last_log_id.as_ref());
    writer.flag(request.leadership_transfer);
}

fn read_vote_request(reader: &mut Reader) -> Result<VoteRequest<TypeConfig>, Reason> {
    let mut request = VoteRequest::new(read_vote(reader)?, read_optional(reader)?);
    request.leadership_transfer = reader.flag()?;
    Ok(request)
}

fn write_append(writer: &mut Writer, request: &AppendEntriesRequest<TypeConfig>) {
    write_vote(writer, &request.vote);
    write_optional(writer, request.prev_log_id.as_ref());
    write_optional(writer, request.leader_commit.as_ref());
    writer.list(request.entries.iter(), |writer, entry| {
        let log::Entry { id, tag, payload } = encode_entry(entry.clone());
        write_log_id(writer, id);
        writer.u8(tag).bytes(&payload);
    });
}

fn read_append(reader: &mut Reader) -> Result<AppendEntriesRequest<TypeConfig>, Reason> {
    let vote = read_vote(reader)?;
    let (prev_log_id, leader_commit) = (read_optional(reader)?, read_optional(reader)?);
    let entries = reader.list(|reader| {
        let entry = log::Entry { id: read_log_id(reader)?, tag: reader.u8()?, payload: reader.bytes()? };
        decode_entry(entry).map_err(|_| "an entry that is none")
    })?;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

impl RaftRequest {
    /// Encodes a message to the replica of `range`.
    pub(crate) fn encode(&self, range: RangeId) -> Bytes {
        const OVERHEAD: usize = 128;
        let size = match self {
            Self::Append { request, .. } => {
                request.entries.iter().map(|entry| entry_bytes(entry) as usize).sum()
            }
            Self::SnapshotChunk { chunk, .. } => chunk.len(),
            _ => 0,
        };
        let mut writer = Writer::with_capacity(size + OVERHEAD);
        writer.u64(range.0);
        match self {
            Self::Append { sent, request } => write_append(writer.u8(0).u64(sent.0), request),
            Self::Vote(request) => write_vote_request(writer.u8(1), request),
            Self::PreVote(request) => write_vote_request(writer.u8(2), request),
            Self::Transfer(request) => {
                write_vote(writer.u8(3), request.from_leader());
                writer.u64(*request.to_node_id());
                write_optional(&mut writer, request.last_log_id());
            }
            Self::SnapshotBegin { transfer, descriptor, meta } => {
                writer.u8(4).u64(*transfer);
                writer.descriptor(descriptor);
                write_log_id(&mut writer, meta.applied);
                writer.option(meta.membership_id, write_log_id).bytes(&meta.membership);
            }
            Self::SnapshotChunk { transfer, number, chunk } => {
                writer.u8(5).u64(*transfer).u64(*number).bytes(chunk);
            }
            Self::SnapshotEnd { vote, transfer, chunks } => {
                write_vote(writer.u8(6), vote);
                writer.u64(*transfer).u64(*chunks);
            }
        }
        writer.finish()
    }

    /// Decodes a message and says to the replica of which range it is.
    pub(crate) fn decode(bytes: Bytes) -> Result<(RangeId, Self), Reason> {
        let mut reader = Reader::new(bytes);
        let range = RangeId(reader.u64()?);
        let request = match reader.u8()? {
            0 => Self::Append { sent: Timestamp(reader.u64()?), request: read_append(&mut reader)? },
            1 => Self::Vote(read_vote_request(&mut reader)?),
            2 => Self::PreVote(read_vote_request(&mut reader)?),
            3 => {
                let (from, to) = (read_vote(&mut reader)?, reader.u64()?);
                Self::Transfer(TransferLeaderRequest::new(from, to, read_optional(&mut reader)?))
            }
            4 => Self::SnapshotBegin {
                transfer: reader.u64()?,
                descriptor: reader.descriptor()?,
                meta: SnapshotMeta {
                    applied: read_log_id(&mut reader)?,
                    membership_id: reader.option(read_log_id)?,
                    membership: reader.bytes()?,
                },
            },
            5 => {
                Self::SnapshotChunk { transfer: reader.u64()?, number: reader.u64()?, chunk: reader.bytes()? }
            }
            6 => Self::SnapshotEnd {
                vote: read_vote(&mut reader)?,
                transfer: reader.u64()?,
                chunks: reader.u64()?,
            },
            _ => return Err("unknown message"),
        };
        reader.finish((range, request))
    }
}

impl RaftReply {
    pub(crate) fn encode(&self) -> Bytes {
        let mut writer = Writer::default();
        match self {
            Self::Append(AppendEntriesResponse::Success) => {
                writer.u8(0);
            }
            Self::Append(AppendEntriesResponse::PartialSuccess(id)) => {
                write_optional(writer.u8(1), id.as_ref());
            }
            Self::Append(AppendEntriesResponse::Conflict) => {
                writer.u8(2);
            }
            Self::Append(AppendEntriesResponse::HigherVote(vote)) => write_vote(writer.u8(3), vote),
            Self::Vote(response) => {
                write_vote(writer.u8(4), &response.vote);
                writer.flag(response.vote_granted);
                write_optional(&mut writer, response.last_log_id.as_ref());
            }
            Self::Transferred(result) => {
                writer.u8(5).option(result.as_ref().err(), |writer, text| {
                    writer.bytes(text.as_bytes());
                });
            }
            Self::Snapshot(response) => write_vote(writer.u8(6), &response.vote),
            Self::More => {
                writer.u8(7);
            }
            Self::Refused(text) => {
                writer.u8(8).bytes(text.as_bytes());
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Reason> {
        let mut reader = Reader::new(bytes);
        let reply = match reader.u8()? {
            0 => Self::Append(AppendEntriesResponse::Success),
            1 => Self::Append(AppendEntriesResponse::PartialSuccess(read_optional(&mut reader)?)),
            2 => Self::Append(AppendEntriesResponse::Conflict),
            3 => Self::Append(AppendEntriesResponse::HigherVote(read_vote(&mut reader)?)),
            4 => {
                let (vote, vote_granted) = (read_vote(&mut reader)?, reader.flag()?);
                let last_log_id = read_optional(&mut reader)?;
                Self::Vote(VoteResponse { vote, vote_granted, last_log_id })
            }
            5 => Self::Transferred(reader.option(Reader::text)?.map_or(Ok(()), Err)),
            6 => Self::Snapshot(SnapshotResponse::new(read_vote(&mut reader)?)),
            7 => Self::More,
            8 => Self::Refused(reader.text()?),
            _ => return Err("unknown reply"),
        };
        reader.finish(reply)
    }
}
