//! Reads alignment files and prints how fast: `cargo run --release --example read_speed -- 2 reads.bam`.
//!
//! The first argument is the number of threads that inflate.

use std::{error::Error, time::Instant};

use genomdb_formats::{OpenOptions, Source, open};
use genomdb_genome::alignment::Records;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let threads = arguments.next().and_then(|argument| argument.to_str()?.parse().ok()).unwrap_or(2);
    for path in arguments {
        let started = Instant::now();
        let options = OpenOptions { threads, ..OpenOptions::default() };
        let mut reader = open(Source::Path(path.into()), &options)?;
        let (mut records, mut count, mut bytes) = (Records::default(), 0, 0);
        while reader.read_batch(&mut records, 4 << 20)? {
            count += records.len();
            bytes += records.byte_count();
            records.clear();
        }
        let seconds = started.elapsed().as_secs_f64();
        let megabytes = [reader.bytes_read() as f64 / 1e6, bytes as f64 / 1e6];
        eprintln!(
            "{}: {count} records in {seconds:.3} s: {:.0} records/s, {:.0} MB/s of file, {:.0} MB/s of records",
            reader.format(),
            count as f64 / seconds,
            megabytes[0] / seconds,
            megabytes[1] / seconds,
        );
    }
    Ok(())
}
