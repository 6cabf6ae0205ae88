//! A container's bytes become records: slices decoded, mates resolved, every record checked and appended.

use genomdb_genome::{
    ContigId,
    alignment::{Cigar, Record, Records},
};

use super::{
    Shared,
    budget::{Budget, CONTAINER_BYTES_MAX},
    compression_header::CompressionHeader,
    container::Container,
    corrupt::Broken,
    cursor::Cursor,
    mates,
    records::{Decoded, NO_QUALITY, Parts, decode_records},
    slice::Slice,
};
use crate::{Fault, long_cigar, rules};

/// Decodes the slices of a container.
pub(super) fn decode_container(container: &Container, shared: &Shared) -> Result<Records, Broken> {
    let mut budget = Budget::new(CONTAINER_BYTES_MAX);
    let mut cursor = Cursor(&container.bytes);
    let header = CompressionHeader::read(&mut cursor, shared.version, &mut budget)?;
    let (mut records, mut buffers) = (Records::default(), Buffers::default());
    for _ in 0..container.slices {
        let slice = Slice::read(&mut cursor, shared, &mut budget)?;
        let before = records.len() as u64;
        let mut decoded = decode_records(shared, &header, &slice, &mut budget, before)?;
        mates::resolve(&mut decoded.records)?;
        let source = Source { shared, record_counter: slice.header.record_counter, decoded: &decoded };
        for index in 0..decoded.records.len() {
            source.emit(index, &mut buffers, &mut records).map_err(|fault| Broken::Record {
                index: before + index as u64,
                name: buffers.name.clone(),
                fault,
            })?;
        }
    }
    Ok(records)
}

/// The decoded parts of a slice, and what names and tags are made of.
struct Source<'s> {
    shared: &'s Shared,
    record_counter: i64,
    decoded: &'s Decoded,
}

/// Space for the fields of one record.
#[derive(Default)]
struct Buffers {
    name: Vec<u8>,
    bases: Vec<u8>,
    tags: Vec<u8>,
    /// The tags without `CG`.
    fewer_tags: Vec<u8>,
}

impl Source<'_> {
    fn emit(&self, index: usize, buffers: &mut Buffers, records: &mut Records) -> Result<(), Fault> {
        let Some(parts) = self.decoded.records.get(index) else { return Ok(()) };
        self.write_name(index, parts, &mut buffers.name);
        self.write_tags(parts, &mut buffers.tags);
        let mut record = self.record(parts, &buffers.name, &mut buffers.bases, &buffers.tags)?;
        if let Some(long) = long_cigar::find(&record) {
            long.drop_tag(record.tags, &mut buffers.fewer_tags);
            record.cigar = long.cigar;
            record.tags = &buffers.fewer_tags;
        }
        rules::check(&record, &self.shared.contigs)?;
        records.push(&record);
        Ok(())
    }

    /// Writes the read's name, its mate's, or one made of the file's name and the number of the read.
    fn write_name(&self, index: usize, parts: &Parts, out: &mut Vec<u8>) {
        let stored = |parts: &Parts| self.decoded.names.get(parts.name.clone()).unwrap_or_default();
        let mate = parts.mate.and_then(|mate| self.decoded.records.get(mate));
        let name = Some(stored(parts)).filter(|name| !name.is_empty());
        let name = name.or(mate.map(stored)).filter(|name| !name.is_empty());
        out.clear();
        match name {
            Some(b"*") => {}
            Some(name) => out.extend_from_slice(name),
            None => {
                let first = parts.mate.filter(|&mate| mate < index).unwrap_or(index);
                let number = self.record_counter.saturating_add(1).saturating_add_unsigned(first as u64);
                out.extend_from_slice(format!("{}:{number}", self.shared.name_prefix).as_bytes());
            }
        }
    }

    /// Writes the tags, RG last, for it is stored as the number of its header line.
    fn write_tags(&self, parts: &Parts, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.decoded.tags.get(parts.tags.clone()).unwrap_or_default());
        let group = usize::try_from(parts.read_group).ok();
        if let Some(id) = group.and_then(|group| self.shared.read_groups.get(group)) {
            out.extend_from_slice(b"RGZ");
            out.extend_from_slice(id.as_bytes());
            out.push(0);
        }
    }

    fn record<'a>(
        &'a self,
        parts: &Parts,
        name: &'a [u8],
        bases: &'a mut Vec<u8>,
        tags: &'a [u8],
    ) -> Result<Record<'a>, Fault> {
        let decoded = self.decoded;
        let letters = decoded.sequences.get(parts.sequence.clone()).unwrap_or_default();
        pack(letters, bases);
        let scores = decoded.qualities.get(parts.qualities.clone()).unwrap_or_default();
        let base_count = u32::try_from(letters.len());
        Ok(Record {
            flag: parts.flag,
            contig: contig_id("RNAME", parts.contig)?,
            start: parts.start - 1,
            mapping_quality: parts.mapping_quality,
            mate_contig: contig_id("RNEXT", parts.mate_contig)?,
            mate_start: parts.mate_start - 1,
            template_length: parts.template_length.unwrap_or(0),
            name,
            cigar: Cigar::from_bytes(decoded.cigars.get(parts.cigar.clone()).unwrap_or_default()),
            base_count: base_count.map_err(|_| Fault::new("SEQ", "has more than 2^32 bases"))?,
            bases,
            quality_scores: if scores.iter().all(|&score| score == NO_QUALITY) { &[] } else { scores },
            tags,
        })
    }
}

/// -1 is `*`; another negative number is nothing.
fn contig_id(field: &str, contig: i32) -> Result<Option<ContigId>, Fault> {
    match contig {
        -1 => Ok(None),
        _ => match u32::try_from(contig) {
            Ok(id) => Ok(Some(ContigId(id))),
            Err(_) => Err(Fault::new(field, format!("{contig} is no contig number"))),
        },
    }
}

/// Writes letters as codes of four bits, two a byte.
fn pack(letters: &[u8], bases: &mut Vec<u8>) {
    bases.clear();
    let (pairs, rest) = letters.as_chunks::<2>();
    bases.extend(pairs.iter().map(|&[high, low]| code(high) << 4 | code(low)));
    bases.extend(rest.iter().map(|&high| code(high) << 4));
}

/// Returns the code of a base's letter; what is no base is N (SAM v1 § 4.2).
fn code(letter: u8) -> u8 {
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, over bytes")]
    const CODES: [u8; 256] = {
        let letters = *b"=ACMGRSVTWYHKDBN";
        let mut codes = [15; 256];
        let mut code = 0;
        while code < 16 {
            let letter = letters[code as usize];
            codes[letter as usize] = code;
            codes[letter.to_ascii_lowercase() as usize] = code;
            code += 1;
        }
        codes[b'U' as usize] = 8;
        codes[b'u' as usize] = 8;
        codes
    };
    CODES.get(usize::from(letter)).copied().unwrap_or(15)
}
