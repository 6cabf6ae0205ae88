//! rANS 4x8: four interleaved states of 32 bits, renormalised by bytes (CRAM codecs § 2).

use crate::cram::{corrupt::Corrupt, cursor::Cursor};

const TOTAL_BITS: u32 = 12;
const TOTAL: usize = 1 << TOTAL_BITS;
const LOWER_BOUND: u32 = 1 << 23;

/// Decodes a stream of order 0 or 1.
pub(super) fn decode(bytes: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut cursor = Cursor(bytes);
    let order = cursor.byte()?;
    cursor.u32()?;
    let stated = cursor.u32()?;
    if usize::try_from(stated) != Ok(length) {
        return Err(format!("rANS yields {stated} bytes, its block says {length}").into());
    }
    match order {
        0 => order_0(&mut cursor, length),
        1 => order_1(&mut cursor, length),
        _ => Err(format!("rANS 4x8 of order {order}").into()),
    }
}

/// The frequencies of one context, as a table from the low bits of a state to a symbol.
struct Table {
    symbols: Box<[u8; TOTAL]>,
    /// Frequency and cumulative frequency of each symbol.
    steps: Box<[(u16, u16); 256]>,
}

impl Table {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Corrupt> {
        let mut table = Self { symbols: Box::new([0; TOTAL]), steps: Box::new([(0, 0); 256]) };
        let mut start = 0_usize;
        read_symbols(cursor, |cursor, symbol| {
            let mut frequency = usize::from(cursor.byte()?);
            if frequency >= 128 {
                frequency = (frequency & 127) << 8 | usize::from(cursor.byte()?);
            }
            // A frequency of all 4096 slots does not fit into old writers' 12 bits.
            let frequency = if frequency == 0 { TOTAL } else { frequency };
            let slots = table.symbols.get_mut(start..start + frequency);
            slots.ok_or("rANS frequencies exceed 4096")?.fill(symbol);
            if let (Some(step), Ok(width), Ok(from)) =
                (table.steps.get_mut(usize::from(symbol)), u16::try_from(frequency), u16::try_from(start))
            {
                *step = (width, from);
            }
            start += frequency;
            Ok(())
        })?;
        Ok(table)
    }

    /// Yields the symbol of a state and moves the state on.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "12 bits index 4096 slots, a byte indexes 256 steps")]
    fn next(&self, state: &mut u32) -> u8 {
        let slot = *state & (TOTAL as u32 - 1);
        let symbol = self.symbols[slot as usize];
        let (frequency, start) = self.steps[usize::from(symbol)];
        *state = u32::from(frequency)
            .wrapping_mul(*state >> TOTAL_BITS)
            .wrapping_add(slot)
            .wrapping_sub(u32::from(start));
        symbol
    }
}

/// Walks over a list of ascending symbols, in which a run of neighbours is written as its length.
fn read_symbols<'a>(
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&mut Cursor<'a>, u8) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let mut symbol = cursor.byte()?;
    let mut run = 0_u8;
    loop {
        each(cursor, symbol)?;
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
            return Ok(());
        }
    }
}

fn read_states(cursor: &mut Cursor<'_>) -> Result<[u32; 4], Corrupt> {
    Ok([cursor.u32()?, cursor.u32()?, cursor.u32()?, cursor.u32()?])
}

#[inline]
fn renormalise(state: &mut u32, cursor: &mut Cursor<'_>) -> Result<(), Corrupt> {
    while *state < LOWER_BOUND {
        *state = *state << 8 | u32::from(cursor.byte()?);
        if *state == 0 {
            return Err("a rANS state is 0".into());
        }
    }
    Ok(())
}

fn order_0(cursor: &mut Cursor<'_>, length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut decoded = vec![0; length];
    if length == 0 {
        return Ok(decoded);
    }
    let table = Table::read(cursor)?;
    let mut states = read_states(cursor)?;
    for four in decoded.chunks_mut(4) {
        for (symbol, state) in four.iter_mut().zip(&mut states) {
            *symbol = table.next(state);
            renormalise(state, cursor)?;
        }
    }
    Ok(decoded)
}

fn order_1(cursor: &mut Cursor<'_>, length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut decoded = vec![0; length];
    if length == 0 {
        return Ok(decoded);
    }
    let mut tables: Vec<Option<Table>> = (0..256).map(|_| None).collect();
    read_symbols(cursor, |cursor, context| {
        let table = Table::read(cursor)?;
        if let Some(place) = tables.get_mut(usize::from(context)) {
            *place = Some(table);
        }
        Ok(())
    })?;
    let mut states = read_states(cursor)?;
    let mut contexts = [0_u8; 4];
    let quarter = length / 4;
    let (first, rest) = decoded.split_at_mut(quarter);
    let (second, rest) = rest.split_at_mut(quarter);
    let (third, fourth) = rest.split_at_mut(quarter);
    let (fourth, tail) = fourth.split_at_mut(quarter);
    let mut step = |lane: usize, out: &mut u8| -> Result<(), Corrupt> {
        let (Some(state), Some(context)) = (states.get_mut(lane), contexts.get_mut(lane)) else {
            return Ok(());
        };
        let table = tables.get(usize::from(*context)).and_then(Option::as_ref);
        *out = table.ok_or("a rANS context has no frequencies")?.next(state);
        *context = *out;
        renormalise(state, cursor)
    };
    for (((a, b), c), d) in first.iter_mut().zip(second).zip(third).zip(fourth) {
        step(0, a)?;
        step(1, b)?;
        step(2, c)?;
        step(3, d)?;
    }
    // The last state also decodes what four quarters leave over.
    tail.iter_mut().try_for_each(|out| step(3, out))?;
    Ok(decoded)
}
