//! The files of the corpus, what htslib says of them, and the exceptions.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// A file of alignments.
pub(crate) struct Case {
    /// Its path in the corpus.
    pub(crate) path: String,
    /// The records that htslib counts; `None` if it refuses the file.
    pub(crate) records: Option<u64>,
}

impl Case {
    /// Tells whether the file is meant to be wrong.
    pub(crate) fn is_failed(&self) -> bool {
        self.path.contains("/failed/")
    }
}

/// Returns the folder of the corpus, and says so if there is none.
pub(crate) fn root() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("GENOMDB_CORPUS").map_or(beside, PathBuf::from);
    if root.join("ORACLE.tsv").is_file() {
        return Some(root);
    }
    eprintln!("skipped: no corpus at {}", root.display());
    None
}

/// Returns every SAM, BAM and CRAM.
pub(crate) fn alignments(root: &Path) -> Vec<Case> {
    let oracle = fs::read_to_string(root.join("ORACLE.tsv")).unwrap();
    let case = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let is_alignments = ["sam", "bam", "cram"].contains(&fields[1]);
        is_alignments.then(|| {
            let records = (fields[3] == "0").then(|| fields[4].parse().unwrap());
            Case { path: fields[0].to_owned(), records }
        })
    };
    oracle.lines().skip(1).filter_map(case).collect()
}

/// Returns the exceptions of one kind: path and reason.
pub(crate) fn exceptions(kind: &str) -> HashMap<&'static str, &'static str> {
    let lines = include_str!("exceptions.tsv").lines().skip(1);
    let fields = lines.map(|line| {
        let mut fields = line.splitn(3, '\t');
        let mut next = || fields.next().unwrap();
        (next(), next(), next())
    });
    fields.filter(|(found, ..)| *found == kind).map(|(_, path, reason)| (path, reason)).collect()
}
