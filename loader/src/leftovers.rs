//! Removes what a load or a drop that never ended has left; the journal names it.

use std::collections::BTreeSet;

use genomdb_layout::{
    catalog::{Catalog, JournalEntry},
    key::{Key, SourceId, TableId, journal_prefix, journals_prefix, table_prefixes},
};
use genomdb_storage::{KeyRange, ScanLimit, Storage, WriteBatch};

use crate::{LoadError, catalog::read_catalog, lease, live};

/// Removes what crashes and failed clean-ups have left behind, and returns of how many loads and drops.
///
/// Loads and drops that run are left alone, also those of other processes that share the store. Each load
/// calls it first. Blocks.
///
/// # Errors
///
/// If the storage fails, or the journal is damaged.
pub fn collect_leftovers(storage: &Storage) -> Result<usize, LoadError> {
    let journals = journals(storage)?;
    if journals.is_empty() {
        return Ok(0);
    }
    // Whoever is on the list when the journal was read may be off it by now, and visible: the catalog,
    // read afterwards, shows it.
    let mut dead = Vec::new();
    for (table, source) in journals {
        let is_live = live::is_live(storage, source)
            // LOAD-3: in a cluster it may live elsewhere; if not, its lease cannot come back.
            || (storage.is_shared() && !lease::bury(storage, table, source)?);
        if !is_live {
            dead.push((table, source));
        }
    }
    let catalog = read_catalog(storage)?;
    for &(table, source) in &dead {
        if is_known(&catalog, table, source) {
            // A drop that crashed before it took effect: what the journal names is in use.
            forget(storage, table, source)?;
        } else {
            erase(storage, table, source)?;
        }
        tracing::info!(table = table.0, source = source.0, "leftovers collected");
    }
    Ok(dead.len())
}

fn is_known(catalog: &Catalog, table: TableId, source: SourceId) -> bool {
    let sources = catalog.tables.iter().filter(|known| known.id == table).flat_map(|table| &table.sources);
    sources.into_iter().any(|known| known.id == source)
}

/// Returns the loads and drops that have a journal.
fn journals(storage: &Storage) -> Result<BTreeSet<(TableId, SourceId)>, LoadError> {
    let mut found = BTreeSet::new();
    let mut next = Some(KeyRange::prefix(journals_prefix()));
    while let Some(range) = next {
        let page = storage.scan_keys_blocking(&range, ScanLimit::default())?;
        for key in page.entries {
            if let Key::Journal { table, source, .. } = Key::from_bytes(&key)? {
                found.insert((table, source));
            }
        }
        next = page.next;
    }
    Ok(found)
}

/// Removes everything that the journal of a source names, and then the journal.
pub(crate) fn erase(storage: &Storage, table: TableId, source: SourceId) -> Result<(), LoadError> {
    let limit = ScanLimit { entries: 16, ..ScanLimit::default() };
    let mut next = Some(KeyRange::prefix(journal_prefix(table, source)));
    while let Some(range) = next {
        let page = storage.scan_blocking(&range, limit)?;
        for (key, value) in page.entries {
            let mut batch = WriteBatch::new();
            for prefix in JournalEntry::from_bytes(&value)?.prefixes {
                check_prefix(table, &prefix)?;
                batch.delete_range(KeyRange::prefix(prefix));
            }
            storage.write_blocking(batch)?;
            // The journal entry goes after what it names: they may lie in different ranges.
            let mut batch = WriteBatch::new();
            batch.delete(key);
            storage.write_blocking(batch)?;
        }
        next = page.next;
    }
    Ok(())
}

/// Removes the journal of a source alone.
fn forget(storage: &Storage, table: TableId, source: SourceId) -> Result<(), LoadError> {
    let mut batch = WriteBatch::new();
    batch.delete_range(KeyRange::prefix(journal_prefix(table, source)));
    Ok(storage.write_blocking(batch)?)
}

/// A damaged journal must not name the catalog, or another table.
fn check_prefix(table: TableId, prefix: &[u8]) -> Result<(), LoadError> {
    let own = table_prefixes(table).iter().any(|own| prefix.starts_with(own));
    // As long as the key of a source at least: kind, table, source.
    if own && prefix.len() >= 9 {
        Ok(())
    } else {
        Err(genomdb_layout::LayoutError::CorruptKey(prefix.to_vec()).into())
    }
}
