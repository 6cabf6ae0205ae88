//! Records to a BAM file: sorted by coordinate in a stream, or in the order of a sequencer's clusters.
//!
//! Memory holds the genome, the records of about a kilobase, and the few that lie far from their fragment.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, Write},
    num::NonZero,
    path::Path,
};

use noodles_bgzf::io::{MultithreadedWriter, multithreaded_writer, writer::CompressionLevel};

use super::{
    fragments::{Fate, STRATUM_FRAGMENTS},
    genome::stream,
    random::Random,
    template::{Library, PlacedRecord, READ_GROUPS, UNPLACED, sort_key},
};

/// Which order the file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By contig and position, unplaced reads last.
    Coordinate,
    /// The records of a template together, the templates shuffled: what a mapper writes.
    Cluster,
}

/// htslib's default level, 6, is level 7 of libdeflate; both deflate blocks of 65,280 bytes.
const LIBDEFLATE_LEVEL: u8 = 7;

/// Counts of what was written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Writes the library as a BAM file and says what it holds.
pub(crate) fn write(library: &Library, order: Order, path: &Path, threads: usize) -> io::Result<Written> {
    let workers = NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN);
    let level = CompressionLevel::try_from(LIBDEFLATE_LEVEL).unwrap_or_default();
    let writer = multithreaded_writer::Builder::default()
        .set_compression_level(level)
        .set_worker_count(workers)
        .build_from_writer(File::create(path)?);
    let mut out = Output { writer, written: Written::default() };
    out.bytes(&header(library, order))?;
    match order {
        Order::Coordinate => sorted(library, &mut out)?,
        Order::Cluster => shuffled(library, &mut out)?,
    }
    let mut file = out.writer.finish()?;
    file.flush()?;
    Ok(out.written)
}

struct Output {
    writer: MultithreadedWriter<File>,
    written: Written,
}

impl Output {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written.bytes += bytes.len() as u64;
        self.writer.write_all(bytes)
    }

    fn record(&mut self, record: &PlacedRecord) -> io::Result<()> {
        self.written.records += 1;
        self.bytes(&record.bytes)
    }
}

/// Whether a fragment has records away from its own stratum.
fn reaches_far(fate: Fate) -> bool {
    matches!(fate, Fate::Discordant(_) | Fate::Split(_) | Fate::Secondary(_))
}

fn sorted(library: &Library, out: &mut Output) -> io::Result<()> {
    let count = library.fragments.count();
    let mut far = Vec::new();
    for number in 0..count {
        if reaches_far(library.fragments.get(number).fate) {
            library.records(number, &mut far);
        }
    }
    far.sort();
    let mut far = far.into_iter().peekable();

    let mut near: BinaryHeap<Reverse<PlacedRecord>> = BinaryHeap::new();
    let mut fresh = Vec::new();
    for stratum in 0..=count.div_ceil(STRATUM_FRAGMENTS) {
        let complete_below = if stratum * STRATUM_FRAGMENTS < count {
            sort_key(library.fragments.stratum_start(stratum), false)
        } else {
            UNPLACED
        };
        loop {
            let near_key = near.peek().map_or(UNPLACED, |Reverse(record)| record.sort_key);
            let far_key = far.peek().map_or(UNPLACED, |record| record.sort_key);
            if near_key.min(far_key) >= complete_below {
                break;
            }
            let next =
                if near_key <= far_key { near.pop().map(|Reverse(record)| record) } else { far.next() };
            if let Some(record) = next {
                out.record(&record)?;
            }
        }
        let first = stratum * STRATUM_FRAGMENTS;
        for number in first..(first + STRATUM_FRAGMENTS).min(count) {
            let fate = library.fragments.get(number).fate;
            if fate != Fate::Unplaced && !reaches_far(fate) {
                library.records(number, &mut fresh);
                near.extend(fresh.drain(..).map(Reverse));
            }
        }
    }
    for number in 0..count {
        if library.fragments.get(number).fate == Fate::Unplaced {
            library.records(number, &mut fresh);
            fresh.iter().try_for_each(|record| out.record(record))?;
            fresh.clear();
        }
    }
    Ok(())
}

fn shuffled(library: &Library, out: &mut Output) -> io::Result<()> {
    let mut order: Vec<u32> = (0..library.fragments.count()).map(|number| number as u32).collect();
    let mut random = Random::new(library.seed, stream::ORDER, 0);
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    let mut fresh = Vec::new();
    for number in order {
        library.records(u64::from(number), &mut fresh);
        fresh.iter().try_for_each(|record| out.record(record))?;
        fresh.clear();
    }
    Ok(())
}

/// Magic, header text and contig list of the BAM file.
fn header(library: &Library, order: Order) -> Vec<u8> {
    let mut text = match order {
        Order::Coordinate => "@HD\tVN:1.6\tSO:coordinate\n".to_owned(),
        Order::Cluster => "@HD\tVN:1.6\tSO:unsorted\tGO:query\n".to_owned(),
    };
    for contig in &library.genome.contigs {
        text.push_str(&format!("@SQ\tSN:{}\tLN:{}\n", contig.name, contig.bases.len()));
    }
    for (id, sample) in READ_GROUPS {
        let lane = id.rsplit('.').next().unwrap_or_default();
        text.push_str(&format!("@RG\tID:{id}\tPL:ILLUMINA\tPU:{id}.{lane}\tLB:{sample}_1\tSM:{sample}\n"));
    }
    text.push_str("@PG\tID:simulate\tPN:xtask-simulate\tVN:1\n");
    let mut bytes = b"BAM\x01".to_vec();
    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&(library.genome.contigs.len() as u32).to_le_bytes());
    for contig in &library.genome.contigs {
        bytes.extend_from_slice(&(contig.name.len() as u32 + 1).to_le_bytes());
        bytes.extend_from_slice(contig.name.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&(contig.bases.len() as u32).to_le_bytes());
    }
    bytes
}
