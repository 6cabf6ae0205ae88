//! Made-up reads, packed by samtools in each version, and what samtools printed of them.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use genomdb_formats::{OpenOptions, Source};

use crate::read;

/// Each file, and the text that it stands for; several say the same.
pub(crate) const FIXTURES: [(&str, &str); 7] = [
    ("v2.1.cram", "v2.1.sam"),
    ("v3.0.cram", "v3.0.sam"),
    ("v3.0-embedded.cram", "v3.0.sam"),
    ("v3.0-no-reference.cram", "v3.0-no-reference.sam"),
    ("v3.0-several-contigs.cram", "v3.0-several-contigs.sam"),
    ("v3.1.cram", "v3.0.sam"),
    ("v3.1-arithmetic.cram", "v3.0.sam"),
];

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cram/fixtures").join(name)
}

pub(crate) fn with_reference(name: &str) -> OpenOptions {
    OpenOptions { reference: Some(fixture(name)), threads: 2 }
}

#[test]
fn every_version_gives_the_text_that_samtools_printed() {
    for (file, text) in FIXTURES {
        for threads in [1, 3] {
            let options = OpenOptions { threads, ..with_reference("reads.fa") };
            let (count, found) = read(Source::Path(fixture(file)), &options).unwrap();
            assert_eq!(count, 132, "{file}");
            let expected = fs::read_to_string(fixture(text)).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), expected, "{file}");
        }
    }
}

#[test]
fn a_reference_is_needed_only_where_the_bases_are_not_in_the_file() {
    for (file, _) in FIXTURES {
        let found = read(Source::Path(fixture(file)), &OpenOptions::default());
        let message = found.map_err(|error| error.to_string());
        if file.contains("embedded") || file.contains("no-reference") {
            assert_eq!(message.unwrap().0, 132, "{file}");
        } else {
            let message = message.unwrap_err();
            let parts = ["contig `one`", "d04f1d7e243778a03b8e73bf68f7e94a", "give a FASTA file", file];
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }
}

#[test]
fn another_reference_is_refused_by_contig_file_and_md5() {
    let folder = tempfile::tempdir().unwrap();
    let fasta = fs::read_to_string(fixture("reads.fa")).unwrap();
    let check = |name: &str, text: String, parts: &[&str]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let options = OpenOptions { reference: Some(path), threads: 1 };
        for file in ["v2.1.cram", "v3.0.cram", "v3.0-several-contigs.cram", "v3.1.cram"] {
            let message = read(Source::Path(fixture(file)), &options).unwrap_err().to_string();
            assert!(parts.iter().chain(&[file, name]).all(|part| message.contains(part)), "{message}");
        }
    };
    let first_base = fasta.find('\n').unwrap() + 1;
    let other = if fasta.as_bytes()[first_base] == b'A' { "C" } else { "A" };
    let mut changed = fasta.clone();
    changed.replace_range(first_base..=first_base, other);
    check("changed.fa", changed, &["contig `one`", "its MD5 is", "M5 is d04f1d7e243778a03b8e73bf68f7e94a"]);
    check("renamed.fa", fasta.replace(">one", ">1"), &["contig `one` (M5 d04f1d7e", "is not in"]);
    let shorter = fasta.replacen(&fasta[first_base..first_base + 71], "", 1);
    check("shorter.fa", shorter, &["contig `one` has 2930 bases", "the header says 3000"]);
    check("irregular.fa", fasta.replacen("\n>two", "ACGTACGT\nACGTACGTAC\n>two", 1), &["contig `one`"]);
    let options = with_reference("absent.fa");
    let message = read(Source::Path(fixture("v3.0.cram")), &options).unwrap_err().to_string();
    assert!(message.contains("absent.fa"), "{message}");
}

#[test]
fn other_versions_are_refused_by_name() {
    for (major, minor) in [(1, 0), (3, 2), (4, 0)] {
        let mut bytes = fs::read(fixture("v3.0.cram")).unwrap();
        (bytes[4], bytes[5]) = (major, minor);
        let source = Source::Reader { name: "bytes".into(), reader: Box::new(Cursor::new(bytes)) };
        let message = read(source, &OpenOptions::default()).unwrap_err().to_string();
        assert!(message.contains(&format!("CRAM {major}.{minor}")), "{message}");
    }
}
