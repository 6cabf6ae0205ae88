//! Generated files: SAM as samtools reads it, the same records through BAM, every way to compress them.

use std::{io::Write, process::Command};

use flate2::{Compression, write::GzEncoder};
use genomdb_formats::{Format, FormatError, OpenOptions, Source, open};
use genomdb_genome::alignment::Records;

use crate::{Random, bam, bytes, corpus::first_difference, read, samtools_view};

const HEADER: &str = "@HD\tVN:1.6\n@SQ\tSN:one\tLN:2000000000\n@SQ\tSN:two\tLN:5000\n@RG\tID:a\tSM:s\n";
const CONTIGS: [(&str, u32); 2] = [("one", 2_000_000_000), ("two", 5000)];

/// A line that the specification allows, or that htslib reads in its own way.
fn line(random: &mut Random, number: usize) -> String {
    let length = [0, 1, 2, 7, 40, 151][random.below(6)];
    let letters = |random: &mut Random| random.pick(&["A", "C", "G", "T", "N", "=", "a", "r", "U", ".", "Z"]);
    let seq: String = (0..length).map(|_| letters(random)).collect();
    let qual: String = (0..length).map(|_| char::from(b'!' + random.below(94) as u8)).collect();
    // A single `*` is "no scores", whatever was meant.
    let qual = if length == 0 || random.below(5) == 0 { "*".into() } else { qual };
    let (contig, position) = match random.below(6) {
        0 => ("*", 0),
        1 => ("two", 0),
        2 => ("two", 1 + random.below(5000)),
        _ => ("one", 1 + random.below(1_900_000_000)),
    };
    let cigar = match (random.below(6), length) {
        (0, _) => "*".to_owned(),
        (_, 0) => ["10M", "3H1M2N100000D1H", "5P"][random.below(3)].to_owned(),
        (1, 7) => "1H1S2M1D1I100N1=1X1S1H".to_owned(),
        (1, 40) => "10S20M5I5S".to_owned(),
        _ => format!("{length}M"),
    };
    let (mate, mate_position) =
        [("*", 0), ("=", 17), ("two", 4999), ("one", 0), ("*", 5), ("=", 0)][random.below(6)];
    let tlen = [0, 7, -300, 2_000_000][random.below(4)];
    let flag = [0, 4, 77, 99, 147, 256, 2048, 65535][random.below(8)];
    let name = if random.below(20) == 0 { "*".to_owned() } else { format!("read:{number}/#1") };
    let mapq = random.below(256);
    let mut line = format!(
        "{name}\t{flag}\t{contig}\t{position}\t{mapq}\t{cigar}\t{mate}\t{mate_position}\t{tlen}\t{}\t{qual}",
        if length == 0 { "*" } else { &seq }
    );
    for _ in 0..random.below(6) {
        line.push('\t');
        line.push_str(&tag(random));
    }
    line
}

fn tag(random: &mut Random) -> String {
    let key = random.pick(&["NM", "MD", "nM", "X0", "zz", "RG"]);
    let integer = |random: &mut Random| (random.next() >> [32, 40, 48, 56, 63][random.below(5)]) as i64;
    let float = |random: &mut Random| {
        let bits = f32::from_bits(random.next() as u32);
        let tame = (random.next() as u32 as f32) / [1.0, 8.0, 1000.0, 1e9][random.below(4)];
        let number = if random.below(3) == 0 && bits.is_finite() { bits } else { tame };
        if random.below(2) == 0 { format!("{number}") } else { format!("{number:e}") }
    };
    match random.below(9) {
        0 => format!("{key}:A:{}", char::from(b'!' + random.below(94) as u8)),
        1 => format!("{key}:Z:{}", random.pick(&["", "a b", "~", "10A5^AC6", "12345678:9"])),
        2 => format!("{key}:H:{}", random.pick(&["", "1AE3", "deAD00"])),
        3 => format!("{key}:i:{}", integer(random)),
        4 => format!("{key}:i:-{}", integer(random) / 2),
        5 => {
            let numbers: String =
                (0..random.below(5)).map(|_| format!(",{}", integer(random) & 0x7f)).collect();
            format!("{key}:B:{}{numbers}", random.pick(&["c", "C", "s", "S", "i", "I"]))
        }
        6 => {
            let numbers: String = (0..random.below(4)).map(|_| format!(",{}", float(random))).collect();
            format!("{key}:B:f{numbers}")
        }
        _ => format!("{key}:f:{}", float(random)),
    }
}

fn text(seed: u64, lines: usize, line_end: &str) -> String {
    let mut random = Random(seed);
    let lines: Vec<String> = (0..lines).map(|number| line(&mut random, number)).collect();
    (HEADER.to_owned() + &lines.join("\n") + "\n").replace('\n', line_end)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn samtools_prints_generated_text_as_we_do() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, line_end) in
        [(1, "\n"), (2, "\r\n"), (3, "\n"), (4, "\n"), (5, "\n"), (6, "\n"), (8, "\n"), (9, "\n")]
    {
        let path = folder.path().join(format!("{seed}.sam"));
        std::fs::write(&path, text(seed, 4000, line_end)).unwrap();
        let (count, ours) = read(Source::Path(path.clone())).unwrap();
        assert_eq!(count, 4000);
        let Some(theirs) = samtools_view(&path) else {
            eprintln!("skipped: no samtools on this machine");
            return;
        };
        let difference = first_difference(&ours, &theirs);
        assert!(difference.is_none(), "seed {seed}: {}", difference.unwrap());

        let bam = folder.path().join(format!("{seed}.bam"));
        let level = ["-u", "-1", "-b"][seed as usize % 3];
        let output =
            Command::new("samtools").args(["view", "--no-PG", level, "-o"]).arg(&bam).arg(&path).output();
        assert!(output.unwrap().status.success());
        let (_, from_bam) = read(Source::Path(bam)).unwrap();
        let difference = first_difference(&from_bam, &theirs);
        assert!(difference.is_none(), "BAM of seed {seed}: {}", difference.unwrap());
    }
}

#[test]
fn records_are_the_same_through_every_format() {
    let sam = text(7, 600, "\n").into_bytes();
    let mut reader = open(bytes(sam.clone()), &OpenOptions::default()).unwrap();
    let mut records = Records::default();
    while reader.read_batch(&mut records, 1 << 20).unwrap() {}
    let mut inflated = bam::header(HEADER, &CONTIGS);
    records.iter().for_each(|record| bam::push(&record, &mut inflated));
    let (count, expected) = read(bytes(sam.clone())).unwrap();
    assert_eq!(count, 600);

    let middle = sam.len() / 2;
    let ended = |mut file: Vec<u8>| {
        file.extend_from_slice(&bam::END);
        file
    };
    for (what, format, file) in [
        ("gzip", Format::Sam, gzip(&sam)),
        ("gzip of two members", Format::Sam, [gzip(&sam[..middle]), gzip(&sam[middle..])].concat()),
        ("gzip with an empty member", Format::Sam, [gzip(b""), gzip(&sam)].concat()),
        ("BGZF", Format::Sam, ended(bam::bgzf(&sam, 60_000))),
        ("no last line end", Format::Sam, sam[..sam.len() - 1].to_vec()),
        ("inflated BAM", Format::Bam, inflated.clone()),
        ("BAM within gzip", Format::Bam, gzip(&inflated)),
        ("BAM", Format::Bam, ended(bam::bgzf(&inflated, 60_000))),
        ("BAM of small blocks", Format::Bam, ended(bam::bgzf(&inflated, 97))),
        (
            "BAM after an empty block",
            Format::Bam,
            [bam::END.to_vec(), ended(bam::bgzf(&inflated, 999))].concat(),
        ),
    ] {
        assert_eq!(open(bytes(file.clone()), &OpenOptions::default()).unwrap().format(), format, "{what}");
        let (count, found) = read(bytes(file)).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((count, first_difference(&found, &expected)), (600, None), "{what}");
    }
}

#[test]
fn a_cut_gzip_is_an_error() {
    let sam = text(11, 50, "\n").into_bytes();
    let file = [gzip(&sam[..999]), gzip(&sam[999..])].concat();
    let first = gzip(&sam[..999]).len();
    for length in (30..file.len()).step_by(37).filter(|&length| length != first) {
        assert!(read(bytes(file[..length].to_vec())).is_err(), "cut to {length} of {} bytes", file.len());
    }
    let garbage = [&file[..], b"garbage"].concat();
    assert!(read(bytes(garbage)).is_err());
}

#[test]
fn a_long_cigar_comes_back_from_its_tag() {
    let cigar = "1M1I".repeat(40_000);
    let seq = "A".repeat(80_000);
    let sam = format!("{HEADER}long\t0\tone\t5\t1\t{cigar}\t*\t0\t0\t{seq}\t*\tNM:i:1\tXX:Z:x\n");
    let mut reader = open(bytes(sam.clone().into_bytes()), &OpenOptions::default()).unwrap();
    let mut records = Records::default();
    assert!(reader.read_batch(&mut records, 1).unwrap());
    let mut inflated = bam::header(HEADER, &CONTIGS);
    bam::push(&records.get(0), &mut inflated);
    assert_eq!(read(bytes(inflated)).unwrap(), (1, sam.into_bytes()));
}

#[test]
fn a_reader_tells_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reads.sam");
    std::fs::write(&path, text(1, 100, "\n")).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    let mut reader = open(Source::Path(path), &OpenOptions::default()).unwrap();
    assert_eq!(reader.bytes_total(), Some(size));
    let mut records = Records::default();
    while reader.read_batch(&mut records, 1).unwrap() {}
    assert_eq!((records.len(), reader.bytes_read()), (100, size));
    assert!(!reader.read_batch(&mut records, 1).unwrap(), "the end stays the end");
}

fn check(sam: &str, expected: expect_test::Expect) {
    let found = read(bytes(sam.replace(' ', "\t").into_bytes())).map(|(count, _)| format!("{count} records"));
    expected.assert_eq(&found.unwrap_or_else(|error: FormatError| error.to_string()));
}

#[test]
fn what_is_wrong_with_a_line_is_said() {
    use expect_test::expect;
    check(
        "@CO\nr 4 * 0 0 * * 0 0 * *\n\nr 4 * 0 0 * * 0 0 * *\n",
        expect!["bytes: record 2: QNAME: the line is empty"],
    );
    check(
        "@CO\nr 4 * 0 0 * * 0 0 *\n",
        expect!["bytes: record 1 (read `r`): QUAL: the line ends after 10 of 11 fields"],
    );
    check(
        "@CO\nr 4 * 0 0 * * 0 0 A **\n",
        expect!["bytes: record 1 (read `r`): QUAL: has 2 scores, SEQ has 1 bases"],
    );
    check(
        "@CO\nr 0 chr1 1 0 1M * 0 0 A *\n",
        expect!["bytes: record 1 (read `r`): RNAME: the header has no contig `chr1`"],
    );
    check(
        "@SQ SN:a LN:9\nr 0 a 1 0 5M3 * 0 0 * *\n",
        expect!["bytes: record 1 (read `r`): CIGAR: `5M3` is not made of lengths and operations (MIDNSHP=X)"],
    );
    check(
        "@SQ SN:a LN:9\nr 0 a 1 0 5M * 0 0 ACGT *\n",
        expect!["bytes: record 1 (read `r`): CIGAR: covers 5 bases, SEQ has 4"],
    );
    check(
        "@SQ SN:a LN:9\nr 0 a 11 0 5M * 0 0 * *\n",
        expect!["bytes: record 1 (read `r`): POS: 11 lies outside `a`, which has 9 bases"],
    );
    check(
        "@SQ SN:a LN:9\nr 0 a 1 0 268435456M * 0 0 * *\n",
        expect![
            "bytes: record 1 (read `r`): CIGAR: `268435456M` is not made of operations shorter than 2^28"
        ],
    );
    check(
        "@CO\nr 070 * 0 0 * * 0 0 * *\n",
        expect!["bytes: record 1 (read `r`): FLAG: `070` is not a decimal number without leading zeros"],
    );
    check(
        "@CO\nr 4 * 9223372036854775808 0 * * 0 0 * *\n",
        expect![
            "bytes: record 1 (read `r`): POS: `9223372036854775808` is not a number from 0 to 9223372036854775807"
        ],
    );
    check(
        "@CO\nr 4 * 0 0 * * 0 0 * * NM:i\n",
        expect!["bytes: record 1 (read `r`): optional fields: `NM:i` is not of the form TAG:TYPE:VALUE"],
    );
    check(
        "@CO\nr 4 * 0 0 * * 0 0 * * NM:i:1 \n",
        expect!["bytes: record 1 (read `r`): optional fields: `` is not of the form TAG:TYPE:VALUE"],
    );
}
