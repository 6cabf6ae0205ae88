//! Before the first record: does the file fit the table, and which numbers will table and source have?

use genomdb_formats::Header;
use genomdb_layout::{
    catalog::{Catalog, MergedContigs, TableEntry, TableKind},
    key::{SourceId, TableId},
};
use genomdb_storage::Storage;

use crate::{
    LoadError,
    catalog::change_catalog,
    contigs::reconcile,
    error::OtherKind,
    lease::Lease,
    live::{self, Live},
};

/// What a load will write to; nobody collects what it wrote as long as this lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) table: TableId,
    pub(crate) source: SourceId,
    /// Whether the table was there already.
    pub(crate) table_exists: bool,
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
pub(crate) fn reserve(
    storage: &Storage,
    to: Destination<'_>,
    header: &Header,
) -> Result<(Reservation, MergedContigs), LoadError> {
    take_numbers(storage, (to.dataset, to.table), |catalog| {
        let known = to.find(catalog)?;
        Ok((known.map(|table| table.id), to.reconcile(known, header)?))
    })
}

/// Takes the numbers of table and source; `check` finds the table and says what the caller wants to know of it.
///
/// Only the counters of the catalog change: nothing is visible yet.
pub(crate) fn take_numbers<T>(
    storage: &Storage,
    (dataset, table): (&str, &str),
    check: impl Fn(&Catalog) -> Result<(Option<TableId>, T), LoadError>,
) -> Result<(Reservation, T), LoadError> {
    let _reserving = live::reserving();
    let (_, reserved) = change_catalog(storage, |catalog, transaction| {
        let (known, checked) = check(catalog)?;
        let in_the_making = match known {
            None => live::table_in_the_making(storage, dataset, table)?,
            Some(_) => None,
        };
        let id = known.or(in_the_making).unwrap_or_else(|| {
            catalog.next_table += 1;
            TableId(catalog.next_table - 1)
        });
        let source = catalog.take_source_id();
        let makes = known.is_none().then(|| (dataset.to_owned(), table.to_owned()));
        // Written with the numbers: there is no moment in which others could take them for a leftover.
        let lease = storage.is_shared().then(|| Lease::new(id, source, makes.clone()));
        if let Some(lease) = &lease {
            lease.put(storage, &mut transaction.batch);
        }
        Ok(((id, source, makes, lease), known.is_some(), checked))
    })?;
    let ((table, source, makes, lease), table_exists, checked) = reserved;
    let live = Live::load(storage, table, source, makes, lease);
    // A clock that is wrong is found now, not when hours of work are to be published.
    if let Some(lease) = live.lease()
        && !lease.renew(storage)?
    {
        return Err(LoadError::LeaseLost);
    }
    Ok((Reservation { table, source, table_exists, live }, checked))
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
            return wrong(OtherKind::View);
        }
        match catalog.table(self.dataset, self.table) {
            Some(table) if table.kind != TableKind::Alignments => wrong(OtherKind::Table(table.kind)),
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
