//! The reference genome that reads are drawn from: read from a FASTA, or made up with repeats and a GC landscape.
//!
//! Held in memory whole, one byte a base. Reads are drawn only from stretches without N.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use super::random::Random;
use crate::TaskError;

/// One reference sequence in upper case.
#[derive(Debug, Clone)]
pub(crate) struct Contig {
    pub(crate) name: String,
    pub(crate) bases: Vec<u8>,
}

/// The contigs in their order.
#[derive(Debug, Clone)]
pub(crate) struct Genome {
    pub(crate) contigs: Vec<Contig>,
}

/// Bases a FASTA line holds.
const LINE_BASES: usize = 60;
/// The mitochondrial genome is small and of one size, whatever the number of reads.
const MITOCHONDRION_BASES: usize = 16_569;
/// Bytes of one FASTA; a larger one is refused before it fills the memory.
const FASTA_BYTES_MAX: u64 = 8 << 30;

impl Genome {
    /// Makes up a genome of about `total` bases in five contigs.
    ///
    /// The GC content drifts between 0.34 and 0.58, CpG is rare, a tenth are copies of a few repeat families
    /// (6 to 20 % diverged), and short tandem repeats are strewn in: enough for codecs to see what they see
    /// in a mammal.
    pub(crate) fn synthetic(total: usize, seed: u64) -> Self {
        let shares = [("chr1", 0.40), ("chr2", 0.28), ("chr3", 0.20), ("chr4", 0.12)];
        let mut random = Random::new(seed, stream::GENOME, 0);
        let families: Vec<Vec<u8>> =
            (0..6).map(|family| unique_bases(&mut random, 300 + 100 * family)).collect();
        let mut contigs: Vec<Contig> = shares
            .iter()
            .map(|(name, share)| {
                let length = ((total as f64 * share) as usize).max(5_000);
                Contig { name: (*name).to_owned(), bases: with_repeats(&mut random, length, &families) }
            })
            .collect();
        let mitochondrion = unique_bases(&mut random, MITOCHONDRION_BASES);
        contigs.push(Contig { name: "chrM".to_owned(), bases: mitochondrion });
        Self { contigs }
    }

    /// Reads a FASTA, plain, gzip or BGZF.
    pub(crate) fn read(path: &Path) -> Result<Self, TaskError> {
        let at = |source| TaskError::File { path: path.to_owned(), source };
        let mut file = BufReader::new(File::open(path).map_err(at)?);
        let gzipped = file.fill_buf().map_err(at)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead> = if gzipped {
            Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(file).take(FASTA_BYTES_MAX)))
        } else {
            Box::new(file.take(FASTA_BYTES_MAX))
        };
        let mut contigs: Vec<Contig> = Vec::new();
        for line in reader.split(b'\n') {
            let line = line.map_err(at)?;
            if let Some(title) = line.strip_prefix(b">") {
                let name = title.split(u8::is_ascii_whitespace).next().unwrap_or_default();
                let name = String::from_utf8_lossy(name).into_owned();
                contigs.push(Contig { name, bases: Vec::new() });
            } else if let Some(contig) = contigs.last_mut() {
                contig.bases.extend(line.trim_ascii().iter().map(u8::to_ascii_uppercase));
            }
        }
        if contigs.iter().all(|contig| contig.bases.is_empty()) {
            return Err(TaskError::Input(format!("{} holds no FASTA sequence", path.display())));
        }
        Ok(Self { contigs })
    }

    /// Writes the genome as FASTA, and beside it the index that samtools would make.
    pub(crate) fn write(&self, fasta: &Path) -> io::Result<()> {
        let mut index_name = fasta.as_os_str().to_owned();
        index_name.push(".fai");
        let mut out = BufWriter::new(File::create(fasta)?);
        let mut index = BufWriter::new(File::create(index_name)?);
        let mut offset = 0;
        for contig in &self.contigs {
            writeln!(out, ">{}", contig.name)?;
            offset += contig.name.len() + 2;
            let length = contig.bases.len();
            writeln!(index, "{}\t{length}\t{offset}\t{LINE_BASES}\t{}", contig.name, LINE_BASES + 1)?;
            for line in contig.bases.chunks(LINE_BASES) {
                out.write_all(line)?;
                out.write_all(b"\n")?;
                offset += line.len() + 1;
            }
        }
        index.into_inner()?.sync_all()?;
        out.into_inner()?.sync_all()
    }
}

/// Streams of randomness; each purpose has its own, so that one more draw here changes nothing there.
pub(super) mod stream {
    pub(in crate::simulate) const GENOME: u64 = 1;
    pub(in crate::simulate) const VARIANTS: u64 = 2;
    pub(in crate::simulate) const GEOMETRY: u64 = 3;
    pub(in crate::simulate) const READS: u64 = 4;
    pub(in crate::simulate) const MAPPABILITY: u64 = 5;
    pub(in crate::simulate) const ORDER: u64 = 6;
}

/// Bases without repeats: GC drifts slowly, and C is seldom followed by G.
fn unique_bases(random: &mut Random, length: usize) -> Vec<u8> {
    let mut gc_content = 0.41;
    let mut bases = Vec::with_capacity(length);
    while bases.len() < length {
        if bases.len() % 1_000 == 0 {
            gc_content = (gc_content + random.normal(0.0, 0.01)).clamp(0.34, 0.58);
        }
        let strong = random.unit() < gc_content;
        let base = match (strong, random.bits() & 1) {
            (true, 0) => b'C',
            (true, _) => b'G',
            (false, 0) => b'A',
            (false, _) => b'T',
        };
        let depleted = base == b'G' && bases.last() == Some(&b'C') && !random.chance(250_000);
        bases.push(if depleted { b'A' } else { base });
    }
    bases
}

/// A contig of unique stretches, diverged copies of repeat families and short tandem repeats.
fn with_repeats(random: &mut Random, length: usize, families: &[Vec<u8>]) -> Vec<u8> {
    let mut bases = Vec::with_capacity(length + 4_000);
    while bases.len() < length {
        let stretch = random.between(1_000, 6_000) as usize;
        bases.append(&mut unique_bases(random, stretch));
        match (random.below(10), families.get(random.below(families.len() as u64) as usize)) {
            (0, _) => {
                let unit = unique_bases(random, 2 + random.clone().below(4) as usize);
                let copies = random.between(8, 25) as usize;
                (0..copies).for_each(|_| bases.extend_from_slice(&unit));
            }
            (1..=8, Some(family)) => {
                let diverged_per_million = random.between(60_000, 200_000);
                let copy = family
                    .iter()
                    .map(|base| if random.chance(diverged_per_million) { random.base() } else { *base });
                bases.extend(copy);
            }
            _ => {}
        }
    }
    bases.truncate(length);
    bases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_synthetic_genome_reads_back_from_its_fasta() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("genome.fa");
        let genome = Genome::synthetic(100_000, 3);
        genome.write(&path).unwrap();
        let read = Genome::read(&path).unwrap();
        assert_eq!(genome.contigs.len(), read.contigs.len());
        for (made, read) in genome.contigs.iter().zip(&read.contigs) {
            assert_eq!(made.name, read.name);
            assert_eq!(made.bases, read.bases);
        }
        let gc = genome.contigs[0].bases.iter().filter(|base| b"GC".contains(base)).count();
        let share = gc as f64 / genome.contigs[0].bases.len() as f64;
        assert!((0.33..0.55).contains(&share), "{share}");
    }

    #[test]
    fn what_is_no_fasta_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.fa");
        std::fs::write(&path, "no sequence here\n").unwrap();
        assert!(Genome::read(&path).unwrap_err().to_string().contains("holds no FASTA sequence"));
    }
}
