//! Which FASTA of the corpus a CRAM was packed against, told by names, MD5s and lengths.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use genomdb_genome::Contigs;
use md5::{Digest, Md5};

/// A FASTA file: the length and MD5 of each sequence by name.
struct Fasta {
    path: PathBuf,
    sequences: HashMap<String, (u64, String)>,
}

/// The FASTA files of the corpus.
pub(crate) struct References(Vec<Fasta>);

impl References {
    pub(crate) fn of(corpus: &Path) -> Self {
        let mut paths = Vec::new();
        collect(corpus, &mut paths);
        paths.sort();
        Self(paths.into_iter().map(|path| Fasta { sequences: sequences(&path), path }).collect())
    }

    /// Returns the FASTA that holds most contigs of a file as its header describes them.
    pub(crate) fn find(&self, contigs: &Contigs) -> Option<&Path> {
        let matching = |fasta: &Fasta| {
            let same = |contig: &&genomdb_genome::Contig| {
                fasta.sequences.get(&*contig.name).is_some_and(|(length, md5)| {
                    contig.length == Some(*length) && contig.md5.as_ref().is_none_or(|m5| **m5 == **md5)
                })
            };
            contigs.iter().filter(same).count()
        };
        // The first of several, so that the choice does not depend on chance.
        let best = self.0.iter().rev().max_by_key(|fasta| matching(fasta))?;
        (matching(best) > 0).then_some(best.path.as_path())
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    const FASTA_BYTES_MAX: u64 = 50 << 20;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::metadata(&path).unwrap();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if metadata.is_dir() {
            collect(&path, paths);
        } else if matches!(extension, Some("fa" | "fasta" | "fna")) && metadata.len() <= FASTA_BYTES_MAX {
            paths.push(path);
        }
    }
}

fn sequences(path: &Path) -> HashMap<String, (u64, String)> {
    let text = fs::read(path).unwrap();
    let mut sequences = HashMap::new();
    for entry in text.split(|&byte| byte == b'>').skip(1) {
        let end = entry.iter().position(|&byte| byte == b'\n').unwrap_or(entry.len());
        let name = entry[..end].split(u8::is_ascii_whitespace).next().unwrap_or_default();
        let bases = entry[end..].iter().filter(|byte| byte.is_ascii_graphic());
        let bases: Vec<u8> = bases.map(u8::to_ascii_uppercase).collect();
        let md5 = Md5::digest(&bases).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = String::from_utf8_lossy(name).into_owned();
        sequences.entry(name).or_insert((bases.len() as u64, md5));
    }
    sequences
}
