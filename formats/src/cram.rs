//! CRAM 2.0, 2.1, 3.0 and 3.1 (CRAM v3, CRAM codecs): one container in memory for each thread.
//!
//! The text of the records is htslib's: MD and NM are made anew where there is a reference, RG comes last,
//! reads without a name get one of the file's and their number.

mod alignment;
mod bits;
mod block;
mod budget;
mod codec;
mod compression_header;
mod container;
mod corrupt;
mod cursor;
mod decode;
mod encoding;
mod mates;
mod records;
mod reference_bases;
mod slice;

use std::{
    io::{BufReader, Read},
    path::PathBuf,
    sync::Arc,
};

use genomdb_genome::{Contig, Contigs, alignment::Records};

use self::{
    block::{Block, FILE_HEADER},
    budget::{Budget, CONTAINER_BYTES_MAX},
    container::{Container, ContainerError},
    corrupt::{Broken, Corrupt},
    cursor::Cursor,
    decode::decode_container,
};
use crate::{FormatError, Header, OpenOptions, reference::Reference, source::Input};

/// Reads CRAM.
pub(crate) struct Reader {
    file: Arc<str>,
    input: BufReader<Input>,
    shared: Shared,
    threads: usize,
    /// Bytes of the file before the next container.
    offset: u64,
    /// Records before the next container.
    records: u64,
    /// The last container was the one that ends a file.
    ended: bool,
}

/// The version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    major: u8,
    minor: u8,
}

impl Version {
    /// Containers and blocks carry a CRC.
    fn has_checksums(self) -> bool {
        self.major >= 3
    }

    /// The file ends in a container that says so.
    fn has_end_marker(self) -> bool {
        (self.major, self.minor) >= (2, 1)
    }
}

/// What every container needs to know of the file.
struct Shared {
    version: Version,
    contigs: Contigs,
    read_groups: Vec<String>,
    reference: Option<Arc<Reference>>,
    /// What names of reads without one begin with: the file's own name, without its folder.
    name_prefix: String,
}

impl Shared {
    fn contig(&self, contig: i32) -> Option<&Contig> {
        self.contigs.get(genomdb_genome::ContigId(u32::try_from(contig).ok()?))
    }

    fn contig_name(&self, contig: i32) -> String {
        self.contig(contig).map_or_else(|| format!("number {contig}"), |contig| contig.name.to_string())
    }

    fn contig_md5(&self, contig: i32) -> Option<&str> {
        self.contig(contig).and_then(|contig| contig.md5.as_deref())
    }
}

const PLACE: &str = "CRAM container";

impl Reader {
    /// Reads the file's definition and its header.
    pub(crate) fn open(input: Input, options: &OpenOptions) -> Result<(Header, Self), FormatError> {
        let file = input.name.clone();
        let mut input = BufReader::with_capacity(1 << 17, input);
        let version = read_definition(&mut input, &file)?;
        let mut reader = Self {
            shared: Shared {
                version,
                contigs: Contigs::default(),
                read_groups: Vec::new(),
                reference: None,
                name_prefix: name_prefix(&file),
            },
            threads: options.threads.clamp(1, 64),
            offset: DEFINITION_BYTES,
            records: 0,
            ended: false,
            file: file.clone(),
            input,
        };
        let container = reader.next_container()?;
        let mut container = container.ok_or_else(|| reader.truncated("it ends before its header"))?;
        reader.complete_header(&mut container)?;
        let text = header_text(&container, version)
            .map_err(|Corrupt(reason)| reader.corrupt(container.offset, reason.into()))?;
        let header = Header::parse(&file, text)?;
        reader.shared.contigs = header.contigs.clone();
        reader.shared.read_groups = header.read_groups.iter().map(|group| group.id.clone()).collect();
        reader.shared.reference = open_reference(options.reference.as_ref(), &header.contigs)
            .map_err(|reason| FormatError::Reference { file, reason })?;
        Ok((header, reader))
    }

    /// Appends the records of whole containers.
    pub(crate) fn read_batch(
        &mut self,
        _header: &Header,
        records: &mut Records,
        bytes: usize,
    ) -> Result<bool, FormatError> {
        let (count, size) = (records.len(), records.byte_count());
        loop {
            let containers = self.next_containers()?;
            if containers.is_empty() {
                return Ok(records.len() > count);
            }
            for (offset, decoded) in self.decode(containers) {
                let decoded = decoded.map_err(|broken| self.place(broken, offset))?;
                self.records += decoded.len() as u64;
                decoded.iter().for_each(|record| records.push(&record));
            }
            if records.len() > count && records.byte_count() - size >= bytes {
                return Ok(true);
            }
        }
    }

    /// Reads as many containers with records as there are threads; none at the end of the file.
    fn next_containers(&mut self) -> Result<Vec<Container>, FormatError> {
        let mut containers = Vec::new();
        while containers.len() < self.threads {
            let Some(container) = self.next_container()? else {
                if !self.ended && self.shared.version.has_end_marker() {
                    return Err(self.truncated("it lacks the container that ends a file"));
                }
                break;
            };
            self.ended = container.ends_file;
            if container.records > 0 {
                containers.push(container);
            }
        }
        Ok(containers)
    }

    fn next_container(&mut self) -> Result<Option<Container>, FormatError> {
        let container = Container::read(&mut self.input, self.shared.version, self.offset);
        let container = container.map_err(|error| match error {
            ContainerError::Corrupt(Corrupt(reason)) => self.corrupt(self.offset, reason.into()),
            ContainerError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                self.truncated("it ends inside a container")
            }
            ContainerError::Io(source) => FormatError::Io { file: self.file.clone(), source },
        })?;
        self.offset += container.as_ref().map_or(0, |container| container.size);
        Ok(container)
    }

    /// Reads what the first container of a CRAM 2 lacks.
    ///
    /// htslib pads the header's text in its block after it has computed the container's length, so that the
    /// block's two sizes may be longer than was counted.
    fn complete_header(&mut self, container: &mut Container) -> Result<(), FormatError> {
        const UNCOUNTED_BYTES_MAX: usize = 8;
        let size = Block::size(&container.bytes, self.shared.version).unwrap_or(0);
        let missing = size.saturating_sub(container.bytes.len());
        if self.shared.version.major == 2 && missing <= UNCOUNTED_BYTES_MAX {
            let read = self.input.by_ref().take(missing as u64).read_to_end(&mut container.bytes);
            read.map_err(|source| FormatError::Io { file: self.file.clone(), source })?;
            self.offset += missing as u64;
        }
        Ok(())
    }

    /// Decodes containers, one on each thread, in their order.
    fn decode(&self, containers: Vec<Container>) -> Vec<(u64, Result<Records, Broken>)> {
        let shared = &self.shared;
        let decode = |container: &Container| (container.offset, decode_container(container, shared));
        if let [container] = containers.as_slice() {
            return vec![decode(container)];
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                containers.iter().map(|container| scope.spawn(move || decode(container))).collect();
            threads
                .into_iter()
                .map(|thread| match thread.join() {
                    Ok(decoded) => decoded,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
                .collect()
        })
    }

    fn corrupt(&self, offset: u64, reason: String) -> FormatError {
        FormatError::Container { file: self.file.clone(), place: PLACE, offset: Some(offset), reason }
    }

    fn truncated(&self, what: &str) -> FormatError {
        FormatError::Truncated {
            file: self.file.clone(),
            reason: format!("{what} (at byte {})", self.offset),
        }
    }

    fn place(&self, broken: Broken, offset: u64) -> FormatError {
        match broken {
            Broken::Container(Corrupt(reason)) => self.corrupt(offset, reason.into()),
            Broken::Record { index, name, fault } => {
                FormatError::record(&self.file, self.records + index + 1, Some(&name), fault)
            }
            Broken::Reference(reason) => FormatError::Reference { file: self.file.clone(), reason },
        }
    }
}

/// Makes the prefix of names of the file's own name, as htslib does, in characters that a name may have.
fn name_prefix(file: &str) -> String {
    // A name has at most 254 characters, and a number follows.
    const PREFIX_BYTES_MAX: usize = 200;
    if file == "standard input" {
        return "-".into();
    }
    let name = file.rsplit('/').next().unwrap_or_default();
    let allowed = |character: char| character.is_ascii_graphic() && character != '@';
    let characters = name.chars().map(|character| if allowed(character) { character } else { '_' });
    characters.take(PREFIX_BYTES_MAX).collect()
}

const DEFINITION_BYTES: u64 = 26;

/// Reads the magic number, the version, and skips the file's id.
fn read_definition(input: &mut impl Read, file: &Arc<str>) -> Result<Version, FormatError> {
    let mut bytes = Vec::new();
    let read = input.take(DEFINITION_BYTES).read_to_end(&mut bytes);
    read.map_err(|source| FormatError::Io { file: file.clone(), source })?;
    let unknown = |found: String| FormatError::UnknownFormat { file: file.clone(), found };
    let Some(&[magic @ .., major, minor]) = bytes.first_chunk::<6>() else {
        return Err(FormatError::Truncated {
            file: file.clone(),
            reason: "it ends before its version".into(),
        });
    };
    if magic != *b"CRAM" {
        return Err(unknown("no CRAM".into()));
    }
    if bytes.len() as u64 != DEFINITION_BYTES {
        return Err(FormatError::Truncated {
            file: file.clone(),
            reason: "it ends before its header".into(),
        });
    }
    if (major, minor) == (2, 0)
        || (major, minor) == (2, 1)
        || (major, minor) == (3, 0)
        || (major, minor) == (3, 1)
    {
        return Ok(Version { major, minor });
    }
    Err(unknown(format!("CRAM {major}.{minor}, of which only 2.0, 2.1, 3.0 and 3.1 are read")))
}

/// Takes the header's text from the file's first container.
fn header_text(container: &Container, version: Version) -> Result<Vec<u8>, Corrupt> {
    let block = Block::read(&mut Cursor(&container.bytes), version)?;
    if block.kind != FILE_HEADER {
        return Err(format!("a block of kind {} stands where the file's header must", block.kind).into());
    }
    let bytes = block.decompress(&mut Budget::new(CONTAINER_BYTES_MAX))?;
    let mut cursor = Cursor(&bytes);
    let length = usize::try_from(cursor.u32()?).map_err(|_| "the header's length overflows")?;
    Ok(cursor.take(length).map_err(|_| "the header is shorter than stated")?.to_vec())
}

fn open_reference(path: Option<&PathBuf>, contigs: &Contigs) -> Result<Option<Arc<Reference>>, String> {
    path.map(|path| Reference::open(path, contigs).map(Arc::new)).transpose()
}

#[cfg(test)]
mod tests;
