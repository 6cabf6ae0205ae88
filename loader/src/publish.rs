//! Makes a load visible: one transaction on the catalog, which also ends its journal.

use std::time::{SystemTime, UNIX_EPOCH};

use genomdb_formats::{Format, Header};
use genomdb_genome::alignment::tag::{TagKey, TagType};
use genomdb_layout::catalog::{
    Catalog, JournalEntry, MergedContigs, ReadGroupEntry, SourceSummary, TableEntry, TableKind,
};
use genomdb_storage::Storage;

use crate::{
    LoadError,
    catalog::change_catalog,
    collect::Written,
    lease::Lease,
    reserve::{Destination, Reservation},
};

/// A load of which everything is written, but nothing visible.
pub(crate) struct Finished<'a> {
    pub(crate) to: Destination<'a>,
    pub(crate) reservation: &'a Reservation,
    pub(crate) contigs: &'a MergedContigs,
    pub(crate) header: &'a Header,
    pub(crate) format: Format,
    pub(crate) written: &'a Written,
    pub(crate) entry_bytes: usize,
    pub(crate) checksum: u128,
    pub(crate) force: bool,
    /// The name that the user gave.
    pub(crate) name: Option<&'a str>,
    /// The name that the source gets otherwise.
    pub(crate) default_name: String,
    pub(crate) sample: Option<&'a str>,
}

/// Makes a load visible and returns the name of its source.
///
/// LOAD-1: this one transaction is what makes any of it visible, and all that it names is written before.
pub(crate) fn publish(storage: &Storage, load: &Finished<'_>) -> Result<String, LoadError> {
    let Reservation { table, source, .. } = *load.reservation;
    let (_, name) = change_catalog(storage, |catalog, transaction| {
        // LOAD-3: what was collected meanwhile must not become visible.
        transaction.conditions.extend(load.reservation.live.lease().map(Lease::is_held));
        for part in 0..load.written.journal_parts {
            transaction.batch.delete(JournalEntry::key(table, source, part).to_bytes());
        }
        load.add_to(catalog)
    })?;
    Ok(name)
}

/// The time of the machine's clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

impl Finished<'_> {
    fn add_to(&self, catalog: &mut Catalog) -> Result<String, LoadError> {
        let known = self.to.find(catalog)?;
        // The same file numbers as when its blocks were written, whatever was loaded in between.
        let contigs = self.to.reconcile(known, self.header)?;
        let same_table = match known {
            Some(table) => table.id == self.reservation.table,
            None => !self.reservation.table_exists,
        };
        if !same_table || contigs.ids != self.contigs.ids {
            let (dataset, table) = (self.to.dataset.to_owned(), self.to.table.to_owned());
            return Err(LoadError::TableChanged { dataset, table });
        }
        if known.is_none() {
            catalog.tables.push(self.new_table());
        }
        let table = catalog.table_mut(self.to.dataset, self.to.table);
        let table = table.ok_or_else(|| self.unknown_table())?;
        self.check_duplicate(table)?;
        let name = self.source_name(table)?;
        table.contigs = contigs.contigs;
        table.merge_tags(self.seen());
        table.sources.push(self.summary(&name));
        Ok(name)
    }

    fn seen(&self) -> impl Iterator<Item = (TagKey, TagType)> + '_ {
        self.written.tags_seen.iter().copied()
    }

    fn unknown_table(&self) -> LoadError {
        LoadError::UnknownTable { dataset: self.to.dataset.to_owned(), table: self.to.table.to_owned() }
    }

    fn new_table(&self) -> TableEntry {
        TableEntry::new(self.reservation.table, self.to.dataset, self.to.table, TableKind::Alignments)
    }

    fn check_duplicate(&self, table: &TableEntry) -> Result<(), LoadError> {
        let same = table.sources.iter().find(|known| known.checksum == self.checksum);
        match same.filter(|_| !self.force) {
            None => Ok(()),
            Some(existing) => Err(LoadError::Duplicate {
                file: self.to.file.to_owned(),
                dataset: self.to.dataset.to_owned(),
                table: self.to.table.to_owned(),
                existing: existing.name.clone(),
            }),
        }
    }

    /// Returns the user's name if it is free; the file's otherwise, with a number where needed.
    fn source_name(&self, table: &TableEntry) -> Result<String, LoadError> {
        let is_free = |name: &str| !table.sources.iter().any(|known| known.name == name);
        match self.name {
            Some(name) if is_free(name) => Ok(name.to_owned()),
            Some(name) => Err(LoadError::NameTaken {
                dataset: self.to.dataset.to_owned(),
                table: self.to.table.to_owned(),
                name: name.to_owned(),
            }),
            None => {
                let numbered = (2_u64..).map(|number| format!("{}#{number}", self.default_name));
                let mut names = std::iter::once(self.default_name.clone()).chain(numbered);
                Ok(names.find(|name| is_free(name)).unwrap_or_default())
            }
        }
    }

    fn summary(&self, name: &str) -> SourceSummary {
        let narrow = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let sample = |sample: Option<&str>| self.sample.or(sample).map(str::to_owned);
        let groups = self.header.read_groups.iter();
        let read_groups: Vec<_> = groups
            .map(|group| ReadGroupEntry { id: group.id.clone(), sample: sample(group.sample.as_deref()) })
            .collect();
        let mut samples: Vec<String> = self.sample.map(str::to_owned).into_iter().collect();
        for sample in read_groups.iter().filter_map(|group| group.sample.as_ref()) {
            if !samples.contains(sample) {
                samples.push(sample.clone());
            }
        }
        SourceSummary {
            id: self.reservation.source,
            name: name.to_owned(),
            format: self.format.to_string(),
            records: self.written.records,
            bytes: self.written.index.bytes(),
            loaded_at_ms: now_ms(),
            checksum: self.checksum,
            index_root_bytes: narrow(self.written.index_root_bytes),
            entry_bytes: narrow(self.entry_bytes),
            samples,
            read_groups,
        }
    }
}
