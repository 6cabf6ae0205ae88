//! Containers, read one at a time from a stream (CRAM v3 § 6, § 7, § 9).

use std::io::{self, Read};

use super::{Version, budget::CONTAINER_BYTES_MAX, corrupt::Corrupt, cursor::Cursor};

/// A container whose blocks are not decoded yet.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) slices: usize,
    pub(super) records: usize,
    /// Where it starts in the file.
    pub(super) offset: u64,
    /// How many bytes of the file it takes, with its header.
    pub(super) size: u64,
    pub(super) bytes: Vec<u8>,
    /// This is the empty container that marks the end of a file.
    pub(super) ends_file: bool,
}

/// Why no container could be read.
#[derive(Debug)]
pub(super) enum ContainerError {
    Io(io::Error),
    Corrupt(Corrupt),
}

impl From<io::Error> for ContainerError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Corrupt> for ContainerError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

// The start of the container that ends a file: "EOF" as a number.
const END_OF_FILE_START: i32 = 0x45_4f46;

impl Container {
    /// Reads a container that starts at `offset`; `None` where the stream ends before it.
    pub(super) fn read(
        reader: &mut impl Read,
        version: Version,
        offset: u64,
    ) -> Result<Option<Self>, ContainerError> {
        let mut head = Head { reader, crc: libdeflater::Crc::new(), length: 0 };
        let Some(first) = head.first_byte()? else { return Ok(None) };
        let [second, third, fourth] = head.array()?;
        let length = i32::from_le_bytes([first, second, third, fourth]);
        let (contig, start, _span) = (head.itf8()?, head.itf8()?, head.itf8()?);
        let records = head.itf8()?;
        let _record_counter = if version.major == 2 { i64::from(head.itf8()?) } else { head.ltf8()? };
        let _bases = head.ltf8()?;
        let _blocks = head.itf8()?;
        let slices = head.itf8()?;
        for _ in 0..slices {
            head.itf8()?;
        }
        if version.has_checksums() {
            let found = head.crc.sum();
            let stated = u32::from_le_bytes(head.array()?);
            if found != stated {
                let reason =
                    format!("CRC of the container's header is {found:08x}, not {stated:08x} as stated");
                return Err(Corrupt::from(reason).into());
            }
        }
        let size = |value: i32, what: &str| {
            usize::try_from(value).map_err(|_| Corrupt::from(format!("{what} of the container is {value}")))
        };
        let length = size(length, "the length")?;
        let (records, slices) =
            (size(records, "the number of records")?, size(slices, "the number of slices")?);
        if length > CONTAINER_BYTES_MAX {
            return Err(
                Corrupt::from(format!("the container has {length} bytes, above the limit of 1 GiB")).into()
            );
        }
        let mut bytes = Vec::new();
        head.reader.by_ref().take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let ends_file = contig == -1 && start == END_OF_FILE_START && records == 0;
        Ok(Some(Self { slices, records, offset, size: head.length + length as u64, bytes, ends_file }))
    }
}

/// The header of a container, checked as it is read.
struct Head<'r, R> {
    reader: &'r mut R,
    crc: libdeflater::Crc,
    length: u64,
}

impl<R: Read> Head<'_, R> {
    /// Reads the first byte, or finds the end of the stream.
    fn first_byte(&mut self) -> io::Result<Option<u8>> {
        let mut bytes = Vec::with_capacity(1);
        self.reader.by_ref().take(1).read_to_end(&mut bytes)?;
        self.crc.update(&bytes);
        self.length += bytes.len() as u64;
        Ok(bytes.first().copied())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.crc.update(&bytes);
        self.length += N as u64;
        Ok(bytes)
    }

    /// Collects the bytes of a number whose first byte tells how many follow.
    fn number(&mut self, follow_max: u32) -> io::Result<([u8; 9], usize)> {
        let mut bytes = [0; 9];
        let [first] = self.array()?;
        let length = 1 + first.leading_ones().min(follow_max) as usize;
        for (index, place) in bytes.iter_mut().take(length).enumerate() {
            *place = if index == 0 { first } else { self.array::<1>()?[0] };
        }
        Ok((bytes, length))
    }

    fn itf8(&mut self) -> Result<i32, ContainerError> {
        let (bytes, length) = self.number(4)?;
        Ok(Cursor(bytes.get(..length).unwrap_or_default()).itf8()?)
    }

    fn ltf8(&mut self) -> Result<i64, ContainerError> {
        let (bytes, length) = self.number(8)?;
        Ok(Cursor(bytes.get(..length).unwrap_or_default()).ltf8()?)
    }
}
