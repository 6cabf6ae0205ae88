//! A table as a query sees it: pinned to one catalog version, with what reading it takes.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringArray},
    datatypes::SchemaRef,
};
use genomdb_genome::{
    alignment::tag::TagKey,
    schema::alignment::{self, TagField},
};
use genomdb_layout::{
    catalog::{SourceSummary, TableEntry},
    index::IndexRoot,
};
use genomdb_planner::{BlockGet, FilteredTable, GetCounts, Pruning};
use genomdb_storage::Storage;

use crate::{error::ExecutorError, index_cache::IndexCache};

/// An `alignments` table of one catalog version.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) entry: Arc<TableEntry>,
    pub(crate) schema: SchemaRef,
    pub(crate) storage: Storage,
    pub(crate) cache: Arc<IndexCache>,
    /// The names of the contigs: the values of the dictionaries of `chrom` and `mate_chrom`.
    pub(crate) contig_names: ArrayRef,
    /// The names of the sources: the values of the dictionary of `source`.
    pub(crate) source_names: ArrayRef,
}

impl Dataset {
    pub(crate) fn new(entry: Arc<TableEntry>, storage: Storage, cache: Arc<IndexCache>) -> Self {
        let contigs = entry.contigs.iter().map(|contig| Some(&*contig.name)).collect::<StringArray>();
        let sources = entry.sources.iter().map(|source| Some(source.name.as_str())).collect::<StringArray>();
        Self {
            schema: Arc::new(alignment::schema(&entry.tags)),
            contig_names: Arc::new(contigs),
            source_names: Arc::new(sources),
            entry,
            storage,
            cache,
        }
    }

    pub(crate) fn filtered(&self) -> FilteredTable<'_> {
        FilteredTable { name: &self.entry.name, contigs: &self.entry.contigs }
    }

    pub(crate) fn source(&self, index: usize) -> Option<&SourceSummary> {
        self.entry.sources.get(index)
    }

    /// Returns a tag in the shape that the schema gives it.
    pub(crate) fn tag_field(&self, key: TagKey) -> Option<TagField> {
        let place = self.entry.tags.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.entry.tags.get(place).map(|(key, kinds)| TagField::new(*key, kinds))
    }

    /// Returns the index roots of the sources, in their order.
    pub(crate) fn roots(&self) -> Result<Vec<Arc<IndexRoot>>, ExecutorError> {
        self.cache.roots(&self.storage, self.entry.id, &self.entry.sources)
    }

    /// Reads the index: the blocks that must be read, in order of their places.
    ///
    /// Blocks on the store; what the cache holds takes microseconds.
    pub(crate) fn select(&self, pruning: &Pruning) -> Result<(Vec<BlockGet>, GetCounts), ExecutorError> {
        let mut blocks = Vec::new();
        let mut counts = GetCounts::default();
        for (source, root) in self.roots()?.iter().enumerate() {
            counts.index_pages_known += root.lines.len();
            counts.blocks_known += root.blocks();
            let Some(id) = self.source(source).map(|source| source.id) else { continue };
            for line in pruning.lines(root) {
                counts.index_pages += 1;
                let page = self.cache.page(&self.storage, (self.entry.id, id), line)?;
                blocks.extend(pruning.blocks(&page, source));
            }
        }
        if self.entry.sources.len() > 1 {
            blocks.sort_by_key(BlockGet::order);
        }
        counts.blocks = blocks.len();
        counts.records = blocks.iter().map(|block| u64::from(block.records)).sum();
        Ok((blocks, counts))
    }
}
