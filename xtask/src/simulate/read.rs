//! One sequenced read: bases of a haplotype, errors of the machine, and the alignment an ideal mapper reports.

use super::{
    genome::Contig,
    qualities::{Cycle, LEVELS, READ_BASES},
    random::Random,
    variants::{Change, Variants, other_base},
};

/// A CIGAR operation with its letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) length: usize,
    pub(crate) letter: u8,
}

/// A read as a BAM record stores it: on the forward strand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    pub(crate) bases: Vec<u8>,
    pub(crate) qualities: Vec<u8>,
    pub(crate) reverse: bool,
}

/// Where and how a read aligns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alignment {
    pub(crate) contig: usize,
    /// 0-based.
    pub(crate) position: usize,
    pub(crate) cigar: Vec<Operation>,
    /// Text of the MD tag.
    pub(crate) mismatches: Vec<u8>,
    /// The NM tag.
    pub(crate) edits: u64,
    /// The AS tag, as bwa scores: 1 a match, -4 a mismatch, -6 a gap and -1 for each of its bases.
    pub(crate) score: i64,
    pub(crate) mapping_quality: u8,
}

/// Which end of the read the mapper leaves out, and how many bases of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clip {
    None,
    Left(usize),
    Right(usize),
}

/// A molecule's end to be read: where it starts on which haplotype of which contig.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Locus<'a> {
    pub(crate) contig: &'a Contig,
    pub(crate) variants: &'a Variants,
    pub(crate) haplotype: u8,
    /// 0-based.
    pub(crate) start: usize,
}

/// An insertion or deletion this near to an end of the read would be clipped or mismatched by a mapper.
const ANCHOR_BASES: usize = 8;

impl Alignment {
    /// The first base after the alignment, 0-based.
    pub(crate) fn end(&self) -> usize {
        let on_reference = |operation: &&Operation| matches!(operation.letter, b'M' | b'D');
        self.position
            + self.cigar.iter().filter(on_reference).map(|operation| operation.length).sum::<usize>()
    }

    /// The CIGAR as text.
    pub(crate) fn cigar_text(&self) -> String {
        self.cigar
            .iter()
            .map(|operation| format!("{}{}", operation.length, char::from(operation.letter)))
            .collect()
    }
}

impl Operation {
    pub(crate) fn new(length: usize, letter: u8) -> Self {
        Self { length, letter }
    }
}

/// Reads `length` bases of a haplotype from `locus` on, with the CIGAR that relates them to the reference.
pub(crate) fn walk(locus: &Locus<'_>, length: usize) -> (Vec<u8>, Vec<Operation>) {
    let reference = &locus.contig.bases;
    let mut bases = Vec::with_capacity(READ_BASES);
    let mut cigar = Vec::with_capacity(1);
    let (mut position, mut matched) = (locus.start, 0);
    let copy = |bases: &mut Vec<u8>, from: usize, to: usize| {
        bases.extend_from_slice(reference.get(from..to).unwrap_or_default());
        to.saturating_sub(from)
    };
    for variant in locus.variants.carried(locus.haplotype, locus.start) {
        let left = length - bases.len();
        if variant.position + 1 > position + left {
            break;
        }
        matched += copy(&mut bases, position, variant.position + 1);
        position = variant.position + 1;
        let left = length - bases.len();
        match &variant.change {
            Change::Substitution(base) => {
                if let Some(last) = bases.last_mut() {
                    *last = *base;
                }
            }
            Change::Insertion(inserted)
                if bases.len() >= ANCHOR_BASES && left >= inserted.len() + ANCHOR_BASES =>
            {
                bases.extend_from_slice(inserted);
                cigar.extend([Operation::new(matched, b'M'), Operation::new(inserted.len(), b'I')]);
                matched = 0;
            }
            Change::Deletion(missing)
                if bases.len() >= ANCHOR_BASES
                    && left >= ANCHOR_BASES
                    && position + missing + left <= reference.len() =>
            {
                position += missing;
                cigar.extend([Operation::new(matched, b'M'), Operation::new(*missing, b'D')]);
                matched = 0;
            }
            Change::Insertion(_) | Change::Deletion(_) => {}
        }
    }
    let left = length - bases.len();
    matched += copy(&mut bases, position, position + left);
    cigar.push(Operation::new(matched, b'M'));
    (bases, cigar)
}

/// Puts the machine's errors into `bases`, which stand as stored, and returns the qualities as stored.
pub(crate) fn sequence(
    random: &mut Random,
    bases: &mut [u8],
    cycles: &[Cycle; READ_BASES],
    reverse: bool,
) -> Vec<u8> {
    let mut call = |base: &mut u8, cycle: &Cycle| {
        if Some(&cycle.quality) == LEVELS.last() {
            *base = b'N';
        } else if cycle.wrong {
            *base = other_base(random, *base);
        }
        cycle.quality
    };
    if reverse {
        bases.iter_mut().zip(cycles.iter().rev()).map(|(base, cycle)| call(base, cycle)).collect()
    } else {
        bases.iter_mut().zip(cycles).map(|(base, cycle)| call(base, cycle)).collect()
    }
}

/// Draws a read at `locus` that aligns there, with `clip` of its bases foreign.
pub(crate) fn draw(
    random: &mut Random,
    locus: &Locus<'_>,
    cycles: &[Cycle; READ_BASES],
    reverse: bool,
    clip: Clip,
) -> (Read, Alignment) {
    let clipped = match clip {
        Clip::None => 0,
        Clip::Left(clipped) | Clip::Right(clipped) => clipped,
    };
    let start = locus.start + if matches!(clip, Clip::Left(_)) { clipped } else { 0 };
    let (mut bases, mut cigar) = walk(&Locus { start, ..*locus }, READ_BASES - clipped);
    let foreign: Vec<u8> = (0..clipped).map(|_| random.base()).collect();
    match clip {
        Clip::None => {}
        Clip::Left(_) => {
            bases.splice(0..0, foreign);
            cigar.insert(0, Operation::new(clipped, b'S'));
        }
        Clip::Right(_) => {
            bases.extend(foreign);
            cigar.push(Operation::new(clipped, b'S'));
        }
    }
    let qualities = sequence(random, &mut bases, cycles, reverse);
    let alignment = describe(locus.contig, start, cigar, &bases);
    (Read { bases, qualities, reverse }, alignment)
}

/// Compares aligned bases with the reference: MD, NM and AS follow from nothing else.
pub(crate) fn describe(contig: &Contig, position: usize, cigar: Vec<Operation>, bases: &[u8]) -> Alignment {
    let mut alignment = Alignment { position, cigar: Vec::new(), ..Alignment::default() };
    let (mut at, mut read_at, mut run) = (position, 0, 0u64);
    for operation in &cigar {
        let length = operation.length;
        let reference = contig.bases.get(at..at + length).unwrap_or_default();
        match operation.letter {
            b'M' => {
                let read = bases.get(read_at..read_at + length).unwrap_or_default();
                for (base, expected) in read.iter().zip(reference) {
                    if base == expected {
                        run += 1;
                        alignment.score += 1;
                    } else {
                        push_run(&mut alignment.mismatches, &mut run);
                        alignment.mismatches.push(*expected);
                        alignment.edits += 1;
                        alignment.score -= 4;
                    }
                }
                at += length;
                read_at += length;
            }
            b'D' => {
                push_run(&mut alignment.mismatches, &mut run);
                alignment.mismatches.push(b'^');
                alignment.mismatches.extend_from_slice(reference);
                alignment.edits += length as u64;
                alignment.score -= 6 + length as i64;
                at += length;
            }
            b'I' => {
                alignment.edits += length as u64;
                alignment.score -= 6 + length as i64;
                read_at += length;
            }
            b'S' => read_at += length,
            _ => {}
        }
    }
    push_run(&mut alignment.mismatches, &mut run);
    alignment.score = alignment.score.max(0);
    alignment.cigar = cigar;
    alignment
}

/// Writes the length of a run of matches, 0 too, as MD wants between any two mismatches.
fn push_run(mismatches: &mut Vec<u8>, run: &mut u64) {
    mismatches.extend_from_slice(run.to_string().as_bytes());
    *run = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(text: &str) -> Vec<Operation> {
        let mut operations = Vec::new();
        let mut length = 0;
        for letter in text.bytes() {
            if letter.is_ascii_digit() {
                length = length * 10 + usize::from(letter - b'0');
            } else {
                operations.push(Operation::new(std::mem::take(&mut length), letter));
            }
        }
        operations
    }

    fn check(cigar: &str, bases: &str, mismatches: &str, edits: u64) {
        let contig = Contig { name: "c".to_owned(), bases: b"AACCGGTTACGT".to_vec() };
        let alignment = describe(&contig, 2, operations(cigar), bases.as_bytes());
        assert_eq!(String::from_utf8(alignment.mismatches.clone()).unwrap(), mismatches, "{cigar} {bases}");
        assert_eq!(alignment.edits, edits, "{cigar} {bases}");
        assert_eq!(alignment.cigar_text(), cigar);
    }

    #[test]
    fn md_and_nm_are_those_of_the_specification() {
        check("4M", "CCGG", "4", 0);
        check("4M", "CTGG", "1C2", 1);
        check("4M", "TCGA", "0C2G0", 2);
        check("2M2D2M", "CCTT", "2^GG2", 2);
        check("2M2D2M", "CCGT", "2^GG0T1", 3);
        check("2M3I2M", "CCAAAGG", "4", 3);
        check("2S2M1S", "TTCCT", "2", 0);
        check("2M", "NC", "0C1", 1);
    }
}
