//! Makes an ingest visible: one transaction on the catalog, which also ends its journal.

use genomdb_layout::{
    catalog::{Catalog, JournalEntry, SourceSummary, TableEntry, TableKind},
    key::{SourceId, TableId},
};
use genomdb_storage::Transaction;

use super::{IngestMode, Job, Written};
use crate::{
    Garbage, LoadError,
    catalog::{change_catalog, read_catalog},
    drop::{leases, mark},
    lease::Lease,
    live::Live,
    publish::now_ms,
};

/// A source that goes, and what keeps others from collecting it before its time.
type Marked = (TableId, SourceId, Live);

/// Makes the rows visible; returns the name of their source, and what was replaced.
///
/// LOAD-1: this one transaction is what makes any of it visible, and what it replaces invisible.
pub(super) fn publish(
    job: &Job<'_>,
    written: &Written,
) -> Result<(Option<String>, Option<Garbage>), LoadError> {
    let mut marked: Vec<Marked> = Vec::new();
    loop {
        if job.request.mode == IngestMode::Replace {
            let catalog = read_catalog(job.storage)?;
            if let Some(known) = job.request.find(&catalog)? {
                mark_all(job, known, &mut marked)?;
            }
        }
        let (catalog, published) = change_catalog(job.storage, |catalog, transaction| {
            // LOAD-3: what was collected meanwhile must not become visible.
            transaction.conditions.extend(job.reservation.live.lease().map(Lease::is_held));
            transaction.conditions.extend(leases(&marked));
            job.add_to(catalog, transaction, written, &marked)
        })?;
        // Rows that came into the table meanwhile are marked in the next round.
        if let Some(name) = published {
            let garbage = Garbage::new(job.storage, catalog.version, marked);
            return Ok((name, (job.request.mode == IngestMode::Replace).then_some(garbage)));
        }
    }
}

fn mark_all(job: &Job<'_>, known: &TableEntry, marked: &mut Vec<Marked>) -> Result<(), LoadError> {
    for summary in &known.sources {
        if !marked.iter().any(|(_, source, _)| *source == summary.id) {
            marked.push(mark(job.storage, known, summary)?);
        }
    }
    Ok(())
}

impl Job<'_> {
    /// Returns the name of the new source, if there is one; `None` while not all that goes is marked.
    fn add_to(
        &self,
        catalog: &mut Catalog,
        transaction: &mut Transaction,
        written: &Written,
        marked: &[Marked],
    ) -> Result<Option<Option<String>>, LoadError> {
        let (dataset, name) = (&self.request.dataset, &self.request.table);
        let known = self.request.find(catalog)?;
        let same_table = match known {
            Some(table) => table.id == self.reservation.table,
            None => !self.reservation.table_exists,
        };
        // What was written fits the columns of then.
        if !same_table || self.request.schema_of(known)? != self.schema {
            return Err(LoadError::TableChanged { dataset: dataset.clone(), table: name.clone() });
        }
        if known.is_none() {
            catalog.tables.push(TableEntry::new(self.reservation.table, dataset, name, TableKind::Rows));
        }
        let table = catalog.table_mut(dataset, name);
        let table = table.expect("the table was there, or was pushed");
        if self.request.mode == IngestMode::Replace {
            let is_marked = |known: &SourceSummary| marked.iter().any(|(_, source, _)| *source == known.id);
            if !table.sources.iter().all(is_marked) {
                return Ok(None);
            }
            table.sources.clear();
        }
        table.schema = self.schema.clone();
        let (id, source) = (self.reservation.table, self.reservation.source);
        for part in 0..written.journal_parts {
            transaction.batch.delete(JournalEntry::key(id, source, part).to_bytes());
        }
        if written.rows == 0 {
            return Ok(Some(None));
        }
        let source = self.summary(written);
        let name = source.name.clone();
        table.sources.push(source);
        Ok(Some(Some(name)))
    }

    fn summary(&self, written: &Written) -> SourceSummary {
        let SourceId(number) = self.reservation.source;
        SourceSummary {
            id: self.reservation.source,
            // No other source has its number.
            name: format!("ingest-{number}"),
            format: "Arrow".to_owned(),
            records: written.rows,
            bytes: written.bytes,
            loaded_at_ms: now_ms(),
            checksum: written.checksum,
            index_root_bytes: u32::try_from(written.index_bytes).unwrap_or(u32::MAX),
            entry_bytes: 0,
            samples: Vec::new(),
            read_groups: Vec::new(),
        }
    }
}
