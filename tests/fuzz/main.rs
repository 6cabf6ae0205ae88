//! The fuzz targets on seeded mutations of real inputs, so that the gate runs them too.
//!
//! Whatever the bytes: no panic, an error or an answer that keeps the decoder's law, and no more memory than
//! its bound. `GENOMDB_FUZZ_SEED` and `GENOMDB_FUZZ_CASES` ask for other cases and more of them. What the tests
//! of the crates already do (flipped bits in pages, in index pages, in the catalog and in alignment files)
//! is not done again here.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod alignments;
mod mutation;
mod queries;
mod stored;
mod targets;

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use genomdb_formats::{AlignmentReader, OpenOptions, Source, open};
use mutation::Random;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One case runs at a time, so that its memory is its own.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes that a case may take besides its input, the library's own buffers included.
const BYTES_MAX: usize = 64 << 20;

const SEED: u64 = 20_261_120;

/// Runs a target on `cases` inputs that `make` makes of random numbers.
fn check(cases: usize, target: fn(&[u8]), make: impl Fn(&mut Random) -> Vec<u8>) {
    let asked = |name| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = asked("GENOMDB_FUZZ_SEED").unwrap_or(SEED);
    let cases = asked("GENOMDB_FUZZ_CASES").map_or(cases, |cases| cases as usize);
    let mut most = 0;
    for case in 0..cases {
        let input = make(&mut Random::new(seed.wrapping_add(case as u64)));
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let outcome = catch_unwind(AssertUnwindSafe(|| target(&input)));
        let taken = MEMORY.peak_usage().saturating_sub(before);
        drop(alone);
        let shown = || input.escape_ascii().to_string();
        if let Err(panic) = outcome {
            eprintln!("seed {}: {} bytes: {}", seed.wrapping_add(case as u64), input.len(), shown());
            resume_unwind(panic);
        }
        let number = seed.wrapping_add(case as u64);
        assert!(taken <= BYTES_MAX, "seed {number}: {taken} bytes of memory for {}", shown());
        most = most.max(taken);
    }
    eprintln!("{cases} cases from seed {seed}, at most {} KiB", most >> 10);
}

/// The BAM of the examples: real reads of two contigs, with pairs, clips and tags.
fn example_bam() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/NA12878.chr11_chr20.bam")
}

fn example_reader() -> AlignmentReader {
    open(Source::Path(example_bam()), &OpenOptions::default()).unwrap()
}
