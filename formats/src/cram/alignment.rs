//! The alignment of a mapped read from its differences to the reference (CRAM v3 § 10.6), and the tags MD
//! and NM, which writers drop because they follow from it.
//!
//! What htslib does where the specification leaves room is done here too, because its output is what
//! everybody compares with.

use super::{
    compression_header::{Array, Number},
    corrupt::{Broken, Corrupt},
    records::{NO_QUALITY, Parts, QUALITIES_ARE_STORED, RecordReader, SEQUENCE_IS_UNKNOWN, Verbatim},
};

/// A quality score where others of the read are given and this one is not, as htslib and htsjdk have it.
const DEFAULT_QUALITY: u8 = 30;

// Codes of CIGAR operations.
const MATCH: u32 = 0;
const INSERTION: u32 = 1;
const DELETION: u32 = 2;
const SKIP: u32 = 3;
const SOFT_CLIP: u32 = 4;
const HARD_CLIP: u32 = 5;
const PAD: u32 = 6;

/// The walk over the differences of one read.
struct Walk {
    contig: i32,
    /// Where the read's bases and scores start in their buffers, and how many there are.
    sequence: usize,
    qualities: usize,
    length: i64,
    /// The length of the contig, past which the reference is unknown.
    contig_length: i64,
    /// There are reference bases, and the read lies on a contig.
    has_reference: bool,
    /// SEQ is `*`: the differences tell the CIGAR alone, and may lie past the length of the read.
    bases_are_dropped: bool,
    /// 0-based, on the reference.
    reference_position: i64,
    /// 1-based, on the read.
    read_position: i64,
    operation: u32,
    operation_length: i64,
    make_md: bool,
    make_nm: bool,
    mismatches: i64,
    /// Matches since the last mismatch; negative once the reference is left.
    matches: i64,
    md: Vec<u8>,
}

impl RecordReader<'_> {
    /// Reads a mapped read: its differences, mapping quality, and quality scores.
    pub(super) fn read_mapped(&mut self, parts: &mut Parts, verbatim: Verbatim) -> Result<(), Broken> {
        let has_reference = self.reference.exist() && parts.contig >= 0;
        let known = parts.cram_flags & SEQUENCE_IS_UNKNOWN == 0;
        let contig_length = self.shared.contig(parts.contig).and_then(|contig| contig.length);
        let mut walk = Walk {
            contig: parts.contig,
            sequence: self.decoded.sequences.len(),
            qualities: self.decoded.qualities.len(),
            length: i64::try_from(parts.length).unwrap_or(i64::MAX),
            contig_length: contig_length.and_then(|length| i64::try_from(length).ok()).unwrap_or(i64::MAX),
            has_reference,
            bases_are_dropped: !known || parts.length == 0,
            reference_position: parts.start - 1,
            read_position: 1,
            operation: MATCH,
            operation_length: 0,
            make_md: has_reference && known && !verbatim.md,
            make_nm: has_reference && known && !verbatim.nm,
            mismatches: 0,
            matches: 0,
            md: Vec::new(),
        };
        // `=` is what htslib leaves where neither the reference nor a difference tells the base.
        let unknown = if self.reference.exist() { b'N' } else { b'=' };
        self.decoded.sequences.resize(walk.sequence + parts.length, unknown);
        self.decoded.qualities.resize(walk.qualities + parts.length, NO_QUALITY);
        self.walk(&mut walk, parts.cram_flags)?;
        parts.end = walk.reference_position.max(parts.start);
        let mapping_quality = self.number(Number::MappingQuality)?;
        parts.mapping_quality =
            u8::try_from(mapping_quality).map_err(|_| Corrupt::from(format!("MAPQ is {mapping_quality}")))?;
        self.read_stored_qualities(parts, walk.qualities)?;
        self.append_md_and_nm(&mut walk)
    }

    fn walk(&mut self, walk: &mut Walk, cram_flags: i32) -> Result<(), Broken> {
        let mut last_position = 0_i64;
        for _ in 0..self.number(Number::FeatureCount)? {
            let code = self.byte(Number::FeatureCode)?;
            let position = last_position + i64::from(self.number(Number::FeatureStep)?);
            if position <= 0 || position > walk.length + 1 && !walk.bases_are_dropped {
                return Err(
                    Corrupt::from(format!("a difference at base {position} of {}", walk.length)).into()
                );
            }
            // An operation of the CIGAR comes of a difference, but for the matches between two.
            self.streams.budget.spend(8)?;
            if position > walk.read_position {
                self.matches_up_to(walk, position)?;
            }
            last_position = position;
            self.difference(walk, code, position, cram_flags)?;
        }
        if walk.length >= walk.read_position {
            self.matches_up_to(walk, walk.length + 1)?;
        }
        self.end_operation(walk)
    }

    /// Takes the bases up to `position` of the read, exclusive, from the reference.
    fn matches_up_to(&mut self, walk: &mut Walk, position: i64) -> Result<(), Broken> {
        let count = position - walk.read_position;
        let counts_on_reference = walk.has_reference || walk.contig >= 0 || position <= walk.length;
        if walk.has_reference && !walk.bases_are_dropped {
            let inside = (walk.contig_length - walk.reference_position).clamp(0, count);
            let mut bases = Vec::new();
            self.reference.append(walk.reference_position, inside, &mut bases)?;
            if inside < count {
                // The read hangs over the end of its contig.
                bases.resize(usize::try_from(count).unwrap_or(0), b'N');
                if walk.matches >= 0 {
                    walk.matches += count;
                }
            } else if walk.make_md || walk.make_nm {
                walk.compare(&bases);
            }
            self.put_bases(walk, walk.read_position, &bases)?;
        }
        self.operation(walk, MATCH, count)?;
        if counts_on_reference {
            walk.reference_position += count;
        }
        walk.read_position = position;
        Ok(())
    }

    fn difference(
        &mut self,
        walk: &mut Walk,
        code: u8,
        position: i64,
        cram_flags: i32,
    ) -> Result<(), Broken> {
        match code {
            b'X' => self.substitution(walk, position),
            b'B' => self.read_base(walk, position, cram_flags),
            b'b' => self.several_bases(walk, position),
            b'S' => {
                let count = self.bases_of(walk, Array::SoftClip, position)?;
                self.end_operation(walk)?;
                walk.read_position += count;
                self.operation(walk, SOFT_CLIP, count)?;
                self.end_operation(walk)
            }
            b'I' => {
                let count = self.bases_of(walk, Array::Insertion, position)?;
                self.inserted(walk, count)
            }
            b'i' => {
                let base = self.byte(Number::Base)?;
                self.put_bases(walk, position, &[base])?;
                self.inserted(walk, 1)
            }
            b'D' => self.deletion(walk),
            b'N' => {
                let count = self.count(Number::Skip)?;
                walk.reference_position += count;
                self.operation(walk, SKIP, count)
            }
            b'P' => {
                let count = self.count(Number::Padding)?;
                self.operation(walk, PAD, count)
            }
            b'H' => {
                let count = self.count(Number::HardClip)?;
                self.operation(walk, HARD_CLIP, count)
            }
            b'Q' => {
                let score = self.byte(Number::Quality)?;
                self.put_scores(walk, position, &[score], cram_flags)
            }
            b'q' => {
                let mut scores = Vec::new();
                let encoding =
                    self.header.series.array(Array::Qualities).ok_or("the data series QQ is missing")?;
                encoding.append(&mut self.streams, &mut scores)?;
                self.put_scores(walk, position, &scores, cram_flags)
            }
            _ => Err(Corrupt::from(format!("unknown difference `{}`", code.escape_ascii())).into()),
        }
    }

    fn count(&mut self, series: Number) -> Result<i64, Corrupt> {
        let count = i64::from(self.number(series)?);
        if count < 0 { Err(format!("{series:?} has the length {count}").into()) } else { Ok(count) }
    }

    /// Reads an array of bases into the read at `position`, and returns how many.
    fn bases_of(&mut self, walk: &Walk, series: Array, position: i64) -> Result<i64, Broken> {
        let mut bases = Vec::new();
        match self.header.series.array(series) {
            Some(encoding) => encoding.append(&mut self.streams, &mut bases).map(drop)?,
            // Lossy writers drop the bases of soft clips, which are then one N each.
            None if matches!(series, Array::SoftClip) => bases.push(b'N'),
            None => return Err(Corrupt::from(format!("the data series of {series:?} is missing")).into()),
        }
        self.put_bases(walk, position, &bases)?;
        Ok(i64::try_from(bases.len()).unwrap_or(i64::MAX))
    }

    fn put_bases(&mut self, walk: &Walk, position: i64, bases: &[u8]) -> Result<(), Broken> {
        if walk.bases_are_dropped {
            return Ok(());
        }
        put(&mut self.decoded.sequences, walk.sequence, position, bases)
    }

    fn put_scores(
        &mut self,
        walk: &Walk,
        position: i64,
        scores: &[u8],
        cram_flags: i32,
    ) -> Result<(), Broken> {
        if walk.bases_are_dropped {
            return Ok(());
        }
        let all = self.decoded.qualities.get_mut(walk.qualities..).unwrap_or_default();
        if cram_flags & QUALITIES_ARE_STORED == 0 && all.first() == Some(&NO_QUALITY) {
            all.fill(DEFAULT_QUALITY);
        }
        put(&mut self.decoded.qualities, walk.qualities, position, scores)
    }

    fn inserted(&mut self, walk: &mut Walk, count: i64) -> Result<(), Broken> {
        walk.read_position += count;
        walk.mismatches += count;
        self.operation(walk, INSERTION, count)
    }

    fn substitution(&mut self, walk: &mut Walk, position: i64) -> Result<(), Broken> {
        let code = self.byte(Number::Substitution)?;
        let mut reference = b'N';
        if !walk.has_reference || walk.reference_position >= walk.contig_length {
            if walk.make_md || walk.make_nm {
                walk.write_matches();
                walk.matches = -1;
                walk.mismatches -= 1;
            }
        } else {
            if self.reference.reach(walk.reference_position) {
                reference = self.reference_base(walk.reference_position)?;
            }
            walk.mismatch(reference);
        }
        let base = self.header.substitutions.base(reference, code).ok_or("a substitution code is above 3")?;
        self.put_bases(walk, position, &[base])?;
        walk.mismatches += 1;
        self.aligned(walk, 1)
    }

    fn reference_base(&mut self, position: i64) -> Result<u8, Broken> {
        let mut base = Vec::with_capacity(1);
        self.reference.append(position, 1, &mut base)?;
        Ok(base.first().copied().unwrap_or(b'N'))
    }

    /// `B`: a base and its quality score.
    fn read_base(&mut self, walk: &mut Walk, position: i64, cram_flags: i32) -> Result<(), Broken> {
        let base = self.byte(Number::Base)?;
        self.put_bases(walk, position, &[base])?;
        if walk.make_md || walk.make_nm {
            walk.write_matches();
            if walk.reference_position >= walk.contig_length {
                walk.matches = -1;
            } else {
                if walk.make_md {
                    let reference = self.reference_base(walk.reference_position)?;
                    walk.md.push(reference);
                }
                walk.mismatches += 1;
                walk.matches = 0;
            }
        }
        let score = self.byte(Number::Quality)?;
        self.put_scores(walk, position, &[score], cram_flags)?;
        self.aligned(walk, 1)
    }

    /// `b`: bases that all differ, without quality scores.
    fn several_bases(&mut self, walk: &mut Walk, position: i64) -> Result<(), Broken> {
        let count = self.bases_of(walk, Array::Bases, position)?;
        if walk.make_md || walk.make_nm {
            walk.write_matches();
            let inside = (walk.contig_length - walk.reference_position).clamp(0, count);
            if walk.make_md {
                let mut reference = Vec::new();
                self.reference.append(walk.reference_position, inside, &mut reference)?;
                for (index, &base) in reference.iter().enumerate() {
                    if index > 0 {
                        walk.md.push(b'0');
                    }
                    walk.md.push(base);
                }
            }
            walk.mismatches += inside;
            walk.matches = 0;
        }
        self.aligned(walk, count)
    }

    fn deletion(&mut self, walk: &mut Walk) -> Result<(), Broken> {
        let count = self.count(Number::Deletion)?;
        if walk.make_md || walk.make_nm {
            walk.write_matches();
            let inside = (walk.contig_length - walk.reference_position).clamp(0, count);
            if walk.make_md && (inside > 0 || count == 0) {
                walk.md.push(b'^');
                self.streams.budget.spend(usize::try_from(inside).unwrap_or(usize::MAX))?;
                self.reference.append(walk.reference_position, inside, &mut walk.md)?;
            }
            walk.mismatches += inside;
            if inside == count {
                walk.matches = 0;
            } else {
                if walk.make_md && inside > 0 {
                    walk.md.push(b'0');
                }
                walk.matches = -1;
            }
        }
        walk.reference_position += count;
        self.operation(walk, DELETION, count)
    }

    /// Moves on by bases that lie on the reference.
    fn aligned(&mut self, walk: &mut Walk, count: i64) -> Result<(), Broken> {
        walk.read_position += count;
        walk.reference_position += count;
        self.operation(walk, MATCH, count)
    }

    /// Lengthens the CIGAR; equal operations become one.
    fn operation(&mut self, walk: &mut Walk, operation: u32, length: i64) -> Result<(), Broken> {
        if walk.operation != operation {
            self.end_operation(walk)?;
            walk.operation = operation;
        }
        walk.operation_length += length;
        Ok(())
    }

    fn end_operation(&mut self, walk: &mut Walk) -> Result<(), Broken> {
        let length = std::mem::take(&mut walk.operation_length);
        if length == 0 {
            return Ok(());
        }
        let length = u32::try_from(length).ok().filter(|&length| length < 1 << 28);
        let length = length.ok_or("an operation of the CIGAR is longer than 2^28-1")?;
        self.decoded.cigars.extend_from_slice(&(length << 4 | walk.operation).to_le_bytes());
        Ok(())
    }

    fn append_md_and_nm(&mut self, walk: &mut Walk) -> Result<(), Broken> {
        if walk.make_md {
            walk.write_matches();
            self.streams.budget.spend(walk.md.len())?;
            self.decoded.tags.extend_from_slice(b"MDZ");
            self.decoded.tags.append(&mut walk.md);
            self.decoded.tags.push(0);
        }
        if walk.make_nm {
            let count = u32::try_from(walk.mismatches).map_err(|_| Corrupt::from("NM is negative"))?;
            self.decoded.tags.extend_from_slice(b"NM");
            if let Ok(count) = u8::try_from(count) {
                self.decoded.tags.extend_from_slice(&[b'C', count]);
            } else if let Ok(count) = u16::try_from(count) {
                self.decoded.tags.push(b'S');
                self.decoded.tags.extend_from_slice(&count.to_le_bytes());
            } else {
                self.decoded.tags.push(b'I');
                self.decoded.tags.extend_from_slice(&count.to_le_bytes());
            }
        }
        Ok(())
    }
}

impl Walk {
    /// Counts bases equal to the reference; an N matches nothing, not even itself.
    fn compare(&mut self, bases: &[u8]) {
        for &base in bases {
            if base == b'N' {
                self.mismatch(base);
                self.mismatches += 1;
            } else {
                self.matches += 1;
            }
        }
    }

    fn mismatch(&mut self, reference: u8) {
        if self.make_md {
            self.write_number();
            self.md.push(reference);
            self.matches = 0;
        }
    }

    /// Writes how many bases matched, unless the reference was left.
    fn write_matches(&mut self) {
        if self.make_md && self.matches >= 0 {
            self.write_number();
        }
    }

    fn write_number(&mut self) {
        self.md.extend_from_slice(self.matches.max(0).to_string().as_bytes());
    }
}

/// Copies `bytes` into a read's part of a buffer, at a 1-based position that must lie in the read.
fn put(buffer: &mut [u8], start: usize, position: i64, bytes: &[u8]) -> Result<(), Broken> {
    let outside = || Broken::from("a difference lies outside of the read");
    let from = usize::try_from(position - 1).ok().and_then(|offset| start.checked_add(offset));
    let from = from.ok_or_else(outside)?;
    let place = from.checked_add(bytes.len()).and_then(|to| buffer.get_mut(from..to));
    place.ok_or_else(outside)?.copy_from_slice(bytes);
    Ok(())
}
