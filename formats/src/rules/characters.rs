//! How far a text keeps to a range of characters, eight bytes at a time.

/// Returns how many bytes from the start lie in `low..=high`; both are ASCII.
///
/// Names and texts are short and many: a byte at a time was a tenth of the time of reading a BAM.
pub(super) fn prefix_within(bytes: &[u8], low: u8, high: u8) -> usize {
    debug_assert!(0 < low && low <= high && high < 0x7f);
    let (words, tail) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let outside = outside(u64::from_le_bytes(*word), low, high);
        if outside != 0 {
            return number * 8 + outside.trailing_zeros() as usize / 8;
        }
    }
    let within = |byte: &u8| (low..=high).contains(byte);
    words.len() * 8 + tail.iter().position(|byte| !within(byte)).unwrap_or(tail.len())
}

/// Sets the high bit of bytes of `word` that are outside `low..=high`; exact up to the first one.
fn outside(word: u64, low: u8, high: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // A borrow or a carry reaches only bytes after one that is outside already.
    let below = word.wrapping_sub(ONES * u64::from(low)) & !word;
    let above = word.wrapping_add(ONES * u64::from(0x7f - high)) | word;
    (below | above) & HIGHS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_plain_loop(
            bytes in prop::collection::vec(prop_oneof![8 => 0x1e..0x42_u8, 1 => any::<u8>()], 0..40),
            bounds in prop_oneof![Just((b' ', b'~')), Just((b'!', b'~')), Just((b'!', b'?'))],
        ) {
            let (low, high) = bounds;
            let plain = bytes.iter().take_while(|&&byte| low <= byte && byte <= high).count();
            prop_assert_eq!(prefix_within(&bytes, low, high), plain);
        }
    }
}
