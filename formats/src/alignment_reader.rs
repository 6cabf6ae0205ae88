//! Opens an alignment file of any format and reads it batch by batch; the codecs do the work.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use genomdb_genome::alignment::Records;

use crate::{
    Format, FormatError, Header, Source, bam, byte_stream::ByteStream, cram, detect::detect, sam,
    source::Input,
};

/// How a file is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// FASTA with the reference sequences of a CRAM.
    pub reference: Option<PathBuf>,
    /// Threads that decompress besides the caller's. Default: 2. Bounds: 1..=64.
    pub threads: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { reference: None, threads: 2 }
    }
}

/// A reader of alignments.
pub struct AlignmentReader {
    header: Header,
    format: Format,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    codec: Codec,
}

enum Codec {
    Sam(sam::Reader),
    Bam(bam::Reader),
    Cram(cram::Reader),
}

/// Opens a source and reads its header; the format is told by the content, never by the name.
///
/// # Errors
///
/// If it cannot be read, is of no known format, or its header is wrong.
pub fn open(source: Source, options: &OpenOptions) -> Result<AlignmentReader, FormatError> {
    let mut input = Input::open(source)?;
    let (compression, format) = detect(&mut input)?;
    let (bytes_read, bytes_total) = (input.bytes_read.clone(), input.bytes_total);
    let (header, codec) = match format {
        Format::Cram => {
            let (header, reader) = cram::Reader::open(input, options)?;
            (header, Codec::Cram(reader))
        }
        Format::Bam => {
            let bytes = ByteStream::new(input, compression, options.threads)?;
            let (header, reader) = bam::Reader::open(bytes)?;
            (header, Codec::Bam(reader))
        }
        Format::Sam => {
            let bytes = ByteStream::new(input, compression, options.threads)?;
            let (header, reader) = sam::Reader::open(bytes)?;
            (header, Codec::Sam(reader))
        }
    };
    Ok(AlignmentReader { header, format, bytes_read, bytes_total, codec })
}

impl AlignmentReader {
    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns what the file is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns how many bytes of the (compressed) file have been read so far.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Returns the size of the (compressed) file, where it is known.
    pub fn bytes_total(&self) -> Option<u64> {
        self.bytes_total
    }

    /// Appends records until `records` holds about `bytes` more, or the file ends.
    ///
    /// Returns false at the end, when nothing was appended; at least one record was otherwise.
    ///
    /// # Errors
    ///
    /// If the file is damaged or cannot be read; `records` may then hold some records before the fault, and
    /// the reader must not be used again.
    pub fn read_batch(&mut self, records: &mut Records, bytes: usize) -> Result<bool, FormatError> {
        match &mut self.codec {
            Codec::Sam(reader) => reader.read_batch(&self.header, records, bytes),
            Codec::Bam(reader) => reader.read_batch(&self.header, records, bytes),
            Codec::Cram(reader) => reader.read_batch(&self.header, records, bytes),
        }
    }
}
