//! The header of an alignment file: its text, and what the reader must know of it (SAM v1 § 1.3).

use std::sync::Arc;

use genomdb_genome::{Contig, Contigs};

use crate::{FormatError, error::printable};

/// The header of an alignment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The text as `samtools view -H --no-PG` prints it: the file's own lines, each ended by `\n`.
    ///
    /// A BAM whose text has no `@SQ` line gets one for each of its binary reference sequences.
    pub text: Vec<u8>,
    /// The `@SQ` lines, in order.
    pub contigs: Contigs,
    /// The `@RG` lines, in order.
    pub read_groups: Vec<ReadGroup>,
}

/// An `@RG` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGroup {
    /// `ID`.
    pub id: String,
    /// `SM`, the sample.
    pub sample: Option<String>,
}

impl Header {
    /// Reads the text of a header; every line must be well formed.
    pub(crate) fn parse(file: &Arc<str>, text: Vec<u8>) -> Result<Self, FormatError> {
        let mut header = Self::default();
        for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
            header.add_line(line).map_err(|reason| FormatError::Header {
                file: file.clone(),
                line: Some(number),
                reason,
            })?;
        }
        header.text = text;
        Ok(header)
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), String> {
        let field = |key: &[u8; 3]| {
            let value = line.split(|&byte| byte == b'\t').find_map(|field| field.strip_prefix(key));
            value.map(|value| String::from_utf8(value.to_vec()).map_err(|_| not_text(key))).transpose()
        };
        if line.starts_with(b"@SQ\t") {
            let name = field(b"SN:")?.ok_or("@SQ has no SN")?;
            let length = field(b"LN:")?.ok_or_else(|| format!("@SQ `{name}` has no LN"))?;
            let length = length.parse().map_err(|_| format!("LN: `{length}` is not a length"))?;
            let md5 = field(b"M5:")?.map(|md5| md5.to_ascii_lowercase().into());
            let contig = Contig { name: name.into(), length: Some(length), md5 };
            self.contigs.push(contig).map_err(|error| error.to_string())?;
        } else if line.starts_with(b"@RG\t") {
            let id = field(b"ID:")?.ok_or("@RG has no ID")?;
            self.read_groups.push(ReadGroup { id, sample: field(b"SM:")? });
        }
        Ok(())
    }
}

fn not_text(key: &[u8; 3]) -> String {
    format!("{} is not UTF-8", printable(key))
}
