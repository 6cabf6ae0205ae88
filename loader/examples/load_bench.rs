//! Loads one file into a fresh or existing data folder, or into a cluster, and prints what it took, as
//! one line of JSON.
//!
//! `cargo run --release -p genomdb-loader --example load_bench -- FILE FOLDER|HOST:PORT,… [THREADS [MEMORY_MIB]]`

use std::{
    error::Error,
    fs,
    io::{self, Write},
    path::PathBuf,
    time::Instant,
};

use genomdb_formats::Source;
use genomdb_loader::{CancelToken, Config, LoadRequest, load};
use genomdb_storage::Storage;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(into)) = (arguments.next(), arguments.next()) else {
        return Err("usage: load_bench FILE FOLDER|HOST:PORT,… [THREADS [MEMORY_MIB]]".into());
    };
    let addresses: Vec<String> = into.split(',').map(str::to_owned).collect();
    let is_cluster = addresses.iter().all(|address| address.contains(':'));
    let spill_folder = if is_cluster { std::env::temp_dir() } else { PathBuf::from(&into).join("spill") };
    let mut config = Config { spill_folder, ..Config::default() };
    if let Some(threads) = arguments.next() {
        config.threads = threads.parse()?;
    }
    if let Some(memory) = arguments.next() {
        config.memory_bytes = memory.parse::<usize>()? << 20;
    }
    let source = if file == "-" { Source::Stdin } else { Source::Path(file.into()) };
    let request = LoadRequest { config, ..LoadRequest::new(source, "main", "reads") };
    let started = Instant::now();
    let storage = if is_cluster {
        Storage::connect(&addresses, genomdb_storage::Config::default())?
    } else {
        Storage::open(&into, genomdb_storage::Config::default())?
    };
    let report = load(&storage, request, &|_| {}, &CancelToken::new())?;
    let loaded = started.elapsed();
    let state_bytes = if is_cluster { 0 } else { storage.stats_blocking()?.state_bytes };
    storage.close_blocking()?;
    writeln!(
        io::stdout(),
        "{{\"records\":{},\"blocks\":{},\"stored_bytes\":{},\"state_bytes\":{},\"sorted_here\":{},\
         \"load_s\":{:.2},\"total_s\":{:.2},\"peak_mib\":{}}}",
        report.records,
        report.blocks,
        report.stored_bytes,
        state_bytes,
        report.sorted_here,
        loaded.as_secs_f64(),
        started.elapsed().as_secs_f64(),
        peak_mib().unwrap_or(0),
    )?;
    Ok(())
}

/// The most memory that this process ever had, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? >> 10)
}
