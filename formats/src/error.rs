//! What can be wrong with a file, said in one line: the file, the record, the field, the reason.
//!
//! Codecs find a [`Fault`] (a field and a reason) without knowing where they are; the reader that drives
//! them adds the file, the number of the record and its name.

use std::{io, sync::Arc};

/// A file cannot be read as alignments.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The operating system failed to open or read it.
    #[error("{file}: {source}")]
    Io {
        /// The file's name as the caller gave it.
        file: Arc<str>,
        /// What the system said.
        source: io::Error,
    },
    /// The content is no format that GenomDB reads.
    #[error("{file}: not SAM, BAM or CRAM: {found}")]
    UnknownFormat {
        /// The file's name.
        file: Arc<str>,
        /// What was found instead.
        found: String,
    },
    /// The file ends where more must come.
    #[error("{file}: truncated: {reason}")]
    Truncated {
        /// The file's name.
        file: Arc<str>,
        /// What is missing, and where.
        reason: String,
    },
    /// A compressed block, a container or a checksum is wrong.
    #[error("{file}: {place}{}: {reason}", Offset(*offset))]
    Container {
        /// The file's name.
        file: Arc<str>,
        /// What is broken: `BGZF block`, `gzip stream`, `CRAM container`.
        place: &'static str,
        /// Where it starts, in bytes of the (compressed) file from 0, where that is known.
        offset: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
    /// The header is wrong.
    #[error("{file}: header{}: {reason}", Line(*line))]
    Header {
        /// The file's name.
        file: Arc<str>,
        /// The line, from 1; `None` if the header as a whole is meant.
        line: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
    /// A record is wrong.
    #[error("{file}: record {record}{}: {fault}", Name(name.as_deref()))]
    Record {
        /// The file's name.
        file: Arc<str>,
        /// The number of the record, from 1.
        record: u64,
        /// QNAME, where it could be read.
        name: Option<String>,
        /// The field and what is wrong with it.
        fault: Fault,
    },
    /// The reference that a CRAM needs is absent or is another one.
    #[error("{file}: {reason}")]
    Reference {
        /// The CRAM's name.
        file: Arc<str>,
        /// Which sequence is missing or differs, and what to do.
        reason: String,
    },
}

/// A field of a record and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Fault {
    /// The field as the SAM specification names it (`CIGAR`, `POS`), or the tag (`NM`).
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), reason: reason.into() }
    }
}

impl FormatError {
    /// Returns the name of the file that is meant.
    pub fn file(&self) -> &str {
        match self {
            Self::Io { file, .. }
            | Self::UnknownFormat { file, .. }
            | Self::Truncated { file, .. }
            | Self::Container { file, .. }
            | Self::Header { file, .. }
            | Self::Record { file, .. }
            | Self::Reference { file, .. } => file,
        }
    }

    /// Puts a fault of the record numbered `record` (from 1) in its place.
    pub(crate) fn record(file: &Arc<str>, record: u64, name: Option<&[u8]>, fault: Fault) -> Self {
        let name = name.filter(|name| !name.is_empty()).map(printable);
        Self::Record { file: file.clone(), record, name, fault }
    }
}

/// Renders hostile bytes for a message: escaped, and cut where they run on.
pub(crate) fn printable(bytes: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 60;
    match bytes.split_at_checked(SHOWN_BYTES_MAX) {
        Some((shown, rest)) if !rest.is_empty() => format!("{}…", shown.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}

struct Line(Option<u64>);

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, " line {line}"))
    }
}

struct Offset(Option<u64>);

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |offset| write!(f, " at byte {offset}"))
    }
}

struct Name<'a>(Option<&'a str>);

impl std::fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, " (read `{name}`)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_record_read_field_and_reason() {
        let fault = Fault::new("CIGAR", "covers 40 bases, SEQ has 50");
        let error = FormatError::record(&"reads.bam".into(), 17, Some(b"ab/1"), fault);
        assert_eq!(
            error.to_string(),
            "reads.bam: record 17 (read `ab/1`): CIGAR: covers 40 bases, SEQ has 50"
        );
    }
}
