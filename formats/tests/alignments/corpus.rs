//! Every SAM and BAM of the shared corpus, against what htslib and samtools say of it.

use genomdb_formats::{FormatError, Source};

use crate::{corpus, corpus_root, read, samtools_view};

/// Files in a `failed` folder that are read all the same, each with the reason.
const FAILED_BUT_READ: [(&str, &str); 2] = [
    ("hts-specs/test/sam/failed/hdr.HD3.sam", "the same bytes as passed/hdr.HD6.sam: `GO:none` is legal"),
    ("hts-specs/test/sam/failed/hdr.RG5.sam", "PL: nothing depends on it; sample.bam of oxbow has `PL:i`"),
];

/// Files that htslib accepts and we refuse, each with the reason.
const ACCEPTED_BUT_REFUSED: [(&str, &str); 2] = [
    ("samtools/test/merge/merge.bed.1.sam", UNKNOWN_CONTIG),
    ("samtools/test/merge/merge.bed.2.sam", UNKNOWN_CONTIG),
];

const UNKNOWN_CONTIG: &str = "a record names a contig that the header lacks: samtools warns and takes the \
    record's place away, we refuse to lose it";

fn is_listed(list: &[(&str, &str)], path: &str) -> bool {
    list.iter().any(|&(listed, _)| listed == path)
}

#[test]
fn what_htslib_accepts_is_read_as_samtools_prints_it() {
    let Some((root, cases)) = corpus() else { return };
    let mut wrong = Vec::new();
    let mut compared = 0;
    for case in cases.iter().filter(|case| case.accepted && !case.path.contains("/failed/")) {
        let path = root.join(&case.path);
        match read(Source::Path(path.clone())) {
            Ok(_) if is_listed(&ACCEPTED_BUT_REFUSED, &case.path) => {
                wrong.push(format!("{}: was read, take it off the list", case.path));
            }
            Err(_) if is_listed(&ACCEPTED_BUT_REFUSED, &case.path) => {}
            Err(error) => wrong.push(format!("{}: {error}", case.path)),
            Ok((count, _)) if case.records != Some(count) => {
                wrong.push(format!("{}: {count} records, not {:?}", case.path, case.records));
            }
            Ok((_, text)) => {
                if let Some(expected) = samtools_view(&path) {
                    compared += 1;
                    if let Some(difference) = first_difference(&text, &expected) {
                        wrong.push(format!("{}: {difference}", case.path));
                    }
                }
            }
        }
    }
    if compared == 0 {
        eprintln!("skipped the comparison of texts: no samtools on this machine");
    }
    assert!(wrong.is_empty(), "{} files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

pub(crate) fn first_difference(ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let line = |text: &[u8], number| {
        let line = text.split(|&byte| byte == b'\n').nth(number).unwrap_or_default();
        line[..line.len().min(300)].escape_ascii().to_string()
    };
    let number = ours.split(|&b| b == b'\n').zip(theirs.split(|&b| b == b'\n')).position(|(a, b)| a != b);
    let number = number.unwrap_or(ours.split(|&b| b == b'\n').count());
    Some(format!("line {}:\n  ours   {}\n  theirs {}", number + 1, line(ours, number), line(theirs, number)))
}

#[test]
fn what_is_wrong_is_refused() {
    let Some((_, cases)) = corpus() else { return };
    let (root, _) = corpus().unwrap();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| !case.accepted || case.path.contains("/failed/")) {
        let listed = is_listed(&FAILED_BUT_READ, &case.path);
        match read(Source::Path(root.join(&case.path))) {
            Ok(_) if !listed => wrong.push(format!("{}: was read", case.path)),
            Err(error) if listed => wrong.push(format!("{}: take it off the list ({error})", case.path)),
            Ok(_) => {}
            Err(error) => {
                let message = error.to_string();
                assert!(!message.contains('\n') && message.starts_with(error.file()), "{message}");
                eprintln!("{}", message.rsplit('/').next().unwrap());
            }
        }
    }
    assert!(wrong.is_empty(), "{} files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn other_files_are_told_apart() {
    let Some(root) = corpus_root() else { return };
    let oracle = std::fs::read_to_string(root.join("ORACLE.tsv")).unwrap();
    let mut checked = 0;
    for line in oracle.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if ["sam", "bam", "cram"].contains(&fields[1]) {
            continue;
        }
        checked += 1;
        match read(Source::Path(root.join(fields[0]))) {
            Err(FormatError::UnknownFormat { .. }) => {}
            Err(FormatError::Io { .. }) if !root.join(fields[0]).is_file() => {}
            other => panic!("{}: {:?}", fields[0], other.map(|(count, _)| count)),
        }
    }
    eprintln!("{checked} files of other formats");
}
