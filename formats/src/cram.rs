//! CRAM.

use genomdb_genome::alignment::Records;

use crate::{FormatError, Header, OpenOptions, source::Input};

/// Reads CRAM.
pub(crate) struct Reader;

impl Reader {
    pub(crate) fn open(input: Input, _options: &OpenOptions) -> Result<(Header, Self), FormatError> {
        Err(FormatError::UnknownFormat { file: input.name, found: "CRAM, which is not read yet".into() })
    }

    pub(crate) fn read_batch(
        &mut self,
        _header: &Header,
        _records: &mut Records,
        _bytes: usize,
    ) -> Result<bool, FormatError> {
        Ok(false)
    }
}
