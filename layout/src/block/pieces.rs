//! How the bytes of a column group are cut into values.
//!
//! redb keeps a value in a run of 4 KiB pages whose number is a power of two, with its key and 12 bytes of
//! framing: 65,500 bytes under a key of 29 take 131,072, and 65,492 take 65,536. A value below a page shares
//! its page with others.

use std::ops::Range;

use bytes::Bytes;

/// The most bytes of a piece.
pub const PIECE_BYTES_MAX: usize = (1 << 16) - FRAMING;

/// What redb adds to a value in its page, and the key of a block: 12 + 29, and a little to spare.
const FRAMING: usize = 44;

/// Cuts bytes into pieces, each one value.
///
/// All but the last few are of [`PIECE_BYTES_MAX`] bytes; the rest is cut where one value would waste more
/// than an eighth of its pages.
pub fn cut(bytes: Bytes) -> Vec<Bytes> {
    ranges(bytes.len()).into_iter().map(|range| bytes.slice(range)).collect()
}

/// Returns where [`cut`] cuts `length` bytes.
///
/// The answer is part of the stored form: a reader computes from it which pieces hold a page.
pub(crate) fn ranges(length: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::with_capacity(length / PIECE_BYTES_MAX + 4);
    let mut start = 0;
    while start < length {
        let end = start + piece_length(length - start);
        ranges.push(start..end);
        start = end;
    }
    ranges
}

fn piece_length(left: usize) -> usize {
    if left >= PIECE_BYTES_MAX {
        return PIECE_BYTES_MAX;
    }
    let run = (left + FRAMING).next_power_of_two();
    // Below two pages it is packed with other values, or wastes less than one page.
    if run <= 8_192 || run - (left + FRAMING) <= run / 8 { left } else { run / 2 - FRAMING }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_bytes_and_waste_little() {
        for length in (0..400_000).step_by(97) {
            let ranges = ranges(length);
            assert_eq!(ranges.iter().map(Range::len).sum::<usize>(), length);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(ranges.iter().all(|range| range.len() <= PIECE_BYTES_MAX));
            let stored: usize = ranges
                .iter()
                .map(|range| range.len() + FRAMING)
                .map(|bytes| if bytes <= 4_096 { bytes } else { bytes.next_power_of_two() })
                .sum();
            assert!(stored <= length + length / 8 + 4_300, "{length} bytes take {stored}");
        }
    }
}
