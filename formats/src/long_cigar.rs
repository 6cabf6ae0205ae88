//! CIGARs of more than 65,535 operations: BAM keeps them in the `CG` tag (SAM v1 § 4.2.2).

use std::ops::Range;

use genomdb_genome::alignment::{Cigar, CigarKind, Record, tag};

/// The real CIGAR of a record, and where its tag lies.
pub(crate) struct LongCigar<'a> {
    /// The operations.
    pub(crate) cigar: Cigar<'a>,
    tag: Range<usize>,
}

/// Finds the `CG` tag of a record that stands for its CIGAR.
///
/// It does only where the CIGAR is a placeholder: it starts with a soft clip of the whole SEQ. htslib also
/// asks for a position; without one, and for a `CG` of another type or shorter than the placeholder, the
/// tag is an ordinary one.
pub(crate) fn find<'a>(record: &Record<'a>) -> Option<LongCigar<'a>> {
    let first = record.cigar.operations().next()?;
    let placeholder = first.kind == CigarKind::SoftClip && first.length == record.base_count;
    if !placeholder || record.contig.is_none() || record.start < 0 {
        return None;
    }
    let mut at = 0;
    for tag in tag::tags(record.tags) {
        let tag = tag.ok()?;
        let length = stored_length(&tag);
        if tag.key == tag::TagKey(*b"CG") {
            let of_words = matches!(tag.kind, tag::TagType::Array(b'I' | b'i'));
            let long = tag.value.len() >= record.cigar.as_bytes().len();
            return (of_words && long)
                .then(|| LongCigar { cigar: Cigar::from_bytes(tag.value), tag: at..at + length });
        }
        at += length;
    }
    None
}

fn stored_length(tag: &tag::Tag<'_>) -> usize {
    // Key and type; then an array's type and count, or a text's NUL.
    let around = match tag.kind {
        tag::TagType::Array(_) => 3 + 5,
        tag::TagType::Single(b'Z' | b'H') => 3 + 1,
        tag::TagType::Single(_) => 3,
    };
    around + tag.value.len()
}

impl LongCigar<'_> {
    /// Writes the optional fields without the tag.
    pub(crate) fn drop_tag(&self, tags: &[u8], rest: &mut Vec<u8>) {
        rest.clear();
        rest.extend_from_slice(tags.get(..self.tag.start).unwrap_or_default());
        rest.extend_from_slice(tags.get(self.tag.end..).unwrap_or_default());
    }
}
