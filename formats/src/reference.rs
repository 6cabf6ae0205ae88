//! Reference sequences from a FASTA file, a chunk at a time, checked against a header's lengths and MD5s.
//!
//! The FASTA may be plain or BGZF. Its index (`.fai`) is used where it lies beside it; else the file is read
//! once to make one in memory. Bases are upper case, as SAM's `M5` (SAM v1 § 1.3.2) and CRAM want them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use genomdb_genome::{Contig, Contigs};
use md5::{Digest, Md5};

use self::index::{FastaIndex, Place};
use crate::bgzf::{RandomAccess, is_bgzf};

mod index;

/// Bases in a chunk.
pub(crate) const CHUNK_BASES: u64 = 1 << 18;

/// Chunks kept in memory: 32 MiB.
const CHUNKS_MAX: usize = 128;

/// A FASTA file that serves the contigs of one header.
#[derive(Debug)]
pub(crate) struct Reference {
    path: PathBuf,
    file: Mutex<FastaFile>,
    /// In the order of the header's contigs.
    sequences: Vec<Sequence>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
struct Sequence {
    contig: Contig,
    /// Where it lies in the FASTA; `None` if that lacks it.
    place: Option<Place>,
    /// Set once it was compared with the header.
    checked: OnceLock<Result<(), String>>,
}

/// The file as the text that it holds.
enum FastaFile {
    Plain(File),
    Bgzf(Box<RandomAccess<File>>),
}

impl FastaFile {
    fn open(path: &Path) -> io::Result<Self> {
        // Enough for the header of a BGZF block.
        const FIRST_BYTES: u64 = 64;
        let mut file = File::open(path)?;
        let mut first = Vec::new();
        file.by_ref().take(FIRST_BYTES).read_to_end(&mut first)?;
        if is_bgzf(&first) {
            return Ok(Self::Bgzf(Box::new(RandomAccess::new(file)?)));
        }
        if first.starts_with(&[0x1f, 0x8b]) {
            let reason = "it is gzip, in which no read can be looked up; unpack it, or pack it with bgzip";
            return Err(io::Error::other(reason));
        }
        file.rewind()?;
        Ok(Self::Plain(file))
    }
}

impl Read for FastaFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Bgzf(file) => file.read(buffer),
        }
    }
}

impl Seek for FastaFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(file) => file.seek(to),
            Self::Bgzf(file) => file.seek(to),
        }
    }
}

impl fmt::Debug for FastaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if matches!(self, Self::Plain(_)) { "Plain" } else { "Bgzf" })
    }
}

/// The chunks used last, oldest first.
#[derive(Debug, Default)]
struct Cache {
    chunks: HashMap<(i32, u64), Arc<[u8]>>,
    order: VecDeque<(i32, u64)>,
}

impl Reference {
    /// Opens a FASTA file for the contigs of a header.
    ///
    /// # Errors
    ///
    /// A reason that names the file, if it cannot be read or its index is wrong.
    pub(crate) fn open(path: &Path, contigs: &Contigs) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("reference `{}`: {error}", path.display());
        let mut file = FastaFile::open(path).map_err(|error| named(&error))?;
        let mut index_path = path.as_os_str().to_owned();
        index_path.push(".fai");
        let index = match std::fs::read(&index_path) {
            Ok(bytes) => {
                FastaIndex::parse(&bytes).map_err(|reason| named(&format!("its index (.fai): {reason}")))?
            }
            Err(_) => FastaIndex::scan(BufReader::with_capacity(1 << 18, &mut file))
                .map_err(|error| named(&error))?,
        };
        let sequence = |contig: &Contig| Sequence {
            place: index.place(contig.name.as_bytes()),
            contig: contig.clone(),
            checked: OnceLock::new(),
        };
        let sequences = contigs.iter().map(sequence).collect();
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), sequences, cache: Mutex::default() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Compares a contig with the header, once: it must be there, as long, and of the same MD5.
    pub(crate) fn check(&self, contig: i32) -> Result<(), String> {
        let sequence = self.sequence(contig)?;
        sequence.checked.get_or_init(|| self.compare(contig, sequence)).clone()
    }

    fn compare(&self, contig: i32, sequence: &Sequence) -> Result<(), String> {
        let Contig { name, length, md5 } = &sequence.contig;
        let (path, place) = (self.path.display(), self.place(sequence)?);
        if let Some(length) = length
            && *length != place.length
        {
            return Err(format!(
                "contig `{name}` has {} bases in reference `{path}`, the header says {length}",
                place.length
            ));
        }
        let Some(expected) = md5 else { return Ok(()) };
        let found = hexadecimal(&self.md5(contig, 0..place.length)?);
        if found == **expected {
            return Ok(());
        }
        Err(format!(
            "contig `{name}` is another sequence in reference `{path}`: its MD5 is {found}, the header's M5 is {expected}"
        ))
    }

    fn sequence(&self, contig: i32) -> Result<&Sequence, String> {
        let sequence = usize::try_from(contig).ok().and_then(|contig| self.sequences.get(contig));
        sequence.ok_or_else(|| format!("contig number {contig} is not in the header"))
    }

    fn place<'s>(&self, sequence: &'s Sequence) -> Result<&'s Place, String> {
        let (name, path) = (&sequence.contig.name, self.path.display());
        let place = sequence.place.as_ref();
        let place = place.ok_or_else(|| {
            let md5 = sequence.contig.md5.as_ref().map(|md5| format!(" (M5 {md5})")).unwrap_or_default();
            format!("contig `{name}`{md5} is not in reference `{path}`")
        })?;
        if place.irregular {
            return Err(format!("the lines of contig `{name}` in reference `{path}` differ in length"));
        }
        Ok(place)
    }

    /// Returns the number of bases of a contig.
    pub(crate) fn length_of(&self, contig: i32) -> Result<u64, String> {
        Ok(self.place(self.sequence(contig)?)?.length)
    }

    /// Returns the MD5 of a part of a contig.
    pub(crate) fn md5(&self, contig: i32, range: Range<u64>) -> Result<[u8; 16], String> {
        let mut hasher = Md5::new();
        let mut position = range.start;
        while position < range.end {
            let number = position / CHUNK_BASES;
            let stop = range.end.min((number + 1) * CHUNK_BASES);
            let chunk = self.read_chunk(contig, number)?;
            let from = (position % CHUNK_BASES) as usize;
            let bases = chunk.get(from..from + (stop - position) as usize);
            hasher.update(bases.ok_or("the reference is shorter than its index says")?);
            position = stop;
        }
        Ok(hasher.finalize().into())
    }

    /// Returns the bases of a chunk, upper case; the last one of a contig is shorter.
    pub(crate) fn chunk(&self, contig: i32, number: u64) -> Result<Arc<[u8]>, String> {
        let key = (contig, number);
        let cached = |cache: &Mutex<Cache>| {
            cache.lock().unwrap_or_else(PoisonError::into_inner).chunks.get(&key).cloned()
        };
        if let Some(chunk) = cached(&self.cache) {
            return Ok(chunk);
        }
        let chunk: Arc<[u8]> = self.read_chunk(contig, number)?.into();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.chunks.insert(key, chunk.clone()).is_none() {
            cache.order.push_back(key);
        }
        if cache.order.len() > CHUNKS_MAX
            && let Some(oldest) = cache.order.pop_front()
        {
            cache.chunks.remove(&oldest);
        }
        Ok(chunk)
    }

    fn read_chunk(&self, contig: i32, number: u64) -> Result<Vec<u8>, String> {
        let sequence = self.sequence(contig)?;
        let place = self.place(sequence)?;
        let start = number.saturating_mul(CHUNK_BASES).min(place.length);
        let end = start.saturating_add(CHUNK_BASES).min(place.length);
        let (from, to) = place.bytes(start..end).ok_or("the FASTA index is out of bounds")?;
        let mut bytes = Vec::new();
        {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let read = file
                .seek(SeekFrom::Start(from))
                .and_then(|_| file.by_ref().take(to - from).read_to_end(&mut bytes));
            read.map_err(|error| format!("reference `{}`: {error}", self.path.display()))?;
        }
        bytes.retain(u8::is_ascii_graphic);
        bytes.make_ascii_uppercase();
        if bytes.len() as u64 == end - start {
            return Ok(bytes);
        }
        Err(format!(
            "reference `{}`: contig `{}` is not where the index (.fai) says; make the index anew",
            self.path.display(),
            sequence.contig.name
        ))
    }
}

/// Returns the MD5 of bases as they are.
pub(crate) fn md5_of(bases: &[u8]) -> [u8; 16] {
    Md5::digest(bases).into()
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn contigs(md5: Option<&str>, length: u64) -> Contigs {
        let contig = Contig { name: "b".into(), length: Some(length), md5: md5.map(Into::into) };
        Contigs::new([contig]).unwrap()
    }

    #[test]
    fn serves_bases_with_and_without_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.fa");
        fs::write(&path, b">a x\nACGT\nAC\n>b\r\nacg\r\ntNN\r\nA").unwrap();
        let md5 = hexadecimal(&md5_of(b"ACGTNNA"));
        for index in [None, Some("a\t6\t5\t4\t5\nb\t7\t17\t3\t5\n")] {
            if let Some(index) = index {
                fs::write(folder.path().join("r.fa.fai"), index).unwrap();
            }
            let reference = Reference::open(&path, &contigs(Some(&md5), 7)).unwrap();
            reference.check(0).unwrap();
            assert_eq!(&*reference.chunk(0, 0).unwrap(), b"ACGTNNA");
            assert_eq!(reference.md5(0, 2..5).unwrap(), md5_of(b"GTN"));
        }
        let mut packed = noodles_bgzf::io::Writer::new(Vec::new());
        packed.write_all(b">b\nACGTNN\nA\n").unwrap();
        let packed_path = folder.path().join("r.fa.gz");
        fs::write(&packed_path, packed.finish().unwrap()).unwrap();
        let reference = Reference::open(&packed_path, &contigs(Some(&md5), 7)).unwrap();
        reference.check(0).unwrap();
        assert_eq!(&*reference.chunk(0, 0).unwrap(), b"ACGTNNA");
        fs::write(folder.path().join("r.fa.fai"), "b\t7\t15\t3\t5\n").unwrap();
        let stale = Reference::open(&path, &contigs(None, 7)).unwrap();
        assert!(stale.chunk(0, 0).unwrap_err().contains("make the index anew"));
    }

    #[test]
    fn refuses_another_sequence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.fa");
        fs::write(&path, b">b\nACGT\n").unwrap();
        for (length, md5, part) in [
            (5, None, "has 4 bases in reference"),
            (4, Some("00"), "its MD5 is f1f8f4bf413b16ad135722aa4591043e, the header's M5 is 00"),
        ] {
            let reference = Reference::open(&path, &contigs(md5, length)).unwrap();
            let error = reference.check(0).unwrap_err();
            assert!(error.contains("contig `b`") && error.contains(part), "{error}");
        }
        fs::write(&path, b">c\nACGT\n").unwrap();
        let reference = Reference::open(&path, &contigs(None, 4)).unwrap();
        assert!(reference.check(0).unwrap_err().contains("contig `b` is not in reference"));
        fs::write(&path, [0x1f, 0x8b, 8]).unwrap();
        assert!(Reference::open(&path, &contigs(None, 4)).unwrap_err().contains("it is gzip"));
    }
}
