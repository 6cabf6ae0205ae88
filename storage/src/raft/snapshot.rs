//! Snapshots on their way: read from the state while they are sent, kept in a file while they arrive.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;

use super::message::SnapshotMeta;
use crate::{
    disk::{Disk, DiskFile},
    error::StorageError,
    range::RangeDescriptor,
    runtime,
    state::SnapshotReader,
};

/// The content of a snapshot.
#[derive(Debug)]
pub(crate) enum SnapshotData {
    /// Only known to exist: the content is read when somebody wants it.
    Known,
    /// To be sent.
    Outgoing { descriptor: RangeDescriptor, reader: Box<Outgoing>, transfer: u64 },
    /// Received, whole.
    Incoming(Box<Incoming>),
}

/// A snapshot being sent.
pub(crate) struct Outgoing(SnapshotReader);

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Outgoing").finish_non_exhaustive()
    }
}

impl Outgoing {
    pub(crate) const fn new(reader: SnapshotReader) -> Self {
        Self(reader)
    }

    /// The next piece, `None` behind the last, and what is left.
    pub(crate) async fn next_chunk(mut self: Box<Self>) -> Result<(Option<Bytes>, Box<Self>), StorageError> {
        runtime::blocking(move || {
            let chunk = self.0.next_chunk()?;
            Ok((chunk, self))
        })
        .await
    }
}

/// A snapshot as it arrives: a file of its pieces, each behind its length. Nothing of the replica
/// changes before all of it is here and Raft has accepted it.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) transfer: u64,
    pub(crate) descriptor: RangeDescriptor,
    pub(crate) meta: SnapshotMeta,
    /// Pieces received.
    pub(crate) chunks: u64,
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    bytes: u64,
}

/// Bytes of the length in front of a piece.
const LENGTH_BYTES: u64 = 4;

impl Incoming {
    pub(crate) fn create(
        disk: Arc<dyn Disk>,
        path: PathBuf,
        transfer: u64,
        descriptor: RangeDescriptor,
        meta: SnapshotMeta,
    ) -> Result<Self, StorageError> {
        let created = disk.open(&path, true).and_then(|file| file.set_len(0).map(|()| file));
        let file = created.map_err(|error| StorageError::io("create", &path, error))?;
        Ok(Self { transfer, descriptor, meta, chunks: 0, disk, path, file, bytes: 0 })
    }

    /// Keeps the next piece.
    pub(crate) fn push(&mut self, chunk: &Bytes) -> Result<(), StorageError> {
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_le_bytes();
        let slices = [io::IoSlice::new(&length), io::IoSlice::new(chunk)];
        let written = self.file.write_vectored_at(&slices, self.bytes);
        written.map_err(|error| StorageError::io("write", &self.path, error))?;
        self.bytes += LENGTH_BYTES + chunk.len() as u64;
        self.chunks += 1;
        Ok(())
    }

    /// Reads the piece at `offset` back, and says where the next one is; `None` behind the last.
    pub(crate) fn chunk_at(&self, offset: u64) -> Result<Option<(Bytes, u64)>, StorageError> {
        if offset >= self.bytes {
            return Ok(None);
        }
        let failed = |error| StorageError::io("read", &self.path, error);
        let mut length = [0; LENGTH_BYTES as usize];
        self.file.read_exact_at(&mut length, offset).map_err(failed)?;
        let (start, length) = (offset + LENGTH_BYTES, u64::from(u32::from_le_bytes(length)));
        if start + length > self.bytes {
            return Err(StorageError::corrupt(&self.path, offset, "a piece of a snapshot is cut off"));
        }
        let mut chunk = vec![0; length as usize];
        self.file.read_exact_at(&mut chunk, start).map_err(failed)?;
        Ok(Some((chunk.into(), start + length)))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What is left over is removed when the folder is opened.
        let _removed = self.disk.remove(&self.path);
    }
}
