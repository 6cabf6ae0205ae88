//! CIGAR: how a read lies on the reference (SAM v1 § 1.4.6), over its BAM bytes.

use std::fmt;

/// Borrowed CIGAR operations: 4 little-endian bytes each, `length << 4 | kind`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cigar<'a>(&'a [u8]);

/// One operation: a kind and how many bases it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CigarOperation {
    /// What it does.
    pub kind: CigarKind,
    /// How many bases it covers; below 2^28.
    pub length: u32,
}

/// What an operation does, in the order of BAM's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CigarKind {
    /// `M`: match or mismatch.
    Match,
    /// `I`: bases that the reference lacks.
    Insertion,
    /// `D`: bases that the read lacks.
    Deletion,
    /// `N`: skipped reference, an intron in RNA.
    Skip,
    /// `S`: bases present in SEQ and not aligned.
    SoftClip,
    /// `H`: bases absent from SEQ.
    HardClip,
    /// `P`: silent deletion from a padded reference.
    Pad,
    /// `=`: match.
    SequenceMatch,
    /// `X`: mismatch.
    SequenceMismatch,
}

impl CigarKind {
    /// Every kind, in the order of BAM's codes.
    pub const ALL: [Self; 9] = [
        Self::Match,
        Self::Insertion,
        Self::Deletion,
        Self::Skip,
        Self::SoftClip,
        Self::HardClip,
        Self::Pad,
        Self::SequenceMatch,
        Self::SequenceMismatch,
    ];

    /// Returns the kind of a BAM code; `None` for 9 and above.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Match,
            1 => Self::Insertion,
            2 => Self::Deletion,
            3 => Self::Skip,
            4 => Self::SoftClip,
            5 => Self::HardClip,
            6 => Self::Pad,
            7 => Self::SequenceMatch,
            8 => Self::SequenceMismatch,
            _ => return None,
        })
    }

    /// Returns the letter that SAM writes.
    pub const fn letter(self) -> char {
        match self {
            Self::Match => 'M',
            Self::Insertion => 'I',
            Self::Deletion => 'D',
            Self::Skip => 'N',
            Self::SoftClip => 'S',
            Self::HardClip => 'H',
            Self::Pad => 'P',
            Self::SequenceMatch => '=',
            Self::SequenceMismatch => 'X',
        }
    }

    /// Tells whether the operation covers bases of the reference.
    pub const fn consumes_reference(self) -> bool {
        matches!(
            self,
            Self::Match | Self::Deletion | Self::Skip | Self::SequenceMatch | Self::SequenceMismatch
        )
    }

    /// Tells whether the operation covers bases of SEQ.
    pub const fn consumes_query(self) -> bool {
        matches!(
            self,
            Self::Match | Self::Insertion | Self::SoftClip | Self::SequenceMatch | Self::SequenceMismatch
        )
    }
}

impl<'a> Cigar<'a> {
    /// Wraps the bytes of operations; bytes after the last whole operation are ignored.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Tells whether there is no operation (`*`).
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over the operations; one of an unknown kind, which codecs refuse, ends the walk.
    pub fn operations(self) -> impl Iterator<Item = CigarOperation> + 'a {
        let (operations, _) = self.0.as_chunks::<4>();
        operations.iter().map_while(|&bytes| {
            let word = u32::from_le_bytes(bytes);
            let kind = CigarKind::from_code((word & 0xf) as u8)?;
            Some(CigarOperation { kind, length: word >> 4 })
        })
    }

    /// Returns the bases of the reference that the alignment spans: M, D, N, = and X.
    pub fn reference_length(self) -> u64 {
        self.sum(CigarKind::consumes_reference)
    }

    /// Returns the bases of SEQ that the operations cover: M, I, S, = and X.
    pub fn query_length(self) -> u64 {
        self.sum(CigarKind::consumes_query)
    }

    fn sum(self, counts: impl Fn(CigarKind) -> bool) -> u64 {
        self.operations()
            .filter(|operation| counts(operation.kind))
            .map(|operation| u64::from(operation.length))
            .sum()
    }
}

impl fmt::Display for Cigar<'_> {
    /// Writes SAM's text, `*` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("*");
        }
        self.operations()
            .try_for_each(|operation| write!(f, "{}{}", operation.length, operation.kind.letter()))
    }
}

/// A text is not a CIGAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseCigarError {
    /// An operation without a length.
    #[error("CIGAR operation {0} has no length")]
    NoLength(usize),
    /// A length of 2^28 or more.
    #[error("CIGAR operation {0} is longer than 2^28-1")]
    TooLong(usize),
    /// A letter that is no operation.
    #[error("CIGAR operation {0} is of no known kind")]
    UnknownKind(usize),
    /// Digits at the end.
    #[error("CIGAR ends in a length without an operation")]
    Unfinished,
}

impl CigarOperation {
    /// Parses SAM's text (`*` is none), appending BAM's 4 bytes of each operation to `bytes`.
    ///
    /// # Errors
    ///
    /// If the text is not a CIGAR; `bytes` may then hold some operations.
    pub fn parse_into(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), ParseCigarError> {
        if text == b"*" {
            return Ok(());
        }
        let (mut length, mut digits, mut index) = (0_u32, false, 0);
        for &byte in text {
            if byte.is_ascii_digit() {
                length = length * 10 + u32::from(byte - b'0');
                digits = true;
                if length >= 1 << 28 {
                    return Err(ParseCigarError::TooLong(index));
                }
                continue;
            }
            if !digits {
                return Err(ParseCigarError::NoLength(index));
            }
            let kind = CigarKind::ALL.into_iter().find(|kind| kind.letter() == char::from(byte));
            let kind = kind.ok_or(ParseCigarError::UnknownKind(index))?;
            bytes.extend_from_slice(&(length << 4 | kind as u32).to_le_bytes());
            (length, digits, index) = (0, false, index + 1);
        }
        if digits { Err(ParseCigarError::Unfinished) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        for text in ["*", "150M", "5H3S10M2I4D100N7=1X6P9S", "55M13394N21M"] {
            let mut bytes = Vec::new();
            CigarOperation::parse_into(text.as_bytes(), &mut bytes).unwrap();
            assert_eq!(Cigar::from_bytes(&bytes).to_string(), text);
        }
    }

    #[test]
    fn spans_count_what_sam_says() {
        let mut bytes = Vec::new();
        CigarOperation::parse_into(b"5H3S10M2I4D100N7=1X6P9S", &mut bytes).unwrap();
        let cigar = Cigar::from_bytes(&bytes);
        assert_eq!((cigar.reference_length(), cigar.query_length()), (122, 32));
    }

    #[test]
    fn refuses_what_is_no_cigar() {
        for (text, error) in [
            ("M", ParseCigarError::NoLength(0)),
            ("5M3", ParseCigarError::Unfinished),
            ("5M268435456M", ParseCigarError::TooLong(1)),
            ("5B", ParseCigarError::UnknownKind(0)),
        ] {
            assert_eq!(CigarOperation::parse_into(text.as_bytes(), &mut Vec::new()), Err(error), "{text}");
        }
    }
}
