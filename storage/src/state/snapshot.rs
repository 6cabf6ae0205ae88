//! A range as checked chunks, for a node that lacks it.
//!
//! ```text
//! chunk   checksum u64 (xxh3 of what follows), range u64, sequence u32 (from 0), last u8, rows
//! ```
//! Rows are as in [`rows`]; a chunk has about 1 MiB of them, more only if its last row is so large.

use std::ops::ControlFlow;

use bytes::{BufMut as _, Bytes, BytesMut};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    fault::Fault,
    group::{Group, Phase},
    rows::{self, Place},
    store::Store,
    tables::{SESSIONS, SpaceReads},
    view::View,
};
use crate::{
    error::StorageError,
    fields::{Reason, take_bool, take_u32, take_u64},
    range::RangeId,
};

const CHUNK_BYTES: usize = 1 << 20;

/// A snapshot of a range, read piece by piece from the moment at which it was made.
///
/// As long as it lives, the file keeps pages that are freed meanwhile.
pub(crate) struct SnapshotReader {
    view: View,
    group: Group,
    sequence: u32,
    after: Option<Place>,
    done: bool,
}

/// What a chunk says.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) range: RangeId,
    pub(super) sequence: u32,
    pub(super) last: bool,
    /// Encoded rows.
    pub(super) rows: Bytes,
}

impl Store {
    /// A snapshot of a range as of what is applied now, not only what is durable. Reads next to nothing.
    ///
    /// # Errors
    ///
    /// [`StorageError::RangeAbsent`] if the range is not live here.
    pub(crate) fn snapshot(&self, range: RangeId) -> Result<(Group, SnapshotReader), StorageError> {
        let view = self.view()?;
        let group = view.group(range)?.filter(|group| group.phase == Phase::Live);
        let group = group.ok_or(StorageError::RangeAbsent { range })?;
        let reader = SnapshotReader { view, group: group.clone(), sequence: 0, after: None, done: false };
        Ok((group, reader))
    }
}

impl SnapshotReader {
    /// The next chunk; `None` behind the last. There is at least one.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Bytes>, StorageError> {
        if self.done {
            return Ok(None);
        }
        let rows = self.next_rows();
        rows.map(Some).map_err(|fault| self.view.error(fault))
    }

    fn next_rows(&mut self) -> Result<Bytes, Fault> {
        let mut out = BytesMut::new();
        out.put_u64_le(0);
        out.put_u64_le(self.group.descriptor.id.0);
        out.put_u32_le(self.sequence);
        out.put_u8(0);
        let tables = SpaceReads::open(&self.view.transaction, self.group.descriptor.space)?;
        let sessions = self.view.transaction.open_table(SESSIONS)?;
        let mut after = None;
        let range = &self.group.descriptor;
        let stopped = rows::visit(&tables, &sessions, range, self.after.as_ref(), &mut |row| {
            row.encode(&mut out);
            if out.len() < CHUNK_BYTES {
                return ControlFlow::Continue(());
            }
            after = Some(row.place());
            ControlFlow::Break(())
        })?;
        self.done = stopped.is_continue();
        self.after = after;
        self.sequence += 1;
        if let Some(last) = out.get_mut(20) {
            *last = u8::from(self.done);
        }
        let sum = xxh3_64(out.get(8..).unwrap_or_default());
        if let Some(place) = out.get_mut(..8) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        Ok(out.freeze())
    }
}

/// Checks a chunk and takes it apart.
pub(super) fn decode_chunk(bytes: Bytes) -> Result<Chunk, Reason> {
    let mut rest = bytes;
    let sum = take_u64(&mut rest)?;
    if sum != xxh3_64(&rest) {
        return Err("a chunk does not match its checksum");
    }
    let (range, sequence) = (RangeId(take_u64(&mut rest)?), take_u32(&mut rest)?);
    Ok(Chunk { range, sequence, last: take_bool(&mut rest)?, rows: rest })
}
