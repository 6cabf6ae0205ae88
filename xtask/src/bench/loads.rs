//! Loads against `samtools sort`, stored bytes against the BAM's, and the memory that a load takes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Bench,
    line::{Goal, Line, Measure},
    machine::disk_bytes,
    process::{self, Output},
};
use crate::TaskError;

/// Memory that a load may take.
const PEAK_BYTES_MAX: f64 = (1u64 << 30) as f64;

/// Runs of one load: seconds, peak bytes, and what the folder takes on the disk.
#[derive(Debug, Default)]
struct Loads {
    seconds: Vec<f64>,
    peak_bytes: Vec<f64>,
    stored_bytes: Vec<f64>,
}

impl Bench {
    /// Measures every line about loading.
    pub(super) fn loads(&mut self) -> Result<(), TaskError> {
        let sorted = self.sorted.path.clone();
        let unsorted = self.unsorted.path.clone();
        let kept = self.data_folder();
        let goals = [
            ("load, sorted BAM", sorted.as_path(), Goal::AtMost(0.7), kept),
            ("load, unsorted BAM", unsorted.as_path(), Goal::AtMost(1.0), self.dir.join("data.unsorted")),
        ];
        let mut peaks = Vec::new();
        for (name, input, goal, data) in goals {
            let (ours, samtools, sambamba) = self.compare_loads(input, &data)?;
            let mut line = Line::new(
                name,
                Measure::seconds(ours.seconds),
                Some(("samtools sort -@2".to_owned(), Measure::seconds(samtools))),
                goal,
            );
            if !sambamba.is_empty() {
                line.others.push(("sambamba sort -t2".to_owned(), Measure::seconds(sambamba)));
            }
            self.add(line)?;
            if input == sorted {
                let bam_bytes = fs::metadata(input).map_err(TaskError::file(input))?.len() as f64;
                let stored = Measure::bytes(ours.stored_bytes);
                let bam = ("the BAM".to_owned(), Measure::bytes(vec![bam_bytes]));
                self.add(Line::new(
                    "stored bytes, whole data folder",
                    stored,
                    Some(bam),
                    Goal::AtMost(0.70),
                ))?;
            } else {
                remove(&data)?;
            }
            peaks.push((format!("peak memory, {name}"), ours.peak_bytes));
        }
        for (name, bytes) in &peaks {
            self.add(Line::new(name, Measure::bytes(bytes.clone()), None, Goal::Below(PEAK_BYTES_MAX)))?;
        }
        let smaller = peaks.first().map(|(_, bytes)| Measure::bytes(bytes.clone()));
        self.large_load(smaller)
    }

    /// A data folder with the sorted file in it, loaded now if no earlier run left it.
    pub(super) fn loaded_folder(&self) -> Result<PathBuf, TaskError> {
        let data = self.data_folder();
        let there = data.try_exists().map_err(TaskError::file(&data))?;
        if !there {
            self.load(&self.sorted.path, &data)?;
        }
        Ok(data)
    }

    /// Where the sorted file's data folder lies; kept from one run of the benchmark to the next.
    fn data_folder(&self) -> PathBuf {
        self.dir.join(format!("data-{}", self.sorted.records))
    }

    /// Loads a file into a fresh folder.
    fn load(&self, input: &Path, data: &Path) -> Result<process::Finished, TaskError> {
        remove(data)?;
        let (input, data) = (input.display().to_string(), data.display().to_string());
        let args = ["load", "--quiet", "--threads", "2", "--data", &data, &input];
        process::run(&self.program("genomdb"), &args, Output::Discard)
    }

    fn compare_loads(&self, input: &Path, data: &Path) -> Result<(Loads, Vec<f64>, Vec<f64>), TaskError> {
        let (mut ours, mut samtools, mut sambamba) = (Loads::default(), Vec::new(), Vec::new());
        let path = input.display().to_string();
        let out = self.dir.join("peer.bam");
        let out_path = out.display().to_string();
        for _ in 0..self.runs {
            let loaded = self.load(input, data)?;
            ours.seconds.push(loaded.seconds);
            ours.peak_bytes.push(loaded.peak_bytes as f64);
            ours.stored_bytes.push(disk_bytes(data).map_err(TaskError::file(data))? as f64);
            let sorted = ["sort", "-@2", "-o", &out_path, &path];
            samtools.push(process::run("samtools", &sorted, Output::Discard)?.seconds);
            if self.machine.has("sambamba") {
                let sorted = ["sort", "-t2", "-q", "-o", &out_path, &path];
                sambamba.push(process::run("sambamba", &sorted, Output::Discard)?.seconds);
            }
        }
        for extra in [out.clone(), out.with_extension("bam.bai")] {
            remove(&extra)?;
        }
        self.check_records(data)?;
        Ok((ours, samtools, sambamba))
    }

    /// The table holds as many records as the file.
    fn check_records(&self, data: &Path) -> Result<(), TaskError> {
        let data = data.display().to_string();
        let args = ["query", "--format", "csv", "--data", &data, "SELECT count(*) AS n FROM reads"];
        let counted = process::run(&self.program("genomdb"), &args, Output::Keep)?;
        let text = String::from_utf8_lossy(&counted.stdout);
        let ours = text.lines().next_back().unwrap_or_default();
        self.agree("records of a load", ours, &self.sorted.records.to_string())
    }

    /// Memory must not grow with the file.
    fn large_load(&mut self, smaller: Option<Measure>) -> Result<(), TaskError> {
        let Some(large) = &self.large else { return Ok(()) };
        let data = self.dir.join("data.large");
        let loaded = self.load(&large.path, &data)?;
        remove(&data)?;
        let peer = smaller.map(|smaller| (format!("{} records", self.sorted.records), smaller));
        let peak = Measure::bytes(vec![loaded.peak_bytes as f64]);
        // Five per cent for what the allocator does not give back twice alike.
        let name = format!("peak memory, load of {} records", large.records);
        let mut line = Line::new(&name, peak, peer, Goal::AtMost(1.05));
        line.note = format!("loaded in {:.0} s", loaded.seconds);
        self.add(line)
    }
}

/// Removes a file or a folder with all in it, if it is there.
fn remove(path: &Path) -> Result<(), TaskError> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(TaskError::file(path))
}
