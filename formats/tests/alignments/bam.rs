//! Writes BAM and BGZF for the tests; plainly, so that it can be trusted.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use genomdb_genome::{ContigId, alignment::Record};

/// The empty block that ends a file (SAM v1 § 4.1.2).
pub(crate) const END: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Compresses bytes into BGZF blocks of `block_bytes`, without the end.
pub(crate) fn bgzf(bytes: &[u8], block_bytes: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for block in bytes.chunks(block_bytes) {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(block).unwrap();
        let deflated = encoder.finish().unwrap();
        let mut crc = Crc::new();
        crc.update(block);
        file.extend_from_slice(&END[..16]);
        file.extend_from_slice(&u16::try_from(deflated.len() + 25).unwrap().to_le_bytes());
        file.extend_from_slice(&deflated);
        file.extend_from_slice(&crc.sum().to_le_bytes());
        file.extend_from_slice(&(block.len() as u32).to_le_bytes());
    }
    file
}

/// Returns an inflated BAM up to its first record.
pub(crate) fn header(text: &str, contigs: &[(&str, u32)]) -> Vec<u8> {
    let mut bytes = b"BAM\x01".to_vec();
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&(contigs.len() as u32).to_le_bytes());
    for (name, length) in contigs {
        bytes.extend_from_slice(&(name.len() as u32 + 1).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&length.to_le_bytes());
    }
    bytes
}

/// Appends a record as SAM v1 § 4.2 lays it out, a long CIGAR in `CG`.
pub(crate) fn push(record: &Record<'_>, bytes: &mut Vec<u8>) {
    let id = |contig: Option<ContigId>| contig.map_or(-1, |id| id.0 as i32).to_le_bytes();
    let position = |start: i64| i32::try_from(start).unwrap().to_le_bytes();
    let name = if record.name.is_empty() { b"*" } else { record.name };
    let operations = record.cigar.as_bytes().len() / 4;
    let mut cigar = record.cigar.as_bytes().to_vec();
    let mut tags = record.tags.to_vec();
    if operations > 65_535 {
        tags.extend_from_slice(b"CGBI");
        tags.extend_from_slice(&(operations as u32).to_le_bytes());
        tags.extend_from_slice(&cigar);
        let words = [record.base_count << 4 | 4, (record.cigar.reference_length() as u32) << 4 | 3];
        cigar = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    }
    let mut body = Vec::new();
    body.extend_from_slice(&id(record.contig));
    body.extend_from_slice(&position(record.start));
    body.extend_from_slice(&[name.len() as u8 + 1, record.mapping_quality, 0, 0]);
    body.extend_from_slice(&((cigar.len() / 4) as u16).to_le_bytes());
    body.extend_from_slice(&record.flag.to_le_bytes());
    body.extend_from_slice(&record.base_count.to_le_bytes());
    body.extend_from_slice(&id(record.mate_contig));
    body.extend_from_slice(&position(record.mate_start));
    body.extend_from_slice(&i32::try_from(record.template_length).unwrap().to_le_bytes());
    body.extend_from_slice(name);
    body.push(0);
    body.extend_from_slice(&cigar);
    body.extend_from_slice(record.bases);
    if record.quality_scores.is_empty() {
        body.resize(body.len() + record.base_count as usize, 0xff);
    }
    body.extend_from_slice(record.quality_scores);
    body.extend_from_slice(&tags);
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&body);
}
