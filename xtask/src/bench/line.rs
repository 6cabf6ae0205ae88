//! One line of the benchmark: what was measured, against whom, and whether the goal is met.

use serde_json::{Value, json};

/// A measured quantity: the runs and their unit.
#[derive(Debug, Clone)]
pub(crate) struct Measure {
    runs: Vec<f64>,
    unit: Unit,
}

/// What the runs count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Bytes,
}

/// What ours owes the peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Ours is at most so many times the peer's.
    AtMost(f64),
    /// Ours is at least so many times faster.
    TimesFaster(f64),
    /// Ours is at most so many seconds behind.
    BehindAtMost(f64),
    /// Ours alone stays below.
    Below(f64),
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) ours: Measure,
    /// The tool that the goal names.
    pub(crate) peer: Option<(String, Measure)>,
    pub(crate) goal: Goal,
    /// Other tools on the same job, for comparison.
    pub(crate) others: Vec<(String, Measure)>,
    /// Anything that must be known to read the figure.
    pub(crate) note: String,
}

impl Measure {
    pub(crate) fn seconds(runs: Vec<f64>) -> Self {
        Self { runs, unit: Unit::Seconds }
    }

    pub(crate) fn bytes(runs: Vec<f64>) -> Self {
        Self { runs, unit: Unit::Bytes }
    }

    /// The middle run; of an even number the lower one.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.runs.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    fn text(&self) -> String {
        let median = self.median();
        match self.unit {
            Unit::Bytes => format!("{:.1} MB", median / 1e6),
            Unit::Seconds if median < 0.1 => format!("{:.2} ms", median * 1e3),
            Unit::Seconds => format!("{median:.2} s"),
        }
    }
}

impl Line {
    /// A line against one peer.
    pub(crate) fn new(name: &str, ours: Measure, peer: Option<(String, Measure)>, goal: Goal) -> Self {
        Self { name: name.to_owned(), ours, peer, goal, others: Vec::new(), note: String::new() }
    }

    /// The figure that the goal is about, as text, and whether it is met; None where there is no peer.
    fn verdict(&self) -> Option<(String, String, bool)> {
        let ours = self.ours.median();
        let peer = self.peer.as_ref().map(|(_, measure)| measure.median());
        match (self.goal, peer) {
            (Goal::Below(bound), _) => {
                Some((String::new(), format!("< {}", Measure::bytes(vec![bound]).text()), ours < bound))
            }
            (Goal::AtMost(bound), Some(peer)) => {
                Some((format!("{:.2}", ours / peer), format!("<= {bound:.2}"), ours / peer <= bound))
            }
            (Goal::TimesFaster(bound), Some(peer)) => {
                Some((format!("{:.1}x", peer / ours), format!(">= {bound}x"), peer / ours >= bound))
            }
            (Goal::BehindAtMost(bound), Some(peer)) => {
                let behind = format!("{:+.1} ms", (ours - peer) * 1e3);
                Some((behind, format!("<= {:.0} ms", bound * 1e3), ours - peer <= bound))
            }
            _ => None,
        }
    }

    /// The line as a row of the Markdown table.
    pub(crate) fn markdown(&self) -> String {
        let (figure, goal, met) = self.verdict().map_or_else(Default::default, |(figure, goal, met)| {
            (figure, goal, if met { "met" } else { "MISSED" })
        });
        let of = |(name, measure): &(String, Measure)| format!("{} ({name})", measure.text());
        let others: Vec<String> = self.others.iter().map(of).collect();
        let peer = self.peer.as_ref().map(of).unwrap_or_default();
        let cells =
            [&self.name, &self.ours.text(), &peer, &figure, &goal, met, &others.join(", "), &self.note];
        format!("| {} |", cells.join(" | "))
    }

    /// The line with all its runs.
    pub(crate) fn json(&self) -> Value {
        let measure = |measure: &Measure| json!({ "median": measure.median(), "runs": measure.runs });
        let named = |(name, of): &(String, Measure)| json!({ "tool": name, "measure": measure(of) });
        let verdict = self.verdict();
        json!({
            "name": self.name,
            "unit": if self.ours.unit == Unit::Bytes { "bytes" } else { "seconds" },
            "ours": measure(&self.ours),
            "peer": self.peer.as_ref().map(named),
            "others": self.others.iter().map(named).collect::<Vec<_>>(),
            "figure": verdict.as_ref().map(|(figure, ..)| figure),
            "goal": verdict.as_ref().map(|(_, goal, _)| goal),
            "met": verdict.as_ref().map(|(.., met)| met),
            "note": self.note,
        })
    }
}

/// The two lines that stand above the rows.
pub(crate) const MARKDOWN_HEAD: &str = "| measured | ours | peer | figure | goal | verdict | others | note |\n\
                                        |---|---|---|---|---|---|---|---|";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(goal: Goal, ours: f64, peer: f64, expected: &str) {
        let peer = Some(("samtools".to_owned(), Measure::seconds(vec![peer])));
        let row = Line::new("x", Measure::seconds(vec![ours]), peer, goal).markdown();
        assert!(row.contains(expected), "{row}");
    }

    #[test]
    fn verdicts_follow_the_goal() {
        check(Goal::AtMost(0.7), 6.0, 10.0, "| 0.60 | <= 0.70 | met |");
        check(Goal::AtMost(0.7), 8.0, 10.0, "| 0.80 | <= 0.70 | MISSED |");
        check(Goal::TimesFaster(30.0), 0.1, 4.0, "| 40.0x | >= 30x | met |");
        check(Goal::BehindAtMost(0.025), 0.050, 0.010, "| +40.0 ms | <= 25 ms | MISSED |");
        let memory = Line::new("m", Measure::bytes(vec![2e9, 5e8, 6e8]), None, Goal::Below(1e9));
        assert!(
            memory.markdown().contains("| 600.0 MB |  |  | < 1000.0 MB | met |"),
            "{}",
            memory.markdown()
        );
    }
}
