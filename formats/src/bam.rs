//! BAM (SAM v1 § 4.2): records are read straight from the inflated bytes, without an allocation for each.

mod header;
mod record;

use genomdb_genome::alignment::Records;

use crate::{FormatError, Header, byte_stream::ByteStream};

/// The length of a record's fixed fields.
const FIXED_BYTES: usize = 32;

/// Reads BAM records.
pub(crate) struct Reader {
    bytes: ByteStream,
    /// How many records have been read.
    record: u64,
    buffers: record::Buffers,
}

impl Reader {
    pub(crate) fn open(mut bytes: ByteStream) -> Result<(Header, Self), FormatError> {
        let header = header::read(&mut bytes)?;
        Ok((header, Self { bytes, record: 0, buffers: record::Buffers::default() }))
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
            if !self.read_record(header, records)? {
                break;
            }
        }
        Ok(records.len() > before)
    }

    fn read_record(&mut self, header: &Header, records: &mut Records) -> Result<bool, FormatError> {
        let number = self.record + 1;
        let file = self.bytes.file().clone();
        let truncated = || {
            let reason = format!("record {number} breaks off");
            FormatError::Truncated { file: file.clone(), reason }
        };
        let length = match *self.bytes.take(4)? {
            [] => return Ok(false),
            [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
            _ => return Err(truncated()),
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|&length| (FIXED_BYTES..=i32::MAX as usize).contains(&length));
        let length = length.ok_or_else(|| {
            let fault = crate::Fault::new("block_size", "is no length of a record");
            FormatError::record(&file, number, None, fault)
        })?;
        let bytes = self.bytes.take(length)?;
        if bytes.len() < length {
            return Err(truncated());
        }
        record::push(bytes, &header.contigs, &mut self.buffers, records)
            .map_err(|(name, fault)| FormatError::record(&file, number, name.as_deref(), fault))?;
        self.record = number;
        Ok(true)
    }
}
