//! A range coder for few symbols (rANS, static frequencies, contexts of the symbols before).
//!
//! A chunk is cut into [`LANES`] stretches, each with a state of its own, coded in lockstep over one stream
//! of 16-bit words: the states do not wait for one another. Symbols are dense: 0 to below the alphabet.
//! Asymmetric numeral systems: Duda, arXiv:1311.2540; several states over one stream: Giesen, arXiv:1402.3392.

use crate::{
    LayoutError,
    cursor::{Cursor, put_varint},
};

/// How many states are coded in lockstep.
pub(crate) const LANES: usize = 8;
/// A state lies in `STATE_MIN..STATE_MIN << 16`.
const STATE_MIN: u32 = 1 << 15;
/// The frequencies of a context sum up to 2 to this.
const PRECISION: u32 = 12;
const TOTAL: u32 = 1 << PRECISION;
/// With at most so many symbols, a symbol is found by comparing; with more, by a table.
const COMPARED_MAX: usize = 4;

/// How symbols are predicted: how many there are, and how many before one make its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    symbols: usize,
    /// Bits of a symbol.
    bits: u32,
    /// The context: the low bits of the symbols so far.
    mask: usize,
}

impl Shape {
    /// The shape for an alphabet of 1 to 128 symbols: as many symbols of context as 256 contexts allow.
    pub(crate) fn new(symbols: usize) -> Option<Self> {
        if symbols == 0 || symbols > 128 {
            return None;
        }
        let bits = symbols.next_power_of_two().trailing_zeros().max(2);
        let order = match bits {
            2 => 4,
            3 => 2,
            _ => 1,
        };
        Some(Self { symbols, bits, mask: (1 << (bits * order)) - 1 })
    }

    fn contexts(self) -> usize {
        self.mask + 1
    }

    fn next(self, context: usize, symbol: usize) -> usize {
        (context << self.bits | symbol) & self.mask
    }
}

/// How often each symbol comes in each context, in parts of 4,096.
#[derive(Clone, Debug)]
pub(crate) struct Frequencies {
    shape: Shape,
    /// `contexts * 2^bits` frequencies.
    parts: Vec<u16>,
}

impl Frequencies {
    /// Counts symbols; each context gets every symbol, seen or not, so that a sample may stand for all.
    pub(crate) fn count<'a>(shape: Shape, samples: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut counts = vec![0_u32; shape.contexts() << shape.bits];
        for sample in samples {
            let mut context = 0;
            for &symbol in sample {
                let symbol = usize::from(symbol);
                if let Some(count) = counts.get_mut(context << shape.bits | symbol) {
                    *count += 1;
                }
                context = shape.next(context, symbol);
            }
        }
        let mut parts = vec![0; counts.len()];
        for (counts, parts) in counts.chunks(1 << shape.bits).zip(parts.chunks_mut(1 << shape.bits)) {
            scale(counts, shape.symbols, parts);
        }
        Self { shape, parts }
    }

    /// Writes the frequencies of every context, whether it occurs or not.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        for parts in self.parts.chunks(1 << self.shape.bits) {
            parts.iter().take(self.shape.symbols).for_each(|&part| put_varint(out, part.into()));
        }
    }

    pub(crate) fn read(cursor: &mut Cursor<'_>, shape: Shape) -> Result<Self, LayoutError> {
        let mut parts = vec![0_u16; shape.contexts() << shape.bits];
        for parts in parts.chunks_mut(1 << shape.bits) {
            let mut sum = 0;
            for part in parts.iter_mut().take(shape.symbols) {
                *part = cursor.number(TOTAL as u16)?;
                sum += u32::from(*part);
            }
            if sum != TOTAL {
                return Err(cursor.corrupt("its frequencies do not sum up"));
            }
        }
        Ok(Self { shape, parts })
    }
}

/// Scales counts to parts of 4,096, each symbol at least 1.
fn scale(counts: &[u32], symbols: usize, parts: &mut [u16]) {
    let sum: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let spare = u64::from(TOTAL) - symbols as u64;
    let mut left = u64::from(TOTAL);
    for (part, &count) in parts.iter_mut().zip(counts).take(symbols) {
        let share = (u64::from(count) * spare).checked_div(sum);
        let scaled = share.unwrap_or(spare / symbols as u64);
        *part = scaled as u16 + 1;
        left -= scaled + 1;
    }
    // What rounding left goes to the most frequent symbol.
    if let Some(most) = parts.iter_mut().take(symbols).max() {
        *most += left as u16;
    }
}

/// What encoding a symbol in a context takes.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    /// From this state on, a word is written first.
    limit: u32,
    /// The reciprocal of the frequency, so that the division is a multiplication.
    reciprocal: u32,
    shift: u32,
    bias: u32,
    complement: u32,
}

/// Encodes chunks with one set of frequencies.
#[derive(Debug)]
pub(crate) struct Encoder {
    shape: Shape,
    steps: Vec<Step>,
    words: Vec<u16>,
    /// The place of each symbol's step, of a chunk.
    places: Vec<u16>,
}

impl Encoder {
    pub(crate) fn new(frequencies: &Frequencies) -> Self {
        let shape = frequencies.shape;
        let mut steps = Vec::with_capacity(frequencies.parts.len());
        for parts in frequencies.parts.chunks(1 << shape.bits) {
            let mut start = 0;
            for &part in parts {
                steps.push(step(u32::from(part), start));
                start += u32::from(part);
            }
        }
        Self { shape, steps, words: Vec::new(), places: Vec::new() }
    }

    /// Appends a chunk: its states, then its words.
    #[expect(
        clippy::indexing_slicing,
        reason = "a lane is below LANES, and steps cover every context and symbol"
    )]
    pub(crate) fn encode(&mut self, symbols: &[u8], out: &mut Vec<u8>) {
        let length = symbols.len().div_ceil(LANES);
        self.places.clear();
        for lane in symbols.chunks(length.max(1)) {
            let mut context = 0;
            self.places.extend(lane.iter().map(|&symbol| {
                let place = context << self.shape.bits | usize::from(symbol);
                context = self.shape.next(context, usize::from(symbol));
                place as u16
            }));
        }
        self.words.clear();
        let mut states = [STATE_MIN; LANES];
        for index in (0..length).rev() {
            for lane in (0..LANES).rev() {
                // Only the last lanes may be short.
                let Some(&place) = self.places.get(lane * length + index) else {
                    continue;
                };
                let step = self.steps[usize::from(place)];
                let mut state = states[lane];
                if state >= step.limit {
                    self.words.push(state as u16);
                    state >>= 16;
                }
                let quotient = ((u64::from(state) * u64::from(step.reciprocal)) >> 32) as u32 >> step.shift;
                states[lane] = state + step.bias + quotient * step.complement;
            }
        }
        states.iter().for_each(|state| out.extend_from_slice(&state.to_le_bytes()));
        put_varint(out, self.words.len() as u64);
        out.extend(self.words.iter().rev().flat_map(|word| word.to_le_bytes()));
    }
}

/// Prepares `state / part * TOTAL + state % part + start` without a division.
fn step(part: u32, start: u32) -> Step {
    let limit = (STATE_MIN >> PRECISION << 16) * part;
    if part < 2 {
        // state * TOTAL + start, as: state - 1 is the high half of state * (2^32 - 1).
        return Step {
            limit,
            reciprocal: u32::MAX,
            shift: 0,
            bias: start + TOTAL - 1,
            complement: TOTAL - 1,
        };
    }
    // Exact for states below 2^31: Alverson, "Integer division using reciprocals", 1991.
    let shift = u32::BITS - (part - 1).leading_zeros();
    let reciprocal = ((1_u64 << (shift + 31)).div_ceil(u64::from(part))) as u32;
    Step { limit, reciprocal, shift: shift - 1, bias: start, complement: TOTAL - part }
}

/// Decodes chunks with one set of frequencies.
#[derive(Debug)]
pub(crate) struct Decoder {
    shape: Shape,
    /// For each context and symbol: where its parts start, and how many there are.
    spans: Vec<[u16; 2]>,
    /// For each context and part: the symbol; empty where symbols are compared.
    table: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(frequencies: &Frequencies) -> Self {
        let shape = frequencies.shape;
        let (mut spans, mut table) = (Vec::with_capacity(frequencies.parts.len()), Vec::new());
        for parts in frequencies.parts.chunks(1 << shape.bits) {
            let mut start = 0;
            for (symbol, &part) in (0_u8..).zip(parts) {
                spans.push([start, part]);
                start += part;
                if shape.symbols > COMPARED_MAX {
                    table.extend(std::iter::repeat_n(symbol, usize::from(part)));
                }
            }
        }
        Self { shape, spans, table }
    }

    /// Fills `symbols` from a chunk.
    pub(crate) fn decode(&self, cursor: &mut Cursor<'_>, symbols: &mut [u8]) -> Result<(), LayoutError> {
        let mut states = [0; LANES];
        for state in &mut states {
            *state = cursor.u32()?;
        }
        let count = cursor.count(2)?;
        let bytes = cursor.take(count * 2)?;
        let (pairs, _) = bytes.as_chunks::<2>();
        let words: Vec<u16> = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
        let used = if self.table.is_empty() {
            self.run(&words, states, symbols, |context, part| self.compare(context, part))
        } else {
            self.run(&words, states, symbols, |context, part| self.look_up(context, part))
        };
        if used == Some(words.len()) { Ok(()) } else { Err(cursor.corrupt("its entropy code is damaged")) }
    }

    #[expect(clippy::indexing_slicing, reason = "spans cover every context and symbol")]
    fn compare(&self, context: usize, part: u32) -> usize {
        let base = context << self.shape.bits;
        let reached = |[start, _]: [u16; 2]| usize::from(part >= u32::from(start));
        match self.spans[base..base + COMPARED_MAX] {
            // A symbol beyond the alphabet starts at 4,096, which no part reaches.
            [_, second, third, fourth] => reached(second) + reached(third) + reached(fourth),
            _ => 0,
        }
    }

    #[expect(clippy::indexing_slicing, reason = "the table covers every context and part")]
    fn look_up(&self, context: usize, part: u32) -> usize {
        usize::from(self.table[context << PRECISION | part as usize])
    }

    /// Decodes every lane in lockstep; returns how many words were used, `None` where a state is impossible.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "lanes are below LANES, and a strip is not longer than STRIP"
    )]
    fn run(
        &self,
        words: &[u16],
        states: [u32; LANES],
        symbols: &mut [u8],
        find: impl Fn(usize, u32) -> usize,
    ) -> Option<usize> {
        let length = symbols.len().div_ceil(LANES);
        let mut lanes = symbols.chunks_mut(length.max(1));
        let mut lanes: [&mut [u8]; LANES] = std::array::from_fn(|_| lanes.next().unwrap_or_default());
        // The last lanes may be short, even empty.
        let shared = lanes.iter().map(|lane| lane.len()).min().unwrap_or(0);
        let mut run = Run { states, contexts: [0; LANES], next: 0 };
        let mut strip = [[0_u8; STRIP]; LANES];
        for start in (0..shared).step_by(STRIP) {
            let count = STRIP.min(shared - start);
            for index in 0..count {
                for (lane, strip) in strip.iter_mut().enumerate() {
                    strip[index % STRIP] = self.step(&mut run, lane, words, &find);
                }
            }
            for (lane, strip) in lanes.iter_mut().map(|lane| &mut **lane).zip(&strip) {
                lane[start..start + count].copy_from_slice(&strip[..count]);
            }
        }
        for index in shared..length {
            for lane in (0..LANES).filter(|&lane| index < lanes[lane].len()).collect::<Vec<_>>() {
                lanes[lane][index] = self.step(&mut run, lane, words, &find);
            }
        }
        // An encoder starts every lane at the smallest state: where decoding ends elsewhere, bytes are wrong.
        (run.states == [STATE_MIN; LANES]).then_some(run.next)
    }

    /// Decodes the next symbol of a lane.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "a lane is below LANES, and spans cover every context and symbol"
    )]
    fn step(&self, run: &mut Run, lane: usize, words: &[u16], find: impl Fn(usize, u32) -> usize) -> u8 {
        let (state, context) = (run.states[lane], run.contexts[lane]);
        let part = state & (TOTAL - 1);
        let symbol = find(context, part);
        let [start, width] = self.spans[context << self.shape.bits | symbol];
        let state =
            u32::from(width).wrapping_mul(state >> PRECISION).wrapping_add(part).wrapping_sub(start.into());
        let refill = state < STATE_MIN;
        let word = words.get(run.next).copied().unwrap_or(0);
        run.states[lane] = if refill { state << 16 | u32::from(word) } else { state };
        run.next += usize::from(refill);
        run.contexts[lane] = self.shape.next(context, symbol);
        symbol as u8
    }
}

/// Symbols that each lane decodes before they are copied to their places.
const STRIP: usize = 64;

/// Where decoding stands.
struct Run {
    states: [u32; LANES],
    contexts: [usize; LANES],
    /// The next word.
    next: usize,
}
