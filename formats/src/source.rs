//! Where bytes come from: a path, standard input, any reader; counted as they pass, for a progress bar.

use std::{
    fmt,
    fs::File,
    io::{self, Cursor, Read},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::FormatError;

/// Where a file is read from.
pub enum Source {
    /// A file of the file system.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// Anything else that yields bytes.
    Reader {
        /// What messages call it.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + Send>,
    },
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stdin => f.write_str("Stdin"),
            Self::Reader { name, .. } => f.debug_tuple("Reader").field(name).finish(),
        }
    }
}

/// An opened source whose first bytes can be looked at before they are read.
pub(crate) struct Input {
    /// What messages call it.
    pub(crate) name: Arc<str>,
    /// Its size, where it is known.
    pub(crate) bytes_total: Option<u64>,
    /// How many bytes have been read, across threads.
    pub(crate) bytes_read: Arc<AtomicU64>,
    reader: Box<dyn Read + Send>,
}

impl Input {
    pub(crate) fn open(source: Source) -> Result<Self, FormatError> {
        let (name, bytes_total, reader): (Arc<str>, _, Box<dyn Read + Send>) = match source {
            Source::Path(path) => {
                let name: Arc<str> = path.to_string_lossy().into();
                let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
                let (metadata, file) =
                    opened.map_err(|source| FormatError::Io { file: name.clone(), source })?;
                (name, metadata.is_file().then_some(metadata.len()), Box::new(file))
            }
            Source::Stdin => ("standard input".into(), None, Box::new(io::stdin())),
            Source::Reader { name, reader } => (name.into(), None, reader),
        };
        let bytes_read = Arc::new(AtomicU64::new(0));
        let reader = Box::new(Counted { inner: reader, count: bytes_read.clone() });
        Ok(Self { name, bytes_total, bytes_read, reader })
    }

    /// Returns up to `length` first bytes, which a later `read` yields again; fewer only at the end.
    pub(crate) fn peek(&mut self, length: usize) -> Result<Vec<u8>, FormatError> {
        let mut first = Vec::new();
        self.reader
            .by_ref()
            .take(length as u64)
            .read_to_end(&mut first)
            .map_err(|source| FormatError::Io { file: self.name.clone(), source })?;
        let rest = std::mem::replace(&mut self.reader, Box::new(io::empty()));
        self.reader = Box::new(Cursor::new(first.clone()).chain(rest));
        Ok(first)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.count.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
