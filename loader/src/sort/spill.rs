//! A sorted run in a file without a name: frames of records, each compressed by itself.
//!
//! A frame is two little-endian u32 (its bytes, its compressed bytes) and a zstd frame with a checksum.
//! The file lives as long as the load; its form is nobody's promise.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use genomdb_genome::{
    ContigId,
    alignment::{Cigar, Record},
};
use zstd::bulk::{Compressor, Decompressor};

use super::spill_error;
use crate::LoadError;

/// Bytes of records in a frame; one more record may follow.
pub(super) const FRAME_BYTES: usize = 256 << 10;

/// On 2 cores a spill is bound by compression, not by the disk: of a load of 5 M unsorted reads, which takes 16
/// processor seconds with level 1, this level saves 1.4.
const COMPRESSION_LEVEL: i32 = -3;

/// The fixed fields of a spilled record.
const HEAD_BYTES: usize = 63;

/// A spilled run, ready to be read from its start.
#[derive(Debug)]
pub(super) struct Spill {
    folder: PathBuf,
    file: File,
}

/// Writes a spill.
pub(super) struct Writer {
    folder: PathBuf,
    file: File,
    compressor: Compressor<'static>,
    frame: Vec<u8>,
    compressed: Vec<u8>,
}

impl Writer {
    pub(super) fn create(folder: &Path) -> Result<Self, LoadError> {
        let open = || {
            fs::create_dir_all(folder)?;
            let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
            compressor.include_checksum(true)?;
            Ok((tempfile::tempfile_in(folder)?, compressor))
        };
        let (file, compressor) = open().map_err(spill_error(folder))?;
        let (folder, frame, compressed) = (folder.to_owned(), Vec::new(), Vec::new());
        Ok(Self { folder, file, compressor, frame, compressed })
    }

    pub(super) fn push(&mut self, record: &Record<'_>, ordinal: u64) -> Result<(), LoadError> {
        put(&mut self.frame, record, ordinal);
        if self.frame.len() < FRAME_BYTES { Ok(()) } else { self.write_frame() }
    }

    fn write_frame(&mut self) -> Result<(), LoadError> {
        let result = self.try_write_frame();
        self.frame.clear();
        result.map_err(spill_error(&self.folder))
    }

    fn try_write_frame(&mut self) -> io::Result<()> {
        self.compressed.resize(8 + zstd::zstd_safe::compress_bound(self.frame.len()), 0);
        let (head, body) = self.compressed.split_first_chunk_mut::<8>().ok_or(io::ErrorKind::Other)?;
        let length = self.compressor.compress_to_buffer(&self.frame, body)?;
        let narrow = |length| u32::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge);
        *head = (u64::from(narrow(self.frame.len())?) | u64::from(narrow(length)?) << 32).to_le_bytes();
        let written = self.compressed.get(..8 + length).ok_or(io::ErrorKind::Other)?;
        self.file.write_all(written)
    }

    pub(super) fn finish(mut self) -> Result<Spill, LoadError> {
        if !self.frame.is_empty() {
            self.write_frame()?;
        }
        self.file.rewind().map_err(spill_error(&self.folder))?;
        Ok(Spill { folder: self.folder, file: self.file })
    }
}

/// Reads a spill record by record.
pub(super) struct Reader {
    spill: Spill,
    decompressor: Decompressor<'static>,
    frame: Vec<u8>,
    compressed: Vec<u8>,
    /// Where in the frame the next record starts.
    offset: usize,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("spill", &self.spill).field("offset", &self.offset).finish()
    }
}

impl Reader {
    pub(super) fn open(spill: Spill) -> Result<Self, LoadError> {
        let decompressor = Decompressor::new().map_err(spill_error(&spill.folder))?;
        Ok(Self { spill, decompressor, frame: Vec::new(), compressed: Vec::new(), offset: 0 })
    }

    /// Makes sure that a record lies at the offset; false at the end.
    pub(super) fn advance(&mut self) -> Result<bool, LoadError> {
        if self.offset < self.frame.len() {
            return Ok(true);
        }
        self.read_frame().map_err(spill_error(&self.spill.folder))
    }

    fn read_frame(&mut self) -> io::Result<bool> {
        let mut head = [0; 8];
        match self.spill.file.read(&mut head)? {
            0 => return Ok(false),
            length => self.spill.file.read_exact(head.get_mut(length..).unwrap_or_default())?,
        }
        let lengths = u64::from_le_bytes(head);
        // This process wrote the lengths, and both are those of one frame.
        self.compressed.resize((lengths >> 32) as usize, 0);
        self.spill.file.read_exact(&mut self.compressed)?;
        self.frame.clear();
        self.frame.reserve((lengths & 0xffff_ffff) as usize);
        self.decompressor.decompress_to_buffer(&self.compressed, &mut self.frame)?;
        self.offset = 0;
        Ok(true)
    }

    /// Returns the record at the offset without its variable fields' copy, and its ordinal.
    pub(super) fn peek(&self) -> Result<(Record<'_>, u64, usize), LoadError> {
        let parsed = self.frame.get(self.offset..).and_then(take);
        parsed.ok_or_else(|| spill_error(&self.spill.folder)(io::ErrorKind::InvalidData.into()))
    }

    /// Steps over a record of `length` bytes, as [`Reader::peek`] told.
    pub(super) fn consume(&mut self, length: usize) {
        self.offset += length;
    }
}

fn put(frame: &mut Vec<u8>, record: &Record<'_>, ordinal: u64) {
    let contig = |contig: Option<ContigId>| contig.map_or(u32::MAX, |ContigId(id)| id).to_le_bytes();
    let cigar = record.cigar.as_bytes();
    // `Records::push` has checked that every field is shorter than 4 GiB.
    let length = |field: &[u8]| (field.len() as u32).to_le_bytes();
    frame.extend_from_slice(&ordinal.to_le_bytes());
    for number in [record.start, record.mate_start, record.template_length] {
        frame.extend_from_slice(&number.to_le_bytes());
    }
    frame.extend_from_slice(&contig(record.contig));
    frame.extend_from_slice(&contig(record.mate_contig));
    frame.extend_from_slice(&record.base_count.to_le_bytes());
    for field in [record.name, cigar, record.quality_scores, record.tags] {
        frame.extend_from_slice(&length(field));
    }
    frame.extend_from_slice(&record.flag.to_le_bytes());
    frame.push(record.mapping_quality);
    for field in [record.name, cigar, record.bases, record.quality_scores, record.tags] {
        frame.extend_from_slice(field);
    }
}

/// Reads back what `put` wrote, and how many bytes that were.
fn take(bytes: &[u8]) -> Option<(Record<'_>, u64, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
    let mut head = head.as_slice();
    let ordinal = u64::from_le_bytes(number(&mut head)?);
    let start = i64::from_le_bytes(number(&mut head)?);
    let mate_start = i64::from_le_bytes(number(&mut head)?);
    let template_length = i64::from_le_bytes(number(&mut head)?);
    let contig = u32::from_le_bytes(number(&mut head)?);
    let mate_contig = u32::from_le_bytes(number(&mut head)?);
    let base_count = u32::from_le_bytes(number(&mut head)?);
    let mut length = || Some(u32::from_le_bytes(number(&mut head)?) as usize);
    let (name, cigar, qualities, tags) = (length()?, length()?, length()?, length()?);
    let flag = u16::from_le_bytes(number(&mut head)?);
    let [mapping_quality] = number(&mut head)?;
    let (name, rest) = rest.split_at_checked(name)?;
    let (cigar, rest) = rest.split_at_checked(cigar)?;
    let (bases, rest) = rest.split_at_checked(base_count.div_ceil(2) as usize)?;
    let (quality_scores, rest) = rest.split_at_checked(qualities)?;
    let (tags, rest) = rest.split_at_checked(tags)?;
    let id = |id: u32| (id != u32::MAX).then_some(ContigId(id));
    let record = Record {
        flag,
        contig: id(contig),
        start,
        mapping_quality,
        mate_contig: id(mate_contig),
        mate_start,
        template_length,
        name,
        cigar: Cigar::from_bytes(cigar),
        base_count,
        bases,
        quality_scores,
        tags,
    };
    Some((record, ordinal, bytes.len() - rest.len()))
}

fn number<const N: usize>(head: &mut &[u8]) -> Option<[u8; N]> {
    let (number, rest) = head.split_first_chunk::<N>()?;
    *head = rest;
    Some(*number)
}
