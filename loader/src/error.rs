//! Why a load, a drop or a read of a source fails.

use std::path::PathBuf;

use genomdb_formats::FormatError;
use genomdb_layout::{LayoutError, catalog::TableKind};
use genomdb_storage::StorageError;

use crate::{ColumnMismatch, ContigMismatch};

/// A load or a change of the catalog failed; nothing of it is visible.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A record cannot be stored.
    #[error("{file}: record {record}: {source}")]
    Record {
        /// The file.
        file: String,
        /// The number of the record, from 1.
        record: u64,
        /// What is wrong.
        source: LayoutError,
    },
    /// The file had to be read twice, and was another one the second time.
    #[error("{file}: its header changed while it was being loaded")]
    FileChanged {
        /// The file.
        file: String,
    },
    /// The file's contigs contradict the table's.
    #[error("{file} does not fit table `{dataset}.{table}`: {source}")]
    Contigs {
        /// The file.
        file: String,
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
        /// What contradicts what.
        source: Box<ContigMismatch>,
    },
    /// The table has the same content already.
    #[error(
        "table `{dataset}.{table}` has the content of {file} already, as source `{existing}`; say FORCE (or --force) to have it twice"
    )]
    Duplicate {
        /// The file.
        file: String,
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
        /// The source that has the same content.
        existing: String,
    },
    /// Another source of the table has the name that the user gave.
    #[error("table `{dataset}.{table}` has a source `{name}` already; give another name")]
    NameTaken {
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
        /// The name.
        name: String,
    },
    /// The process was not heard of for so long that others collected what it had written.
    #[error(
        "this process lost its lease, and others may have removed what it wrote: it was stopped or cut off for \
         too long, or its clock differs from that of the cluster by more than a minute; try again"
    )]
    LeaseLost,
    /// Another process drops the source.
    #[error("source {source_id} is being dropped by another process; try again in a minute")]
    SourceBusy {
        /// The number of the source.
        source_id: u32,
    },
    /// There is no such dataset.
    #[error("there is no dataset `{dataset}`")]
    UnknownDataset {
        /// The name.
        dataset: String,
    },
    /// There is no such table.
    #[error("there is no table `{dataset}.{table}`")]
    UnknownTable {
        /// The dataset.
        dataset: String,
        /// The name.
        table: String,
    },
    /// The table has no such source.
    #[error("table `{dataset}.{table}` has no source `{name}`; it has {}", list(known))]
    UnknownSource {
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
        /// The name.
        name: String,
        /// The names that it has.
        known: Vec<String>,
    },
    /// Files of alignments do not go there.
    #[error("`{dataset}.{table}` is {found}, alignments cannot be loaded into it")]
    WrongKind {
        /// The dataset.
        dataset: String,
        /// The table or view.
        table: String,
        /// What it is.
        found: OtherKind,
    },
    /// Rows do not go there.
    #[error("`{dataset}.{table}` is {found}, rows cannot be added to it")]
    NotRows {
        /// The dataset.
        dataset: String,
        /// The table or view.
        table: String,
        /// What it is.
        found: OtherKind,
    },
    /// A table that is to be made is there already.
    #[error("table `{dataset}.{table}` exists already")]
    TableExists {
        /// The dataset.
        dataset: String,
        /// The name.
        table: String,
    },
    /// The columns of rows contradict the table's.
    #[error("the rows do not fit table `{dataset}.{table}`: {source}")]
    Columns {
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
        /// What contradicts what.
        source: Box<ColumnMismatch>,
    },
    /// A row takes more bytes than a table can hold at one place.
    #[error("row {row} cannot be stored: {source}")]
    Row {
        /// The number of the row, from 1.
        row: u64,
        /// What is wrong.
        source: LayoutError,
    },
    /// The table was dropped, made anew or given contradicting contigs while the load ran.
    #[error("table `{dataset}.{table}` was changed by somebody else during the load; load again")]
    TableChanged {
        /// The dataset.
        dataset: String,
        /// The table.
        table: String,
    },
    /// Others changed the catalog again and again.
    #[error("the catalog changed {attempts} times while this change was being made; try again")]
    CatalogBusy {
        /// How often it was tried.
        attempts: u32,
    },
    /// The sort cannot use its folder: it is full, or may not be written.
    #[error("cannot sort in {}: {source}", folder.display())]
    Spill {
        /// The folder of the spill files.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The storage failed, as on a full disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Stored bytes are damaged.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A key that the catalog or an index names is absent.
    #[error("source {source_id} of table {table_id}: the value of {what} is missing")]
    MissingValue {
        /// The number of the table.
        table_id: u32,
        /// The number of the source.
        source_id: u32,
        /// What it is of.
        what: String,
    },
    /// Somebody asked for the stop.
    #[error("cancelled")]
    Cancelled,
}

/// What stands where a table of one kind is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKind {
    /// A table of another kind.
    Table(TableKind),
    /// A view.
    View,
}

impl std::fmt::Display for OtherKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(kind) => write!(f, "a table of {}", kind.name()),
            Self::View => f.write_str("a view"),
        }
    }
}

fn list(names: &[String]) -> String {
    /// More are not listed.
    const NAMES_MAX: usize = 10;
    match names {
        [] => "none".to_owned(),
        names => {
            let shown: Vec<_> = names.iter().take(NAMES_MAX).map(|name| format!("`{name}`")).collect();
            let more = if names.len() > NAMES_MAX { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        }
    }
}
