//! The names that Tab offers: asked for when they are first needed, and remembered until something changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arrow::array::AsArray as _;
use arrow::{array::RecordBatch, compute::cast, datatypes::DataType};
use tokio::runtime::Handle;

use super::complete::Offer;
use crate::connection::Connection;

/// How long somebody who pressed Tab waits.
const PATIENCE: Duration = Duration::from_secs(2);
/// Names of a kind that are offered at most.
const NAMES_MAX: usize = 10_000;

/// The names that Tab offers.
pub(super) struct Names {
    connection: Arc<Connection>,
    runtime: Handle,
    /// Answers, by what was asked.
    known: Mutex<BTreeMap<String, Vec<Offer>>>,
}

impl Names {
    pub(super) fn new(connection: Arc<Connection>, runtime: Handle) -> Self {
        Self { connection, runtime, known: Mutex::default() }
    }

    /// Something may have changed.
    pub(super) fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn tables(&self) -> Vec<Offer> {
        self.ask("SHOW TABLES", |batch| pairs(batch, "name", "kind"))
    }

    /// Columns of a table; those of a struct as `tags.NM`.
    pub(super) fn columns(&self, table: &str) -> Vec<Offer> {
        self.ask(&format!("DESCRIBE {table}"), |batch| pairs(batch, "column", "type"))
    }

    pub(super) fn functions(&self) -> Vec<Offer> {
        self.ask("SHOW FUNCTIONS", |batch| {
            let all = pairs(batch, "function", "purpose");
            all.into_iter()
                .map(|Offer { name: usage, about }| {
                    let name = usage.split('(').next().unwrap_or_default();
                    Offer { name: format!("{name}("), about: format!("{usage}: {about}") }
                })
                .collect()
        })
    }

    pub(super) fn contigs(&self, tables: &[String]) -> Vec<Offer> {
        let ask = |text: &str| self.ask(text, |batch| pairs(batch, "contig", "length"));
        match tables {
            [] => ask("SHOW CONTIGS"),
            tables => tables.iter().flat_map(|table| ask(&format!("SHOW CONTIGS FROM {table}"))).collect(),
        }
    }

    pub(super) fn settings(&self) -> Vec<Offer> {
        self.ask("SHOW ALL", |batch| pairs(batch, "setting", "description"))
    }

    /// What a statement answers, as names; nothing if it fails, for an error in the middle of a line would
    /// help nobody.
    fn ask(&self, text: &str, read: impl Fn(&RecordBatch) -> Vec<Offer>) -> Vec<Offer> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(text) {
            return known.clone();
        }
        let asked = async { tokio::time::timeout(PATIENCE, self.connection.rows(text)).await };
        let Ok(Ok(batches)) = self.runtime.block_on(asked) else { return Vec::new() };
        let mut names: Vec<Offer> = batches.iter().flat_map(read).collect();
        names.truncate(NAMES_MAX);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), names.clone());
        names
    }
}

/// A column as names, with another column as what is said of them.
fn pairs(batch: &RecordBatch, name: &str, about: &str) -> Vec<Offer> {
    let text = |column: &str| cast(batch.column_by_name(column)?, &DataType::Utf8).ok();
    let (Some(names), Some(abouts)) = (text(name), text(about)) else { return Vec::new() };
    let pairs = names.as_string::<i32>().iter().zip(abouts.as_string::<i32>().iter());
    let named = pairs.filter_map(|(name, about)| Some((name?, about)));
    named
        .map(|(name, about)| Offer { name: name.to_owned(), about: about.unwrap_or_default().to_owned() })
        .collect()
}
