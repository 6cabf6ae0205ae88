//! `cargo xtask bench`: ours and the peers found on the machine, side by side on one simulated file.
//!
//! Every line also checks that ours and the peer agree; a fast wrong answer fails the benchmark. Runs of the
//! two alternate, so that a slow minute of the machine hits both.

mod driver;
mod line;
mod loads;
mod machine;
mod process;
mod regions;
mod scans;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use serde_json::json;

use self::{driver::Driver, line::Line, machine::Machine};
use crate::{TaskError, say, simulate, verify::workspace_root};

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Reads of the simulated file.
    #[arg(long, default_value_t = 5_000_000)]
    reads: u64,
    /// Reads of a second file, loaded once, whose load must take no more memory; 0 leaves it out.
    #[arg(long, default_value_t = 0)]
    large_reads: u64,
    /// Where the simulated files, the data folders and the report lie; files that are there are used again.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Only these groups of lines.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Runs of each load; a query runs twice as often.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Python with pysam and polars-bio.
    #[arg(long, env = "GENOMDB_BENCH_PYTHON", default_value = "python3")]
    python: String,
    /// Folder with `genomdb` and `bench_driver` built already; without it they are built for release.
    #[arg(long)]
    binaries: Option<PathBuf>,
}

/// A group of lines that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// Loads, stored bytes, memory.
    Load,
    /// Filters and counts over the whole table.
    Scan,
    /// Regions: many in one query, one in each.
    Region,
}

/// What every group of lines needs.
struct Bench {
    sorted: Input,
    unsorted: Input,
    large: Option<Input>,
    dir: PathBuf,
    /// Folder of our release binaries.
    binaries: PathBuf,
    runs: usize,
    python: String,
    machine: Machine,
    lines: Vec<Line>,
}

/// A simulated BAM.
struct Input {
    path: PathBuf,
    records: u64,
}

/// Runs the task.
pub(crate) fn run(args: &BenchArgs) -> Result<(), TaskError> {
    let mut bench = Bench::prepare(args)?;
    let wants = |group| args.only.is_empty() || args.only.contains(&group);
    if wants(Group::Load) {
        bench.loads()?;
    }
    let data = bench.loaded_folder()?;
    if wants(Group::Scan) {
        bench.scans(&data)?;
    }
    if wants(Group::Region) {
        bench.regions(&data)?;
    }
    bench.report()
}

impl Bench {
    fn prepare(args: &BenchArgs) -> Result<Self, TaskError> {
        fs::create_dir_all(&args.dir).map_err(TaskError::file(&args.dir))?;
        let dir = args.dir.canonicalize().map_err(TaskError::file(&args.dir))?;
        let machine = machine::describe(&args.python);
        if !machine.missing.is_empty() {
            say(&format!("not here, so not measured: {}", machine.missing.join(", ")))?;
        }
        if !machine.has("samtools") {
            return Err(TaskError::Input("samtools is not installed; every goal is against it".to_owned()));
        }
        let binaries = match &args.binaries {
            Some(folder) => folder.canonicalize().map_err(TaskError::file(folder))?,
            None => build()?,
        };
        let input = |reads: u64, unsorted: bool| {
            let name = if unsorted { format!("{reads}.unsorted.bam") } else { format!("{reads}.bam") };
            simulated(&dir.join(name), reads, unsorted)
        };
        Ok(Self {
            sorted: input(args.reads, false)?,
            unsorted: input(args.reads, true)?,
            large: if args.large_reads > 0 { Some(input(args.large_reads, false)?) } else { None },
            dir,
            binaries,
            runs: args.runs.max(1),
            python: args.python.clone(),
            machine,
            lines: Vec::new(),
        })
    }

    /// One of our programs.
    fn program(&self, name: &str) -> String {
        self.binaries.join(name).display().to_string()
    }

    fn driver(&self, data: &Path) -> Result<Driver, TaskError> {
        Driver::start(&self.binaries.join("bench_driver"), data)
    }

    /// Fails unless ours and the peer's agree.
    fn agree(&self, what: &str, ours: &str, peer: &str) -> Result<(), TaskError> {
        if ours == peer {
            return Ok(());
        }
        Err(TaskError::Input(format!("{what}: ours is {ours}, the peer's is {peer}")))
    }

    /// Takes a line into the report, and shows it at once.
    fn add(&mut self, line: Line) -> Result<(), TaskError> {
        say(&line.markdown())?;
        self.lines.push(line);
        Ok(())
    }

    /// Writes the table and the JSON beside the data.
    fn report(&self) -> Result<(), TaskError> {
        let rows: Vec<String> = self.lines.iter().map(Line::markdown).collect();
        let table = format!("{}\n{}\n", line::MARKDOWN_HEAD, rows.join("\n"));
        say(&format!("\n{table}"))?;
        let report = json!({
            "machine": self.machine.description,
            "records": self.sorted.records,
            "lines": self.lines.iter().map(Line::json).collect::<Vec<_>>(),
        });
        for (name, text) in [("bench.md", table), ("bench.json", format!("{report:#}\n"))] {
            let path = self.dir.join(name);
            fs::write(&path, text).map_err(TaskError::file(&path))?;
            say(&format!("written: {}", path.display()))?;
        }
        Ok(())
    }
}

/// Builds what is measured, for release, and says where it lies.
fn build() -> Result<PathBuf, TaskError> {
    let root = workspace_root()?;
    let start = |source| TaskError::Start { program: "cargo".to_owned(), source };
    let cargo = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args(args).current_dir(&root);
        command
    };
    let built = cargo(&["build", "--release", "--bin", "genomdb", "--bin", "bench_driver"]).status();
    let status = built.map_err(start)?;
    if !status.success() {
        return Err(TaskError::Input(format!("cargo build --release: {status}")));
    }
    let metadata = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output().map_err(start)?;
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout)
        .map_err(|error| TaskError::Input(format!("cargo metadata: {error}")))?;
    let target = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    target
        .map(|target| Path::new(target).join("release"))
        .ok_or_else(|| TaskError::Input("cargo metadata names no target directory".to_owned()))
}

/// A simulated file: the one that lies there, or a new one.
fn simulated(path: &Path, reads: u64, unsorted: bool) -> Result<Input, TaskError> {
    let is_there = path.try_exists().map_err(TaskError::file(path))?;
    if !is_there {
        let partial = path.with_extension("partial");
        simulate::write(reads, unsorted, &partial)?;
        fs::rename(&partial, path).map_err(TaskError::file(path))?;
    }
    let path_text = path.display().to_string();
    if !unsorted {
        let index = format!("{path_text}.bai");
        if !Path::new(&index).try_exists().map_err(TaskError::file(&index))? {
            process::run("samtools", &["index", "-@2", &path_text], process::Output::Discard)?;
        }
    }
    let counted = process::run("samtools", &["view", "-c", "-@2", &path_text], process::Output::Keep)?;
    let records = String::from_utf8_lossy(&counted.stdout).trim().parse();
    let records =
        records.map_err(|_| TaskError::Input(format!("samtools counts no records in {path_text}")))?;
    Ok(Input { path: path.to_owned(), records })
}
