//! Numbers of SAM text: read strictly, and the one format of C's `%g` that SAM needs.

use std::io::{self, Write};

/// Reads an unsigned decimal number of at most `max`: digits only.
pub(super) fn unsigned(text: &[u8], max: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let number = text.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(digit.into())
    });
    number.filter(|&number| number <= max)
}

/// Reads a decimal number with an optional sign.
pub(super) fn signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let number = unsigned(digits, 1 << 63)?;
            Some(0_i64.wrapping_sub_unsigned(number))
        }
        [b'+', digits @ ..] => unsigned(digits, i64::MAX as u64)?.try_into().ok(),
        digits => unsigned(digits, i64::MAX as u64)?.try_into().ok(),
    }
}

/// Reads `[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?`: no `nan`, no `inf`, a digit after the point.
pub(super) fn float(text: &[u8]) -> Option<f32> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let exponent = unsigned.iter().position(|byte| byte.eq_ignore_ascii_case(&b'e'));
    let mantissa = unsigned.get(..exponent.unwrap_or(unsigned.len())).unwrap_or_default();
    let number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    if !mantissa.iter().all(number) || !mantissa.last().is_some_and(u8::is_ascii_digit) {
        return None;
    }
    // As htslib, which reads a double and narrows it.
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "htslib narrows a double too")]
    Some(number as f32)
}

/// Writes a float as C's `%g` does: six significant digits, without trailing zeros.
pub(super) fn write_float(number: f32, out: &mut impl Write) -> io::Result<()> {
    let number = f64::from(number);
    if !number.is_finite() {
        let sign = if number.is_sign_negative() { "-" } else { "" };
        return write!(out, "{sign}{}", if number.is_nan() { "nan" } else { "inf" });
    }
    let mut buffer = [0_u8; 24];
    let mut rest = buffer.as_mut_slice();
    write!(rest, "{number:.5e}")?;
    let unused = rest.len();
    let scientific = buffer.get(..buffer.len() - unused).unwrap_or_default();
    let scientific = std::str::from_utf8(scientific).map_err(io::Error::other)?;
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().map_err(io::Error::other)?;
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let (mantissa, exponent) = (without_zeros(mantissa), exponent.unsigned_abs());
        return write!(out, "{mantissa}e{sign}{exponent:02}");
    }
    let decimals = usize::try_from(5 - exponent).unwrap_or_default();
    let mut buffer = [0_u8; 24];
    let mut rest = buffer.as_mut_slice();
    write!(rest, "{number:.decimals$}")?;
    let unused = rest.len();
    let fixed = buffer.get(..buffer.len() - unused).unwrap_or_default();
    out.write_all(without_zeros(std::str::from_utf8(fixed).map_err(io::Error::other)?).as_bytes())
}

/// Writes a float of an array as htslib does: `%g`, but a tie is rounded up, in fixed point of ten decimals.
pub(super) fn write_array_float(number: f32, out: &mut impl Write) -> io::Result<()> {
    const UNIT: u64 = 10_000_000_000;
    let size = f64::from(number).abs();
    if !(0.0001..=999_999.0).contains(&size) {
        return write_float(number, out);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..10^16")]
    let scaled = (size * UNIT as f64) as u64;
    // Half of the sixth significant digit.
    let half = [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 100_000.0]
        .iter()
        .take_while(|&&bound| size >= bound)
        .fold(5, |half, _| half * 10);
    let rounded = scaled + half;
    let sign = if number < 0.0 { "-" } else { "" };
    let (whole, fraction) = (rounded / UNIT, rounded % UNIT);
    // Six digits from the first that is not 0.
    let decimals = 15_usize.saturating_sub(rounded.ilog10() as usize).min(10);
    let mut buffer = [0_u8; 24];
    let mut rest = buffer.as_mut_slice();
    write!(rest, "{whole}.{fraction:010}")?;
    let length = whole.max(1).ilog10() as usize + 2 + decimals;
    let fixed = std::str::from_utf8(buffer.get(..length).unwrap_or_default()).map_err(io::Error::other)?;
    write!(out, "{sign}{}", without_zeros(fixed))
}

/// Drops zeros at the end of a decimal fraction, and a point that nothing follows.
fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_float(text: &str, expected: &str) {
        let mut out = Vec::new();
        match float(text.as_bytes()) {
            Some(number) => write_float(number, &mut out).unwrap(),
            None => out.extend_from_slice(b"refused"),
        }
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
    }

    #[test]
    fn floats_read_as_the_specification_says_and_print_as_c_does() {
        for (text, expected) in [
            ("0", "0"),
            ("-0", "-0"),
            ("+1.50", "1.5"),
            (".5", "0.5"),
            ("100000", "100000"),
            ("999999.5", "1e+06"),
            ("1234567", "1.23457e+06"),
            ("0.0001", "0.0001"),
            ("0.00001234", "1.234e-05"),
            ("-9.9e-19", "-9.9e-19"),
            ("3.4e38", "3.4e+38"),
            ("1e39", "inf"),
            ("0.1", "0.1"),
            ("2.5e0", "2.5"),
            ("10.", "refused"),
            ("", "refused"),
            ("e", "refused"),
            ("1e", "refused"),
            ("nan", "refused"),
            ("inf", "refused"),
            ("1.2.3", "refused"),
            ("0x10", "refused"),
        ] {
            check_float(text, expected);
        }
        let mut out = Vec::new();
        write_float(f32::NAN, &mut out).unwrap();
        assert_eq!(out, b"nan");
    }

    #[test]
    fn integers_are_digits_within_bounds() {
        assert_eq!(unsigned(b"65535", 65535), Some(65535));
        assert_eq!(unsigned(b"65536", 65535), None);
        assert_eq!(unsigned(b"18446744073709551616", u64::MAX), None);
        assert_eq!(unsigned(b"", 9), None);
        assert_eq!(unsigned(b"1.5", 9), None);
        assert_eq!(signed(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed(b"9223372036854775808"), None);
        assert_eq!(signed(b"-"), None);
    }

    proptest! {
        #[test]
        fn six_digits_survive(number in -999_999_i32..=999_999) {
            let mut out = Vec::new();
            #[expect(clippy::cast_precision_loss, reason = "six digits fit")]
            write_float(number as f32, &mut out).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }

        #[test]
        fn integers_read_back(number: i64) {
            prop_assert_eq!(signed(number.to_string().as_bytes()), Some(number));
        }
    }
}
