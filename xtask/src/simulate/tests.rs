//! The simulated file as others see it: the same bytes twice, and sound to samtools where that is installed.

use std::{fs, process::Command};

use super::*;

fn make(out: &Path, reads: u64, unsorted: bool, threads: usize) {
    let args = SimulateArgs { reads, fasta: None, seed: 11, unsorted, out: out.to_owned(), threads };
    simulate(&args, if unsorted { Order::Cluster } else { Order::Coordinate }).unwrap();
}

/// What a samtools command prints, or None where samtools is not installed.
fn samtools(args: &[&str]) -> Option<String> {
    let output = Command::new("samtools").args(args).output().ok()?;
    assert!(output.status.success(), "samtools {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a.bam"), folder.path().join("b.bam"));
    for unsorted in [false, true] {
        make(&first, 2_000, unsorted, 1);
        make(&second, 2_000, unsorted, 3);
        assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap(), "unsorted: {unsorted}");
    }
}

#[test]
fn samtools_finds_nothing_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let bam = folder.path().join("x.bam");
    make(&bam, 20_000, false, 2);
    let path = bam.to_str().unwrap();
    let Some(_) = samtools(&["quickcheck", "-v", path]) else {
        println!("skipped: samtools is not installed");
        return;
    };
    samtools(&["index", path]).unwrap();
    let stats = samtools(&["stats", path]).unwrap();
    let value = |name: &str| {
        let line = stats.lines().find(|line| line.starts_with(&format!("SN\t{name}:"))).unwrap();
        line.split('\t').nth(2).unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(value("raw total sequences"), 20_000.0);
    assert_eq!(value("is sorted"), 1.0);
    assert!((19_600.0..19_950.0).contains(&value("reads mapped")));
    assert!((700.0..2_400.0).contains(&value("reads duplicated")));
    assert!((400.0..440.0).contains(&value("insert size average")));
    assert!((0.002..0.02).contains(&value("error rate")));
    assert!(value("supplementary alignments") > 10.0);
}

#[test]
fn nm_and_md_are_what_samtools_computes() {
    let folder = tempfile::tempdir().unwrap();
    let bam = folder.path().join("x.bam");
    make(&bam, 4_000, false, 2);
    let (path, fasta) = (bam.to_str().unwrap(), bam.with_extension("fa"));
    let own = samtools(&["view", "-F", "4", path]);
    let Some(own) = own else {
        println!("skipped: samtools is not installed");
        return;
    };
    let again = samtools(&["calmd", path, fasta.to_str().unwrap()]).unwrap();
    let again: Vec<&str> = again.lines().filter(|line| !line.starts_with('@')).collect();
    let tags = |line: &str| {
        let mut tags: Vec<String> = line.split('\t').skip(11).map(str::to_owned).collect();
        tags.retain(|tag| tag.starts_with("NM:") || tag.starts_with("MD:"));
        tags.sort();
        tags
    };
    let mut compared = 0;
    let mut mapped = again.iter().filter(|line| {
        let flag: u16 = line.split('\t').nth(1).unwrap().parse().unwrap();
        flag & 4 == 0
    });
    for line in own.lines() {
        let computed = mapped.next().unwrap();
        assert_eq!(tags(line), tags(computed), "{line}");
        compared += usize::from(!tags(line).is_empty());
    }
    assert!(compared > 3_900, "{compared}");
}

#[test]
fn sorting_the_shuffled_file_gives_the_sorted_one() {
    let folder = tempfile::tempdir().unwrap();
    let (sorted, shuffled) = (folder.path().join("s.bam"), folder.path().join("u.bam"));
    make(&sorted, 3_000, false, 1);
    make(&shuffled, 3_000, true, 1);
    let lines = |path: &Path| {
        let text = samtools(&["view", path.to_str().unwrap()])?;
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        Some(lines)
    };
    match (lines(&sorted), lines(&shuffled)) {
        (Some(sorted), Some(shuffled)) => assert_eq!(sorted, shuffled),
        _ => println!("skipped: samtools is not installed"),
    }
}
