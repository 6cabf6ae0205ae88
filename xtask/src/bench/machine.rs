//! What the benchmark ran on, since ratios hold only side by side and seconds only on one machine.

use std::{fs, path::Path, thread};

use serde_json::{Value, json};

use super::process::version;

/// A tool by name and what it says of its version, if it is there.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) description: Value,
    pub(crate) missing: Vec<&'static str>,
}

/// Looks at the machine and the tools on it.
pub(crate) fn describe(python: &str) -> Machine {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let module = |name: &str| {
        let program = format!("import {name}; print({name}.__version__)");
        let output = std::process::Command::new(python).args(["-c", &program]).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let tools = [
        ("samtools", version("samtools", "--version")),
        ("sambamba", version("sambamba", "--version")),
        ("pysam", module("pysam")),
        ("polars_bio", module("polars_bio")),
    ];
    let missing = tools.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| *name).collect();
    let description = json!({
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": field("/proc/meminfo", "MemTotal"),
        "system": fs::read_to_string("/proc/version").unwrap_or_default().trim(),
        "rustc": version("rustc", "--version"),
        "tools": tools.into_iter().map(|(name, version)| (name.to_owned(), json!(version)))
            .collect::<serde_json::Map<_, _>>(),
    });
    Machine { description, missing }
}

impl Machine {
    /// Whether a tool is here.
    pub(crate) fn has(&self, tool: &str) -> bool {
        !self.missing.contains(&tool)
    }
}

/// Bytes that a folder or file takes on the disk, holes and rounding as the file system counts them.
pub(crate) fn disk_bytes(path: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Ok(metadata.blocks() * 512);
    }
    fs::read_dir(path)?.map(|entry| disk_bytes(&entry?.path())).sum()
}
