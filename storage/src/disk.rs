//! The few things that the store asks of a disk, behind a trait, so that a test can lose writes.
//!
//! Everything that the store keeps passes here: log, state store and checksums alike.

mod local;

use std::{
    fmt,
    io::{self, IoSlice},
    path::Path,
    sync::Arc,
};

pub use local::LocalDisk;

/// A file system, as much of it as the store uses.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Creates a folder and its parents, if absent; the new names are durable when it returns.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Opens a file for reading and writing; creates it if asked to and absent.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// Names of the files in a folder, in no order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Renames a file, replacing what had the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes names created, changed or removed in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Bytes that the disk of `path` has in all.
    fn total_bytes(&self, path: &Path) -> io::Result<u64>;
    /// Bytes that this process can still write to the disk of `path`.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file. All methods may be called from many threads.
#[allow(clippy::len_without_is_empty, reason = "the length of a file, which can fail")]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Length of the file.
    fn len(&self) -> io::Result<u64>;
    /// Bytes that the file takes on the disk.
    fn allocated_bytes(&self) -> io::Result<u64>;
    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Reserves space from the start of the file up to `length`, and extends it to that.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Fills `buffer` from `offset`; an error if the file ends before. An empty one is always full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Writes all of the slices, one after the other, at `offset`.
    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Returns when everything written is durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Locks the file against every other opening of it; false if one of those has it.
    ///
    /// The lock ends when the file is closed, if only because its process died.
    fn try_lock(&self) -> io::Result<bool>;
}
