//! `DROP SOURCE` and `DROP TABLE`: first out of sight, then off the disk.

use genomdb_layout::{
    catalog::{Catalog, JournalEntry, SourceSummary, TableEntry, TableKind},
    key::{Key, SourceId, TableId},
    rows::ChunkEntry,
};
use genomdb_storage::{Condition, Storage, WriteBatch};

use crate::{
    LoadError,
    catalog::{change_catalog, read_catalog},
    lease::Lease,
    leftovers,
    live::Live,
    stored::Stored,
};

/// What a drop leaves on the disk until nobody reads it any more.
///
/// Readers of an older catalog version may still be at it: whoever serves them calls [`Garbage::collect`]
/// when the last one is gone. If this value is dropped instead, or the process ends, the next load or
/// [`crate::collect_leftovers`] does it.
#[derive(Debug)]
#[must_use = "the dropped sources keep their space until the garbage is collected"]
pub struct Garbage {
    storage: Storage,
    catalog_version: u64,
    sources: Vec<(TableId, SourceId, Live)>,
}

impl Garbage {
    pub(crate) fn new(
        storage: &Storage,
        catalog_version: u64,
        sources: Vec<(TableId, SourceId, Live)>,
    ) -> Self {
        Self { storage: storage.clone(), catalog_version, sources }
    }

    /// Returns the first catalog version that does not show what was dropped.
    ///
    /// As soon as no reader has an older one, it may be collected.
    pub fn catalog_version(&self) -> u64 {
        self.catalog_version
    }

    /// Deletes it. Blocks.
    ///
    /// # Errors
    ///
    /// If the storage fails; what is left is then found by [`crate::collect_leftovers`].
    pub fn collect(self) -> Result<(), LoadError> {
        for (table, source, _) in &self.sources {
            leftovers::erase(&self.storage, *table, *source)?;
        }
        Ok(())
    }
}

/// Removes a source from its table. Blocks.
///
/// On return no new reader sees its rows.
///
/// # Errors
///
/// If there is no such source, or the storage fails; then it is still there.
pub fn drop_source(
    storage: &Storage,
    dataset: &str,
    table: &str,
    source: &str,
) -> Result<Garbage, LoadError> {
    let catalog = read_catalog(storage)?;
    let (entry, summary) = find_source(&catalog, dataset, table, source)?;
    let (table_id, source_id) = (entry.id, summary.id);
    let sources = vec![mark(storage, entry, summary)?];
    let (catalog, ()) = change_catalog(storage, |catalog, transaction| {
        transaction.conditions.extend(leases(&sources));
        // Found by number: another source may have got the name meanwhile.
        let known = catalog.table_mut(dataset, table).filter(|known| known.id == table_id);
        let known = known.ok_or_else(|| unknown_table(dataset, table))?;
        let before = known.sources.len();
        known.sources.retain(|known| known.id != source_id);
        if known.sources.len() == before { Err(unknown_source(known, source)) } else { Ok(()) }
    })?;
    Ok(Garbage::new(storage, catalog.version, sources))
}

/// Removes a table with all its sources. Blocks.
///
/// A load into it that is running fails when it wants to become visible.
///
/// # Errors
///
/// If there is no such table, or the storage fails; then it is still there.
pub fn drop_table(storage: &Storage, dataset: &str, table: &str) -> Result<Garbage, LoadError> {
    let mut marked: Vec<(TableId, SourceId, Live)> = Vec::new();
    loop {
        let catalog = read_catalog(storage)?;
        let entry = catalog.table(dataset, table).ok_or_else(|| unknown_table(dataset, table))?;
        let id = entry.id;
        marked.retain(|(table, _, _)| *table == id);
        for summary in &entry.sources {
            if !marked.iter().any(|(_, source, _)| *source == summary.id) {
                marked.push(mark(storage, entry, summary)?);
            }
        }
        let (catalog, dropped) = change_catalog(storage, |catalog, transaction| {
            transaction.conditions.extend(leases(&marked));
            let known = catalog.table(dataset, table).ok_or_else(|| unknown_table(dataset, table))?;
            let is_marked =
                |summary: &SourceSummary| marked.iter().any(|(_, source, _)| *source == summary.id);
            // A load that became visible meanwhile is marked in the next round.
            let all = known.id == id && known.sources.iter().all(is_marked);
            if all {
                catalog.tables.retain(|known| known.id != id);
            }
            Ok(all)
        })?;
        if dropped {
            return Ok(Garbage::new(storage, catalog.version, marked));
        }
    }
}

/// Writes down what belongs to a source, while it is still there: if it goes, the journal names it.
pub(crate) fn mark(
    storage: &Storage,
    table: &TableEntry,
    summary: &SourceSummary,
) -> Result<(TableId, SourceId, Live), LoadError> {
    let (table, kind, source) = (table.id, table.kind, summary.id);
    let live = Live::drop_of(storage, table, source)?;
    let stored = Stored { storage: storage.clone(), table, source };
    let mut journal = Marks { storage, table, source, part: 0 };
    let mut pages = Vec::new();
    if kind == TableKind::Rows {
        let count = stored.chunk_index(summary)?.chunks.len();
        // No source has more chunks than a key can number.
        let chunks = (0..count as u32).map(|chunk| ChunkEntry::key(table, source, chunk, 0).prefix());
        journal.write(chunks)?;
    } else {
        for line in &stored.root(summary)?.lines {
            let page = stored.page(line)?;
            journal.write(page.entries().map(|entry| entry.first_key(table, source).prefix()))?;
            pages.extend(line.keys(table, source));
        }
    }
    let rest = pages.into_iter().chain(summary.index_root_keys(table)).chain(summary.entry_keys(table));
    journal.write(rest.map(Key::to_bytes))?;
    Ok((table, source, live))
}

/// The journal of a drop.
struct Marks<'a> {
    storage: &'a Storage,
    table: TableId,
    source: SourceId,
    part: u32,
}

impl Marks<'_> {
    fn write(&mut self, prefixes: impl Iterator<Item = Vec<u8>>) -> Result<(), LoadError> {
        /// Names in one journal entry: deleting what they name is one write.
        const PREFIXES_MAX: usize = 256;
        for prefixes in prefixes.collect::<Vec<_>>().chunks(PREFIXES_MAX) {
            let mut batch = WriteBatch::new();
            let entry = JournalEntry { prefixes: prefixes.to_vec() };
            let key = JournalEntry::key(self.table, self.source, self.part);
            batch.put(key.to_bytes(), entry.to_bytes());
            self.part += 1;
            self.storage.write_blocking(batch)?;
        }
        Ok(())
    }
}

/// LOAD-3: a drop takes effect only while nobody may collect its journal.
pub(crate) fn leases(sources: &[(TableId, SourceId, Live)]) -> impl Iterator<Item = Condition> {
    sources.iter().filter_map(|(_, _, live)| live.lease()).map(Lease::is_held)
}

/// Finds a source by name.
pub(crate) fn find_source<'a>(
    catalog: &'a Catalog,
    dataset: &str,
    table: &str,
    source: &str,
) -> Result<(&'a TableEntry, &'a SourceSummary), LoadError> {
    let known = catalog.table(dataset, table).ok_or_else(|| unknown_table(dataset, table))?;
    let summary = known.sources.iter().find(|known| known.name == source);
    summary.map(|summary| (known, summary)).ok_or_else(|| unknown_source(known, source))
}

fn unknown_table(dataset: &str, table: &str) -> LoadError {
    LoadError::UnknownTable { dataset: dataset.to_owned(), table: table.to_owned() }
}

fn unknown_source(table: &TableEntry, name: &str) -> LoadError {
    LoadError::UnknownSource {
        dataset: table.dataset.clone(),
        table: table.name.clone(),
        name: name.to_owned(),
        known: table.sources.iter().map(|source| source.name.clone()).collect(),
    }
}
