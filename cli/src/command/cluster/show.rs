//! A cluster as tables for people.

use std::fmt::Write as _;

use genomdb_server::cluster::{
    KeyRange, NodeId, NodeStatus, RangeId, ReplicaChecksum, Space, Status, key_text, report,
};
use indicatif::HumanBytes;

/// The cluster in a few lines.
pub(super) fn status(status: &Status) -> String {
    let mut text = format!(
        "cluster {:016x}: {} ranges, {} copies of each wanted; {} with too few, {} unavailable\n\n",
        status.cluster.0,
        status.ranges.len(),
        status.replicas,
        status.under_replicated,
        status.unavailable,
    );
    let mut rows = vec![row(["node", "address", "state", "copies", "leaders", "disk used", "labels"])];
    rows.extend(status.nodes.iter().map(|node| {
        let labels: Vec<_> = node.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        [
            node.id.to_string(),
            node.address.clone(),
            state(node),
            node.replicas.to_string(),
            node.leaders.to_string(),
            disk(node),
            labels.join(" "),
        ]
    }));
    text.push_str(&table(&rows));
    if status.under_replicated > 0 && status.operators.is_empty() && status.nodes.iter().any(is_rather_full) {
        text.push_str(
            "\na node whose disk is fuller than placement.disk_used_percent_max (80 unless it was set when the \
             cluster was founded) gets no copies\n",
        );
    }
    if !status.operators.is_empty() {
        text.push_str("\nunder way:\n");
    }
    for operator in &status.operators {
        // Writing into a string does not fail.
        let _written = writeln!(
            text,
            "  range {}: {} ({}, {} s)",
            operator.range,
            operator.what,
            report::reason(operator.reason),
            operator.age.as_secs(),
        );
    }
    text
}

/// The ranges, a line each.
pub(super) fn ranges(status: &Status) -> String {
    let head = ["range", "keys", "leader", "voters", "healthy", "size", "writes/s", "reads/s"];
    let mut rows = vec![row(head)];
    rows.extend(status.ranges.iter().map(|range| {
        let leader = match range.leader {
            Some(leader) if range.available => leader.to_string(),
            Some(leader) => format!("({leader})"),
            None => "none".to_owned(),
        };
        let mut voters = list(range.voters.iter().copied());
        if !range.learners.is_empty() {
            voters = format!("{voters} +{}", list(range.learners.iter().copied()));
        }
        [
            range.descriptor.id.to_string(),
            keys(range.descriptor.space, &range.descriptor.keys),
            leader,
            voters,
            range.healthy.to_string(),
            HumanBytes(range.bytes).to_string(),
            range.writes_per_second.to_string(),
            range.reads_per_second.to_string(),
        ]
    }));
    table(&rows)
}

/// The checksums of replicas.
pub(super) fn checks(checked: &[(RangeId, Vec<ReplicaChecksum>)]) -> String {
    let mut rows = vec![row(["range", "node", "checksum", ""])];
    for (range, replicas) in checked {
        let verdict = if report::are_equal(replicas) { "" } else { "DIFFERS" };
        rows.extend(replicas.iter().map(|replica| {
            [
                range.to_string(),
                replica.node.to_string(),
                replica.checksum.map_or_else(|| "no answer".to_owned(), |sum| format!("{sum:016x}")),
                verdict.to_owned(),
            ]
        }));
    }
    table(&rows)
}

fn list(nodes: impl Iterator<Item = NodeId>) -> String {
    nodes.map(|node| node.to_string()).collect::<Vec<_>>().join(",")
}

fn keys(whose: Space, keys: &KeyRange) -> String {
    let start = key_text::write(&keys.start);
    let end = keys.end.as_deref().map_or_else(String::new, key_text::write);
    match whose {
        Space::User => format!("{start}..{end}"),
        Space::Placement => format!("{}: {start}..{end}", report::space(whose)),
    }
}

fn state(node: &NodeStatus) -> String {
    let word = report::state(node.state);
    if node.live { word.to_owned() } else { format!("{word}, silent {} s", node.silent.as_secs()) }
}

fn disk(node: &NodeStatus) -> String {
    if node.capacity_bytes == 0 {
        return "not known".to_owned();
    }
    let used = node.capacity_bytes.saturating_sub(node.free_bytes);
    format!("{} of {}", HumanBytes(used), HumanBytes(node.capacity_bytes))
}

/// Whether a node gets no copies because of its disk, if nothing else was set.
fn is_rather_full(node: &NodeStatus) -> bool {
    let used = node.capacity_bytes.saturating_sub(node.free_bytes);
    u128::from(used) * 100 > u128::from(node.capacity_bytes) * 80
}

fn row<const N: usize>(words: [&str; N]) -> [String; N] {
    words.map(str::to_owned)
}

/// Columns that begin below each other, two spaces apart.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            // Writing into a string does not fail.
            let _written = write!(line, "{cell:width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_below_each_other() {
        let rows = [row(["a", "long head"]), row(["ää", "b"]), row(["ccc", ""])];
        assert_eq!(table(&rows), "a    long head\nää   b\nccc\n");
    }
}
