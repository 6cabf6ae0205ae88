//! Region text: a contig's name and a stretch of it; whether the contig exists is for the caller to check.

use std::{fmt, str::FromStr};

use crate::{Interval, Position};

/// A contig by name and a stretch of it, or the unplaced records.
///
/// # Examples
///
/// ```
/// use genomdb_genome::Region;
///
/// let region: Region = "chr1:1,000-2,000".parse().unwrap();
/// assert_eq!(region.to_string(), "chr1:[999,2000)");
/// assert_eq!("chr1:[999,2000)".parse(), Ok(region.clone()));
/// assert_eq!("chr1:[1000,2000]".parse(), Ok(region));
/// assert_eq!("*".parse(), Ok(Region::Unplaced));
/// assert!("chr1:1000".parse::<Region>().is_err(), "samtools and bcftools disagree on it");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Region {
    /// A stretch of a contig.
    Placed {
        /// The contig's name.
        contig: String,
        /// The stretch; [`Interval::ALL`] where the text names the contig alone.
        interval: Interval,
    },
    /// `*`: the records without a position.
    Unplaced,
}

/// A text is not a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRegionError {
    /// The text, or the contig's name in it, is empty.
    #[error("a region needs a contig name, as in `chr1:1-1000`")]
    Empty,
    /// `{` without `}`.
    #[error("`{{` is not closed, as in `{{HLA-A*01:01}}:1-100`")]
    UnclosedBrace,
    /// `chr1:1000`: to the contig's end in samtools, that base alone in bcftools.
    #[error(
        "`{text}` is ambiguous: write `{contig}:{position}-{position}` for one base or `{contig}:{position}-` to the end"
    )]
    Ambiguous {
        /// The whole text.
        text: String,
        /// The contig.
        contig: String,
        /// The position as written.
        position: String,
    },
    /// Position 0 where positions are 1-based.
    #[error("position 0 is not 1-based; the first base is 1 (or write `[0,…)` for 0-based, half-open)")]
    Zero,
    /// A number that is none, or beyond 2^63-1.
    #[error("`{0}` is not a position")]
    Number(String),
    /// The end lies before the start.
    #[error("the end of `{0}` lies before its start")]
    Inverted(String),
    /// Bytes after the region.
    #[error("`{0}` is not of the form `chr1:1-1000`, `chr1:[999,1000)`, `chr1` or `*`")]
    Form(String),
}

impl FromStr for Region {
    type Err = ParseRegionError;

    /// Parses `chr1`, `chr1:1,000-2,000`, `chr1:1000-`, `chr1:-2000`, `chr1:[999,2000)`, `{HLA:1}:1-5` or `*`.
    ///
    /// A name may hold `:`; where what follows its last `:` is not a range, the whole text is the name.
    fn from_str(text: &str) -> Result<Self, ParseRegionError> {
        if text == "*" {
            return Ok(Self::Unplaced);
        }
        let (contig, range) = split_contig(text)?;
        if contig.is_empty() {
            return Err(ParseRegionError::Empty);
        }
        let interval = match range {
            None => Interval::ALL,
            Some(range) if range.starts_with('[') => bracket(range, text)?,
            Some(range) => closed(range, contig, text)?,
        };
        Ok(Self::Placed { contig: contig.to_owned(), interval })
    }
}

/// Splits `name:range`; the range is `None` where the text is a name alone.
fn split_contig(text: &str) -> Result<(&str, Option<&str>), ParseRegionError> {
    if let Some(rest) = text.strip_prefix('{') {
        let (name, rest) = rest.split_once('}').ok_or(ParseRegionError::UnclosedBrace)?;
        return match rest.strip_prefix(':') {
            Some(range) => Ok((name, Some(range))),
            None if rest.is_empty() => Ok((name, None)),
            None => Err(ParseRegionError::Form(text.to_owned())),
        };
    }
    match text.rsplit_once(':') {
        Some((name, range)) if looks_like_range(range) => Ok((name, Some(range))),
        _ => Ok((text, None)),
    }
}

fn looks_like_range(range: &str) -> bool {
    range.starts_with('[')
        || (!range.is_empty()
            && range.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'-'))
}

/// `[999,2000)`, 0-based and half-open, or `[1000,2000]`, 1-based and closed.
fn bracket(range: &str, text: &str) -> Result<Interval, ParseRegionError> {
    let form = || ParseRegionError::Form(text.to_owned());
    let inverted = |_| ParseRegionError::Inverted(text.to_owned());
    let inner = range.strip_prefix('[').ok_or_else(form)?;
    if let Some(inner) = inner.strip_suffix(')') {
        let (start, end) = inner.split_once(',').ok_or_else(form)?;
        Interval::new(number(start.trim())?, number(end.trim())?).map_err(inverted)
    } else {
        let (first, last) =
            inner.strip_suffix(']').and_then(|inner| inner.split_once(',')).ok_or_else(form)?;
        Interval::from_closed(position(first.trim())?, position(last.trim())?).map_err(inverted)
    }
}

/// `1,000-2,000`, `1000-` or `-2000`, 1-based and closed.
fn closed(range: &str, contig: &str, text: &str) -> Result<Interval, ParseRegionError> {
    let Some((first, last)) = range.split_once('-') else {
        let (text, contig, position) = (text.to_owned(), contig.to_owned(), range.to_owned());
        return Err(ParseRegionError::Ambiguous { text, contig, position });
    };
    if first.is_empty() && last.is_empty() {
        return Err(ParseRegionError::Form(text.to_owned()));
    }
    let first = if first.is_empty() { 1 } else { position(first)?.get() };
    let last = if last.is_empty() { Interval::ALL.end() } else { position(last)?.get() };
    Interval::new(first - 1, last)
        .ok()
        .filter(|interval| interval.start() < interval.end())
        .ok_or_else(|| ParseRegionError::Inverted(text.to_owned()))
}

fn position(text: &str) -> Result<Position, ParseRegionError> {
    match number(text)? {
        0 => Err(ParseRegionError::Zero),
        number => Position::new(number).ok_or_else(|| ParseRegionError::Number(text.to_owned())),
    }
}

/// Reads digits with commas between them, as people write large positions.
fn number(text: &str) -> Result<u64, ParseRegionError> {
    let digits: String = text.chars().filter(|&c| c != ',').collect();
    let valid = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if valid { digits.parse().ok() } else { None };
    number.filter(|&n| n <= Interval::ALL.end()).ok_or_else(|| ParseRegionError::Number(text.to_owned()))
}

impl fmt::Display for Region {
    /// Writes bracket notation, which says itself how it counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unplaced => f.write_str("*"),
            Self::Placed { contig, interval } => {
                let quoted = contig.starts_with('{') || contig.contains(':');
                if quoted {
                    write!(f, "{{{contig}}}")?
                } else {
                    f.write_str(contig)?
                }
                if *interval == Interval::ALL { Ok(()) } else { write!(f, ":{interval}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: Expect) {
        match text.parse::<Region>() {
            Ok(region) => expected.assert_eq(&region.to_string()),
            Err(error) => expected.assert_eq(&format!("error: {error}")),
        }
    }

    #[test]
    fn reads_what_samtools_reads() {
        check("chr1", expect!["chr1"]);
        check("chr1:1-1", expect!["chr1:[0,1)"]);
        check("chr1:1,000-2,000", expect!["chr1:[999,2000)"]);
        check("chr1:1000-", expect!["chr1:[999,9223372036854775807)"]);
        check("chr1:-2000", expect!["chr1:[0,2000)"]);
        check(
            "HLA-A*01:01:01:01",
            expect![
                "error: `HLA-A*01:01:01:01` is ambiguous: write `HLA-A*01:01:01:01-01` for one base or `HLA-A*01:01:01:01-` to the end"
            ],
        );
        check("{HLA-A*01:01:01:01}:1-5", expect!["{HLA-A*01:01:01:01}:[0,5)"]);
        check("{HLA-A*01:01:01:01}", expect!["{HLA-A*01:01:01:01}"]);
        check("a:b", expect!["{a:b}"]);
    }

    #[test]
    fn says_what_is_wrong() {
        check("", expect!["error: a region needs a contig name, as in `chr1:1-1000`"]);
        check(
            "chr1:0-5",
            expect![
                "error: position 0 is not 1-based; the first base is 1 (or write `[0,…)` for 0-based, half-open)"
            ],
        );
        check(
            "chr1:1000",
            expect![
                "error: `chr1:1000` is ambiguous: write `chr1:1000-1000` for one base or `chr1:1000-` to the end"
            ],
        );
        check("chr1:9-5", expect!["error: the end of `chr1:9-5` lies before its start"]);
        check("chr1:[9,5)", expect!["error: the end of `chr1:[9,5)` lies before its start"]);
        check(
            "chr1:[9",
            expect!["error: `chr1:[9` is not of the form `chr1:1-1000`, `chr1:[999,1000)`, `chr1` or `*`"],
        );
        check("chr1:99999999999999999999-", expect!["error: `99999999999999999999` is not a position"]);
        check("{chr1", expect!["error: `{` is not closed, as in `{HLA-A*01:01}:1-100`"]);
    }
}
