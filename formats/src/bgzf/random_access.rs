//! BGZF read at any place, as a compressed FASTA needs it; blocks are found by a walk over their lengths.

use std::io::{self, Read, Seek, SeekFrom};

use super::block::{
    BLOCK_INFLATED_BYTES_MAX, FIXED_HEADER_BYTES, Inflater, extra_field_bytes, inflated_bytes, rest_bytes,
};

/// A BGZF file as the bytes that it holds.
pub(crate) struct RandomAccess<R> {
    file: R,
    /// Where each block starts, in the file and in the bytes; the last one is the end of both.
    starts: Vec<(u64, u64)>,
    position: u64,
    /// The block inflated last, by its number.
    block: Option<usize>,
    bytes: Vec<u8>,
    inflater: Inflater,
}

fn corrupt(offset: u64, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("BGZF block at byte {offset}: {reason}"))
}

impl<R: Read + Seek> RandomAccess<R> {
    /// Finds the blocks of a file.
    pub(crate) fn new(mut file: R) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let (mut starts, mut offset, mut inflated) = (vec![(0, 0)], 0, 0);
        while offset < length {
            file.seek(SeekFrom::Start(offset))?;
            let mut header = vec![0; FIXED_HEADER_BYTES];
            file.read_exact(&mut header)?;
            let extra = extra_field_bytes(&header).map_err(|reason| corrupt(offset, reason))?;
            header.resize(FIXED_HEADER_BYTES + extra, 0);
            file.read_exact(header.get_mut(FIXED_HEADER_BYTES..).unwrap_or_default())?;
            let rest = rest_bytes(&header).map_err(|reason| corrupt(offset, reason))?;
            let end = offset + (header.len() + rest) as u64;
            let mut size = [0; 4];
            file.seek(SeekFrom::Start(end - size.len() as u64))?;
            file.read_exact(&mut size)?;
            let size = inflated_bytes(&size).filter(|&size| size <= BLOCK_INFLATED_BYTES_MAX);
            inflated += size.ok_or_else(|| corrupt(offset, "it claims to hold more than 64 KiB"))? as u64;
            offset = end;
            starts.push((offset, inflated));
        }
        Ok(Self { file, starts, position: 0, block: None, bytes: Vec::new(), inflater: Inflater::default() })
    }

    /// Inflates the block that holds the position; none at the end.
    fn fill(&mut self) -> io::Result<&[u8]> {
        let after = self.starts.partition_point(|&(_, inflated)| inflated <= self.position);
        let (Some(number), Some(&(end, _))) = (after.checked_sub(1), self.starts.get(after)) else {
            return Ok(&[]);
        };
        let (start, inflated) = self.starts.get(number).copied().unwrap_or_default();
        if self.block != Some(number) {
            self.block = None;
            let mut packed = Vec::new();
            self.file.seek(SeekFrom::Start(start))?;
            self.file.by_ref().take(end - start).read_to_end(&mut packed)?;
            self.bytes.resize(BLOCK_INFLATED_BYTES_MAX, 0);
            let length = self.inflater.inflate(&packed, &mut self.bytes);
            self.bytes.truncate(length.map_err(|reason| corrupt(start, reason))?);
            self.block = Some(number);
        }
        let skipped = usize::try_from(self.position - inflated).unwrap_or(usize::MAX);
        Ok(self.bytes.get(skipped..).unwrap_or_default())
    }
}

impl<R: Read + Seek> Read for RandomAccess<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.fill()?;
        let length = bytes.read(buffer)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl<R: Read + Seek> Seek for RandomAccess<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.starts.last().map_or(0, |&(_, inflated)| inflated);
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => end.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn reads_any_part() {
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut writer = noodles_bgzf::io::Writer::new(Vec::new());
        writer.write_all(&bytes).unwrap();
        let packed = writer.finish().unwrap();
        let mut file = RandomAccess::new(Cursor::new(packed.clone())).unwrap();
        for (start, length) in [(0, 10), (65_270, 100), (500_000, 200_000), (799_990, 10), (3, 799_997)] {
            let mut found = vec![0; length];
            file.seek(SeekFrom::Start(start as u64)).unwrap();
            file.read_exact(&mut found).unwrap();
            assert!(found == bytes[start..start + length], "{length} bytes at {start}");
        }
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), bytes.len() as u64);
        assert_eq!(file.read(&mut [0; 4]).unwrap(), 0);
        assert!(RandomAccess::new(Cursor::new(packed[..packed.len() - 30].to_vec())).is_err());
        assert!(RandomAccess::new(Cursor::new(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0".to_vec())).is_err());
    }
}
