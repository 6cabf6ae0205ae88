//! Damaged files: whatever is cut off or flipped gives an error or the same records, never a panic.

use std::{fs, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use genomdb_formats::FormatError;

use crate::{Random, bam, bytes, corpus_root, read};

/// Small BAMs with paired reads, unmapped reads, clips and tags of every type.
const FILES: [&str; 6] = [
    "htslib/test/colons.bam",
    "htslib/test/mpileup/small.bam",
    "bedtools2/test/intersect/a_with_bothUnmapped.bam",
    "polars-bio/tests/data/io/bam/10x_pbmc_tags.bam",
    "polars-bio/tests/data/io/bam/multi_chrom.bam",
    "samtools/test/bedcov/bedcov.bam",
];

const SEED: u64 = 20_261_120;
const CUTS: usize = 50;
const FLIPS: usize = 150;

type Found = Result<(usize, Vec<u8>), FormatError>;

fn each_file(check: impl Fn(&str, &[u8], &mut Random)) {
    let Some(root) = corpus_root() else { return };
    for name in FILES {
        let file = fs::read(Path::new(&root).join(name)).unwrap();
        check(name, &file, &mut Random(SEED));
    }
}

fn inflate(file: &[u8]) -> Vec<u8> {
    let mut inflated = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut inflated).unwrap();
    inflated
}

/// Text that was accepted must still be lines of fields, whatever the bytes were.
fn check_text(found: &Found, what: &str) {
    let Ok((count, text)) = found else { return };
    let records = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && line[0] != b'@');
    let records: Vec<usize> = records.map(|line| line.split(|&byte| byte == b'\t').count()).collect();
    assert_eq!(records.len(), *count, "{what}");
    assert!(records.iter().all(|&fields| fields >= 11), "{what}");
}

#[test]
fn a_cut_bam_is_an_error() {
    each_file(|name, file, random| {
        for _ in 0..CUTS {
            let length = random.below(file.len());
            let found = read(bytes(file[..length].to_vec()));
            let what = format!("{name} cut to {length} bytes was read");
            assert!(found.is_err(), "{what}");
        }
        // Between two blocks, where only the empty last block tells that something is missing.
        let whole = file.strip_suffix(&bam::END).unwrap();
        assert!(matches!(read(bytes(whole.to_vec())), Err(FormatError::Truncated { .. })), "{name}");
    });
}

#[test]
fn a_flipped_bit_gives_an_error_or_the_same_records() {
    each_file(|name, file, random| {
        let expected = read(bytes(file.to_vec())).unwrap();
        for _ in 0..FLIPS {
            let (at, bit) = (random.below(file.len()), random.below(8));
            let mut damaged = file.to_vec();
            damaged[at] ^= 1 << bit;
            if let Ok(found) = read(bytes(damaged)) {
                assert!(found == expected, "{name}: bit {bit} of byte {at} changed the records");
            }
        }
    });
}

#[test]
fn wrong_bytes_within_blocks_never_panic() {
    each_file(|name, file, random| {
        let inflated = inflate(file);
        for _ in 0..FLIPS {
            let mut damaged = inflated.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(damaged.len());
                damaged[at] = match random.below(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => damaged[at] ^ 1 << random.below(8),
                    _ => random.next() as u8,
                };
            }
            check_text(&read(bytes(damaged)), name);
        }
        for _ in 0..CUTS {
            check_text(&read(bytes(inflated[..random.below(inflated.len())].to_vec())), name);
        }
    });
}

#[test]
fn wrong_text_never_panics() {
    each_file(|name, file, random| {
        let (_, text) = read(bytes(file.to_vec())).unwrap();
        let text = &text[..text.len().min(20_000)];
        for _ in 0..FLIPS {
            let mut damaged = text.to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(damaged.len());
                damaged[at] = *random.pick(&[&b'\t', &b'\n', &b'*', &b'0', &b'-', &b':', &0, &0xff, &b'9']);
            }
            check_text(&read(bytes(damaged)), name);
        }
    });
}

#[test]
fn a_record_that_claims_too_much_is_an_error() {
    let header = bam::header("@SQ\tSN:a\tLN:9\n", &[("a", 9)]);
    for claimed in [0_u32, 31, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut file = header.clone();
        file.extend_from_slice(&claimed.to_le_bytes());
        file.extend_from_slice(&[0; 40]);
        assert!(read(bytes(file)).is_err(), "{claimed}");
    }
    for at in [4, 8 + "@SQ\tSN:a\tLN:9\n".len(), 12 + "@SQ\tSN:a\tLN:9\n".len()] {
        for claimed in [0x7fff_ffff_u32, u32::MAX] {
            let mut file = header.clone();
            file[at..at + 4].copy_from_slice(&claimed.to_le_bytes());
            assert!(read(bytes(file)).is_err(), "{claimed} at {at}");
        }
    }
}
