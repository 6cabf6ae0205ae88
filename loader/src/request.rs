//! What is asked of a load, and what it did.

use std::{path::PathBuf, time::Duration};

use genomdb_formats::{Format, Source};
use genomdb_layout::key::{SourceId, TableId};

use crate::Config;

/// What is to be loaded, and where to.
#[derive(Debug)]
pub struct LoadRequest {
    /// The file: SAM, BAM or CRAM, told by its content.
    pub source: Source,
    /// The dataset of the table.
    pub dataset: String,
    /// The table; it is created, of kind alignments, if there is none.
    pub table: String,
    /// The name of the source. Default: the file's, without its folder, made unique in the table.
    pub name: Option<String>,
    /// Loads the file even if the table has the same content already.
    pub force: bool,
    /// The sample of every record, whatever the read groups say.
    pub sample: Option<String>,
    /// FASTA with the reference sequences of a CRAM.
    pub reference: Option<PathBuf>,
    /// The limits.
    pub config: Config,
}

impl LoadRequest {
    /// Asks for a load with every default.
    pub fn new(source: Source, dataset: impl Into<String>, table: impl Into<String>) -> Self {
        Self {
            source,
            dataset: dataset.into(),
            table: table.into(),
            name: None,
            force: false,
            sample: None,
            reference: None,
            config: Config::default(),
        }
    }
}

/// What a load did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// The table.
    pub table: TableId,
    /// The source that the file became.
    pub source: SourceId,
    /// Its name.
    pub name: String,
    /// What the file was.
    pub format: Format,
    /// Its records.
    pub records: u64,
    /// The blocks that they became.
    pub blocks: u32,
    /// The bytes of all values written, with index and header.
    pub stored_bytes: u64,
    /// Bytes of the file, as it is stored, that were read.
    pub bytes_read: u64,
    /// Whether the records had to be sorted.
    pub sorted_here: bool,
    /// How long it took.
    pub duration: Duration,
}
