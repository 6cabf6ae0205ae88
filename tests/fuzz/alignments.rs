//! Alignment files outside their compression. That damage gives errors is tested in `formats`; here that it
//! costs no memory, and that every record which passes can be written.

use std::{fs, io::Read, path::Path};

use flate2::read::MultiGzDecoder;
use genomdb_formats::sam;
use genomdb_genome::alignment::Records;

use crate::{check, example_bam, example_reader, mutation::mutated, targets};

#[test]
fn changed_bam() {
    let mut bam = Vec::new();
    MultiGzDecoder::new(fs::File::open(example_bam()).unwrap()).read_to_end(&mut bam).unwrap();
    bam.truncate(30_000);
    let bam = [bam.split_off(4)];
    targets::read_bam(&bam[0]);
    check(300, targets::read_bam, |random| mutated(&bam, random));
}

#[test]
fn changed_sam() {
    let mut reader = example_reader();
    let (header, mut records) = (reader.header().clone(), Records::default());
    reader.read_batch(&mut records, 1).unwrap();
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    records.iter().take(40).for_each(|record| writer.write(&record, &header.contigs).unwrap());
    let text = [writer.into_inner()];
    targets::read_sam(&text[0]);
    check(500, targets::read_sam, |random| mutated(&text, random));
}

#[test]
fn changed_cram() {
    // Version 2.1 has no checksums, so that changes reach what they lie in.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/cram/fixtures");
    let files = ["v2.1.cram", "v3.0-no-reference.cram"];
    let crams = files.map(|name| fs::read(folder.join(name)).unwrap().split_off(4));
    crams.iter().for_each(|cram| targets::read_cram(cram));
    check(200, targets::read_cram, |random| mutated(&crams, random));
}
