//! Reads stored structures of a source: index root, index pages, header, blocks.

use bytes::Bytes;
use genomdb_layout::{
    block::{AlignmentBlockReader, BlockEntry},
    catalog::{SourceEntry, SourceSummary},
    index::{IndexLine, IndexPage, IndexRoot},
    key::{Key, SourceId, TableId},
    rows::ChunkIndex,
};
use genomdb_storage::Storage;

use crate::LoadError;

/// A source in storage.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) storage: Storage,
    pub(crate) table: TableId,
    pub(crate) source: SourceId,
}

impl Stored {
    pub(crate) fn root(&self, summary: &SourceSummary) -> Result<IndexRoot, LoadError> {
        let bytes = self.joined(&summary.index_root_keys(self.table), "the index root")?;
        Ok(IndexRoot::from_bytes(&bytes)?)
    }

    pub(crate) fn chunk_index(&self, summary: &SourceSummary) -> Result<ChunkIndex, LoadError> {
        let bytes = self.joined(&summary.index_root_keys(self.table), "the chunk index")?;
        Ok(ChunkIndex::from_bytes(&bytes)?)
    }

    pub(crate) fn entry(&self, summary: &SourceSummary) -> Result<SourceEntry, LoadError> {
        let bytes = self.joined(&summary.entry_keys(self.table), "the source entry")?;
        Ok(SourceEntry::from_bytes(&bytes)?)
    }

    pub(crate) fn page(&self, line: &IndexLine) -> Result<IndexPage, LoadError> {
        let bytes = self.joined(&line.keys(self.table, self.source), "an index page")?;
        Ok(IndexPage::from_bytes(&bytes)?)
    }

    /// Reads every piece of a block.
    pub(crate) fn block(&self, entry: BlockEntry) -> Result<AlignmentBlockReader, LoadError> {
        let pieces = entry.directory.all_pieces();
        let key = |piece| Key::Block(entry.key(self.table, self.source, piece));
        let values = self.values(&pieces.iter().map(|&piece| key(piece)).collect::<Vec<_>>(), "a block")?;
        let mut reader = AlignmentBlockReader::new(entry);
        pieces.into_iter().zip(values).for_each(|(piece, value)| reader.insert(piece, value));
        Ok(reader)
    }

    fn joined(&self, keys: &[Key], what: &str) -> Result<Vec<u8>, LoadError> {
        Ok(self.values(keys, what)?.concat())
    }

    fn values(&self, keys: &[Key], what: &str) -> Result<Vec<Bytes>, LoadError> {
        let bytes: Vec<Bytes> = keys.iter().map(|key| key.to_bytes().into()).collect();
        let values = self.storage.batch_get_blocking(&bytes)?;
        let missing = || LoadError::MissingValue {
            table_id: self.table.0,
            source_id: self.source.0,
            what: what.to_owned(),
        };
        values.into_iter().map(|value| value.ok_or_else(missing)).collect()
    }
}
