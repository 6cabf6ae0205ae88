//! A generated file, a data folder, and what is in it.

use std::{fmt::Write, io, path::Path};

use genomdb_formats::{Header, Source, sam};
use genomdb_loader::{
    CancelToken, Config, LoadError, LoadReport, LoadRequest, Progress, load, read_catalog, read_source,
};
use genomdb_storage::{KeyRange, ScanLimit, Storage};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Generates a SAM file that compresses badly.
pub(crate) fn sam(count: usize, sorted: bool, seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut text = "@SQ\tSN:chr1\tLN:1000000\n".to_owned();
    let mut positions: Vec<u32> = (0..count).map(|_| random.random_range(1..900_000)).collect();
    if sorted {
        positions.sort_unstable();
    }
    for position in positions {
        let name: u64 = random.random();
        let bases: String = (0..100).map(|_| char::from(b"ACGT"[random.random_range(0..4)])).collect();
        let qualities: String = (0..100).map(|_| char::from(random.random_range(b'#'..=b'J'))).collect();
        writeln!(text, "{name}\t0\tchr1\t{position}\t60\t100M\t*\t0\t0\t{bases}\t{qualities}\tXN:Z:{name}")
            .unwrap();
    }
    text
}

/// Opens a data folder whose files stay small.
pub(crate) fn open(folder: &Path) -> Storage {
    let config = genomdb_storage::Config {
        segment_bytes: 1 << 20,
        checkpoint_bytes: 1 << 20,
        disk_reserve_bytes: 1 << 20,
        ..genomdb_storage::Config::default()
    };
    Storage::open(folder.join("data"), config).unwrap()
}

/// Loads text as the file `name`; `folder` has room for a spill.
pub(crate) fn load_from(
    storage: &Storage,
    folder: &Path,
    reader: impl io::Read + Send + 'static,
    name: &str,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<LoadReport, LoadError> {
    let source = Source::Reader { name: name.to_owned(), reader: Box::new(reader) };
    let mut config = Config {
        memory_bytes: 500_000,
        batch_bytes: 20_000,
        write_bytes: 20_000,
        spill_folder: folder.join("spill"),
        ..Config::default()
    };
    config.block.records_max = 100;
    let request = LoadRequest { config, ..LoadRequest::new(source, "main", "reads") };
    load(storage, request, on_progress, &CancelToken::new())
}

/// Loads a text that cannot fail.
pub(crate) fn load_text(storage: &Storage, folder: &Path, text: &str, name: &str) -> LoadReport {
    let reader = io::Cursor::new(text.as_bytes().to_vec());
    load_from(storage, folder, reader, name, &|_| {}).unwrap()
}

/// Returns a source as SAM text.
pub(crate) fn dump(storage: &Storage, source: &str) -> String {
    let catalog = read_catalog(storage).unwrap();
    let mut reader = read_source(storage, &catalog, "main", "reads", source, Config::default()).unwrap();
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

/// Returns the names of the sources of the table.
pub(crate) fn sources(storage: &Storage) -> Vec<String> {
    let catalog = read_catalog(storage).unwrap();
    let tables = catalog.tables.iter();
    tables.flat_map(|table| table.sources.iter().map(|source| source.name.clone())).collect()
}

/// Counts every key.
pub(crate) fn key_count(storage: &Storage) -> usize {
    let mut count = 0;
    let mut next = Some(KeyRange::all());
    while let Some(range) = next {
        let page = storage.scan_keys_blocking(&range, ScanLimit::default()).unwrap();
        count += page.entries.len();
        next = page.next;
    }
    count
}
