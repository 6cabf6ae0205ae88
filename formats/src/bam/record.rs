//! One BAM record: its bytes, checked, become a [`Record`].

use genomdb_genome::{
    ContigId, Contigs,
    alignment::{Cigar, Record, Records},
};

use crate::{Fault, long_cigar, rules};

/// Space for the fields of a record that cannot be lent as they lie.
#[derive(Default)]
pub(super) struct Buffers {
    bases: Vec<u8>,
    tags: Vec<u8>,
}

/// A fault, and the name of the record where it could be read.
type Named = (Option<Vec<u8>>, Fault);

/// Decodes the bytes of a record (without `block_size`), checks them and appends the record.
pub(super) fn push(
    bytes: &[u8],
    contigs: &Contigs,
    buffers: &mut Buffers,
    records: &mut Records,
) -> Result<(), Named> {
    let mut record = split(bytes).map_err(|fault| (None, fault))?;
    let unused = record.base_count % 2 == 1;
    if let Some((&last, rest)) = record.bases.split_last().filter(|(last, _)| unused && *last & 0xf != 0) {
        buffers.bases.clear();
        buffers.bases.extend_from_slice(rest);
        buffers.bases.push(last & 0xf0);
        record.bases = &buffers.bases;
    }
    if let Some(long) = long_cigar::find(&record) {
        long.drop_tag(record.tags, &mut buffers.tags);
        record.cigar = long.cigar;
        record.tags = &buffers.tags;
    }
    rules::check(&record, contigs).map_err(|fault| (Some(record.name.to_vec()), fault))?;
    records.push(&record);
    Ok(())
}

/// Cuts a record into its fields; every length is checked against the bytes that are there.
fn split(bytes: &[u8]) -> Result<Record<'_>, Fault> {
    let short = |field| Fault::new(field, "the record ends within it");
    let (fixed, rest) =
        bytes.split_first_chunk::<{ super::FIXED_BYTES }>().ok_or_else(|| short("the fixed fields"))?;
    let (words, _) = fixed.as_chunks::<4>();
    let &[
        contig,
        start,
        [name_length, mapping_quality, _, _],
        [c0, c1, f0, f1],
        base_count,
        mate_contig,
        mate_start,
        template_length,
    ] = words
    else {
        return Err(short("the fixed fields"));
    };
    let base_count = u32::from_le_bytes(base_count);
    let (name, rest) = rest.split_at_checked(name_length.into()).ok_or_else(|| short("QNAME"))?;
    let name = match name {
        [b'*', 0] => &[],
        [name @ .., 0] if !name.is_empty() => name,
        _ => return Err(Fault::new("QNAME", "is empty or lacks its NUL")),
    };
    let cigar_bytes = usize::from(u16::from_le_bytes([c0, c1])) * 4;
    let (cigar, rest) = rest.split_at_checked(cigar_bytes).ok_or_else(|| short("CIGAR"))?;
    let (bases, rest) = rest.split_at_checked(base_count.div_ceil(2) as usize).ok_or_else(|| short("SEQ"))?;
    let (scores, tags) = rest.split_at_checked(base_count as usize).ok_or_else(|| short("QUAL"))?;
    Ok(Record {
        flag: u16::from_le_bytes([f0, f1]),
        contig: contig_id("RNAME", contig)?,
        start: i32::from_le_bytes(start).into(),
        mapping_quality,
        mate_contig: contig_id("RNEXT", mate_contig)?,
        mate_start: i32::from_le_bytes(mate_start).into(),
        template_length: i32::from_le_bytes(template_length).into(),
        name,
        cigar: Cigar::from_bytes(cigar),
        base_count,
        bases,
        quality_scores: present(scores),
        tags,
    })
}

/// -1 is `*`; another negative number is nothing.
fn contig_id(field: &str, bytes: [u8; 4]) -> Result<Option<ContigId>, Fault> {
    match i32::from_le_bytes(bytes) {
        -1 => Ok(None),
        number => match u32::try_from(number) {
            Ok(id) => Ok(Some(ContigId(id))),
            Err(_) => Err(Fault::new(field, format!("{number} is no contig number"))),
        },
    }
}

/// SAM v1 § 4.2.3: scores that are all 0xFF are absent.
fn present(scores: &[u8]) -> &[u8] {
    if scores.first() == Some(&0xff) && scores.iter().all(|&score| score == 0xff) { &[] } else { scores }
}
