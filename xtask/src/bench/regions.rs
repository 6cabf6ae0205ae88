//! Regions: a thousand in one query, one in each of many queries, one in a fresh process.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    Bench,
    line::{Goal, Line, Measure},
    process::{self, Output},
    scans::numbers,
};
use crate::{TaskError, simulate::Random};

/// A region as a peer takes it: 0-based, half-open.
#[derive(Debug, Clone)]
struct Region {
    contig: String,
    start: u64,
    end: u64,
}

/// Regions in one query.
const REGIONS: usize = 1_000;
/// Bases of a region.
const REGION_BASES: u64 = 10_000;
/// Regions that are asked for one by one.
const SINGLE_REGIONS: usize = 400;
/// Regions that are asked for in fresh processes.
const FRESH_REGIONS: usize = 15;

const PYSAM: &str = include_str!("pysam_peer.py");
const COUNT_ONE: &str = "SELECT count(*) AS n FROM reads WHERE interval INTERSECTS $1";
const TAKE_ONE: &str = "SELECT * FROM reads WHERE interval INTERSECTS $1";

impl Region {
    /// As samtools and GQL write it: 1-based, closed.
    fn text(&self) -> String {
        format!("{}:{}-{}", self.contig, self.start + 1, self.end)
    }
}

impl Bench {
    /// Measures every line about regions.
    pub(super) fn regions(&mut self, data: &Path) -> Result<(), TaskError> {
        let regions = self.random_regions()?;
        if self.machine.has("pysam") {
            self.many_regions(data, &regions)?;
            self.single_regions(data, regions.get(..SINGLE_REGIONS).unwrap_or(&regions))?;
        }
        self.fresh_regions(data, regions.get(..FRESH_REGIONS).unwrap_or(&regions))
    }

    /// Draws regions evenly over the genome, the same ones in every run.
    fn random_regions(&self) -> Result<Vec<Region>, TaskError> {
        let bam = self.sorted.path.display().to_string();
        let index = process::run("samtools", &["idxstats", &bam], Output::Keep)?;
        let text = String::from_utf8_lossy(&index.stdout).into_owned();
        let contigs: Vec<(&str, u64)> = text
            .lines()
            .filter_map(|line| {
                let mut fields = line.split('\t');
                Some((fields.next()?, fields.next()?.parse::<u64>().ok()?.checked_sub(REGION_BASES)?))
            })
            .collect();
        let total: u64 = contigs.iter().map(|(_, room)| room).sum();
        let mut random = Random::new(20, 0, 0);
        let draw = |_| {
            let mut at = random.below(total.max(1));
            let holds = contigs.iter().find(|(_, room)| {
                let here = at < *room;
                at -= if here { 0 } else { *room };
                here
            });
            holds.map(|(contig, _)| Region {
                contig: (*contig).to_owned(),
                start: at,
                end: at + REGION_BASES,
            })
        };
        let regions: Vec<Region> = (0..REGIONS).filter_map(draw).collect();
        if regions.is_empty() {
            Err(TaskError::Input(format!("no contig of {bam} has 10 kb")))
        } else {
            Ok(regions)
        }
    }

    fn pysam(&self, mode: &str, regions: &[Region]) -> Result<Value, TaskError> {
        let regions: Vec<Value> =
            regions.iter().map(|region| json!([region.contig, region.start, region.end])).collect();
        python(&self.python, PYSAM, mode, &json!({ "bam": self.sorted.path, "regions": regions }))
    }

    fn many_regions(&mut self, data: &Path, regions: &[Region]) -> Result<(), TaskError> {
        let counting = counts_query(regions);
        let taking = taking_query(regions);
        let mut driver = self.driver(data)?;
        let counts = driver.cells(&counting)?.into_iter().flatten().collect::<Vec<_>>().join(" ");
        let peer = self.pysam("counts", regions)?;
        let peer_counts: Vec<String> =
            numbers(&peer, "counts").iter().map(|count| format!("{count:.0}")).collect();
        self.agree("records of each region", &counts, &peer_counts.join(" "))?;
        for (name, query, mode, goal) in [
            ("1,000 regions of 10 kb in one query, counts", &counting, "counts", 10.0),
            ("1,000 regions of 10 kb in one query, all columns", &taking, "all_columns", 3.0),
        ] {
            let answer = driver.query(query, 2 * self.runs)?;
            let mut seconds = Vec::new();
            let mut peer_rows = 0;
            for _ in 0..self.runs {
                let peer = self.pysam(mode, regions)?;
                seconds.extend(peer.get("seconds").and_then(Value::as_f64));
                peer_rows = peer.get("rows").and_then(Value::as_u64).unwrap_or_default();
            }
            let rows = answer.rows.first().copied().unwrap_or_default();
            if mode == "all_columns" {
                self.agree("rows of all regions", &rows.to_string(), &peer_rows.to_string())?;
            }
            let planning = Measure::seconds(answer.plan_seconds).median();
            let peer = Some((format!("pysam, {mode} in a loop"), Measure::seconds(seconds)));
            let mut line = Line::new(name, Measure::seconds(answer.seconds), peer, Goal::TimesFaster(goal));
            line.note = format!("{rows} rows, of it planning {:.2} ms", planning * 1e3);
            self.add(line)?;
        }
        Ok(())
    }

    fn single_regions(&mut self, data: &Path, regions: &[Region]) -> Result<(), TaskError> {
        let texts: Vec<String> = regions.iter().map(Region::text).collect();
        let peer = self.pysam("each", regions)?;
        let peer_rows = peer.get("rows").and_then(Value::as_u64).unwrap_or_default();
        let mut driver = self.driver(data)?;
        let lines = [
            ("one region of 10 kb, prepared, count, p50", COUNT_ONE, "fetch", "pysam fetch, counted"),
            (
                "one region of 10 kb, prepared, all columns, p50",
                TAKE_ONE,
                "columns",
                "pysam fetch, every field",
            ),
        ];
        for (name, query, field, peer_name) in lines {
            let answer = driver.prepared(query, &texts)?;
            if query == TAKE_ONE {
                let rows: u64 = answer.rows.iter().sum();
                self.agree("rows of single regions", &rows.to_string(), &peer_rows.to_string())?;
            }
            let (ours, planning) = (Measure::seconds(answer.seconds), Measure::seconds(answer.plan_seconds));
            let share = 100.0 * planning.median() / ours.median();
            let peer_seconds = Measure::seconds(numbers(&peer, field));
            let mut line =
                Line::new(name, ours, Some((peer_name.to_owned(), peer_seconds)), Goal::AtMost(1.0));
            line.note = format!("planning {:.2} ms, {share:.0} %", planning.median() * 1e3);
            if query == TAKE_ONE {
                line.others.push(("pysam fetch alone".to_owned(), Measure::seconds(numbers(&peer, "fetch"))));
            }
            self.add(line)?;
        }
        Ok(())
    }

    fn fresh_regions(&mut self, data: &Path, regions: &[Region]) -> Result<(), TaskError> {
        let bam = self.sorted.path.display().to_string();
        let data = data.display().to_string();
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for region in regions {
            let query = format!("SELECT * FROM reads WHERE interval INTERSECTS '{}'", region.text());
            let args = ["query", "--format", "tsv", "--data", &data, &query];
            ours.push(process::run(&self.program("genomdb"), &args, Output::Discard)?.seconds);
            let args = ["view", &bam, &region.text()];
            peer.push(process::run("samtools", &args, Output::Discard)?.seconds);
        }
        let peer = Some(("samtools view".to_owned(), Measure::seconds(peer)));
        let name = "one region of 10 kb, fresh process, all columns as text, p50";
        self.add(Line::new(name, Measure::seconds(ours), peer, Goal::BehindAtMost(0.025)))
    }
}

/// One query that counts the records of each region, in the regions' order.
fn counts_query(regions: &[Region]) -> String {
    format!(
        "WITH regions(id, chrom, \"start\", \"end\") AS (VALUES {}) \
         SELECT count(reads.flag) AS n FROM regions LEFT JOIN reads ON reads.chrom = regions.chrom \
         AND reads.\"start\" < regions.\"end\" AND reads.\"end\" > regions.\"start\" \
         GROUP BY regions.id ORDER BY regions.id",
        values(regions)
    )
}

/// One query that returns every column of every record of each region, once per region as pysam's loop does.
fn taking_query(regions: &[Region]) -> String {
    format!(
        "WITH regions(id, chrom, \"start\", \"end\") AS (VALUES {}) \
         SELECT regions.id, reads.* FROM regions JOIN reads ON reads.chrom = regions.chrom \
         AND reads.\"start\" < regions.\"end\" AND reads.\"end\" > regions.\"start\"",
        values(regions)
    )
}

fn values(regions: &[Region]) -> String {
    let row = |(id, region): (usize, &Region)| {
        format!("({id}, '{}', {}, {})", region.contig, region.start, region.end)
    };
    regions.iter().enumerate().map(row).collect::<Vec<_>>().join(", ")
}

/// Runs a Python program with a request on its standard input; it prints one JSON object.
pub(super) fn python(python: &str, program: &str, mode: &str, request: &Value) -> Result<Value, TaskError> {
    let start = |source| TaskError::Start { program: python.to_owned(), source };
    let folder = tempfile::tempdir().map_err(TaskError::file("a temporary folder"))?;
    let script = folder.path().join("peer.py");
    fs::write(&script, program).map_err(TaskError::file(&script))?;
    let mut command = Command::new(python);
    command.arg(&script).arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(request.to_string().as_bytes()).map_err(start)?;
    }
    let output = child.wait_with_output().map_err(start)?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| TaskError::Input(format!("{python} {mode}: {}, {error}", output.status)))
}
