//! Collects the bases of a block, finds their consensus, and writes what differs from it.

use genomdb_genome::alignment::Cigar;

use super::{Lengths, OTHER, TWO_BITS, Window, walk};
use crate::{
    cursor::{put_signed, put_varint},
    page::{
        blob,
        integers::{self, Order},
        texts::Strings,
    },
};

/// A window may hold so many positions for each base on it: more, as behind a long intron, is not worth it.
const WINDOW_PER_BASE: u64 = 4;
/// A window may always hold so many positions.
const WINDOW_FROM: u64 = 1 << 16;
/// A window never holds more: votes take 8 bytes a position, and thin coverage gains nothing from them.
const WINDOW_MAX: u64 = 1 << 22;

/// The codes of each byte of two 4-bit codes.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it")]
const PAIRS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [TWO_BITS[byte >> 4], TWO_BITS[byte & 15]];
        byte += 1;
    }
    table
};

/// The bases of a block being built, one byte a base: 0 to 3, or 4 for a code on top.
#[derive(Debug, Default)]
pub(crate) struct BaseRows {
    codes: Vec<u8>,
    run_starts: Vec<i64>,
    run_lengths: Vec<i64>,
    run_codes: Vec<i64>,
    votes: Vec<[u16; 4]>,
    consensus: Vec<u8>,
    literals: Packer,
    counts: Vec<i64>,
    gaps: Vec<i64>,
    changes: Vec<i64>,
}

impl BaseRows {
    pub(crate) fn clear(&mut self) {
        self.codes.clear();
        self.run_starts.clear();
        self.run_lengths.clear();
        self.run_codes.clear();
    }

    /// Appends a row of `count` bases, two 4-bit codes a byte.
    pub(crate) fn push(&mut self, bases: &[u8], count: u32) {
        let (from, count) = (self.codes.len(), count as usize);
        self.codes.reserve(count + 1);
        #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
        self.codes.extend(bases.iter().flat_map(|&byte| PAIRS[usize::from(byte)]));
        self.codes.resize(from + count, OTHER);
        let (_, row) = self.codes.split_at(from);
        if row.contains(&OTHER) {
            self.push_runs(bases, from, count);
        }
    }

    fn push_runs(&mut self, bases: &[u8], from: usize, count: usize) {
        for (base, position) in (0..count).zip(from..) {
            if self.codes.get(position) != Some(&OTHER) {
                continue;
            }
            let pair = bases.get(base / 2).copied().unwrap_or(0);
            let code = i64::from(if base % 2 == 0 { pair >> 4 } else { pair & 15 });
            let last = self.run_starts.last().zip(self.run_lengths.last_mut()).zip(self.run_codes.last());
            match last {
                Some(((start, length), &known)) if *start + *length == position as i64 && known == code => {
                    *length += 1
                }
                _ => {
                    self.run_starts.push(position as i64);
                    self.run_lengths.push(1);
                    self.run_codes.push(code);
                }
            }
        }
    }

    /// Appends the bases to a page.
    pub(crate) fn encode(
        &mut self,
        starts: &[i64],
        base_counts: &[i64],
        cigars: &Strings,
        out: &mut Vec<u8>,
    ) {
        put_varint(out, self.run_starts.len() as u64);
        integers::encode(&self.run_starts, Order::Delta, out);
        integers::encode(&self.run_lengths, Order::None, out);
        integers::encode(&self.run_codes, Order::None, out);
        let rows: Vec<RowLengths> = row_lengths(starts, base_counts, cigars);
        let window = window(&rows);
        self.vote(window, &rows, cigars);
        put_signed(out, window.start);
        put_varint(out, window.length);
        let mut consensus = Packer::default();
        consensus.push(&self.consensus);
        consensus.put(out);
        self.compare(window, &rows, cigars);
        integers::encode(&self.counts, Order::None, out);
        integers::encode(&self.gaps, Order::None, out);
        integers::encode(&self.changes, Order::None, out);
        self.literals.put(out);
    }

    /// Finds the base that most reads have at each position of the window.
    fn vote(&mut self, window: Window, rows: &[RowLengths], cigars: &Strings) {
        self.votes.clear();
        self.votes.resize(window.length as usize, [0; 4]);
        let mut base = 0;
        for (row, cigar) in rows.iter().zip(cigars.iter()) {
            let from = base;
            base += row.base_count as usize;
            let Some(place) = window.place(row.start, row.base_count, row.lengths) else {
                continue;
            };
            let mut query = from;
            walk(Cigar::from_bytes(cigar), |offset, length| {
                if let Some(offset) = offset {
                    let first = place + offset as usize;
                    let votes = self.votes.get_mut(first..first + length).unwrap_or_default();
                    let codes = self.codes.get(query..query + length).unwrap_or_default();
                    for (votes, code) in votes.iter_mut().zip(codes) {
                        if let Some(vote) = votes.get_mut(usize::from(*code)) {
                            *vote = vote.saturating_add(1);
                        }
                    }
                }
                query += length;
            });
        }
        self.consensus.clear();
        self.consensus.extend(self.votes.iter().map(|[a, c, g, t]| {
            let most = a.max(c).max(g.max(t));
            if most == a {
                0
            } else if most == c {
                1
            } else if most == g {
                2
            } else {
                3
            }
        }));
    }

    /// Collects what differs from the consensus, and what it does not predict.
    fn compare(&mut self, window: Window, rows: &[RowLengths], cigars: &Strings) {
        let Self { codes, consensus, literals, counts, gaps, changes, .. } = self;
        literals.clear();
        counts.clear();
        gaps.clear();
        changes.clear();
        let mut base = 0;
        for (row, cigar) in rows.iter().zip(cigars.iter()) {
            let bases = codes.get(base..base + row.base_count as usize).unwrap_or_default();
            base += row.base_count as usize;
            let before = gaps.len();
            match window.place(row.start, row.base_count, row.lengths) {
                None => literals.push(bases),
                Some(place) => {
                    let (mut query, mut last) = (0, 0);
                    walk(Cigar::from_bytes(cigar), |offset, length| {
                        let found = bases.get(query..query + length).unwrap_or_default();
                        match offset {
                            None => literals.push(found),
                            Some(offset) => {
                                let first = place + offset as usize;
                                let expected = consensus.get(first..first + length).unwrap_or_default();
                                // Most reads agree with most others: then one comparison of bytes does.
                                if found != expected {
                                    for (position, (found, expected)) in
                                        (query..).zip(found.iter().zip(expected))
                                    {
                                        if found != expected && *found != OTHER {
                                            gaps.push((position - last) as i64);
                                            changes.push(i64::from(
                                                found.wrapping_sub(*expected).wrapping_sub(1) & 3,
                                            ));
                                            last = position;
                                        }
                                    }
                                }
                            }
                        }
                        query += length;
                    });
                }
            }
            counts.push((gaps.len() - before) as i64);
        }
    }
}

/// A row's place and lengths.
#[derive(Clone, Copy, Debug)]
struct RowLengths {
    start: i64,
    base_count: u64,
    lengths: Lengths,
}

fn row_lengths(starts: &[i64], base_counts: &[i64], cigars: &Strings) -> Vec<RowLengths> {
    let rows = starts.iter().zip(base_counts).zip(cigars.iter());
    let row = |((&start, &count), cigar): ((&i64, &i64), &[u8])| RowLengths {
        start,
        base_count: count.cast_unsigned(),
        lengths: Lengths::of(Cigar::from_bytes(cigar)),
    };
    rows.map(row).collect()
}

/// Chooses the window: from the first read on, as far as reads reach, but not beyond what its bases are worth.
fn window(rows: &[RowLengths]) -> Window {
    let aligned = |row: &&RowLengths| {
        row.start >= 0 && row.lengths.reference > 0 && row.lengths.query == row.base_count
    };
    let Some(first) = rows.iter().find(aligned) else {
        return Window::default();
    };
    let bases: u64 = rows.iter().filter(aligned).map(|row| row.lengths.query - row.lengths.inserted).sum();
    let reach =
        |row: &RowLengths| (row.start - first.start).cast_unsigned().saturating_add(row.lengths.reference);
    let length = rows.iter().filter(aligned).map(reach).max().unwrap_or(0);
    Window { start: first.start, length: length.min(bases * WINDOW_PER_BASE + WINDOW_FROM).min(WINDOW_MAX) }
}

/// Packs codes into two bits each.
#[derive(Debug, Default)]
struct Packer {
    packed: Vec<u8>,
    bits: u64,
    bit_count: u32,
}

impl Packer {
    fn clear(&mut self) {
        self.packed.clear();
        (self.bits, self.bit_count) = (0, 0);
    }

    /// Appends codes; [`OTHER`] becomes 0.
    fn push(&mut self, codes: &[u8]) {
        for &code in codes {
            self.bits |= u64::from(code & 3) << self.bit_count;
            self.bit_count += 2;
            if self.bit_count == 64 {
                self.packed.extend_from_slice(&self.bits.to_le_bytes());
                (self.bits, self.bit_count) = (0, 0);
            }
        }
    }

    /// Appends what was packed to a page.
    fn put(&mut self, out: &mut Vec<u8>) {
        let tail = self.bits.to_le_bytes();
        self.packed.extend(tail.iter().take(self.bit_count.div_ceil(8) as usize));
        blob::encode(&self.packed, 1, out);
        self.clear();
    }
}
