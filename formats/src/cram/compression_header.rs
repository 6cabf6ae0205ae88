//! What the slices of a container share: what was kept, and how each data series is stored (CRAM v3 § 8.4).

use std::{collections::HashMap, sync::Arc};

use super::{
    Version,
    block::{Block, COMPRESSION_HEADER},
    budget::Budget,
    corrupt::Corrupt,
    cursor::Cursor,
    encoding::{ArrayEncoding, Encoding, Slots},
};

/// The compression header of a container.
#[derive(Debug)]
pub(super) struct CompressionHeader {
    pub(super) has_names: bool,
    pub(super) starts_are_deltas: bool,
    pub(super) needs_reference: bool,
    /// Quality scores stand in the order of the sequence as SAM has it, not as the machine read it.
    pub(super) qualities_in_sequence_order: bool,
    pub(super) substitutions: Substitutions,
    pub(super) tag_lists: Vec<Vec<TagEncoding>>,
    pub(super) series: Series,
    pub(super) slots: Slots,
}

/// A tag of a list: `NM` and `C`, and how its values are stored.
#[derive(Clone, Debug)]
pub(super) struct TagEncoding {
    pub(super) key: [u8; 3],
    pub(super) encoding: Arc<ArrayEncoding>,
}

/// Data series of numbers and of single bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    BamFlags,
    CramFlags,
    Contig,
    Length,
    Start,
    ReadGroup,
    MateFlags,
    MateContig,
    MateStart,
    TemplateLength,
    MateDistance,
    FeatureCount,
    FeatureCode,
    FeatureStep,
    Substitution,
    Deletion,
    Base,
    Skip,
    Padding,
    HardClip,
    MappingQuality,
    Quality,
    TagList,
}

// In the order of `Number`.
const NUMBER_KEYS: [&[u8; 2]; 23] = [
    b"BF", b"CF", b"RI", b"RL", b"AP", b"RG", b"MF", b"NS", b"NP", b"TS", b"NF", b"FN", b"FC", b"FP", b"BS",
    b"DL", b"BA", b"RS", b"PD", b"HC", b"MQ", b"QS", b"TL",
];

/// Data series of byte arrays.
#[derive(Clone, Copy, Debug)]
pub(super) enum Array {
    Names,
    Insertion,
    SoftClip,
    Bases,
    Qualities,
}

// In the order of `Array`.
const ARRAY_KEYS: [&[u8; 2]; 5] = [b"RN", b"IN", b"SC", b"BB", b"QQ"];

/// The data series that a container has.
#[derive(Debug, Default)]
pub(super) struct Series {
    numbers: [Option<Encoding>; NUMBER_KEYS.len()],
    arrays: [Option<ArrayEncoding>; ARRAY_KEYS.len()],
}

impl Series {
    /// Returns a series of numbers or single bytes.
    pub(super) fn number(&self, series: Number) -> Result<&Encoding, Corrupt> {
        let encoding = self.numbers.get(series as usize).and_then(Option::as_ref);
        encoding.ok_or_else(|| format!("the data series of {series:?} is missing").into())
    }

    /// Returns a series of byte arrays.
    pub(super) fn array(&self, series: Array) -> Option<&ArrayEncoding> {
        self.arrays.get(series as usize).and_then(Option::as_ref)
    }
}

/// Which base a substitution code stands for, by the reference's base.
#[derive(Clone, Copy, Debug)]
pub(super) struct Substitutions([[u8; 4]; 5]);

const BASES: [u8; 5] = *b"ACGTN";

impl Substitutions {
    fn parse(bytes: [u8; 5]) -> Self {
        let mut rows = [[b'N'; 4]; 5];
        for ((row, byte), reference) in rows.iter_mut().zip(bytes).zip(BASES) {
            let others = BASES.into_iter().filter(|&base| base != reference);
            for (base, shift) in others.zip([6, 4, 2, 0]) {
                if let Some(place) = row.get_mut(usize::from(byte >> shift & 3)) {
                    *place = base;
                }
            }
        }
        Self(rows)
    }

    /// Returns the base of the read where the reference has `reference`.
    pub(super) fn base(&self, reference: u8, code: u8) -> Option<u8> {
        let row = BASES.iter().position(|&base| base == reference.to_ascii_uppercase()).unwrap_or(4);
        self.0.get(row).and_then(|row| row.get(usize::from(code))).copied()
    }
}

impl CompressionHeader {
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        version: Version,
        budget: &mut Budget,
    ) -> Result<Self, Corrupt> {
        let block = Block::read(cursor, version)?;
        if block.kind != COMPRESSION_HEADER {
            return Err(
                format!("a block of kind {} stands where the compression header must", block.kind).into()
            );
        }
        let bytes = block.decompress(budget)?;
        Self::parse(&mut Cursor(&bytes))
            .map_err(|Corrupt(reason)| format!("compression header: {reason}").into())
    }

    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Corrupt> {
        let mut header = Self {
            // CRAM v3 § 8.4: what is not said has these values.
            has_names: false,
            starts_are_deltas: true,
            needs_reference: true,
            qualities_in_sequence_order: true,
            substitutions: Substitutions::parse([0x1b; 5]),
            tag_lists: Vec::new(),
            series: Series::default(),
            slots: Slots::default(),
        };
        let tag_lists = header.parse_preservation(&mut map(cursor)?)?;
        header.parse_series(&mut map(cursor)?)?;
        let encodings = parse_tag_encodings(&mut map(cursor)?, &mut header.slots)?;
        let encodings_of = |list: &[u8]| -> Result<Vec<TagEncoding>, Corrupt> {
            let (keys, rest) = list.as_chunks::<3>();
            if !rest.is_empty() {
                return Err("a list of tags is cut off".into());
            }
            let with_encoding = |&key: &[u8; 3]| match encodings.get(&key) {
                Some(encoding) => Ok(TagEncoding { key, encoding: encoding.clone() }),
                None => Err(format!("tag {} has no encoding", key.escape_ascii()).into()),
            };
            keys.iter().map(with_encoding).collect()
        };
        header.tag_lists = tag_lists.iter().map(|list| encodings_of(list)).collect::<Result<_, _>>()?;
        Ok(header)
    }

    /// Reads what is kept; returns the lists of tags.
    fn parse_preservation(&mut self, map: &mut Map<'_>) -> Result<Vec<Vec<u8>>, Corrupt> {
        let mut lists = Vec::new();
        for _ in 0..map.count {
            let cursor = &mut map.cursor;
            match &cursor.array::<2>()? {
                b"RN" => self.has_names = cursor.byte()? != 0,
                b"AP" => self.starts_are_deltas = cursor.byte()? != 0,
                b"RR" => self.needs_reference = cursor.byte()? != 0,
                b"QO" => self.qualities_in_sequence_order = cursor.byte()? != 0,
                b"SM" => self.substitutions = Substitutions::parse(cursor.array()?),
                b"TD" => {
                    let size = cursor.size("the size of the lists of tags")?;
                    let bytes = cursor.take(size)?;
                    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
                    if size > 0 {
                        lists = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
                    }
                }
                // Keys of CRAM 1, and unknown ones: a byte, as htslib guesses.
                _ => drop(cursor.byte()?),
            }
        }
        map.finish().map(|()| lists)
    }

    fn parse_series(&mut self, map: &mut Map<'_>) -> Result<(), Corrupt> {
        for _ in 0..map.count {
            let key = map.cursor.array::<2>()?;
            let number = NUMBER_KEYS.iter().position(|&known| *known == key);
            let array = ARRAY_KEYS.iter().position(|&known| *known == key);
            let (cursor, slots) = (&mut map.cursor, &mut self.slots);
            if let Some(place) = number.and_then(|index| self.series.numbers.get_mut(index)) {
                *place = Encoding::parse(cursor, slots)?;
            } else if let Some(place) = array.and_then(|index| self.series.arrays.get_mut(index)) {
                *place = ArrayEncoding::parse(cursor, slots)?;
            } else {
                // Series of CRAM 1 and of later versions say nothing about these records.
                cursor.itf8()?;
                let size = cursor.size("the size of an encoding")?;
                cursor.take(size)?;
            }
        }
        map.finish()
    }
}

fn parse_tag_encodings(
    map: &mut Map<'_>,
    slots: &mut Slots,
) -> Result<HashMap<[u8; 3], Arc<ArrayEncoding>>, Corrupt> {
    let mut encodings = HashMap::new();
    for _ in 0..map.count {
        let [_, key @ ..] = map.cursor.itf8()?.to_be_bytes();
        if let Some(encoding) = ArrayEncoding::parse(&mut map.cursor, slots)? {
            encodings.insert(key, Arc::new(encoding));
        }
    }
    map.finish().map(|()| encodings)
}

/// A map: its size in bytes, the number of its entries, and the entries.
struct Map<'a> {
    cursor: Cursor<'a>,
    count: usize,
}

fn map<'a>(cursor: &mut Cursor<'a>) -> Result<Map<'a>, Corrupt> {
    let size = cursor.size("the size of a map")?;
    let mut cursor = Cursor(cursor.take(size)?);
    let count = cursor.size("the number of entries of a map")?;
    Ok(Map { cursor, count })
}

impl Map<'_> {
    fn finish(&self) -> Result<(), Corrupt> {
        if self.cursor.is_empty() { Ok(()) } else { Err("a map is longer than its entries".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutions_follow_the_matrix() {
        // The codes 0 to 3 in the order of ACGTN without the reference's base: what 0x1b means.
        let plain = Substitutions::parse([0x1b; 5]);
        for (reference, row) in
            [(b'A', b"CGTN"), (b'c', b"AGTN"), (b'T', b"ACGN"), (b'N', b"ACGT"), (b'R', b"ACGT")]
        {
            for (code, &base) in (0..).zip(row) {
                assert_eq!(plain.base(reference, code), Some(base));
            }
            assert_eq!(plain.base(reference, 4), None);
        }
        // A code of 3 for C, 2 for G, 1 for T, 0 for N.
        assert_eq!(Substitutions::parse([0xe4; 5]).base(b'A', 0), Some(b'N'));
    }
}
