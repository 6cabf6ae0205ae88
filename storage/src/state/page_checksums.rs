//! A checksum for each page of the state file, in a file beside it.
//!
//! redb verifies its own checksums only when it repairs; these are verified whenever a page is read
//! from the disk. They stay true through a crash because redb never overwrites a page that its
//! durable root reaches, and because checksums are made durable before the pages that they describe:
//! a page that a crash leaves with a foreign checksum is a page that nothing points to. The file's
//! first page, which is overwritten in place, has redb's own checksum and none here.
//!
//! ```text
//! slot 0   b"GDBSUM\0\x01"
//! slot n   xxh3 of the page that begins at n · 4096, seeded with that offset; 0 if unknown
//! ```

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{
    disk::{Disk, DiskFile},
    error::StorageError,
};

/// redb's smallest page; larger ones are multiples and begin at multiples.
pub(super) const PAGE_BYTES: u64 = 4096;

const MAGIC: [u8; SLOT_BYTES] = *b"GDBSUM\0\x01";
const SLOT_BYTES: usize = 8;
const SLOTS_PER_BLOCK: u64 = PAGE_BYTES / SLOT_BYTES as u64;

/// The checksums of one state file.
#[derive(Debug)]
pub(super) struct PageChecksums {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Slots that are newer than the file's.
    dirty: RwLock<HashMap<u64, u64>>,
}

impl PageChecksums {
    /// Creates the file for a new state file.
    pub(super) fn create(path: PathBuf, disk: &dyn Disk) -> Result<Self, StorageError> {
        let failed = |error| StorageError::io("create", &path, error);
        let file = disk.open(&path, true).map_err(failed)?;
        file.set_len(0).and_then(|()| file.write_all_at(&MAGIC, 0)).map_err(failed)?;
        Ok(Self { path, file, dirty: RwLock::default() })
    }

    /// Opens the file.
    pub(super) fn open(path: PathBuf, disk: &dyn Disk) -> Result<Self, StorageError> {
        let file = disk.open(&path, false);
        let file = file.map_err(|error| StorageError::io("open", &path, error))?;
        let mut magic = [0; SLOT_BYTES];
        let read = file.read_exact_at(&mut magic, 0);
        if read.is_err() || magic != MAGIC {
            return Err(StorageError::corrupt(path, 0, "not a file of page checksums"));
        }
        Ok(Self { path, file, dirty: RwLock::default() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn allocated_bytes(&self) -> io::Result<u64> {
        self.file.allocated_bytes()
    }

    /// Notes what is about to be written at `offset`.
    pub(super) fn record(&self, offset: u64, page: &[u8]) {
        if let Some(slot) = slot(offset, page) {
            self.dirty.write().insert(slot, checksum(offset, page));
        }
    }

    /// Whether this is what was last written at `offset`.
    pub(super) fn verify(&self, offset: u64, page: &[u8]) -> io::Result<bool> {
        let Some(slot) = slot(offset, page) else { return Ok(true) };
        let dirty = self.dirty.read().get(&slot).copied();
        let stored = match dirty {
            Some(stored) => stored,
            None => {
                let mut bytes = [0; SLOT_BYTES];
                match self.file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64) {
                    // Nothing was ever written so far back.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                    done => done?,
                }
                u64::from_le_bytes(bytes)
            }
        };
        Ok(stored == 0 || stored == checksum(offset, page))
    }

    /// Takes the space for checksums of a state file of this length.
    pub(super) fn allocate(&self, length: u64) -> io::Result<()> {
        let slots = length.div_ceil(PAGE_BYTES) * SLOT_BYTES as u64;
        self.file.allocate(slots.next_multiple_of(PAGE_BYTES))
    }

    /// What the file has not got yet.
    pub(super) fn dirty(&self) -> Vec<(u64, u64)> {
        self.dirty.read().iter().map(|(slot, sum)| (*slot, *sum)).collect()
    }

    /// Takes back what [`PageChecksums::dirty`] said before a crash.
    pub(super) fn restore(&self, slots: Vec<(u64, u64)>) {
        self.dirty.write().extend(slots);
    }

    /// Makes the file durable, even if nothing was recorded.
    pub(super) fn sync_always(&self) -> io::Result<()> {
        self.sync()?;
        self.file.sync_data()
    }

    /// Makes everything recorded durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut slots = self.dirty();
        if slots.is_empty() {
            return Ok(());
        }
        slots.sort_unstable();
        let length = self.file.len()?;
        for group in slots.chunk_by(|(a, _), (b, _)| a / SLOTS_PER_BLOCK == b / SLOTS_PER_BLOCK) {
            let Some((first, _)) = group.first() else { continue };
            let start = first / SLOTS_PER_BLOCK * PAGE_BYTES;
            let mut block = [0; PAGE_BYTES as usize];
            let present = length.saturating_sub(start).min(PAGE_BYTES) as usize;
            if let Some(present) = block.get_mut(..present) {
                self.file.read_exact_at(present, start)?;
            }
            let (slots_of_block, _) = block.as_chunks_mut::<SLOT_BYTES>();
            for (slot, sum) in group {
                if let Some(bytes) = slots_of_block.get_mut((slot % SLOTS_PER_BLOCK) as usize) {
                    *bytes = sum.to_le_bytes();
                }
            }
            self.file.write_all_at(&block, start)?;
        }
        // A failed fsync must never look like a full disk: that one would be tried again.
        self.file.sync_data().map_err(io::Error::other)?;
        let mut dirty = self.dirty.write();
        for (slot, sum) in slots {
            if dirty.get(&slot) == Some(&sum) {
                dirty.remove(&slot);
            }
        }
        Ok(())
    }
}

fn slot(offset: u64, page: &[u8]) -> Option<u64> {
    let whole = offset.is_multiple_of(PAGE_BYTES) && (page.len() as u64).is_multiple_of(PAGE_BYTES);
    (offset > 0 && whole).then_some(offset / PAGE_BYTES)
}

/// Never 0, which means unknown.
fn checksum(offset: u64, page: &[u8]) -> u64 {
    xxh3_64_with_seed(page, offset).max(1)
}
