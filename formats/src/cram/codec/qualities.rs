//! The quality codec of CRAM 3.1, "fqzcomp" (CRAM codecs § 6): a model of each quality by what was before.

use super::adaptive::{Model, RangeDecoder};
use crate::cram::{corrupt::Corrupt, cursor::Cursor};

// Of the stream.
const MULTIPLE_PARAMETERS: u8 = 0x01;
const HAS_SELECTOR_TABLE: u8 = 0x02;
const REVERSES: u8 = 0x04;

// Of a set of parameters.
const DEDUPLICATES: u8 = 0x02;
const FIXED_LENGTH: u8 = 0x04;
const HAS_SELECTOR: u8 = 0x08;
const HAS_QUALITY_MAP: u8 = 0x10;
const HAS_POSITION_TABLE: u8 = 0x20;
const HAS_DELTA_TABLE: u8 = 0x40;
const HAS_QUALITY_TABLE: u8 = 0x80;

const CONTEXTS: usize = 1 << 16;

/// Decodes the qualities of all reads of a slice.
pub(super) fn decode(bytes: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    let mut cursor = Cursor(bytes);
    if cursor.uint7()? != length {
        return Err("the qualities have another size than their block".into());
    }
    let version = cursor.byte()?;
    if version != 5 {
        return Err(format!("version {version} of the quality codec").into());
    }
    let header = Header::read(&mut cursor)?;
    let mut models = Models::new(&header);
    let mut decoder = RangeDecoder::new(cursor)?;
    let mut decoded = vec![0; length];
    let mut reversed: Vec<(usize, usize)> = Vec::new();
    let mut read = Read::default();
    let mut place = 0;
    while place < length {
        let parameters = start_read(&header, &mut models, &mut decoder, &mut read)?;
        let end = place.checked_add(read.length).filter(|&end| end <= length && read.length > 0);
        let end = end.ok_or("a read's qualities pass the end")?;
        if header.flags & REVERSES != 0 && models.reversed.decode(&mut decoder)? != 0 {
            reversed.push((place, end));
        }
        if parameters.flags & DEDUPLICATES != 0 && models.duplicate.decode(&mut decoder)? != 0 {
            let before = place.checked_sub(read.length).ok_or("the first read repeats another")?;
            decoded.copy_within(before..place, place);
        } else if let Some(qualities) = decoded.get_mut(place..end) {
            decode_read(parameters, &mut models, &mut decoder, read.selector, qualities)?;
        }
        place = end;
    }
    for (start, end) in reversed {
        if let Some(qualities) = decoded.get_mut(start..end) {
            qualities.reverse();
        }
    }
    Ok(decoded)
}

struct Header {
    flags: u8,
    parameters: Vec<Parameters>,
    selectors_max: u8,
    /// Which parameters a selector chooses.
    selector_table: Option<Vec<u8>>,
}

struct Parameters {
    context: u32,
    flags: u8,
    symbols: usize,
    quality_bits: u32,
    quality_shift: u32,
    quality_place: u32,
    selector_place: u32,
    position_place: u32,
    delta_place: u32,
    quality_map: Option<Vec<u8>>,
    quality_table: Option<Vec<u8>>,
    position_table: Option<Vec<u8>>,
    delta_table: Option<Vec<u8>>,
}

impl Header {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Corrupt> {
        let flags = cursor.byte()?;
        let count = if flags & MULTIPLE_PARAMETERS == 0 { 1 } else { cursor.byte()? };
        let mut selectors_max = if count > 1 { count } else { 0 };
        let mut selector_table = None;
        if flags & HAS_SELECTOR_TABLE != 0 {
            selectors_max = cursor.byte()?;
            selector_table = Some(read_table(cursor, 256)?);
        }
        let parameters = (0..count).map(|_| Parameters::read(cursor)).collect::<Result<Vec<_>, _>>()?;
        if parameters.is_empty() {
            return Err("the quality codec has no parameters".into());
        }
        Ok(Self { flags, parameters, selectors_max, selector_table })
    }
}

impl Parameters {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Corrupt> {
        let context = u32::from(cursor.u16()?);
        let flags = cursor.byte()?;
        let symbol_max = cursor.byte()?;
        let mut halves = || cursor.byte().map(|byte| (u32::from(byte >> 4), u32::from(byte & 0x0f)));
        let (quality_bits, quality_shift) = halves()?;
        let (quality_place, selector_place) = halves()?;
        let (position_place, delta_place) = halves()?;
        let mut quality_map = None;
        if flags & HAS_QUALITY_MAP != 0 {
            quality_map = Some(cursor.take(usize::from(symbol_max))?.to_vec());
        }
        let mut table = |flag, size| match flags & flag {
            0 => Ok(None),
            _ => read_table(cursor, size).map(Some),
        };
        Ok(Self {
            context,
            flags,
            symbols: usize::from(symbol_max) + 1,
            quality_bits,
            quality_shift,
            quality_place,
            selector_place,
            position_place,
            delta_place,
            quality_map,
            quality_table: table(HAS_QUALITY_TABLE, 256)?,
            position_table: table(HAS_POSITION_TABLE, 1024)?,
            delta_table: table(HAS_DELTA_TABLE, 256)?,
        })
    }
}

/// Reads a table of ascending values, stored as the run length of each value, run-length encoded again.
fn read_table(cursor: &mut Cursor<'_>, size: usize) -> Result<Vec<u8>, Corrupt> {
    let mut runs = Vec::new();
    let (mut covered, mut last) = (0, None);
    while covered < size {
        let run = cursor.byte()?;
        runs.push(run);
        covered += usize::from(run);
        if last == Some(run) {
            let copies = cursor.byte()?;
            runs.resize(runs.len() + usize::from(copies), run);
            covered += usize::from(run) * usize::from(copies);
        }
        if runs.len() > 1024 {
            return Err("a table of the quality codec has too many runs".into());
        }
        last = Some(run);
    }
    let mut table = Vec::with_capacity(size);
    let mut runs = runs.into_iter();
    for value in 0..=u8::MAX {
        let mut length = 0;
        loop {
            let part = runs.next().ok_or("a table of the quality codec breaks off")?;
            length += usize::from(part);
            if part < 255 {
                break;
            }
        }
        table.resize((table.len() + length).min(size), value);
        if table.len() == size {
            return Ok(table);
        }
    }
    Err("a table of the quality codec breaks off".into())
}

struct Models {
    /// By context; most of 65,536 are never met, so they are made when they are.
    qualities: Vec<Option<Box<Model>>>,
    symbols: usize,
    lengths: [Model; 4],
    reversed: Model,
    duplicate: Model,
    selector: Model,
}

impl Models {
    fn new(header: &Header) -> Self {
        let symbols = header.parameters.iter().map(|parameters| parameters.symbols).max().unwrap_or(1);
        Self {
            qualities: vec![None; CONTEXTS],
            symbols,
            lengths: std::array::from_fn(|_| Model::new(256)),
            reversed: Model::new(2),
            duplicate: Model::new(2),
            selector: Model::new(usize::from(header.selectors_max) + 1),
        }
    }
}

/// What one read leaves for the next.
#[derive(Default)]
struct Read {
    any: bool,
    length: usize,
    selector: u8,
}

/// Decodes which parameters the next read has, and its length.
fn start_read<'h>(
    header: &'h Header,
    models: &mut Models,
    decoder: &mut RangeDecoder<'_>,
    read: &mut Read,
) -> Result<&'h Parameters, Corrupt> {
    read.selector = if header.selectors_max > 0 { models.selector.decode(decoder)? } else { 0 };
    let chosen = match &header.selector_table {
        Some(table) => table.get(usize::from(read.selector)).copied().unwrap_or_default(),
        None => read.selector,
    };
    let parameters = header.parameters.get(usize::from(chosen)).ok_or("a selector chooses no parameters")?;
    if parameters.flags & FIXED_LENGTH == 0 || !read.any {
        let mut bytes = [0; 4];
        for (byte, model) in bytes.iter_mut().zip(&mut models.lengths) {
            *byte = model.decode(decoder)?;
        }
        read.length = u32::from_le_bytes(bytes) as usize;
        read.any = true;
    }
    Ok(parameters)
}

fn decode_read(
    parameters: &Parameters,
    models: &mut Models,
    decoder: &mut RangeDecoder<'_>,
    selector: u8,
    qualities: &mut [u8],
) -> Result<(), Corrupt> {
    let mask = (1_u32 << parameters.quality_bits) - 1;
    let (mut context, mut history, mut delta, mut last) = (parameters.context, 0_u32, 0_usize, 0);
    let mut left = qualities.len();
    let selected = if parameters.flags & HAS_SELECTOR == 0 { 0 } else { u32::from(selector) };
    let look_up = |table: &Option<Vec<u8>>, index: usize| {
        table.as_ref().and_then(|table| table.get(index)).copied().map_or(0, u32::from)
    };
    for place in qualities {
        let model = models.qualities.get_mut(context as usize).ok_or("a context is above 16 bits")?;
        let model = model.get_or_insert_with(|| Box::new(Model::new(models.symbols)));
        let quality = model.decode(decoder)?;
        *place = match &parameters.quality_map {
            Some(map) => *map.get(usize::from(quality)).ok_or("a quality is outside of its map")?,
            None => quality,
        };
        let step = match &parameters.quality_table {
            Some(_) => look_up(&parameters.quality_table, usize::from(quality)),
            None => u32::from(quality),
        };
        history = (history << parameters.quality_shift).wrapping_add(step);
        let next = parameters
            .context
            .wrapping_add((history & mask) << parameters.quality_place)
            .wrapping_add(look_up(&parameters.position_table, left.min(1023)) << parameters.position_place)
            .wrapping_add(look_up(&parameters.delta_table, delta.min(255)) << parameters.delta_place)
            .wrapping_add(selected << parameters.selector_place);
        context = next & 0xffff;
        delta += usize::from(last != quality);
        last = quality;
        left -= 1;
    }
    Ok(())
}
