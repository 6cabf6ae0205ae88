//! Before the first record: does the file fit the table, and which numbers will table and source have?

use genomdb_formats::Header;
use genomdb_layout::{
    catalog::{Catalog, MergedContigs, SourceEntry, TableEntry, TableKind},
    key::{SourceId, TableId},
};
use genomdb_storage::Storage;

use crate::{
    LoadError,
    catalog::change_catalog,
    contigs::reconcile,
    error::NotAlignments,
    lease::Lease,
    live::{self, Live},
};

/// What a load will write to; nobody collects its blocks as long as this lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) table: TableId,
    pub(crate) source: SourceId,
    /// Whether the table was there already.
    pub(crate) table_exists: bool,
    pub(crate) contigs: MergedContigs,
    pub(crate) live: Live,
}

/// The table that a load goes into, as messages name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) dataset: &'a str,
    pub(crate) table: &'a str,
    /// What is loaded.
    pub(crate) file: &'a str,
}

/// Checks the contigs of a file against its table's and takes the numbers.
///
/// Only the counters of the catalog change: nothing is visible yet.
pub(crate) fn reserve(
    storage: &Storage,
    to: Destination<'_>,
    header: &Header,
) -> Result<Reservation, LoadError> {
    let _reserving = live::reserving();
    let (_, reserved) = change_catalog(storage, |catalog, transaction| {
        let known = to.find(catalog)?;
        let contigs = to.reconcile(known, header)?;
        let known = known.map(|table| table.id);
        let in_the_making = match known {
            None => live::table_in_the_making(storage, to.dataset, to.table)?,
            Some(_) => None,
        };
        let table = known.or(in_the_making).unwrap_or_else(|| {
            catalog.next_table += 1;
            TableId(catalog.next_table - 1)
        });
        let source = catalog.take_source_id();
        let makes = known.is_none().then(|| (to.dataset.to_owned(), to.table.to_owned()));
        // Written with the numbers: there is no moment in which others could take them for a leftover.
        let lease = storage.is_shared().then(|| Lease::new(table, source, makes.clone()));
        if let Some(lease) = &lease {
            lease.put(storage, &mut transaction.batch);
        }
        Ok(((table, source, makes, lease), known.is_some(), contigs))
    })?;
    let ((table, source, makes, lease), table_exists, contigs) = reserved;
    let live = Live::load(storage, table, source, makes, lease);
    // A clock that is wrong is found now, not when hours of work are to be published.
    if let Some(lease) = live.lease()
        && !lease.renew(storage)?
    {
        return Err(LoadError::LeaseLost);
    }
    Ok(Reservation { table, source, table_exists, contigs, live })
}

impl Destination<'_> {
    /// Returns the table if it exists; it must then be of alignments.
    pub(crate) fn find<'a>(&self, catalog: &'a Catalog) -> Result<Option<&'a TableEntry>, LoadError> {
        if !catalog.datasets.iter().any(|known| known == self.dataset) {
            return Err(LoadError::UnknownDataset { dataset: self.dataset.to_owned() });
        }
        let wrong = |found| {
            let (dataset, table) = (self.dataset.to_owned(), self.table.to_owned());
            Err(LoadError::WrongKind { dataset, table, found })
        };
        if catalog.view(self.dataset, self.table).is_some() {
            return wrong(NotAlignments::View);
        }
        match catalog.table(self.dataset, self.table) {
            Some(table) if table.kind != TableKind::Alignments => wrong(NotAlignments::Table(table.kind)),
            found => Ok(found),
        }
    }

    /// Numbers the contigs of the file as the table does.
    pub(crate) fn reconcile(
        &self,
        table: Option<&TableEntry>,
        header: &Header,
    ) -> Result<MergedContigs, LoadError> {
        let none = Default::default();
        let known = table.map_or(&none, |table| &table.contigs);
        reconcile(known, &header.contigs).map_err(|source| LoadError::Contigs {
            file: self.file.to_owned(),
            dataset: self.dataset.to_owned(),
            table: self.table.to_owned(),
            source: Box::new(source),
        })
    }
}

impl Reservation {
    /// Returns what is stored of the file besides its records.
    pub(crate) fn entry(&self, header: &Header) -> SourceEntry {
        SourceEntry { header: header.text.clone(), contigs: self.contigs.ids.clone() }
    }
}
