//! Index roots and pages, and chunk indexes, in memory, bounded.
//!
//! A source's index is written once, and its number is never given twice, so that what is kept stays true
//! for every catalog version. Columns are not kept: the store below has its own page cache.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use genomdb_layout::{
    LayoutError,
    catalog::SourceSummary,
    index::{IndexLine, IndexPage, IndexRoot},
    key::{Key, SourceId, TableId},
    rows::{ChunkEntry, ChunkIndex},
};
use genomdb_storage::Storage;
use parking_lot::Mutex;

use crate::error::{ExecutorError, HexKey};

/// Index roots and pages, read once and kept while there is room.
#[derive(Debug)]
pub(crate) struct IndexCache {
    bytes_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    roots: HashMap<SourceId, Arc<IndexRoot>>,
    pages: HashMap<(SourceId, u32), Arc<IndexPage>>,
    chunks: HashMap<SourceId, Arc<ChunkIndex>>,
    /// What was kept first leaves first.
    order: VecDeque<(Name, usize)>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Name {
    Root(SourceId),
    Page(SourceId, u32),
    Chunks(SourceId),
}

/// Bytes in memory of a block's entry with its directory: about thirty pages of twenty-four bytes.
const ENTRY_BYTES: usize = 800;

impl IndexCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, kept: Mutex::default() }
    }

    /// Returns the roots of sources, in their order.
    pub(crate) fn roots(
        &self,
        storage: &Storage,
        table: TableId,
        sources: &[SourceSummary],
    ) -> Result<Vec<Arc<IndexRoot>>, ExecutorError> {
        sources.iter().map(|source| self.root(storage, table, source)).collect()
    }

    fn root(
        &self,
        storage: &Storage,
        table: TableId,
        source: &SourceSummary,
    ) -> Result<Arc<IndexRoot>, ExecutorError> {
        if let Some(root) = self.kept.lock().roots.get(&source.id) {
            return Ok(Arc::clone(root));
        }
        let keys = source.index_root_keys(table);
        let root = Arc::new(read(storage, &keys, "the catalog", IndexRoot::from_bytes)?);
        let mut kept = self.kept.lock();
        kept.roots.insert(source.id, Arc::clone(&root));
        let bytes = root.lines.len() * size_of::<IndexLine>();
        kept.remember(Name::Root(source.id), bytes, self.bytes_max);
        Ok(root)
    }

    /// Returns the chunks of a source of rows.
    pub(crate) fn chunks(
        &self,
        storage: &Storage,
        table: TableId,
        source: &SourceSummary,
    ) -> Result<Arc<ChunkIndex>, ExecutorError> {
        if let Some(chunks) = self.kept.lock().chunks.get(&source.id) {
            return Ok(Arc::clone(chunks));
        }
        let keys = source.index_root_keys(table);
        let chunks = Arc::new(read(storage, &keys, "the catalog", ChunkIndex::from_bytes)?);
        let mut kept = self.kept.lock();
        kept.chunks.insert(source.id, Arc::clone(&chunks));
        let columns = chunks.chunks.first().map_or(0, |chunk| chunk.pages.len());
        let bytes = chunks.chunks.len() * (size_of::<ChunkEntry>() + columns * size_of::<u32>());
        kept.remember(Name::Chunks(source.id), bytes, self.bytes_max);
        Ok(chunks)
    }

    /// Returns a page of a source's index.
    pub(crate) fn page(
        &self,
        storage: &Storage,
        (table, source): (TableId, SourceId),
        line: &IndexLine,
    ) -> Result<Arc<IndexPage>, ExecutorError> {
        if let Some(page) = self.kept.lock().pages.get(&(source, line.page)) {
            return Ok(Arc::clone(page));
        }
        let keys = line.keys(table, source);
        let page = Arc::new(read(storage, &keys, "an index root", IndexPage::from_bytes)?);
        let mut kept = self.kept.lock();
        kept.pages.insert((source, line.page), Arc::clone(&page));
        kept.remember(Name::Page(source, line.page), page.len() * ENTRY_BYTES, self.bytes_max);
        Ok(page)
    }
}

impl Kept {
    fn remember(&mut self, name: Name, bytes: usize, bytes_max: usize) {
        self.order.push_back((name, bytes));
        self.bytes += bytes;
        while self.bytes > bytes_max
            && let Some((name, bytes)) = self.order.pop_front()
        {
            self.bytes -= bytes;
            match name {
                Name::Root(source) => drop(self.roots.remove(&source)),
                Name::Page(source, page) => drop(self.pages.remove(&(source, page))),
                Name::Chunks(source) => drop(self.chunks.remove(&source)),
            }
        }
    }
}

/// Reads the pieces of a stored structure and joins them.
pub(crate) fn read<T>(
    storage: &Storage,
    keys: &[Key],
    named_by: &'static str,
    decode: impl FnOnce(&[u8]) -> Result<T, LayoutError>,
) -> Result<T, ExecutorError> {
    let keys: Vec<Bytes> = keys.iter().map(|key| key.to_bytes().into()).collect();
    let mut joined = Vec::new();
    for (key, value) in keys.iter().zip(storage.batch_get_blocking(&keys)?) {
        let missing = || ExecutorError::Missing { key: HexKey(key.to_vec()), named_by };
        joined.extend_from_slice(&value.ok_or_else(missing)?);
    }
    let key = HexKey(keys.first().map(|key| key.to_vec()).unwrap_or_default());
    decode(&joined).map_err(|source| ExecutorError::Corrupt { key, source })
}
