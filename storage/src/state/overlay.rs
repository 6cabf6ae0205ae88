//! Pages that are held back in memory instead of being written to the state file.

use std::collections::BTreeMap;

use super::page_checksums::PAGE_BYTES;

/// Writes that did not go to the file, as blocks of 4 KiB, and the length that the file would have.
#[derive(Debug)]
pub(super) struct Overlay {
    blocks: BTreeMap<u64, Box<[u8; PAGE_BYTES as usize]>>,
    /// Length that redb believes in.
    length: u64,
    /// From here on the file's own bytes count no more: it was cut here in between.
    file_limit: u64,
}

/// Where the bytes of a read are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// All in the overlay.
    All,
    /// All in the file.
    None,
    /// Some here, some there.
    Part,
}

impl Overlay {
    pub(super) const fn new(length: u64) -> Self {
        Self::cut(length, length)
    }

    /// Over a file of which only the bytes before `limit` count.
    pub(super) const fn cut(length: u64, limit: u64) -> Self {
        Self { blocks: BTreeMap::new(), length, file_limit: limit }
    }

    /// Holds one whole block.
    pub(super) fn hold(&mut self, number: u64, block: &[u8; PAGE_BYTES as usize]) {
        self.blocks.insert(number, Box::new(*block));
    }

    pub(super) const fn len(&self) -> u64 {
        self.length
    }

    pub(super) const fn file_limit(&self) -> u64 {
        self.file_limit
    }

    pub(super) fn set_len(&mut self, length: u64) {
        self.length = length;
        self.file_limit = self.file_limit.min(length);
        self.blocks.split_off(&length.div_ceil(PAGE_BYTES));
        let (last, within) = (length / PAGE_BYTES, (length % PAGE_BYTES) as usize);
        if let Some(cut) = self.blocks.get_mut(&last).and_then(|block| block.get_mut(within..)) {
            cut.fill(0);
        }
    }

    pub(super) fn held(&self, offset: u64, length: usize) -> Held {
        let end = offset + length as u64;
        let needed = end.div_ceil(PAGE_BYTES) - offset / PAGE_BYTES;
        let range = offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES);
        match self.blocks.range(range).count() as u64 {
            0 => Held::None,
            count if count == needed => Held::All,
            _ => Held::Part,
        }
    }

    /// Copies what is held here over `out`, which begins at `offset`.
    pub(super) fn read(&self, offset: u64, out: &mut [u8]) {
        for_each_block(offset, out.len(), |block, within, of_whole| {
            let held = self.blocks.get(&block).and_then(|block| block.get(within));
            if let (Some(held), Some(out)) = (held, out.get_mut(of_whole)) {
                out.copy_from_slice(held);
            }
        });
    }

    /// Holds `data`; blocks that it fills only partly begin as what `base` reads.
    pub(super) fn write<E>(
        &mut self,
        offset: u64,
        data: &[u8],
        mut base: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        for_each_block(offset, data.len(), |block, within, of_whole| {
            let Some(data) = data.get(of_whole) else { return };
            let held = self.blocks.entry(block).or_insert_with(|| {
                let mut bytes = Box::new([0; PAGE_BYTES as usize]);
                if data.len() as u64 != PAGE_BYTES
                    && let Err(error) = base(block * PAGE_BYTES, bytes.as_mut_slice())
                {
                    failed = Some(error);
                }
                bytes
            });
            if let Some(held) = held.get_mut(within) {
                held.copy_from_slice(data);
            }
        });
        self.length = self.length.max(offset + data.len() as u64);
        failed.map_or(Ok(()), Err)
    }

    /// The blocks with their offsets, the first block of the file last.
    pub(super) fn header_last(&self) -> impl Iterator<Item = (u64, &[u8; PAGE_BYTES as usize])> {
        let (header, pages) = (self.blocks.range(..1), self.blocks.range(1..));
        pages.chain(header).map(|(block, bytes)| (block * PAGE_BYTES, bytes.as_ref()))
    }
}

/// Calls `visit` with each block's number, the range within it, and the range of the whole.
fn for_each_block(
    offset: u64,
    length: usize,
    mut visit: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>),
) {
    let mut done = 0;
    while done < length {
        let at = offset + done as u64;
        let within = (at % PAGE_BYTES) as usize;
        let count = (PAGE_BYTES as usize - within).min(length - done);
        visit(at / PAGE_BYTES, within..within + count, done..done + count);
        done += count;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Law: a file of some bytes under an overlay reads like a vector that took all the writes.
        #[test]
        fn reads_like_a_vector(
            steps in prop::collection::vec((0..40_000u64, 1..9000usize, any::<u8>(), any::<bool>()), 0..30)
        ) {
            let file = vec![7_u8; 20_000];
            let mut model = file.clone();
            let mut overlay = Overlay::new(file.len() as u64);
            for (offset, length, byte, cut) in steps {
                if cut {
                    model.resize(offset as usize, 0);
                    overlay.set_len(offset);
                } else {
                    let limit = overlay.file_limit();
                    model.resize(model.len().max(offset as usize + length), 0);
                    model[offset as usize..][..length].fill(byte);
                    overlay.write::<Infallible>(offset, &vec![byte; length], |at, out| {
                        base(&file, limit, at, out);
                        Ok(())
                    }).unwrap();
                }
                let mut out = vec![0; model.len()];
                base(&file, overlay.file_limit(), 0, &mut out);
                overlay.read(0, &mut out);
                prop_assert!(out == model);
                prop_assert_eq!(overlay.len(), model.len() as u64);
            }
        }
    }

    fn base(file: &[u8], limit: u64, at: u64, out: &mut [u8]) {
        let visible = &file[..file.len().min(limit as usize)];
        let from = visible.get(at as usize..).unwrap_or_default();
        let count = from.len().min(out.len());
        out[..count].copy_from_slice(&from[..count]);
    }
}
