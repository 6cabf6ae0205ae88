//! FLAG: the bits of an alignment record and their names (SAM v1 § 1.4.2).

use std::{fmt, str::FromStr};

/// The FLAG of an alignment record.
///
/// # Examples
///
/// ```
/// use genomdb_genome::alignment::Flags;
///
/// assert_eq!("paired,proper_pair".parse(), Ok(Flags(3)));
/// assert_eq!("0x904".parse::<Flags>().unwrap().to_string(), "unmap,secondary,supplementary");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

/// Each bit's name as `samtools flags` spells it, lowest bit first.
pub const NAMES: [&str; 12] = [
    "paired",
    "proper_pair",
    "unmap",
    "munmap",
    "reverse",
    "mreverse",
    "read1",
    "read2",
    "secondary",
    "qcfail",
    "dup",
    "supplementary",
];

/// A text names no flag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no flag; the names are paired, proper_pair, unmap, munmap, reverse, mreverse, read1, read2, secondary, qcfail, dup, supplementary"
)]
pub struct ParseFlagsError(pub String);

impl FromStr for Flags {
    type Err = ParseFlagsError;

    /// Parses a decimal or `0x` number, or names between commas, in any case, as `samtools view -f` does.
    fn from_str(text: &str) -> Result<Self, ParseFlagsError> {
        let number = match text.strip_prefix("0x") {
            Some(digits) => u16::from_str_radix(digits, 16).ok(),
            None => text.parse().ok(),
        };
        if let Some(bits) = number {
            return Ok(Self(bits));
        }
        text.split(',').try_fold(Self(0), |Self(bits), name| {
            let name = name.trim();
            let bit = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
            bit.map(|bit| Self(bits | 1 << bit)).ok_or_else(|| ParseFlagsError(name.to_owned()))
        })
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = NAMES.iter().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1);
        f.write_str(&set.map(|(_, name)| *name).collect::<Vec<_>>().join(","))
    }
}
