//! Reads every CRAM of the shared corpus as htslib reads it, and damaged ones without a panic.
//!
//! The corpus lies in `$GENOMDB_CORPUS` or in `../shared/data` beside the repository; without it the tests
//! that need it say that they were skipped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod corpus;
mod damage;
mod fixtures;
mod references;

use std::path::{Path, PathBuf};

use genomdb_formats::{FormatError, OpenOptions, Source, open, sam};
use genomdb_genome::alignment::Records;

/// Returns the folder of the corpus.
fn corpus_folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("GENOMDB_CORPUS").map_or(beside, PathBuf::from);
    if root.join("ORACLE.tsv").is_file() {
        return Some(root);
    }
    eprintln!("skipped: no corpus at {}", root.display());
    None
}

/// Reads a whole file and returns its number of records and its SAM text.
fn read(source: Source, options: &OpenOptions) -> Result<(usize, Vec<u8>), FormatError> {
    let mut reader = open(source, options)?;
    let header = reader.header().clone();
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    let (mut records, mut count) = (Records::default(), 0);
    while reader.read_batch(&mut records, 1 << 16)? {
        assert!(!records.is_empty());
        count += records.len();
        for record in records.iter() {
            writer.write(&record, &header.contigs).unwrap();
        }
        records.clear();
    }
    assert!(records.is_empty());
    Ok((count, writer.into_inner()))
}
