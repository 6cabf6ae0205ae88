//! One catalog version, as a query sees it from beginning to end.

use std::{collections::HashMap, sync::Arc};

use datafusion::{datasource::provider_as_source, logical_expr::TableSource};
use genomdb_layout::{
    catalog::{Catalog, TableEntry, TableKind},
    key::TableId,
};
use genomdb_planner::{TableName, Tables};
use genomdb_storage::Storage;
use parking_lot::Mutex;

use crate::{
    SYSTEM_DATASET, SystemTable, dataset::Dataset, index_cache::IndexCache, row_table::RowTable,
    table::AlignmentTable,
};

/// A catalog version, and what was read of its tables.
#[derive(Debug)]
pub(crate) struct Snapshot {
    catalog: Arc<Catalog>,
    storage: Storage,
    cache: Arc<IndexCache>,
    datasets: Mutex<HashMap<TableId, Arc<Dataset>>>,
}

impl Snapshot {
    pub(crate) fn new(catalog: Arc<Catalog>, storage: Storage, cache: Arc<IndexCache>) -> Self {
        Self { catalog, storage, cache, datasets: Mutex::default() }
    }

    fn dataset(&self, entry: &TableEntry) -> Arc<Dataset> {
        let mut datasets = self.datasets.lock();
        let dataset = datasets.entry(entry.id).or_insert_with(|| {
            Arc::new(Dataset::new(Arc::new(entry.clone()), self.storage.clone(), Arc::clone(&self.cache)))
        });
        Arc::clone(dataset)
    }
}

/// The tables of a snapshot, as a query with given settings reads them.
pub(crate) struct SnapshotTables<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) system: &'a [SystemTable],
    pub(crate) pushdown: bool,
}

impl Tables for SnapshotTables<'_> {
    fn table(&self, name: &TableName) -> Option<Arc<dyn TableSource>> {
        if name.dataset == SYSTEM_DATASET {
            let table = self.system.iter().find(|table| table.name() == name.name)?;
            return Some(provider_as_source(Arc::new(table.clone())));
        }
        let table = self.snapshot.catalog.table(&name.dataset, &name.name)?;
        match table.kind {
            TableKind::Alignments => {
                let dataset = self.snapshot.dataset(table);
                Some(provider_as_source(Arc::new(AlignmentTable::new(dataset, self.pushdown))))
            }
            TableKind::Rows => {
                let (storage, cache) = (self.snapshot.storage.clone(), Arc::clone(&self.snapshot.cache));
                Some(provider_as_source(Arc::new(RowTable::new(Arc::new(table.clone()), storage, cache))))
            }
            _ => None,
        }
    }

    fn view(&self, name: &TableName) -> Option<String> {
        self.snapshot.catalog.view(&name.dataset, &name.name).map(|view| view.text.clone())
    }

    fn names(&self) -> Vec<TableName> {
        let catalog = &self.snapshot.catalog;
        let tables = catalog.tables.iter().map(|table| (&table.dataset, &table.name));
        let views = catalog.views.iter().map(|view| (&view.dataset, &view.name));
        let system = self.system.iter().map(|table| TableName::new(Some(SYSTEM_DATASET), table.name()));
        let stored = tables.chain(views).map(|(dataset, name)| TableName::new(Some(dataset), name));
        stored.chain(system).collect()
    }
}
