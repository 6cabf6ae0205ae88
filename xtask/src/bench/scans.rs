//! Filters and counts over the whole table, in a process already open and in a fresh one.

use std::path::Path;

use serde_json::{Value, json};

use super::{
    Bench,
    line::{Goal, Line, Measure},
    process::{self, Output},
    regions::python,
};
use crate::TaskError;

/// What `samtools view -c` is asked, and the same in GQL.
const FILTER: [&str; 6] = ["view", "-c", "-@2", "-f2", "-F1796", "-q30"];
const FILTER_QUERY: &str = "SELECT count(*) AS n FROM reads \
    WHERE flags_all(flag, 2) AND flags_none(flag, 1796) AND mapq >= 30";

/// The sixteen counts of `samtools flagstat` as one query, in the order of [`FLAGSTAT_FIELDS`]: records are
/// counted by FLAG, of which there are a few dozen, and everything else follows from these few rows.
const FLAGSTAT_QUERY: &str = "WITH by_flag AS ( \
    SELECT flag, count(*) AS n, \
        count(*) FILTER (WHERE mate_chrom <> chrom) AS elsewhere, \
        count(*) FILTER (WHERE mate_chrom <> chrom AND mapq >= 5) AS elsewhere_sure \
    FROM reads GROUP BY flag) \
    SELECT sum(n), \
    sum(n) FILTER (WHERE flags_none(flag, 2304)), \
    sum(n) FILTER (WHERE is_secondary(flag)), \
    sum(n) FILTER (WHERE is_supplementary(flag)), \
    sum(n) FILTER (WHERE is_duplicate(flag)), \
    sum(n) FILTER (WHERE is_duplicate(flag) AND flags_none(flag, 2304)), \
    sum(n) FILTER (WHERE flags_none(flag, 4)), \
    sum(n) FILTER (WHERE flags_none(flag, 2308)), \
    sum(n) FILTER (WHERE flags_all(flag, 1) AND flags_none(flag, 2304)), \
    sum(n) FILTER (WHERE flags_all(flag, 65) AND flags_none(flag, 2304)), \
    sum(n) FILTER (WHERE flags_all(flag, 129) AND flags_none(flag, 2304)), \
    sum(n) FILTER (WHERE flags_all(flag, 3) AND flags_none(flag, 2308)), \
    sum(n) FILTER (WHERE flags_all(flag, 1) AND flags_none(flag, 2316)), \
    sum(n) FILTER (WHERE flags_all(flag, 9) AND flags_none(flag, 2308)), \
    sum(elsewhere) FILTER (WHERE flags_all(flag, 1) AND flags_none(flag, 2316)), \
    sum(elsewhere_sure) FILTER (WHERE flags_all(flag, 1) AND flags_none(flag, 2316)) \
    FROM by_flag";
/// The same fields in `samtools flagstat -O json`.
const FLAGSTAT_FIELDS: [&str; 16] = [
    "total",
    "primary",
    "secondary",
    "supplementary",
    "duplicates",
    "primary duplicates",
    "mapped",
    "primary mapped",
    "paired in sequencing",
    "read1",
    "read2",
    "properly paired",
    "with itself and mate mapped",
    "singletons",
    "with mate mapped to a different chr",
    "with mate mapped to a different chr (mapQ >= 5)",
];

impl Bench {
    /// Measures every line about scans of the whole table.
    pub(super) fn scans(&mut self, data: &Path) -> Result<(), TaskError> {
        let bam = self.sorted.path.display().to_string();
        let filter: Vec<&str> = FILTER.into_iter().chain([bam.as_str()]).collect();
        let flagstat = ["flagstat", "-@2", "-O", "json", &bam];
        let peer_count = process::run("samtools", &filter, Output::Keep)?;
        let peer_count = String::from_utf8_lossy(&peer_count.stdout).trim().to_owned();
        let peer_flagstat = flagstat_counts(&process::run("samtools", &flagstat, Output::Keep)?.stdout)?;

        let mut driver = self.driver(data)?;
        self.agree("filter and count", &driver.cells(FILTER_QUERY)?.concat().join(" "), &peer_count)?;
        self.agree("flagstat", &driver.cells(FLAGSTAT_QUERY)?.concat().join(" "), &peer_flagstat)?;
        let jobs = [
            ("filter and count", FILTER_QUERY, filter.as_slice(), "samtools view -c -@2"),
            ("flagstat as one query", FLAGSTAT_QUERY, flagstat.as_slice(), "samtools flagstat -@2"),
        ];
        let mut samtools_runs = Vec::new();
        for (name, query, args, peer_name) in jobs {
            let answer = driver.query(query, 2 * self.runs)?;
            let mut peer = Vec::new();
            for _ in 0..self.runs {
                peer.push(process::run("samtools", args, Output::Discard)?.seconds);
            }
            samtools_runs.push(peer.clone());
            let planning = Measure::seconds(answer.plan_seconds).median();
            let peer = Some((peer_name.to_owned(), Measure::seconds(peer)));
            let ours = Measure::seconds(answer.seconds);
            let mut line = Line::new(&format!("{name}, open process"), ours, peer, Goal::TimesFaster(30.0));
            line.note = format!("of it planning {:.2} ms", planning * 1e3);
            if query == FILTER_QUERY {
                line.others = self.other_counts(&bam, &peer_count)?;
            }
            self.add(line)?;
        }
        drop(driver);
        for ((name, query, _, peer_name), peer) in jobs.into_iter().zip(samtools_runs) {
            let seconds = self.fresh(data, query)?;
            let peer = Some((peer_name.to_owned(), Measure::seconds(peer)));
            let ours = Measure::seconds(seconds);
            self.add(Line::new(&format!("{name}, fresh process"), ours, peer, Goal::TimesFaster(5.0)))?;
        }
        Ok(())
    }

    /// Runs a query in a process of its own, several times.
    pub(super) fn fresh(&self, data: &Path, query: &str) -> Result<Vec<f64>, TaskError> {
        let data = data.display().to_string();
        let args = ["query", "--format", "tsv", "--data", &data, query];
        let once = || Ok(process::run(&self.program("genomdb"), &args, Output::Discard)?.seconds);
        (0..2 * self.runs).map(|_| once()).collect()
    }

    /// The other tools on the filter and count.
    fn other_counts(&self, bam: &str, expected: &str) -> Result<Vec<(String, Measure)>, TaskError> {
        let mut others = Vec::new();
        if self.machine.has("sambamba") {
            let filter = "proper_pair and not (unmapped or secondary_alignment or failed_quality_control or \
                          duplicate) and mapping_quality >= 30";
            let args = ["view", "-q", "-c", "-t2", "-F", filter, bam];
            let mut seconds = Vec::new();
            for _ in 0..self.runs {
                let counted = process::run("sambamba", &args, Output::Keep)?;
                self.agree("sambamba's count", String::from_utf8_lossy(&counted.stdout).trim(), expected)?;
                seconds.push(counted.seconds);
            }
            others.push(("sambamba view -c -t2".to_owned(), Measure::seconds(seconds)));
        }
        if self.machine.has("polars_bio") {
            let request = json!({ "bam": bam, "runs": self.runs });
            let answer = python(&self.python, include_str!("polars_bio_peer.py"), "", &request)?;
            let count = answer.get("count").and_then(Value::as_u64).unwrap_or_default().to_string();
            self.agree("polars-bio's count", &count, expected)?;
            others
                .push(("polars-bio, open process".to_owned(), Measure::seconds(numbers(&answer, "seconds"))));
        }
        Ok(others)
    }
}

/// The numbers of an array in an answer.
pub(super) fn numbers(answer: &Value, field: &str) -> Vec<f64> {
    let values = answer.get(field).and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// Passed and failed reads together, as the query counts them.
fn flagstat_counts(json: &[u8]) -> Result<String, TaskError> {
    let broken = |what: String| TaskError::Input(format!("samtools flagstat -O json: {what}"));
    let report: Value = serde_json::from_slice(json).map_err(|error| broken(error.to_string()))?;
    let count = |group: &str, field: &str| {
        let count = report.get(group).and_then(|group| group.get(field)?.as_u64());
        count.ok_or_else(|| broken(format!("no `{field}`")))
    };
    let total =
        |field: &&str| Ok((count("QC-passed reads", field)? + count("QC-failed reads", field)?).to_string());
    let counts: Result<Vec<String>, TaskError> = FLAGSTAT_FIELDS.iter().map(total).collect();
    Ok(counts?.join(" "))
}
