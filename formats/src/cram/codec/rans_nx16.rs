//! rANS Nx16: 4 or 32 interleaved states, renormalised by 16 bits (CRAM codecs § 3).

use super::packing::{CAT, ORDER, PACK, Packed, RUNS, STRIPE, alphabet_size, read_size, unstripe};
use crate::cram::{budget::Budget, corrupt::Corrupt, cursor::Cursor};

const X32: u8 = 0x04;
const LOWER_BOUND: u32 = 1 << 15;
const LANES_MAX: usize = 32;
const ORDER_0_BITS: u32 = 12;

/// Decodes a stream; `known` is its size where the block or the stripes tell it.
pub(super) fn decode(bytes: &[u8], known: Option<usize>, budget: &mut Budget) -> Result<Vec<u8>, Corrupt> {
    nested(bytes, known, budget, true)
}

fn nested(
    bytes: &[u8],
    known: Option<usize>,
    budget: &mut Budget,
    may_stripe: bool,
) -> Result<Vec<u8>, Corrupt> {
    let mut cursor = Cursor(bytes);
    let flags = cursor.byte()?;
    let mut length = read_size(&mut cursor, flags, known, budget)?;
    if flags & STRIPE != 0 {
        // No writer nests stripes, and the depth must be bounded.
        if !may_stripe {
            return Err("stripes within stripes".into());
        }
        let decode = |bytes: &[u8], length, budget: &mut Budget| nested(bytes, Some(length), budget, false);
        return unstripe(&mut cursor, length, budget, decode);
    }
    let lanes = if flags & X32 == 0 { 4 } else { LANES_MAX };
    let mut packed = None;
    if flags & PACK != 0 {
        let (symbols, packed_length) = Packed::read(&mut cursor, length)?;
        packed = Some(symbols);
        length = packed_length;
    }
    let mut runs = None;
    if flags & RUNS != 0 {
        let (read, literals) = Runs::read(&mut cursor, length, lanes, budget)?;
        runs = Some(read);
        length = literals;
    }
    budget.spend(length)?;
    let mut decoded = if flags & CAT != 0 {
        cursor.take(length)?.to_vec()
    } else if flags & ORDER == 0 {
        order_0(&mut cursor, length, lanes)?
    } else {
        order_1(&mut cursor, length, lanes, budget)?
    };
    if let Some(runs) = runs {
        decoded = runs.expand(&decoded)?;
    }
    if let Some(packed) = packed {
        decoded = packed.unpack(&decoded)?;
    }
    Ok(decoded)
}

/// Which symbols come in runs, and the bytes that tell how long those are.
struct Runs {
    repeats: [bool; 256],
    lengths: Vec<u8>,
    length: usize,
}

impl Runs {
    fn read(
        cursor: &mut Cursor<'_>,
        length: usize,
        lanes: usize,
        budget: &mut Budget,
    ) -> Result<(Self, usize), Corrupt> {
        let size = cursor.uint7()?;
        let literals = cursor.uint7()?;
        let bytes = if size & 1 == 1 {
            cursor.take(size / 2)?.to_vec()
        } else {
            let compressed = cursor.uint7()?;
            budget.spend(size / 2)?;
            order_0(&mut Cursor(cursor.take(compressed)?), size / 2, lanes)?
        };
        let mut meta = Cursor(&bytes);
        let mut repeats = [false; 256];
        for _ in 0..alphabet_size(&mut meta)? {
            if let Some(repeat) = repeats.get_mut(usize::from(meta.byte()?)) {
                *repeat = true;
            }
        }
        if literals > length {
            return Err("more literals than bytes".into());
        }
        let lengths = meta.0.to_vec();
        Ok((Self { repeats, lengths, length }, literals))
    }

    fn expand(&self, literals: &[u8]) -> Result<Vec<u8>, Corrupt> {
        let mut lengths = Cursor(&self.lengths);
        let mut expanded = Vec::with_capacity(self.length);
        for &literal in literals {
            let repeats = self.repeats.get(usize::from(literal)).copied().unwrap_or_default();
            let run = if repeats { lengths.uint7()? } else { 0 };
            if run >= self.length - expanded.len() {
                return Err("a run passes the end".into());
            }
            expanded.resize(expanded.len() + run + 1, literal);
        }
        Ok(expanded)
    }
}

/// The frequencies of one context, as a table from the low bits of a state to a symbol.
struct Table {
    bits: u32,
    symbols: Vec<u8>,
    /// Frequency and cumulative frequency of each symbol.
    steps: Box<[(u32, u32); 256]>,
}

impl Table {
    fn new(frequencies: &[u32; 256], bits: u32) -> Result<Self, Corrupt> {
        let sum: u64 = frequencies.iter().map(|&frequency| u64::from(frequency)).sum();
        let total = 1_u64 << bits;
        // The sum is a power of two below the total where the data had fewer symbols.
        let mut shift = 0;
        while sum > 0 && sum << shift < total {
            shift += 1;
        }
        if sum << shift != total {
            return Err(format!("rANS frequencies add up to {sum}, not to a power of two").into());
        }
        let mut table = Self { bits, symbols: Vec::with_capacity(1 << bits), steps: Box::new([(0, 0); 256]) };
        for ((symbol, step), &frequency) in (0..=255_u8).zip(table.steps.iter_mut()).zip(frequencies) {
            let start = table.symbols.len();
            let frequency = frequency << shift;
            *step = (frequency, u32::try_from(start).unwrap_or(u32::MAX));
            table.symbols.resize(start + frequency as usize, symbol);
        }
        Ok(table)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`new` fills one symbol for each value of `bits` bits")]
    fn next(&self, state: &mut u32) -> u8 {
        let slot = *state & ((1 << self.bits) - 1);
        let symbol = self.symbols[slot as usize];
        let (frequency, start) = self.steps[usize::from(symbol)];
        *state = frequency.wrapping_mul(*state >> self.bits).wrapping_add(slot).wrapping_sub(start);
        symbol
    }
}

fn read_alphabet(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, Corrupt> {
    let mut symbols = Vec::new();
    let mut symbol = cursor.byte()?;
    let mut run = 0_u8;
    loop {
        if symbols.len() == 256 {
            return Err("an alphabet of more than 256 symbols".into());
        }
        symbols.push(symbol);
        if run > 0 {
            run -= 1;
            symbol = symbol.checked_add(1).ok_or("a run of rANS symbols passes 255")?;
        } else {
            let next = cursor.byte()?;
            if Some(next) == symbol.checked_add(1) {
                run = cursor.byte()?;
            }
            symbol = next;
        }
        if symbol == 0 {
            return Ok(symbols);
        }
    }
}

fn frequency(cursor: &mut Cursor<'_>) -> Result<u32, Corrupt> {
    let frequency = cursor.uint7()?;
    u32::try_from(frequency)
        .ok()
        .filter(|&value| value <= 1 << 16)
        .ok_or_else(|| "a frequency above 2^16".into())
}

fn read_states(cursor: &mut Cursor<'_>, lanes: usize) -> Result<[u32; LANES_MAX], Corrupt> {
    let mut states = [0; LANES_MAX];
    states.iter_mut().take(lanes).try_for_each(|state| cursor.u32().map(|read| *state = read))?;
    Ok(states)
}

#[inline]
fn renormalise(state: &mut u32, cursor: &mut Cursor<'_>) -> Result<(), Corrupt> {
    if *state < LOWER_BOUND {
        *state = *state << 16 | u32::from(cursor.u16()?);
    }
    Ok(())
}

fn order_0(cursor: &mut Cursor<'_>, length: usize, lanes: usize) -> Result<Vec<u8>, Corrupt> {
    let mut decoded = vec![0; length];
    if length == 0 {
        return Ok(decoded);
    }
    let mut frequencies = [0; 256];
    for symbol in read_alphabet(cursor)? {
        if let Some(place) = frequencies.get_mut(usize::from(symbol)) {
            *place = frequency(cursor)?;
        }
    }
    let table = Table::new(&frequencies, ORDER_0_BITS)?;
    let mut states = read_states(cursor, lanes)?;
    for group in decoded.chunks_mut(lanes) {
        for (symbol, state) in group.iter_mut().zip(&mut states) {
            *symbol = table.next(state);
            renormalise(state, cursor)?;
        }
    }
    Ok(decoded)
}

/// Reads the frequencies of each context; absent contexts stay `None`.
fn read_tables(cursor: &mut Cursor<'_>, bits: u32) -> Result<Vec<Option<Table>>, Corrupt> {
    let mut tables: Vec<Option<Table>> = (0..256).map(|_| None).collect();
    let alphabet = read_alphabet(cursor)?;
    for &context in &alphabet {
        let mut frequencies = [0; 256];
        let mut zeros = 0;
        for &symbol in &alphabet {
            if zeros > 0 {
                zeros -= 1;
                continue;
            }
            let read = frequency(cursor)?;
            if read == 0 {
                zeros = cursor.byte()?;
            }
            if let Some(place) = frequencies.get_mut(usize::from(symbol)) {
                *place = read;
            }
        }
        if frequencies.iter().any(|&frequency| frequency > 0)
            && let Some(table) = tables.get_mut(usize::from(context))
        {
            *table = Some(Table::new(&frequencies, bits)?);
        }
    }
    Ok(tables)
}

fn order_1(
    cursor: &mut Cursor<'_>,
    length: usize,
    lanes: usize,
    budget: &mut Budget,
) -> Result<Vec<u8>, Corrupt> {
    let mut decoded = vec![0; length];
    if length == 0 {
        return Ok(decoded);
    }
    let head = cursor.byte()?;
    let bits = u32::from(head >> 4);
    let tables = if head & 1 == 1 {
        let size = cursor.uint7()?;
        let compressed = cursor.uint7()?;
        budget.spend(size)?;
        let bytes = order_0(&mut Cursor(cursor.take(compressed)?), size, 4)?;
        read_tables(&mut Cursor(&bytes), bits)?
    } else {
        read_tables(cursor, bits)?
    };
    let mut states = read_states(cursor, lanes)?;
    let mut contexts = [0_u8; LANES_MAX];
    let part = length / lanes;
    let mut step = |lane: usize, place: usize| -> Result<(), Corrupt> {
        let (Some(state), Some(context), Some(out)) =
            (states.get_mut(lane), contexts.get_mut(lane), decoded.get_mut(place))
        else {
            return Ok(());
        };
        let table = tables.get(usize::from(*context)).and_then(Option::as_ref);
        *out = table.ok_or("a rANS context has no frequencies")?.next(state);
        *context = *out;
        renormalise(state, cursor)
    };
    for index in 0..part {
        for lane in 0..lanes {
            step(lane, lane * part + index)?;
        }
    }
    // The last state also decodes what the parts leave over.
    (part * lanes..length).try_for_each(|place| step(lanes - 1, place))?;
    Ok(decoded)
}
