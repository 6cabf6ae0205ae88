//! Bytes and speeds of each column of real reads: `cargo run --release --example encodings -- FILE.bam…`.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs::File,
    io::Read,
    time::{Duration, Instant},
};

use arrow_array::Array;
use flate2::read::MultiGzDecoder;
use genomdb_genome::{
    ContigId,
    alignment::{Cigar, Record, Records},
    schema::alignment::TagField,
};
use genomdb_layout::{
    block::{AlignmentBlockBuilder, AlignmentBlockReader, BlockConfig, EncodedBlock, Piece, RowRanges},
    index::IndexPageBuilder,
};

/// The programs use it too; decoding allocates large pieces again and again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let rows: usize = env::var("ROWS").ok().map_or(Ok(8_192), |rows| rows.parse())?;
    for path in env::args().skip(1) {
        measure(&path, rows)?;
    }
    Ok(())
}

fn measure(path: &str, records_max: usize) -> Result<(), Box<dyn Error>> {
    let unsorted = read_bam(path)?;
    let mut order: Vec<usize> = (0..unsorted.len()).collect();
    order.sort_by_key(|&index| {
        let record = unsorted.get(index);
        (record.contig.map_or(u32::MAX, |contig| contig.0), record.start)
    });
    let mut records = Records::default();
    order.iter().for_each(|&index| records.push(&unsorted.get(index)));
    let began = clock();
    let blocks = build(&records, records_max)?;
    let encode = clock() - began;
    let bam = std::fs::metadata(path)?.len();
    let stored: u64 = blocks.iter().map(EncodedBlock::byte_count).sum();
    let each = |time: Duration| time.as_secs_f64() * 1e9 / records.len() as f64;
    print(&format!(
        "{path}: {} records, {} blocks, BAM {bam} bytes ({:.1} a record), stored {stored} ({:.1} a record), {:.3} of the BAM",
        records.len(),
        blocks.len(),
        bam as f64 / records.len() as f64,
        stored as f64 / records.len() as f64,
        stored as f64 / bam as f64
    ));
    print(&format!("encode {:.0} ns a record", each(encode)));
    let mut columns: BTreeMap<String, u64> = BTreeMap::new();
    for block in &blocks {
        for page in block.entry.directory.pages() {
            *columns.entry(page.column.to_string()).or_default() += u64::from(page.length);
        }
    }
    let mut columns: Vec<_> = columns.into_iter().collect();
    columns.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    for (column, bytes) in columns.iter().take(24) {
        print(&format!(
            "  {column:<12} {bytes:>10} bytes {:>7.3} a record",
            *bytes as f64 / records.len() as f64
        ));
    }
    describe_values(&blocks);
    decode(&blocks, each)?;
    compare(&records, &blocks)
}

fn build(records: &Records, records_max: usize) -> Result<Vec<EncodedBlock>, Box<dyn Error>> {
    let mut builder = AlignmentBlockBuilder::new(BlockConfig { records_max, ..BlockConfig::default() });
    let mut blocks = Vec::new();
    for (ordinal, record) in (0..).zip(records.iter()) {
        if !builder.accepts(&record) {
            blocks.push(builder.finish(blocks.len() as u32));
        }
        builder.push(&record, ordinal)?;
    }
    if !builder.is_empty() {
        blocks.push(builder.finish(blocks.len() as u32));
    }
    Ok(blocks)
}

fn reader(block: &EncodedBlock) -> AlignmentBlockReader {
    let mut reader = AlignmentBlockReader::new(block.entry.clone());
    for (group, pieces) in &block.groups {
        for (number, piece) in (0..).zip(pieces) {
            reader.insert(Piece { group: *group, number }, piece.clone());
        }
    }
    reader
}

/// How many values, what redb's power-of-two runs of pages make of them, and what the index takes.
fn describe_values(blocks: &[EncodedBlock]) {
    let lengths = || {
        blocks
            .iter()
            .flat_map(|block| &block.groups)
            .flat_map(|(_, pieces)| pieces)
            .map(|piece| piece.len() + 44)
    };
    let run = |length: usize| if length <= 4_096 { length } else { length.next_power_of_two() };
    let (bytes, runs): (usize, usize) = (lengths().sum(), lengths().map(run).sum());
    let mut index = 0;
    let mut page = IndexPageBuilder::default();
    for block in blocks {
        if !page.accepts(&block.entry) {
            index += page.finish().to_bytes().len();
        }
        page.push(block.entry.clone());
    }
    index += page.finish().to_bytes().len();
    print(&format!(
        "{:.1} values a block; {runs} bytes in redb's pages for {bytes}; index {} bytes a block",
        lengths().count() as f64 / blocks.len() as f64,
        index / blocks.len()
    ));
}

type Decode = fn(&AlignmentBlockReader, &RowRanges) -> Result<usize, genomdb_layout::LayoutError>;

fn decode(blocks: &[EncodedBlock], each: impl Fn(Duration) -> f64) -> Result<(), Box<dyn Error>> {
    let columns: [(&str, Decode); 11] = [
        ("flag", |reader, rows| reader.flag(rows).map(|array| array.len())),
        ("mapq", |reader, rows| reader.mapq(rows).map(|array| array.len())),
        ("start+end", |reader, rows| reader.end(rows).map(|array| array.len())),
        ("mate+tlen", |reader, rows| reader.tlen(rows).map(|array| array.len())),
        ("cigar", |reader, rows| reader.cigar(rows).map(|array| array.len())),
        ("qname", |reader, rows| reader.qname(rows).map(|array| array.len())),
        ("seq", |reader, rows| reader.seq(rows).map(|array| array.len())),
        ("qual", |reader, rows| reader.qual(rows).map(|array| array.len())),
        ("ordinal", |reader, rows| reader.ordinal(rows).map(|array| array.len())),
        ("read_group", |reader, rows| reader.read_group(rows).map(|array| array.len())),
        ("tags", |reader, rows| {
            let tags: Vec<_> = reader.entry().directory.tags().collect();
            tags.iter()
                .try_for_each(|tag| reader.tag(TagField::new(tag.key, &[tag.kind]), rows).map(drop))?;
            Ok(tags.len())
        }),
    ];
    for (name, read) in columns {
        let (mut all, mut part) = (Duration::ZERO, Duration::ZERO);
        for block in blocks {
            let rows = block.entry.records as usize;
            all += fastest(|| read(&reader(block), &RowRanges::all(rows)).map(drop))?;
            let few = RowRanges::from_ranges(rows, std::iter::once(rows / 4..rows / 2));
            part += fastest(|| read(&reader(block), &few).map(drop))?;
        }
        let blocks = blocks.len() as u32;
        print(&format!(
            "  decode {name:<10} {:>7.1} ns a record; a block {:?}, a quarter of it {:?}",
            each(all),
            all / blocks,
            part / blocks
        ));
    }
    Ok(())
}

/// The fastest of five runs: other work on the machine only makes a run slower.
fn fastest(
    run: impl Fn() -> Result<(), genomdb_layout::LayoutError>,
) -> Result<Duration, genomdb_layout::LayoutError> {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        run()?;
        best = best.min(began.elapsed());
    }
    Ok(best)
}

/// Every record must come back.
fn compare(records: &Records, blocks: &[EncodedBlock]) -> Result<(), Box<dyn Error>> {
    let (mut found, mut ordinals) = (Records::default(), Vec::new());
    let began = clock();
    for block in blocks {
        reader(block).read_records(
            &RowRanges::all(block.entry.records as usize),
            &mut found,
            &mut ordinals,
        )?;
    }
    let time = clock() - began;
    let same = found.len() == records.len()
        && found.iter().zip(records.iter()).all(|(found, record)| found == record);
    print(&format!("  records back in {time:?}: {}", if same { "the same" } else { "NOT THE SAME" }));
    if same { Ok(()) } else { Err("records differ".into()) }
}

/// Walks over a BAM file; just enough for files that are known to be right.
fn read_bam(path: &str) -> Result<Records, Box<dyn Error>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(File::open(path)?).take(3 << 30).read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    let mut take = |length: usize| -> Result<&[u8], Box<dyn Error>> {
        let (head, tail) = rest.split_at_checked(length).ok_or("the file breaks off")?;
        rest = tail;
        Ok(head)
    };
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    take(4)?;
    let text = number(take(4)?);
    take(text as usize)?;
    for _ in 0..number(take(4)?) {
        let name = number(take(4)?);
        take(name as usize + 4)?;
    }
    let mut records = Records::default();
    while let Ok(size) = take(4) {
        let body = take(number(size) as usize)?;
        records.push(&record(body).ok_or("a record breaks off")?);
    }
    Ok(records)
}

fn record(body: &[u8]) -> Option<Record<'_>> {
    let (head, rest) = body.split_at_checked(32)?;
    let at = |offset: usize| head.get(offset..offset + 4)?.try_into().ok().map(i32::from_le_bytes);
    let contig = |number: i32| u32::try_from(number).ok().map(ContigId);
    let (name_mapq, flag_ops, count) = (at(8)?, at(12)?, at(16)?);
    let (name, rest) = rest.split_at_checked((name_mapq & 0xff) as usize)?;
    let (cigar, rest) = rest.split_at_checked((flag_ops & 0xffff) as usize * 4)?;
    let (bases, rest) = rest.split_at_checked((count as usize).div_ceil(2))?;
    let (scores, tags) = rest.split_at_checked(count as usize)?;
    Some(Record {
        flag: (flag_ops >> 16) as u16,
        contig: contig(at(0)?),
        start: at(4)?.into(),
        mapping_quality: (name_mapq >> 8) as u8,
        mate_contig: contig(at(20)?),
        mate_start: at(24)?.into(),
        template_length: at(28)?.into(),
        name: name.strip_suffix(b"\0").filter(|name| *name != b"*").unwrap_or_default(),
        cigar: Cigar::from_bytes(cigar),
        base_count: count as u32,
        bases,
        quality_scores: if scores.first() == Some(&0xff) { &[] } else { scores },
        tags,
    })
}

/// What this process has used of the processors: other work on the machine does not count.
fn clock() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let used = text.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(used.unwrap_or(0))
}

#[expect(clippy::print_stdout, reason = "a measurement prints")]
fn print(line: &str) {
    println!("{line}");
}
