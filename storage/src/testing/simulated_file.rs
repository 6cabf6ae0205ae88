//! One file of a [`SimulatedDisk`](super::SimulatedDisk): what is durable, and what is not yet.

use std::{collections::BTreeSet, ops::Range};

use rand::{Rng as _, rngs::StdRng};

/// Space is taken in blocks of this size, by what was written: files have holes.
pub(super) const BLOCK_BYTES: usize = 4096;

/// A disk writes whole sectors of this size, and promises nothing about more.
const SECTOR_BYTES: usize = 512;

/// Content of a file, as every process sees it, and as a power cut would leave it.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    /// With all that was written.
    pub(super) seen: Vec<u8>,
    /// At the last fsync.
    durable: Vec<u8>,
    /// Since then, in order.
    pending: Vec<Change>,
    /// Blocks that take space.
    blocks: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => {
                let end = offset + data.len();
                bytes.resize(bytes.len().max(end), 0);
                if let Some(place) = bytes.get_mut(*offset..end) {
                    place.copy_from_slice(data);
                }
            }
            Self::SetLength(length) => bytes.resize(*length, 0),
        }
    }
}

impl Content {
    /// Bytes of space that it takes.
    pub(super) fn allocated(&self) -> u64 {
        (self.blocks.len() * BLOCK_BYTES) as u64
    }

    /// How much more space it takes with these bytes.
    pub(super) fn growth(&self, bytes: Range<usize>) -> u64 {
        let blocks = blocks(bytes);
        let present = self.blocks.range(blocks.clone()).count();
        ((blocks.len() - present) * BLOCK_BYTES) as u64
    }

    /// Takes space for these bytes.
    pub(super) fn allocate(&mut self, bytes: Range<usize>) {
        self.blocks.extend(blocks(bytes));
    }

    pub(super) fn write(&mut self, offset: usize, data: &[u8]) {
        self.allocate(offset..offset + data.len());
        self.change(Change::Write(offset, data.to_vec()));
    }

    pub(super) fn set_len(&mut self, length: usize) {
        self.blocks.split_off(&length.div_ceil(BLOCK_BYTES));
        self.change(Change::SetLength(length));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Forgets that anything is not durable, without making it so.
    pub(super) fn lose_pending(&mut self) {
        self.pending.clear();
    }

    /// What a power cut leaves: of the writes since the last fsync any, in any part.
    pub(super) fn after_power_cut(&self, random: &mut StdRng) -> Self {
        let mut durable = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::SetLength(_) if random.random_bool(0.5) => change.apply(&mut durable),
                Change::SetLength(_) => {}
                // Mostly all or nothing of a write, else any of its sectors.
                Change::Write(offset, data) => match random.random_range(0..4) {
                    0 => {}
                    1 => sectors(*offset, data)
                        .filter(|_| random.random_bool(0.5))
                        .for_each(|sector| sector.apply(&mut durable)),
                    _ => change.apply(&mut durable),
                },
            }
        }
        Self::durable(durable)
    }

    fn durable(bytes: Vec<u8>) -> Self {
        let blocks = blocks(0..bytes.len()).collect();
        Self { seen: bytes.clone(), durable: bytes, pending: Vec::new(), blocks }
    }

    /// What the death of the process leaves: everything written.
    pub(super) fn after_kill(&self) -> Self {
        Self { blocks: self.blocks.clone(), ..Self::durable(self.seen.clone()) }
    }
}

fn blocks(bytes: Range<usize>) -> Range<usize> {
    bytes.start / BLOCK_BYTES..bytes.end.div_ceil(BLOCK_BYTES)
}

/// Cuts a write at the borders of sectors.
fn sectors(offset: usize, data: &[u8]) -> impl Iterator<Item = Change> {
    let head = (SECTOR_BYTES - offset % SECTOR_BYTES).min(data.len());
    let (head, rest) = data.split_at(head);
    let rest = rest.chunks(SECTOR_BYTES);
    std::iter::once(head).chain(rest).scan(offset, |offset, part| {
        let change = Change::Write(*offset, part.to_vec());
        *offset += part.len();
        Some(change)
    })
}
