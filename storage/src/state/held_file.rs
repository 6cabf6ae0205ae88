//! Held pages on their way to the state file, first whole in a file beside it.
//!
//! redb took them for durable, and may have used pages again that the file's last root still reaches: a
//! crash while they are written over the state file would leave neither the old state nor the new one.
//! So they are made durable here before, and written again by the next opening if it finds them.
//!
//! ```text
//! b"GDBHELD\x01", length u64, limit u64, blocks u64, slots u64
//! blocks   number u64, 4096 bytes     what the state file holds at number · 4096
//! slots    slot u64, checksum u64     what the file of checksums holds
//! xxh3 of everything before
//! ```
//! `length` is that of the state file, `limit` where its own bytes end to count. Integers are little endian.
//! The file gets its name when it is durable, and loses it when the state file is.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use xxhash_rust::xxh3::Xxh3;

use super::{overlay::Overlay, page_checksums::PAGE_BYTES};
use crate::{
    disk::{Disk, DiskFile},
    error::StorageError,
    fields::Reason,
};

const MAGIC: [u8; 8] = *b"GDBHELD\x01";
const WORD: usize = 8;
/// Bytes that are written in one go.
const PIECE_BYTES: usize = 1 << 20;

/// Slots of checksums, and what they are to hold.
pub(super) type Slots = Vec<(u64, u64)>;

/// The file beside a state file.
#[derive(Debug)]
pub(super) struct HeldFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl HeldFile {
    /// The one of this state file; it need not be there.
    pub(super) fn beside(state: &Path, disk: Arc<dyn Disk>) -> Self {
        Self { disk, path: state.with_extension("held") }
    }

    fn draft(&self) -> PathBuf {
        self.path.with_extension("held-new")
    }

    /// What a crash left; `None` if it left nothing.
    pub(super) fn read(&self) -> Result<Option<(Overlay, Slots)>, StorageError> {
        let failed = |error| StorageError::io("read", &self.path, error);
        let file = match self.disk.open(&self.path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed)?,
        };
        let length = file.len().map_err(failed)?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        decode(&bytes).map(Some).map_err(|reason| StorageError::corrupt(&self.path, 0, reason))
    }

    /// Keeps the pages, durably. A full disk leaves nothing.
    pub(super) fn write(&self, overlay: &Overlay, slots: &Slots) -> io::Result<()> {
        let draft = self.draft();
        let written = self.disk.open(&draft, true).and_then(|file| {
            file.set_len(0)?;
            write(file.as_ref(), overlay, slots)?;
            file.sync_data().map_err(io::Error::other)
        });
        if let Err(error) = written {
            // What stays is written over the next time.
            let _removed = self.disk.remove(&draft);
            return Err(error);
        }
        self.disk.rename(&draft, &self.path)?;
        self.sync_folder()
    }

    /// The state file has the pages.
    pub(super) fn remove(&self) -> io::Result<()> {
        self.disk.remove(&self.path)?;
        self.sync_folder()
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_dir(self.path.parent().unwrap_or(Path::new("."))).map_err(io::Error::other)
    }
}

fn write(file: &dyn DiskFile, overlay: &Overlay, slots: &Slots) -> io::Result<()> {
    let mut out = Pieces { file, hash: Xxh3::new(), piece: Vec::with_capacity(PIECE_BYTES), at: 0 };
    let blocks = overlay.header_last();
    out.put(&MAGIC)?;
    for word in [overlay.len(), overlay.file_limit(), blocks.count() as u64, slots.len() as u64] {
        out.put(&word.to_le_bytes())?;
    }
    for (offset, block) in overlay.header_last() {
        out.put(&(offset / PAGE_BYTES).to_le_bytes())?;
        out.put(block)?;
    }
    for (slot, checksum) in slots {
        out.put(&slot.to_le_bytes())?;
        out.put(&checksum.to_le_bytes())?;
    }
    let hash = out.hash.digest();
    out.put(&hash.to_le_bytes())?;
    out.flush()
}

/// A file that is written from its beginning.
struct Pieces<'a> {
    file: &'a dyn DiskFile,
    hash: Xxh3,
    piece: Vec<u8>,
    at: u64,
}

impl Pieces<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.piece, self.at)?;
        self.at += self.piece.len() as u64;
        self.piece.clear();
        Ok(())
    }
}

fn decode(bytes: &[u8]) -> Result<(Overlay, Slots), Reason> {
    const SHORT: Reason = "the held pages are cut off";
    let (content, hash) = bytes.split_last_chunk::<WORD>().ok_or(SHORT)?;
    if xxhash_rust::xxh3::xxh3_64(content) != u64::from_le_bytes(*hash) {
        return Err("the held pages do not match their checksum");
    }
    let (magic, mut rest) = content.split_first_chunk::<WORD>().ok_or(SHORT)?;
    if *magic != MAGIC {
        return Err("not a file of held pages");
    }
    let word = |rest: &mut &[u8]| {
        let (word, behind) = rest.split_first_chunk::<WORD>().ok_or(SHORT)?;
        *rest = behind;
        Ok::<u64, Reason>(u64::from_le_bytes(*word))
    };
    let (length, limit) = (word(&mut rest)?, word(&mut rest)?);
    let (blocks, slots) = (word(&mut rest)?, word(&mut rest)?);
    let mut overlay = Overlay::cut(length, limit);
    for _ in 0..blocks {
        let number = word(&mut rest)?;
        let (block, behind) = rest.split_first_chunk().ok_or(SHORT)?;
        overlay.hold(number, block);
        rest = behind;
    }
    let mut kept = Slots::new();
    for _ in 0..slots {
        kept.push((word(&mut rest)?, word(&mut rest)?));
    }
    if rest.is_empty() { Ok((overlay, kept)) } else { Err("something follows the held pages") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimulatedDisk;

    fn pages() -> (Overlay, Slots) {
        let mut overlay = Overlay::cut(40_000, 20_000);
        overlay.hold(0, &[1; PAGE_BYTES as usize]);
        overlay.hold(7, &[2; PAGE_BYTES as usize]);
        (overlay, vec![(7, 99), (3, 1)])
    }

    fn blocks(overlay: &Overlay) -> Vec<(u64, u8)> {
        overlay.header_last().map(|(offset, block)| (offset, block[9])).collect()
    }

    /// Law: whatever crash comes, there are all of the pages or none, and all once they were kept.
    #[test]
    fn a_crash_leaves_all_or_nothing() {
        for number in 0.. {
            let disk = SimulatedDisk::new();
            let file = HeldFile::beside(Path::new("/s/0.redb"), Arc::new(disk.clone()));
            disk.inject(crate::testing::Fault::Crash(number));
            let (overlay, slots) = pages();
            let written = file.write(&overlay, &slots).is_ok();
            let after = HeldFile::beside(Path::new("/s/0.redb"), Arc::new(disk.after_power_cut(number)));
            match after.read().unwrap() {
                Some((found, kept)) => {
                    assert_eq!((found.len(), found.file_limit(), kept), (40_000, 20_000, slots));
                    assert_eq!(blocks(&found), [(7 * PAGE_BYTES, 2), (0, 1)]);
                }
                None => assert!(!written, "crash at {number}"),
            }
            if written {
                after.remove().unwrap();
                assert!(after.read().unwrap().is_none());
                break;
            }
        }
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        let disk = SimulatedDisk::new();
        let file = HeldFile::beside(Path::new("/s/0.redb"), Arc::new(disk.clone()));
        let (overlay, slots) = pages();
        file.write(&overlay, &slots).unwrap();
        for offset in [0, 9, 50, 5000, 8280] {
            assert!(disk.flip(Path::new("/s/0.held"), offset, 1));
            let error = file.read().unwrap_err();
            assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
            disk.flip(Path::new("/s/0.held"), offset, 1);
        }
        assert!(file.read().unwrap().is_some());
    }
}
