//! SEQ: what a consensus of the block predicts, where a read differs from it, and the bases it says nothing of.
//!
//! Reads of a block lie on the same stretch of a contig, the *window*. Its consensus, the base that most reads
//! have at each position, is stored once; of a base that CIGAR puts on the window (`M`, `=`, `X`) only a
//! difference is stored, of any other (`I`, `S`, unmapped) two bits. Codes other than A, C, G and T are runs
//! on top. No reference is needed, and 30-fold coverage leaves about a tenth of two bits a base.

mod encode;

pub(crate) use encode::BaseRows;

use genomdb_genome::alignment::{Cigar, CigarKind};

use super::{COLUMN_BYTES_MAX, blob, integers, texts::StringRows};
use crate::{LayoutError, cursor::Cursor};

/// The letters of SEQ by their 4-bit codes.
pub(crate) const LETTERS: &[u8; 16] = b"=ACMGRSVTWYHKDBN";
/// The letters of two bits.
const ACGT: &[u8; 4] = b"ACGT";
/// The two bits of a code that is none of A, C, G and T.
const OTHER: u8 = 4;

/// Two bits of each 4-bit code, [`OTHER`] where it has none.
const TWO_BITS: [u8; 16] = {
    let mut table = [OTHER; 16];
    table[1] = 0;
    table[2] = 1;
    table[4] = 2;
    table[8] = 3;
    table
};

/// The letters of each byte of four bases.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const FOUR_LETTERS: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut base = 0;
        while base < 4 {
            table[byte][base] = ACGT[byte >> (2 * base) & 3];
            base += 1;
        }
        byte += 1;
    }
    table
};

/// The stretch of the contig for which a block has a consensus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Window {
    start: i64,
    length: u64,
}

/// How long a CIGAR is on the reference, in SEQ, and in the bases that lie on no reference base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lengths {
    reference: u64,
    query: u64,
    inserted: u64,
}

impl Lengths {
    fn of(cigar: Cigar<'_>) -> Self {
        let mut lengths = Self { reference: cigar.reference_length(), ..Self::default() };
        walk(cigar, |offset, length| {
            lengths.query += length as u64;
            lengths.inserted += if offset.is_none() { length as u64 } else { 0 };
        });
        lengths
    }
}

impl Window {
    /// Returns where a read starts in the window; `None` where the window does not predict it.
    ///
    /// Writer and reader must agree: the rule is part of the stored form.
    fn place(self, start: i64, base_count: u64, lengths: Lengths) -> Option<usize> {
        let offset = u64::try_from(start.checked_sub(self.start)?).ok().filter(|_| start >= 0)?;
        let end = offset.checked_add(lengths.reference)?;
        let fits = end <= self.length && lengths.query == base_count && lengths.reference > 0;
        fits.then_some(offset as usize)
    }
}

/// Walks over the bases of SEQ: those on the reference with their offset from the start, the others without.
fn walk(cigar: Cigar<'_>, mut visit: impl FnMut(Option<u64>, usize)) {
    let mut offset = 0_u64;
    for operation in cigar.operations() {
        let length = operation.length as usize;
        match operation.kind {
            CigarKind::Match | CigarKind::SequenceMatch | CigarKind::SequenceMismatch => {
                visit(Some(offset), length);
                offset += length as u64;
            }
            CigarKind::Insertion | CigarKind::SoftClip => visit(None, length),
            CigarKind::Deletion | CigarKind::Skip => offset += length as u64,
            CigarKind::HardClip | CigarKind::Pad => {}
        }
    }
}

/// What the bases of a block depend on, read from other pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alignments<'a> {
    pub(crate) starts: &'a [i64],
    /// Where the bases of each row start, and after the last row where they end.
    pub(crate) base_offsets: &'a [u64],
    pub(crate) cigars: &'a StringRows,
}

/// The bases of a block read back.
#[derive(Debug)]
pub(crate) struct Bases<'a> {
    alignments: Alignments<'a>,
    /// The consensus, as letters.
    consensus: Vec<u8>,
    /// Two bits of each base that is not predicted.
    literals: Vec<u8>,
    rows: Vec<Row>,
    gaps: Vec<u32>,
    changes: Vec<u8>,
    runs: Vec<Run>,
}

/// Where the parts of a row lie.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Its place in the window; `None` where every base is literal.
    place: Option<usize>,
    literal: u64,
    first_difference: usize,
    differences: usize,
}

/// A run of one code that is none of A, C, G and T.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u64,
    end: u64,
    code: u8,
}

impl<'a> Bases<'a> {
    /// Reads the bases of every row.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, alignments: Alignments<'a>) -> Result<Self, LayoutError> {
        let base_count = alignments.base_offsets.last().copied().unwrap_or(0);
        if base_count > COLUMN_BYTES_MAX as u64 {
            return Err(cursor.corrupt("its bases are too many"));
        }
        let runs = read_runs(cursor, base_count)?;
        let window = Window { start: cursor.signed()?, length: cursor.number(COLUMN_BYTES_MAX as u64 / 4)? };
        let consensus = blob::decode(cursor, window.length.div_ceil(4) as usize)?;
        if consensus.len() as u64 != window.length.div_ceil(4) {
            return Err(cursor.corrupt("its consensus differs from its window"));
        }
        let counts: Vec<u32> = integers::decode(cursor, alignments.starts.len())?;
        let total = counts.iter().map(|&count| u64::from(count)).sum::<u64>();
        if total > base_count {
            return Err(cursor.corrupt("its differences are too many"));
        }
        let gaps: Vec<u32> = integers::decode(cursor, total as usize)?;
        let changes: Vec<u8> = integers::decode(cursor, total as usize)?;
        let (rows, literal_count) = place_rows(cursor, window, alignments, &counts)?;
        check_differences(cursor, alignments, &rows, &gaps)?;
        let literals = blob::decode(cursor, literal_count.div_ceil(4) as usize)?;
        if literals.len() as u64 != literal_count.div_ceil(4) {
            return Err(cursor.corrupt("its bases differ from their count"));
        }
        let mut letters = Vec::with_capacity(consensus.len() * 4);
        unpack(&consensus, 0, window.length as usize, &mut letters);
        Ok(Self { alignments, consensus: letters, literals, rows, gaps, changes, runs })
    }

    /// Appends the letters of a row.
    pub(crate) fn letters(&self, row: usize, out: &mut Vec<u8>) {
        let bound = |row: usize| self.alignments.base_offsets.get(row).copied().unwrap_or(0);
        let (start, end) = (bound(row), bound(row + 1));
        let Some(places) = self.rows.get(row).filter(|_| start < end) else {
            return;
        };
        let from = out.len();
        let mut literal = places.literal as usize;
        match places.place {
            None => unpack(&self.literals, literal, (end - start) as usize, out),
            Some(place) => {
                walk(Cigar::from_bytes(self.alignments.cigars.get(row)), |offset, length| match offset {
                    Some(offset) => {
                        let first = place + offset as usize;
                        // Inside the window: `Window::place` saw to it.
                        out.extend_from_slice(self.consensus.get(first..first + length).unwrap_or_default());
                    }
                    None => {
                        unpack(&self.literals, literal, length, out);
                        literal += length;
                    }
                })
            }
        }
        let (_, bases) = out.split_at_mut(from);
        self.change(places, bases);
        self.put_runs(start, end, bases);
    }

    /// Appends the 4-bit codes of a row, two a byte.
    pub(crate) fn codes(&self, row: usize, letters: &mut Vec<u8>, out: &mut Vec<u8>) {
        letters.clear();
        self.letters(row, letters);
        pack_letters(letters, out);
    }

    fn change(&self, row: &Row, bases: &mut [u8]) {
        let mut position = 0;
        let range = row.first_difference..row.first_difference + row.differences;
        let differences = self.gaps.get(range.clone()).into_iter().flatten();
        for (gap, change) in differences.zip(self.changes.get(range).into_iter().flatten()) {
            position += *gap as usize;
            if let Some(base) = bases.get_mut(position) {
                let code = ACGT.iter().position(|letter| letter == base).unwrap_or(0);
                *base = ACGT.get((code + 1 + usize::from(*change)) % 4).copied().unwrap_or(b'N');
            }
        }
    }

    fn put_runs(&self, start: u64, end: u64, bases: &mut [u8]) {
        let first = self.runs.partition_point(|run| run.end <= start);
        for run in self.runs.iter().skip(first).take_while(|run| run.start < end) {
            let range = (run.start.max(start) - start) as usize..(run.end.min(end) - start) as usize;
            let letter = LETTERS.get(usize::from(run.code)).copied().unwrap_or(b'N');
            bases.get_mut(range).into_iter().for_each(|bases| bases.fill(letter));
        }
    }
}

fn read_runs(cursor: &mut Cursor<'_>, base_count: u64) -> Result<Vec<Run>, LayoutError> {
    let count = cursor.number(base_count)? as usize;
    let starts: Vec<u64> = integers::decode(cursor, count)?;
    let lengths: Vec<u64> = integers::decode(cursor, count)?;
    let codes: Vec<u8> = integers::decode(cursor, count)?;
    let mut runs = Vec::with_capacity(count);
    let mut last = 0;
    for ((start, length), code) in starts.into_iter().zip(lengths).zip(codes) {
        let end = start.checked_add(length).filter(|&end| last <= start && start < end && end <= base_count);
        let Some(end) = end.filter(|_| code < 16) else {
            return Err(cursor.corrupt("a run of bases is impossible"));
        };
        last = end;
        runs.push(Run { start, end, code });
    }
    Ok(runs)
}

/// Finds where each row's parts lie, and how many bases are literal in all.
fn place_rows(
    cursor: &Cursor<'_>,
    window: Window,
    alignments: Alignments<'_>,
    counts: &[u32],
) -> Result<(Vec<Row>, u64), LayoutError> {
    let lengths = |number| Lengths::of(Cigar::from_bytes(alignments.cigars.string(number)));
    let known: Vec<Lengths> = (0..alignments.cigars.distinct()).map(lengths).collect();
    let mut rows = Vec::with_capacity(counts.len());
    let (mut literal, mut difference) = (0_u64, 0_usize);
    let spans = alignments.base_offsets.array_windows::<2>();
    for (index, ((&start, &[from, to]), &count)) in
        alignments.starts.iter().zip(spans).zip(counts).enumerate()
    {
        let lengths = known.get(alignments.cigars.number(index)).copied().unwrap_or_default();
        let place = window.place(start, to - from, lengths);
        if count > 0 && place.is_none() {
            return Err(cursor.corrupt("a row without a prediction differs from it"));
        }
        rows.push(Row { place, literal, first_difference: difference, differences: count as usize });
        literal += if place.is_some() { lengths.inserted } else { to - from };
        difference += count as usize;
    }
    Ok((rows, literal))
}

fn check_differences(
    cursor: &Cursor<'_>,
    alignments: Alignments<'_>,
    rows: &[Row],
    gaps: &[u32],
) -> Result<(), LayoutError> {
    for (row, &[from, to]) in rows.iter().zip(alignments.base_offsets.array_windows::<2>()) {
        let range = row.first_difference..row.first_difference + row.differences;
        let last: u64 = gaps.get(range).into_iter().flatten().map(|&gap| u64::from(gap)).sum();
        if row.differences > 0 && last >= to - from {
            return Err(cursor.corrupt("a difference lies behind its row"));
        }
    }
    Ok(())
}

/// Appends the letters of `count` bases of two bits, from base `start` on.
fn unpack(packed: &[u8], start: usize, count: usize, out: &mut Vec<u8>) {
    let (from, skip) = (out.len(), start % 4);
    let bytes = packed.get(start / 4..).unwrap_or_default();
    #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
    for &byte in bytes.iter().take((skip + count).div_ceil(4)) {
        out.extend_from_slice(&FOUR_LETTERS[usize::from(byte)]);
    }
    if skip > 0 {
        out.drain(from..(from + skip).min(out.len()));
    }
    out.truncate(from + count);
}

/// The 4-bit code of each letter of SEQ; N's for a byte that is none.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const CODE_OF: [u8; 256] = {
    let mut table = [15; 256];
    let mut code = 0;
    while code < 16 {
        table[LETTERS[code] as usize] = code as u8;
        code += 1;
    }
    table
};

/// Appends letters of SEQ as 4-bit codes, two a byte, the unused last nibble 0.
#[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
pub(crate) fn pack_letters(letters: &[u8], out: &mut Vec<u8>) {
    let (pairs, last) = letters.as_chunks::<2>();
    out.extend(pairs.iter().map(|&[a, b]| CODE_OF[usize::from(a)] << 4 | CODE_OF[usize::from(b)]));
    out.extend(last.iter().map(|&letter| CODE_OF[usize::from(letter)] << 4));
}
