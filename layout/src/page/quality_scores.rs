//! QUAL: the scores of every row, one row after the other, entropy-coded in the context of those before.
//!
//! Sequencers give few distinct scores (NovaSeq four); the scores of a page are numbered, and coded in chunks
//! that a reader of few rows can decode alone.

use std::ops::Range;

use super::{
    blob,
    rans::{Decoder, Encoder, Frequencies, Shape},
};
use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
};

const BLOB: u8 = 0;
const RANS: u8 = 1;
/// The scores of a chunk: a multiple costs bytes, a fraction costs a reader of few rows.
const CHUNK: usize = 1 << 16;
/// Below it the frequencies cost more than they save.
const RANS_FROM: usize = 2_048;
/// One score in so many is counted; the frequencies of a page settle long before all are.
const SAMPLED: usize = 4;

/// Appends the scores of every row.
pub(crate) fn encode(scores: &[u8], out: &mut Vec<u8>) {
    let numbers = number(scores);
    let alphabet: Vec<u8> =
        (0..=u8::MAX).filter(|score| numbers.get(usize::from(*score)).is_some_and(Option::is_some)).collect();
    match Shape::new(alphabet.len()).filter(|_| scores.len() >= RANS_FROM && alphabet.len() > 1) {
        Some(shape) => encode_rans(scores, &alphabet, &numbers, shape, out),
        None => {
            out.push(BLOB);
            blob::encode(scores, 1, out);
        }
    }
}

/// Numbers the scores that occur, ascending.
fn number(scores: &[u8]) -> [Option<u8>; 256] {
    let mut seen = [false; 256];
    #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
    scores.iter().for_each(|&score| seen[usize::from(score)] = true);
    let mut next = 0_u8;
    seen.map(|seen| {
        let number = next;
        next = next.wrapping_add(u8::from(seen));
        seen.then_some(number)
    })
}

fn encode_rans(scores: &[u8], alphabet: &[u8], numbers: &[Option<u8>; 256], shape: Shape, out: &mut Vec<u8>) {
    let numbers = numbers.map(Option::unwrap_or_default);
    #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
    let symbols: Vec<u8> = scores.iter().map(|&score| numbers[usize::from(score)]).collect();
    let samples = symbols.chunks(CHUNK / SAMPLED).step_by(SAMPLED);
    let frequencies = Frequencies::count(shape, samples);
    out.push(RANS);
    put_bytes(out, alphabet);
    let mut table = Vec::new();
    frequencies.put(&mut table);
    blob::encode(&table, 1, out);
    let mut encoder = Encoder::new(&frequencies);
    let mut chunks = Vec::with_capacity(scores.len() / 4);
    let mut ends = Vec::new();
    for chunk in symbols.chunks(CHUNK) {
        encoder.encode(chunk, &mut chunks);
        ends.push(chunks.len());
    }
    let mut start = 0;
    ends.iter().for_each(|&end| put_varint(out, (end - std::mem::replace(&mut start, end)) as u64));
    out.extend_from_slice(&chunks);
}

/// Quality scores read back, those of the wanted rows at least.
#[derive(Debug)]
pub(crate) struct QualityScores {
    scores: Vec<u8>,
}

impl QualityScores {
    /// Reads `count` scores: those of the `wanted` ranges, which ascend, and what comes with them.
    pub(crate) fn decode(
        cursor: &mut Cursor<'_>,
        count: usize,
        wanted: impl Iterator<Item = Range<usize>>,
    ) -> Result<Self, LayoutError> {
        match cursor.u8()? {
            BLOB => {
                let scores = blob::decode(cursor, count)?;
                let right = scores.len() == count;
                if right { Ok(Self { scores }) } else { Err(cursor.corrupt("its count of scores differs")) }
            }
            RANS => Self::decode_rans(cursor, count, wanted),
            _ => Err(cursor.corrupt("its mode of quality scores is unknown")),
        }
    }

    fn decode_rans(
        cursor: &mut Cursor<'_>,
        count: usize,
        wanted: impl Iterator<Item = Range<usize>>,
    ) -> Result<Self, LayoutError> {
        let alphabet = cursor.bytes()?;
        let shape = Shape::new(alphabet.len()).ok_or_else(|| cursor.corrupt("its scores are too many"))?;
        let table = blob::decode(cursor, 1 << 16)?;
        let mut table = Cursor::new("page", &table);
        let decoder = Decoder::new(&Frequencies::read(&mut table, shape)?);
        table.finish()?;
        let chunk_count = count.div_ceil(CHUNK);
        // A chunk takes a byte for its length at least: the count is bounded by the bytes.
        let mut lengths = Vec::new();
        for _ in 0..chunk_count {
            lengths.push(cursor.number(usize::MAX)?);
        }
        let mut needed = vec![false; chunk_count];
        for range in wanted.filter(|range| range.start < range.end) {
            let chunks = range.start / CHUNK..range.end.div_ceil(CHUNK);
            needed.get_mut(chunks).into_iter().for_each(|needed| needed.fill(true));
        }
        let mut scores = vec![0; count];
        let mut letters = [0; 256];
        letters.iter_mut().zip(alphabet).for_each(|(letter, score)| *letter = *score);
        for ((chunk, length), needed) in scores.chunks_mut(CHUNK).zip(lengths).zip(needed) {
            let mut bytes = Cursor::new("page", cursor.take(length)?);
            if needed {
                decoder.decode(&mut bytes, chunk)?;
                bytes.finish()?;
                #[expect(clippy::indexing_slicing, reason = "a byte indexes a table of 256")]
                chunk.iter_mut().for_each(|symbol| *symbol = letters[usize::from(*symbol)]);
            }
        }
        Ok(Self { scores })
    }

    /// Returns every score.
    pub(crate) fn into_scores(self) -> Vec<u8> {
        self.scores
    }

    /// Returns the scores from `start` to before `end`.
    pub(crate) fn get(&self, start: usize, end: usize) -> &[u8] {
        self.scores.get(start..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(scores: &[u8], wanted: Range<usize>) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(scores, &mut bytes);
        let mut cursor = Cursor::new("test", &bytes);
        let read = QualityScores::decode(&mut cursor, scores.len(), std::iter::once(wanted.clone())).unwrap();
        cursor.finish().unwrap();
        assert_eq!(read.get(wanted.start, wanted.end), &scores[wanted]);
        bytes
    }

    #[test]
    fn chunks_are_read_alone() {
        let scores: Vec<u8> =
            (0..200_000_u32).map(|index| [37, 37, 25, 37, 11, 2][(index / 7 * 31 % 6) as usize]).collect();
        for wanted in [0..200_000, 0..1, 65_535..65_537, 199_999..200_000, 5..5] {
            check(&scores, wanted);
        }
        for alphabet in [2_u32, 3, 5, 9, 17, 41, 94, 128, 200] {
            let scores: Vec<u8> = (0..3_000)
                .map(|index: u32| ((index.wrapping_mul(2_654_435_761) >> 7) ^ (index / 9)) % alphabet)
                .map(|score| score as u8)
                .collect();
            check(&scores, 0..3_000);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn scores_come_back_and_damage_is_safe(
            alphabet in prop::collection::vec(any::<u8>(), 1..140),
            picks in prop::collection::vec(any::<prop::sample::Index>(), 2_000..2_400),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let scores: Vec<u8> = picks.iter().map(|pick| *pick.get(&alphabet)).collect();
            let mut bytes = check(&scores, 0..scores.len());
            flips.iter().for_each(|(place, byte)| *place.get_mut(&mut bytes) = *byte);
            let mut cursor = Cursor::new("test", &bytes);
            let _ = QualityScores::decode(&mut cursor, scores.len(), std::iter::once(0..scores.len()));
        }
    }
}
