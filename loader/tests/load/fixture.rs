//! SAM text by seed, a store in memory or in a folder, and what a test wants to know of it.

use std::{fmt::Write, io::Cursor, sync::Arc};

use genomdb_formats::{Header, Source, sam};
use genomdb_layout::block::BlockConfig;
use genomdb_loader::{
    CancelToken, Config, LoadError, LoadReport, LoadRequest, load, read_catalog, read_source,
};
use genomdb_storage::{KeyRange, ScanLimit, Storage, testing::SimulatedDisk};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The header of every generated file.
pub(crate) const HEADER: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:10000\n@SQ\tSN:chr2\tLN:5000\n\
     @SQ\tSN:chr3\tLN:100\n@RG\tID:a\tSM:one\n@RG\tID:b\tSM:two\n@CO\tverbatim\n";

/// How the records of a generated file lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Sorted,
    Shuffled,
    /// Sorted up to the last record, which belongs in front.
    LastFirst,
}

/// Generates a SAM file of `count` records.
pub(crate) fn sam(count: usize, lie: Lie, seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut places: Vec<(usize, u32)> = (0..count)
        .map(|_| match random.random_range(0..10) {
            0 => (3, 0),
            1 => (2, random.random_range(1..=90)),
            2..5 => (1, random.random_range(1..=4900)),
            _ => (0, random.random_range(1..=9900)),
        })
        .collect();
    match lie {
        Lie::Sorted => places.sort_unstable(),
        Lie::Shuffled => {}
        Lie::LastFirst => {
            places.sort_unstable();
            places.push((0, 1));
        }
    }
    let mut text = HEADER.to_owned();
    for (number, (contig, position)) in places.into_iter().enumerate() {
        let contig = ["chr1", "chr2", "chr3", "*"][contig];
        let cigar =
            if contig == "*" { "*" } else { ["8M", "3M2D5M", "2S6M", "*"][random.random_range(0..4)] };
        // As htslib sets it: a record without a CIGAR is not mapped.
        let flag = if cigar == "*" { 4 } else { random.random_range(0..2) * 16 };
        let bases: String = (0..8).map(|_| char::from(b"ACGTN"[random.random_range(0..5)])).collect();
        let qualities = if random.random_bool(0.1) { "*" } else { "FFF:,#FF" };
        write!(text, "r{number}\t{flag}\t{contig}\t{position}\t60\t{cigar}\t*\t0\t0\t{bases}\t{qualities}")
            .unwrap();
        for tag in ["RG:Z:a", "NM:i:300", "XA:B:c,1,-2", "RG:Z:b", "XF:f:1.5"] {
            if random.random_bool(0.5) && (!tag.starts_with("RG") || !text.ends_with("RG:Z:a")) {
                write!(text, "\t{tag}").unwrap();
            }
        }
        text.push('\n');
    }
    text
}

/// A limit so small that everything happens: many blocks, writes, runs.
pub(crate) fn tiny() -> Config {
    Config {
        threads: 3,
        memory_bytes: 20_000,
        batch_bytes: 2_000,
        write_bytes: 4_000,
        block: BlockConfig { records_max: 20, ..BlockConfig::default() },
        ..Config::default()
    }
}

pub(crate) fn request(text: &str, name: &str) -> LoadRequest {
    let reader = Box::new(Cursor::new(text.as_bytes().to_vec()));
    let source = Source::Reader { name: name.to_owned(), reader };
    LoadRequest { config: tiny(), ..LoadRequest::new(source, "main", "reads") }
}

pub(crate) fn load_text(storage: &Storage, text: &str, name: &str) -> Result<LoadReport, LoadError> {
    load(storage, request(text, name), &|_| {}, &CancelToken::new())
}

/// Opens the store of a disk in memory.
pub(crate) fn open(disk: &SimulatedDisk) -> Storage {
    let config = genomdb_storage::Config {
        disk: Arc::new(disk.clone()),
        disk_reserve_bytes: 1 << 16,
        checkpoint_bytes: 1 << 16,
        segment_bytes: 1 << 16,
        ..genomdb_storage::Config::default()
    };
    Storage::open("/data", config).unwrap()
}

/// Checks that a source gives its file back; shows the first line that differs.
pub(crate) fn check_dump(storage: &Storage, source: &str, expected: &str) {
    let found = dump(storage, source);
    let lines = found.lines().zip(expected.lines());
    lines.for_each(|(found, expected)| assert_eq!(found, expected, "{source}"));
    assert_eq!(found.len(), expected.len(), "{source}");
}

/// Returns a source as SAM text.
pub(crate) fn dump(storage: &Storage, source: &str) -> String {
    let catalog = read_catalog(storage).unwrap();
    let mut reader = read_source(storage, &catalog, "main", "reads", source, tiny()).unwrap();
    let header = Header { text: reader.header_text().to_vec(), ..Header::default() };
    let mut writer = sam::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    while let Some(records) = reader.next_batch().unwrap() {
        for record in records.iter() {
            writer.write(&record, reader.contigs()).unwrap();
        }
    }
    String::from_utf8(writer.into_inner()).unwrap()
}

/// Returns every key but the catalog's, whose counters move.
pub(crate) fn keys(storage: &Storage) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut next = Some(KeyRange::all());
    while let Some(range) = next {
        let page = storage.scan_keys_blocking(&range, ScanLimit::default()).unwrap();
        keys.extend(page.entries.iter().map(|key| key.to_vec()).filter(|key| key != &[1]));
        next = page.next;
    }
    keys
}

/// Returns tables with their sources, as `reads: a b`.
pub(crate) fn shown(storage: &Storage) -> String {
    let catalog = read_catalog(storage).unwrap();
    let table = |table: &genomdb_layout::catalog::TableEntry| {
        let sources: Vec<_> = table.sources.iter().map(|source| source.name.as_str()).collect();
        format!("{}: {}", table.name, sources.join(" "))
    };
    catalog.tables.iter().map(table).collect::<Vec<_>>().join("; ")
}
