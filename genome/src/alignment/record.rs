//! One alignment record as bytes, and an arena of many; it checks nothing: a codec does, before it pushes.
//!
//! The fields lie as BAM lays them out (SAM v1 § 4.2), but positions are 64 bits wide, because SAM text
//! allows more than BAM's 2^31-1. This is the one form in which a record travels from a file's codec to
//! the column blocks: no field is allocated, and a batch of records is one piece of memory.

use crate::{ContigId, alignment::Cigar};

/// A borrowed alignment record.
///
/// Positions here are a codec's numbers: 0-based, and -1 where SAM says 0 ("not available").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// FLAG.
    pub flag: u16,
    /// RNAME, as the number of the contig in the file's (or the table's) dictionary; `None` is `*`.
    pub contig: Option<ContigId>,
    /// POS - 1; -1 when POS is 0.
    pub start: i64,
    /// MAPQ; 255 is "not available".
    pub mapping_quality: u8,
    /// RNEXT as a contig number (`=` is resolved); `None` is `*`.
    pub mate_contig: Option<ContigId>,
    /// PNEXT - 1; -1 when PNEXT is 0.
    pub mate_start: i64,
    /// TLEN.
    pub template_length: i64,
    /// QNAME without a terminator; empty for `*`.
    pub name: &'a [u8],
    /// CIGAR operations, each 4 little-endian bytes `length << 4 | operation`; empty for `*`.
    ///
    /// Always the real CIGAR: a codec that met BAM's `CG` tag has resolved it and dropped the tag.
    pub cigar: Cigar<'a>,
    /// The number of bases; 0 when SEQ is `*`.
    pub base_count: u32,
    /// SEQ as 4-bit codes of `=ACMGRSVTWYHKDBN`, two a byte, high nibble first; the unused last nibble is 0.
    pub bases: &'a [u8],
    /// QUAL without the offset of 33, one byte a base; empty when QUAL is `*`.
    pub quality_scores: &'a [u8],
    /// The optional fields, as BAM encodes them (`tag[2] type[1] value`), in file order.
    pub tags: &'a [u8],
}

impl Record<'_> {
    /// Returns the 0-based, exclusive end on the reference: at least one base after the start.
    ///
    /// A record that consumes no reference base, or is unmapped, covers one (as htslib's `bam_endpos`).
    /// A record without a position (`start` is -1) ends at 0.
    pub fn end(&self) -> i64 {
        let span = if self.flag & 0x4 == 0 { self.cigar.reference_length() } else { 0 };
        self.start.saturating_add(i64::try_from(span.max(1)).unwrap_or(i64::MAX))
    }
}

/// Many alignment records in one piece of memory, in the order in which they were pushed.
#[derive(Clone, Debug, Default)]
pub struct Records {
    heads: Vec<Head>,
    bytes: Vec<u8>,
}

/// The fixed fields of a record, and where its variable ones end in `bytes`.
#[derive(Clone, Copy, Debug)]
struct Head {
    start: i64,
    mate_start: i64,
    template_length: i64,
    contig: Option<ContigId>,
    mate_contig: Option<ContigId>,
    offset: usize,
    name_length: u32,
    cigar_length: u32,
    base_count: u32,
    quality_length: u32,
    tags_length: u32,
    flag: u16,
    mapping_quality: u8,
}

impl Records {
    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Tells whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Returns the bytes that the records occupy in memory.
    pub fn byte_count(&self) -> usize {
        self.bytes.len() + self.heads.len() * size_of::<Head>()
    }

    /// Removes every record and keeps the memory.
    pub fn clear(&mut self) {
        self.heads.clear();
        self.bytes.clear();
    }

    /// Gives back the memory that no record occupies.
    pub fn shrink_to_fit(&mut self) {
        self.heads.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// Appends a copy of a record.
    ///
    /// # Panics
    ///
    /// If a variable field is longer than `u32::MAX` bytes; codecs refuse such records.
    pub fn push(&mut self, record: &Record<'_>) {
        let length = |field: &[u8]| u32::try_from(field.len()).expect("a codec bounds each field by 4 GiB");
        self.heads.push(Head {
            start: record.start,
            mate_start: record.mate_start,
            template_length: record.template_length,
            contig: record.contig,
            mate_contig: record.mate_contig,
            offset: self.bytes.len(),
            name_length: length(record.name),
            cigar_length: length(record.cigar.as_bytes()),
            base_count: record.base_count,
            quality_length: length(record.quality_scores),
            tags_length: length(record.tags),
            flag: record.flag,
            mapping_quality: record.mapping_quality,
        });
        for field in [record.name, record.cigar.as_bytes(), record.bases, record.quality_scores, record.tags]
        {
            self.bytes.extend_from_slice(field);
        }
    }

    /// Returns the record at `index`, in push order.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`Records::len`].
    #[expect(clippy::indexing_slicing, reason = "the heads were written by `push` and agree with the bytes")]
    pub fn get(&self, index: usize) -> Record<'_> {
        let head = &self.heads[index];
        let rest = &self.bytes[head.offset..];
        let (name, rest) = rest.split_at(head.name_length as usize);
        let (cigar, rest) = rest.split_at(head.cigar_length as usize);
        let (bases, rest) = rest.split_at(head.base_count.div_ceil(2) as usize);
        let (quality_scores, rest) = rest.split_at(head.quality_length as usize);
        Record {
            flag: head.flag,
            contig: head.contig,
            start: head.start,
            mapping_quality: head.mapping_quality,
            mate_contig: head.mate_contig,
            mate_start: head.mate_start,
            template_length: head.template_length,
            name,
            cigar: Cigar::from_bytes(cigar),
            base_count: head.base_count,
            bases,
            quality_scores,
            tags: &rest[..head.tags_length as usize],
        }
    }

    /// Returns contig and start of the record at `index`: what a sort asks of every record, without the rest.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`Records::len`].
    #[expect(clippy::indexing_slicing, reason = "the caller owes an index below the length")]
    pub fn place(&self, index: usize) -> (Option<ContigId>, i64) {
        let head = &self.heads[index];
        (head.contig, head.start)
    }

    /// Returns name, CIGAR, bases, quality scores and tags of the record at `index` as one piece of memory.
    ///
    /// # Panics
    ///
    /// If `index` is not below [`Records::len`].
    #[expect(clippy::indexing_slicing, reason = "the heads were written by `push` and agree with the bytes")]
    pub fn variable_bytes(&self, index: usize) -> &[u8] {
        let start = self.heads[index].offset;
        let end = self.heads.get(index + 1).map_or(self.bytes.len(), |next| next.offset);
        &self.bytes[start..end]
    }

    /// Gives every contig another number, as from a file's dictionary to a table's.
    pub fn renumber_contigs(&mut self, number: impl Fn(ContigId) -> ContigId) {
        for head in &mut self.heads {
            head.contig = head.contig.map(&number);
            head.mate_contig = head.mate_contig.map(&number);
        }
    }

    /// Iterates over the records in push order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        (0..self.len()).map(|index| self.get(index))
    }
}
