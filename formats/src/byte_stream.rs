//! The inflated bytes of a file, handed out in contiguous pieces; it knows no format.
//!
//! Bytes come in chunks (a few BGZF blocks, a read of a plain file). A piece that lies within one chunk is
//! lent in place; one that crosses chunks is put together first. No length that a file claims is ever
//! allocated: a piece grows only with the bytes that are really there.

use std::{io::Read, sync::Arc};

use flate2::bufread::MultiGzDecoder;

use crate::{FormatError, bgzf, source::Input};

/// A stretch of inflated bytes. The buffer is reused, so only its first `length` bytes count.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) length: usize,
}

impl Chunk {
    fn filled(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Bgzf,
}

enum Chunks {
    /// A plain file, or one that a single thread inflates as it is read.
    Stream(Box<dyn Read + Send>),
    Bgzf(bgzf::Reader),
}

/// The inflated bytes of a file.
pub(crate) struct ByteStream {
    file: Arc<str>,
    chunks: Chunks,
    chunk: Chunk,
    /// How many bytes of the chunk have been handed out.
    at: usize,
    /// A piece that crosses chunks.
    joined: Vec<u8>,
}

impl ByteStream {
    /// Bytes that are read from a plain file at once.
    const STREAM_CHUNK_BYTES: usize = 256 << 10;

    /// Inflates a source with up to `threads` threads besides the caller's.
    pub(crate) fn new(input: Input, compression: Compression, threads: usize) -> Result<Self, FormatError> {
        let file = input.name.clone();
        let chunks = match compression {
            Compression::None => Chunks::Stream(Box::new(input)),
            Compression::Gzip => {
                let buffered = std::io::BufReader::with_capacity(Self::STREAM_CHUNK_BYTES, input);
                Chunks::Stream(Box::new(MultiGzDecoder::new(buffered)))
            }
            Compression::Bgzf => Chunks::Bgzf(bgzf::Reader::new(input, threads)?),
        };
        Ok(Self { file, chunks, chunk: Chunk::default(), at: 0, joined: Vec::new() })
    }

    /// Returns the name of the file.
    pub(crate) fn file(&self) -> &Arc<str> {
        &self.file
    }

    /// Returns the next `length` bytes; fewer only where the file ends.
    pub(crate) fn take(&mut self, length: usize) -> Result<&[u8], FormatError> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.chunk.length);
        if let Some(end) = end {
            let start = std::mem::replace(&mut self.at, end);
            return Ok(self.chunk.bytes.get(start..end).unwrap_or_default());
        }
        self.joined.clear();
        loop {
            let rest = self.chunk.filled().get(self.at..).unwrap_or_default();
            let wanted = length - self.joined.len();
            let part = rest.get(..wanted).unwrap_or(rest);
            self.joined.extend_from_slice(part);
            self.at += part.len();
            if self.joined.len() == length || !self.next_chunk()? {
                return Ok(&self.joined);
            }
        }
    }

    /// Returns the next line without its `\n` or `\r\n`; `None` where the file ends.
    ///
    /// A line that no `\n` ends is complete if the file ends there. Gives up on a line of more than
    /// `length_max` bytes.
    pub(crate) fn line(&mut self, length_max: usize) -> Result<Option<&[u8]>, FormatError> {
        let rest = self.chunk.filled().get(self.at..).unwrap_or_default();
        if let Some(length) = memchr::memchr(b'\n', rest) {
            let start = self.at;
            self.at += length + 1;
            let line = self.chunk.bytes.get(start..start + length).unwrap_or_default();
            return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)));
        }
        self.joined.clear();
        loop {
            let rest = self.chunk.filled().get(self.at..).unwrap_or_default();
            let found = memchr::memchr(b'\n', rest);
            let part = found.and_then(|length| rest.get(..length)).unwrap_or(rest);
            self.joined.extend_from_slice(part);
            self.at += part.len() + usize::from(found.is_some());
            if self.joined.len() > length_max {
                let reason = format!("a line is longer than {length_max} bytes");
                let (file, place) = (self.file.clone(), "text");
                return Err(FormatError::Container { file, place, offset: None, reason });
            }
            if found.is_some() {
                break;
            }
            if !self.next_chunk()? {
                if self.joined.is_empty() {
                    return Ok(None);
                }
                break;
            }
        }
        Ok(Some(self.joined.strip_suffix(b"\r").unwrap_or(&self.joined)))
    }

    /// Returns the next byte without taking it; `None` where the file ends.
    pub(crate) fn peek(&mut self) -> Result<Option<u8>, FormatError> {
        loop {
            if let Some(&byte) = self.chunk.filled().get(self.at) {
                return Ok(Some(byte));
            }
            if !self.next_chunk()? {
                return Ok(None);
            }
        }
    }

    /// Replaces the chunk, all of which has been handed out; false where the file ends.
    fn next_chunk(&mut self) -> Result<bool, FormatError> {
        debug_assert_eq!(self.at, self.chunk.length);
        self.at = 0;
        match &mut self.chunks {
            Chunks::Bgzf(reader) => reader.next(&mut self.chunk),
            Chunks::Stream(reader) => {
                self.chunk.bytes.resize(Self::STREAM_CHUNK_BYTES, 0);
                self.chunk.length = 0;
                self.chunk.length =
                    read(reader, &mut self.chunk.bytes).map_err(|source| stream_error(&self.file, source))?;
                Ok(self.chunk.length > 0)
            }
        }
    }
}

fn read(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn stream_error(file: &Arc<str>, source: std::io::Error) -> FormatError {
    use std::io::ErrorKind;
    let file = file.clone();
    match source.kind() {
        ErrorKind::UnexpectedEof => {
            FormatError::Truncated { file, reason: "the gzip stream breaks off".into() }
        }
        // Only the inflater speaks of bad data; the system never does.
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            FormatError::Container { file, place: "gzip stream", offset: None, reason: source.to_string() }
        }
        _ => FormatError::Io { file, source },
    }
}
