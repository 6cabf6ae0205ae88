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
    pub(crate) _live: Live,
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
    let (_, reserved) = change_catalog(storage, |catalog, _| {
        let known = to.find(catalog)?;
        let contigs = to.reconcile(known, header)?;
        let known = known.map(|table| table.id);
        let in_the_making = || live::table_in_the_making(storage, to.dataset, to.table);
        let table = known.or_else(in_the_making).unwrap_or_else(|| {
            catalog.next_table += 1;
            TableId(catalog.next_table - 1)
        });
        Ok((table, catalog.take_source_id(), known.is_some(), contigs))
    })?;
    let (table, source, table_exists, contigs) = reserved;
    let makes = (!table_exists).then(|| (to.dataset.to_owned(), to.table.to_owned()));
    let live = Live::add(storage, table, source, makes);
    Ok(Reservation { table, source, table_exists, contigs, _live: live })
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
