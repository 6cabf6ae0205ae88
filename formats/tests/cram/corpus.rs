//! Every CRAM of the corpus against `samtools view`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use genomdb_formats::{OpenOptions, Source, open};

use crate::{corpus_folder, read, references::References};

/// The reference is in nobody's hands here: htslib can count such records, but not print them either.
const NO_REFERENCE: &str = "it is packed against a reference";

/// The file was cut; htslib warns and goes on, GenomDB must not load what may lack reads.
const CUT: &str = "it lacks the container that ends a file";

/// Files that GenomDB refuses although htslib counts their records, with a part of its message.
const REFUSED: [(&str, &str); 10] = [
    ("bedtools2/test/intersect/a.cram", NO_REFERENCE),
    ("bedtools2/test/intersect/b.cram", NO_REFERENCE),
    // The header says LN:30 and an M5 that no sequence `xx` of the corpus has.
    ("htslib/test/xx#large_aux_java.cram", NO_REFERENCE),
    ("igv.js/cram/heart_slc25a3.cram", NO_REFERENCE),
    ("polars-bio/tests/data/io/cram/external_ref/test_chr20.cram", NO_REFERENCE),
    ("samtools/test/quickcheck/5.quickcheck.scramble30.truncated.cram", CUT),
    ("samtools/test/quickcheck/6.quickcheck.cram21.ok.cram", NO_REFERENCE),
    ("samtools/test/quickcheck/7.quickcheck.cram30.ok.cram", NO_REFERENCE),
    ("samtools/test/quickcheck/8.quickcheck.cram21.truncated.cram", CUT),
    ("samtools/test/quickcheck/9.quickcheck.cram30.truncated.cram", CUT),
];

#[test]
fn every_cram_reads_as_samtools_prints_it() {
    let Some(root) = corpus_folder() else { return };
    let references = References::of(&root);
    let folder = tempfile::tempdir().unwrap();
    let oracle = fs::read_to_string(root.join("ORACLE.tsv")).unwrap();
    let mut failures = Vec::new();
    let mut copies = HashMap::new();
    for line in oracle.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[1] != "cram" {
            continue;
        }
        let path = root.join(fields[0]);
        let count = (fields[3] == "0").then(|| fields[4].parse::<usize>().unwrap());
        let reference = match open(Source::Path(path.clone()), &OpenOptions::default()) {
            Ok(reader) => references.find(&reader.header().contigs).map(Path::to_owned),
            Err(_) => None,
        };
        // A copy, because samtools writes an index beside it.
        let reference = reference.map(|path| {
            let next = copies.len();
            copies.entry(path.clone()).or_insert_with(|| copy(&path, folder.path(), next)).clone()
        });
        if let Err(failure) = compare(&path, reference, count, fields[0]) {
            failures.push(format!("{}: {failure}", fields[0]));
        }
    }
    assert!(failures.is_empty(), "{} files differ:\n{}", failures.len(), failures.join("\n"));
}

fn copy(fasta: &Path, folder: &Path, number: usize) -> PathBuf {
    let copy = folder.join(format!("{number}.fa"));
    fs::copy(fasta, &copy).unwrap();
    copy
}

fn compare(path: &Path, reference: Option<PathBuf>, count: Option<usize>, name: &str) -> Result<(), String> {
    let refused = REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, message)| message);
    let options = OpenOptions { reference: reference.clone(), threads: 2 };
    let found = match (read(Source::Path(path.to_owned()), &options), refused) {
        (Ok(_), Some(_)) => return Err("is read, yet stands among the refused".into()),
        (Ok(found), None) => found,
        (Err(error), Some(part)) if error.to_string().contains(part) => return Ok(()),
        (Err(_), None) if count.is_none() => return Ok(()),
        (Err(error), _) => return Err(error.to_string()),
    };
    if count.is_some_and(|count| count != found.0) {
        return Err(format!("{} records, htslib counts {count:?}", found.0));
    }
    let Some(expected) = samtools_view(path, reference.as_deref()) else { return Ok(()) };
    let expected = expected?;
    let lines =
        |text: &[u8]| -> Vec<String> { String::from_utf8_lossy(text).lines().map(str::to_owned).collect() };
    if found.1 == expected {
        return Ok(());
    }
    let (found, expected) = (lines(&found.1), lines(&expected));
    let place = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    let place = place.unwrap_or(found.len().min(expected.len()));
    let shown = |lines: &[String]| lines.get(place).map_or("(no line)", String::as_str).to_owned();
    Err(format!("line {}:\n  ours: {}\n  theirs: {}", place + 1, shown(&found), shown(&expected)))
}

/// Returns what samtools prints, where it is installed.
fn samtools_view(path: &Path, reference: Option<&Path>) -> Option<Result<Vec<u8>, String>> {
    let mut command = Command::new("samtools");
    command.args(["view", "-h", "--no-PG"]);
    if let Some(reference) = reference {
        command.arg("-T").arg(reference);
    }
    let output = command.arg(path).output().ok()?;
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(output.stdout) } else { Err(format!("samtools: {message}")) })
}
