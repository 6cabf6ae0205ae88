//! A file that can be read twice, even if it is a pipe.
//!
//! A load begins in the hope that its file is sorted. When that turns out wrong, it starts again. For that,
//! the bytes of a pipe are kept, compressed as they came, in a file without a name.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use genomdb_formats::{AlignmentReader, FormatError, OpenOptions, Source};

/// What is loaded.
pub(crate) enum Input {
    File(PathBuf),
    Stream { name: String, stream: Arc<Mutex<Stream>> },
}

impl Input {
    /// `folder` is where a pipe's bytes are kept, if it is one.
    pub(crate) fn new(source: Source, folder: &Path) -> Self {
        let stream = |name: &str, reader| {
            let (folder, copy) = (folder.to_owned(), None);
            let stream = Stream { reader, folder, copy, copied: 0, generation: 0, keeps: true };
            Self::Stream { name: name.to_owned(), stream: Arc::new(Mutex::new(stream)) }
        };
        match source {
            Source::Path(path) => {
                let regular = fs::metadata(&path).map_or(true, |metadata| metadata.is_file());
                match File::open(&path) {
                    Ok(file) if !regular => stream(&path.to_string_lossy(), Box::new(file)),
                    // That it cannot be opened is said where it is read.
                    _ => Self::File(path),
                }
            }
            Source::Stdin => stream("standard input", Box::new(io::stdin())),
            Source::Reader { name, reader } => stream(&name, reader),
        }
    }

    /// Returns what messages call it.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::File(path) => path.to_string_lossy().into_owned(),
            Self::Stream { name, .. } => name.clone(),
        }
    }

    /// Returns the name that its source gets if the user gave none: the file's, without its folder.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => {
                path.file_name().map_or_else(|| "file".to_owned(), |name| name.to_string_lossy().into_owned())
            }
            Self::Stream { name, .. } => name.rsplit('/').next().unwrap_or(name).to_owned(),
        }
    }

    /// Opens it at its first byte. After the `last` time, a pipe's bytes are not kept any more.
    ///
    /// A reader that was opened before reads nothing from then on.
    pub(crate) fn open(&self, options: &OpenOptions, last: bool) -> Result<AlignmentReader, FormatError> {
        let source = match self {
            Self::File(path) => Source::Path(path.clone()),
            Self::Stream { name, stream } => {
                let mut locked = lock(stream);
                locked.generation += 1;
                locked.keeps = !last;
                let generation = locked.generation;
                drop(locked);
                let reader = Replay { stream: stream.clone(), generation, position: 0 };
                Source::Reader { name: name.clone(), reader: Box::new(reader) }
            }
        };
        genomdb_formats::open(source, options)
    }
}

/// A pipe, and what was read of it so far.
pub(crate) struct Stream {
    reader: Box<dyn Read + Send>,
    folder: PathBuf,
    copy: Option<File>,
    copied: u64,
    /// Which [`Replay`] may read: a codec's threads may outlive the reader that they belonged to.
    generation: u32,
    keeps: bool,
}

impl Stream {
    fn read_at(&mut self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(copy) = self.copy.as_mut().filter(|_| position < self.copied) {
            copy.seek(SeekFrom::Start(position))?;
            return copy.read(buffer);
        }
        let length = self.reader.read(buffer)?;
        if self.keeps {
            let bytes = buffer.get(..length).unwrap_or_default();
            self.keep(bytes).map_err(|error| {
                let folder = self.folder.display();
                io::Error::new(error.kind(), format!("cannot keep what was read in {folder}: {error}"))
            })?;
        }
        Ok(length)
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        let copy = match &mut self.copy {
            Some(copy) => copy,
            None => {
                fs::create_dir_all(&self.folder)?;
                self.copy.insert(tempfile::tempfile_in(&self.folder)?)
            }
        };
        copy.write_all(bytes)?;
        self.copied += bytes.len() as u64;
        Ok(())
    }
}

/// Reads a stream from its first byte.
struct Replay {
    stream: Arc<Mutex<Stream>>,
    generation: u32,
    position: u64,
}

impl Read for Replay {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut stream = lock(&self.stream);
        if stream.generation != self.generation {
            return Ok(0);
        }
        let length = stream.read_at(self.position, buffer)?;
        self.position += length as u64;
        Ok(length)
    }
}

fn lock(stream: &Mutex<Stream>) -> MutexGuard<'_, Stream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn replays_what_was_read_and_goes_on(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            reads in prop::collection::vec((1..40_usize, prop::bool::weighted(0.1)), 0..60),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let source = Source::Reader { name: "pipe".into(), reader: Box::new(io::Cursor::new(bytes.clone())) };
            let Input::Stream { stream, .. } = Input::new(source, &folder.path().join("new")) else {
                panic!("a reader is a stream");
            };
            let start = |last: bool| {
                let mut locked = lock(&stream);
                locked.generation += 1;
                locked.keeps = !last;
                Replay { stream: stream.clone(), generation: locked.generation, position: 0 }
            };
            let mut reader = start(false);
            for (length, again) in reads {
                if again {
                    let mut old = std::mem::replace(&mut reader, start(false));
                    prop_assert_eq!(old.read(&mut [0; 8]).unwrap(), 0);
                }
                let mut buffer = vec![0; length];
                let position = reader.position as usize;
                let length = reader.read(&mut buffer).unwrap();
                prop_assert_eq!(&buffer[..length], &bytes[position..position + length]);
            }
            let mut whole = Vec::new();
            start(true).read_to_end(&mut whole).unwrap();
            prop_assert_eq!(whole, bytes);
        }
    }
}
