//! Reads a source back as it stood in its file.

use std::vec;

use genomdb_genome::{Contigs, alignment::Records};
use genomdb_layout::{
    block::{BlockEntry, RowRanges},
    catalog::{Catalog, SourceEntry, SourceSummary, TableEntry, TableKind},
    index::IndexLine,
};
use genomdb_storage::Storage;

use crate::{
    CancelToken, Config, LoadError, OtherKind,
    batch::{Batch, Ordinals, Pool},
    drop::find_source,
    sort::{self, Order, SortConfig, Sorted},
    stored::Stored,
};

/// The header and the records of a source, in the order of its file.
///
/// The records of a file that was sorted stream; otherwise they are sorted by their numbers in the file, in
/// bounded memory. Blocks.
#[derive(Debug)]
pub struct SourceReader {
    header: SourceEntry,
    contigs: Contigs,
    blocks: Blocks,
    /// The records from the first one that was not in file order.
    sorted: Option<Sorted>,
    next_ordinal: u64,
    config: Config,
}

/// Opens a source of a table as `catalog` shows it.
///
/// # Errors
///
/// If there is no such source, its table is not of alignments, the storage fails, or what is stored is damaged.
pub fn read_source(
    storage: &Storage,
    catalog: &Catalog,
    dataset: &str,
    table: &str,
    source: &str,
    config: Config,
) -> Result<SourceReader, LoadError> {
    let (entry, summary) = find_source(catalog, dataset, table, source)?;
    if entry.kind != TableKind::Alignments {
        let (dataset, table, found) = (dataset.to_owned(), table.to_owned(), OtherKind::Table(entry.kind));
        return Err(LoadError::WrongKind { dataset, table, found });
    }
    SourceReader::open(storage, entry, summary, config)
}

impl SourceReader {
    fn open(
        storage: &Storage,
        table: &TableEntry,
        summary: &SourceSummary,
        config: Config,
    ) -> Result<Self, LoadError> {
        let stored = Stored { storage: storage.clone(), table: table.id, source: summary.id };
        let header = stored.entry(summary)?;
        let lines = stored.root(summary)?.lines.into_iter();
        let blocks = Blocks { stored, lines, entries: Vec::new().into_iter() };
        let contigs = table.contigs.clone();
        Ok(Self { header, contigs, blocks, sorted: None, next_ordinal: 0, config: config.bounded() })
    }

    /// Returns the text of the header, byte for byte.
    pub fn header_text(&self) -> &[u8] {
        &self.header.header
    }

    /// Returns the dictionary that the records' contigs have their numbers from: the table's.
    pub fn contigs(&self) -> &Contigs {
        &self.contigs
    }

    /// Returns the next records, `None` at the end.
    ///
    /// # Errors
    ///
    /// If the storage fails, or what is stored is damaged.
    pub fn next_batch(&mut self) -> Result<Option<Records>, LoadError> {
        if let Some(sorted) = &mut self.sorted {
            let batch = sorted.next_batch(self.config.batch_bytes, &Pool::default())?;
            return Ok(batch.map(|batch| batch.records));
        }
        let Some((records, ordinals)) = self.blocks.next()? else { return Ok(None) };
        let expected = self.next_ordinal..;
        if expected.zip(&ordinals).all(|(expected, &found)| expected == found) {
            self.next_ordinal += ordinals.len() as u64;
            return Ok(Some(records));
        }
        // What was given out are the first records of the file; the rest is sorted.
        self.sort_rest(Batch { records, ordinals: Ordinals::Listed(ordinals) })?;
        self.next_batch()
    }

    fn sort_rest(&mut self, first: Batch) -> Result<(), LoadError> {
        let config = SortConfig {
            order: Order::Ordinal,
            folder: self.config.spill_folder.clone(),
            memory_bytes: self.config.memory_bytes,
            threads: self.config.threads,
            batch_bytes: self.config.batch_bytes,
        };
        let mut first = Some(first);
        let mut next = || {
            if let Some(batch) = first.take() {
                return Ok(Some(batch));
            }
            let block = self.blocks.next()?;
            Ok(block.map(|(records, ordinals)| Batch { records, ordinals: Ordinals::Listed(ordinals) }))
        };
        self.sorted = Some(sort::sort(&mut next, &config, &CancelToken::new())?);
        Ok(())
    }
}

/// The blocks of a source, in genomic order.
#[derive(Debug)]
struct Blocks {
    stored: Stored,
    lines: vec::IntoIter<IndexLine>,
    entries: vec::IntoIter<BlockEntry>,
}

impl Blocks {
    /// Reads the next block: its records, and their numbers in the file.
    fn next(&mut self) -> Result<Option<(Records, Vec<u64>)>, LoadError> {
        let entry = loop {
            match self.entries.next() {
                Some(entry) => break entry,
                None => match self.lines.next() {
                    Some(line) => {
                        let page = self.stored.page(&line)?;
                        self.entries = page.entries().collect::<Vec<_>>().into_iter();
                    }
                    None => return Ok(None),
                },
            }
        };
        let reader = self.stored.block(entry)?;
        let (mut records, mut ordinals) = (Records::default(), Vec::new());
        reader.read_records(&RowRanges::all(reader.rows()), &mut records, &mut ordinals)?;
        Ok(Some((records, ordinals)))
    }
}
