//! Reads whole files of alignments: the shared corpus, generated ones, damaged ones.
//!
//! The corpus lies in `$GENOMDB_CORPUS` or in `../shared/data` beside the repository; without it the tests
//! that need it say that they were skipped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bam;
mod corpus;
mod damage;
mod generated;

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use genomdb_formats::{FormatError, OpenOptions, Source, open, sam};
use genomdb_genome::alignment::Records;

/// A file of the corpus and what htslib says of it.
struct Case {
    path: String,
    accepted: bool,
    records: Option<usize>,
}

fn corpus_root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("GENOMDB_CORPUS").map_or(beside, PathBuf::from);
    let found = root.join("ORACLE.tsv").is_file();
    if !found {
        eprintln!("skipped: no corpus at {}", root.display());
    }
    found.then_some(root)
}

fn corpus() -> Option<(PathBuf, Vec<Case>)> {
    let root = corpus_root()?;
    let oracle = fs::read_to_string(root.join("ORACLE.tsv")).unwrap();
    let mut cases = Vec::new();
    for line in oracle.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if ["sam", "bam"].contains(&fields[1]) {
            let (path, accepted) = (fields[0].to_owned(), fields[3] == "0");
            cases.push(Case { path, accepted, records: fields[4].parse().ok() });
        }
    }
    Some((root, cases))
}

/// Reads a whole file and returns its number of records and its SAM text.
fn read(source: Source) -> Result<(usize, Vec<u8>), FormatError> {
    let mut reader = open(source, &OpenOptions::default())?;
    let header = reader.header().clone();
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    let (mut records, mut count) = (Records::default(), 0);
    while reader.read_batch(&mut records, 1 << 16)? {
        count += records.len();
        for record in records.iter() {
            writer.write(&record, &header.contigs).unwrap();
        }
        records.clear();
    }
    Ok((count, writer.into_inner()))
}

fn samtools_view(path: &Path) -> Option<Vec<u8>> {
    let output = Command::new("samtools").args(["view", "-h", "--no-PG"]).arg(path).output().ok()?;
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "samtools failed on {}: {message}", path.display());
    Some(output.stdout)
}

/// Gives bytes to a reader as if they were a file.
fn bytes(bytes: Vec<u8>) -> Source {
    Source::Reader { name: "bytes".into(), reader: Box::new(Cursor::new(bytes)) }
}

/// Random numbers (xorshift64*) from a seed that a failing test names.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}
