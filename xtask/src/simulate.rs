//! `cargo xtask simulate`: a deterministic, realistic BAM of N reads.
//!
//! Read pairs of 150 bases from the four haplotypes of two samples, with the qualities, errors, duplicates,
//! clips, tags and odd pairs of a real whole-genome run. Not a model of any one machine: good enough that
//! sizes and speeds measured on it hold for real files.

mod bam_record;
mod fragments;
mod genome;
mod output;
mod qualities;
mod random;
mod read;
mod template;
mod variants;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use clap::Args;

pub(crate) use self::random::Random;
use self::{fragments::Fragments, genome::Genome, output::Order, template::Library, variants::Variants};
use crate::{TaskError, say};

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// Primary reads to write; secondary and supplementary records come on top (about 3 in 1,000).
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=READS_MAX))]
    reads: u64,
    /// Reference to draw the reads from; without it a genome is made up that gives 30x.
    #[arg(long)]
    fasta: Option<PathBuf>,
    /// Another seed gives other reads.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the templates shuffled, as a mapper would, instead of sorted by coordinate.
    #[arg(long)]
    unsorted: bool,
    /// The BAM file to write; a made-up genome is written beside it as `.fa`.
    #[arg(long)]
    out: PathBuf,
    /// Threads that compress.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Fragments are numbered in 32 bits when they are shuffled.
const READS_MAX: u64 = 1 << 32;
/// Reads cover a made-up genome so many times.
const COVERAGE: u64 = 30;

/// Runs the task.
pub(crate) fn run(args: &SimulateArgs) -> Result<(), TaskError> {
    let began = Instant::now();
    let order = if args.unsorted { Order::Cluster } else { Order::Coordinate };
    let written = simulate(args, order)?;
    say(&format!(
        "{}: {} records, {} bytes uncompressed, in {:.1} s",
        args.out.display(),
        written.records,
        written.bytes,
        began.elapsed().as_secs_f64()
    ))
}

/// Writes a file of so many reads as the task would by default.
pub(crate) fn write(reads: u64, unsorted: bool, out: &Path) -> Result<(), TaskError> {
    run(&SimulateArgs { reads, fasta: None, seed: 1, unsorted, out: out.to_owned(), threads: 2 })
}

fn simulate(args: &SimulateArgs, order: Order) -> Result<output::Written, TaskError> {
    let genome = match &args.fasta {
        Some(fasta) => Genome::read(fasta)?,
        None => {
            let bases = args.reads * qualities::READ_BASES as u64 / COVERAGE;
            let genome = Genome::synthetic(bases as usize, args.seed);
            let fasta = args.out.with_extension("fa");
            genome.write(&fasta).map_err(TaskError::file(&fasta))?;
            genome
        }
    };
    let variants = Variants::draw(&genome, args.seed);
    let fragments = Fragments::spread(&genome, args.reads.div_ceil(2), args.seed)
        .ok_or_else(|| TaskError::Input("no contig has 1,000 bases without N".to_owned()))?;
    let library = Library { genome, variants, fragments, seed: args.seed };
    output::write(&library, order, &args.out, args.threads).map_err(TaskError::file(&args.out))
}

#[cfg(test)]
mod tests;
