//! The bytes of one BAM record, as § 4.2 of the SAM specification lays them out.
//!
//! Written here by hand: twenty million records go through it, and all of them are known to be well-formed.

use super::read::Operation;

/// What a BAM record holds besides its tags; positions are 0-based, -1 where there is none.
#[derive(Debug)]
pub(crate) struct BamRecord<'a> {
    pub(crate) name: &'a str,
    pub(crate) flags: u16,
    pub(crate) contig: i32,
    pub(crate) position: i32,
    /// The first base after the alignment, for the bin.
    pub(crate) end: i32,
    pub(crate) mapping_quality: u8,
    pub(crate) cigar: &'a [Operation],
    pub(crate) mate_contig: i32,
    pub(crate) mate_position: i32,
    pub(crate) template_length: i32,
    pub(crate) bases: &'a [u8],
    pub(crate) qualities: &'a [u8],
    pub(crate) tags: &'a Tags,
}

/// The optional fields of a record, encoded.
#[derive(Debug, Default)]
pub(crate) struct Tags(Vec<u8>);

impl Tags {
    /// Adds an integer in the smallest type that holds it, as bwa does.
    pub(crate) fn integer(&mut self, key: &[u8; 2], value: u64) {
        self.0.extend_from_slice(key);
        if let Ok(small) = u8::try_from(value) {
            self.0.extend_from_slice(&[b'C', small]);
        } else if let Ok(middle) = u16::try_from(value) {
            self.0.push(b'S');
            self.0.extend_from_slice(&middle.to_le_bytes());
        } else {
            self.0.push(b'I');
            self.0.extend_from_slice(&(value as u32).to_le_bytes());
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, key: &[u8; 2], value: &[u8]) {
        self.0.extend_from_slice(key);
        self.0.push(b'Z');
        self.0.extend_from_slice(value);
        self.0.push(0);
    }
}

impl BamRecord<'_> {
    /// The record with its length before it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let fixed_bytes = 32 + self.name.len() + 1 + 4 * self.cigar.len();
        let length = fixed_bytes + self.bases.len().div_ceil(2) + self.bases.len() + self.tags.0.len();
        let mut out = Vec::with_capacity(4 + length);
        out.extend_from_slice(&(length as u32).to_le_bytes());
        out.extend_from_slice(&self.contig.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&[self.name.len() as u8 + 1, self.mapping_quality]);
        out.extend_from_slice(&bin(self.position, self.end).to_le_bytes());
        out.extend_from_slice(&(self.cigar.len() as u16).to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&(self.bases.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.mate_contig.to_le_bytes());
        out.extend_from_slice(&self.mate_position.to_le_bytes());
        out.extend_from_slice(&self.template_length.to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.push(0);
        for operation in self.cigar {
            let code = b"MIDNSHP=X".iter().position(|letter| *letter == operation.letter).unwrap_or(0);
            out.extend_from_slice(&((operation.length as u32) << 4 | code as u32).to_le_bytes());
        }
        for pair in self.bases.chunks(2) {
            let high = pair.first().copied().map_or(0, base_code);
            out.push(high << 4 | pair.get(1).copied().map_or(0, base_code));
        }
        out.extend_from_slice(self.qualities);
        out.extend_from_slice(&self.tags.0);
        out
    }
}

/// The 4-bit code of a base.
fn base_code(base: u8) -> u8 {
    match base {
        b'A' => 1,
        b'C' => 2,
        b'G' => 4,
        b'T' => 8,
        _ => 15,
    }
}

/// The smallest bin that holds the interval (SAM § 5.3); a record without a place has that of -1.
fn bin(start: i32, end: i32) -> u16 {
    let last = end.max(start + 1) - 1;
    for (shift, offset) in [(14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)] {
        if start >> shift == last >> shift {
            return (offset + (start >> shift)) as u16;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_those_of_the_specification() {
        assert_eq!(bin(-1, 0), 4680);
        assert_eq!(bin(0, 1), 4681);
        assert_eq!(bin(16_383, 16_385), 585);
        assert_eq!(bin(0, 1 << 29), 0);
    }

    #[test]
    fn an_unplaced_record_has_the_bytes_of_the_specification() {
        let mut tags = Tags::default();
        tags.integer(b"NM", 300);
        tags.text(b"RG", b"a");
        let record = BamRecord {
            name: "r",
            flags: 4,
            contig: -1,
            position: -1,
            mate_contig: -1,
            mate_position: -1,
            bases: b"ACN",
            qualities: &[37, 2, 2],
            end: 0,
            mapping_quality: 0,
            cigar: &[],
            template_length: 0,
            tags: &tags,
        };
        let bytes = record.encode();
        assert_eq!(bytes.len(), 4 + 32 + 2 + 2 + 3 + 5 + 5);
        assert_eq!(bytes[..4], 49u32.to_le_bytes());
        assert_eq!(bytes[36..43], [b'r', 0, 0x12, 0xf0, 37, 2, 2]);
        assert_eq!(bytes[43..48], [b'N', b'M', b'S', 44, 1]);
    }
}
