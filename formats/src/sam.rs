//! SAM text (SAM v1 § 1): read as htslib reads it, written as `samtools view -h` prints it.

mod number;
mod optional_field;
mod record;
mod writer;

use genomdb_genome::alignment::Records;

use crate::{FormatError, Header, byte_stream::ByteStream};

pub use writer::Writer;

/// A line is held in memory as a whole.
const LINE_BYTES_MAX: usize = 1 << 30;

/// Reads SAM records.
pub(crate) struct Reader {
    bytes: ByteStream,
    /// How many records have been read.
    record: u64,
    parser: record::Parser,
}

impl Reader {
    pub(crate) fn open(mut bytes: ByteStream) -> Result<(Header, Self), FormatError> {
        let mut text = Vec::new();
        while bytes.peek()? == Some(b'@') {
            text.extend_from_slice(bytes.line(LINE_BYTES_MAX)?.unwrap_or_default());
            text.push(b'\n');
        }
        if let Some(number) = text.split(|&byte| byte == b'\n').position(|line| line.contains(&0)) {
            let (line, reason) = (Some(number as u64 + 1), "it holds a NUL".into());
            return Err(FormatError::Header { file: bytes.file().clone(), line, reason });
        }
        let header = Header::parse(bytes.file(), text)?;
        Ok((header, Self { bytes, record: 0, parser: record::Parser::default() }))
    }

    /// See [`crate::AlignmentReader::read_batch`].
    pub(crate) fn read_batch(
        &mut self,
        header: &Header,
        records: &mut Records,
        bytes: usize,
    ) -> Result<bool, FormatError> {
        let before = records.len();
        let full = records.byte_count().saturating_add(bytes);
        while records.byte_count() < full || records.len() == before {
            let number = self.record + 1;
            let file = self.bytes.file().clone();
            let Some(line) = self.bytes.line(LINE_BYTES_MAX)? else { break };
            self.parser.push(line, &header.contigs, records).map_err(|fault| {
                let name = line.split(|&byte| byte == b'\t').next();
                FormatError::record(&file, number, name, fault)
            })?;
            self.record = number;
        }
        Ok(records.len() > before)
    }
}
