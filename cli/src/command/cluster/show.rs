//! A cluster as tables for people and as JSON for programs.

use std::fmt::Write as _;

use genomdb_server::cluster::{
    KeyRange, NodeId, NodeState, NodeStatus, OperatorStatus, RangeId, RangeStatus, Reason, ReplicaChecksum,
    Space, Status,
};
use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::key_text;

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
            reason(operator.reason),
            operator.age.as_secs(),
        );
    }
    text
}

/// The same for programs; numbers of bytes and milliseconds, no words.
pub(super) fn status_json(status: &Status) -> Value {
    json!({
        "cluster": format!("{:016x}", status.cluster.0),
        "replicas": status.replicas,
        "under_replicated": status.under_replicated,
        "unavailable": status.unavailable,
        "down": numbers(&status.down),
        "nodes": status.nodes.iter().map(node_json).collect::<Vec<_>>(),
        "ranges": status.ranges.len(),
        "operators": status.operators.iter().map(operator_json).collect::<Vec<_>>(),
    })
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

/// The same for programs.
pub(super) fn ranges_json(status: &Status) -> Value {
    json!({ "ranges": status.ranges.iter().map(range_json).collect::<Vec<_>>() })
}

/// The checksums of replicas.
pub(super) fn checks(checked: &[(RangeId, Vec<ReplicaChecksum>)]) -> String {
    let mut rows = vec![row(["range", "node", "checksum", ""])];
    for (range, replicas) in checked {
        let verdict = if super::are_equal(replicas) { "" } else { "DIFFERS" };
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

/// The same for programs; a checksum is hexadecimal, as numbers of 64 bits are not safe in JSON.
pub(super) fn checks_json(checked: &[(RangeId, Vec<ReplicaChecksum>)]) -> Value {
    let replica = |replica: &ReplicaChecksum| json!({ "node": replica.node.0, "checksum": replica.checksum.map(|sum| format!("{sum:016x}")) });
    let range = |(range, replicas): &(RangeId, Vec<ReplicaChecksum>)| {
        json!({
            "range": range.0,
            "equal": super::are_equal(replicas),
            "replicas": replicas.iter().map(replica).collect::<Vec<_>>(),
        })
    };
    json!({ "ranges": checked.iter().map(range).collect::<Vec<_>>() })
}

fn node_json(node: &NodeStatus) -> Value {
    json!({
        "id": node.id.0,
        "address": node.address,
        "labels": node.labels,
        "state": state_word(node.state),
        "live": node.live,
        "silent_ms": milliseconds(node.silent),
        "capacity_bytes": node.capacity_bytes,
        "free_bytes": node.free_bytes,
        "replicas": node.replicas,
        "leaders": node.leaders,
    })
}

fn operator_json(operator: &OperatorStatus) -> Value {
    json!({
        "range": operator.range.0,
        "reason": reason(operator.reason),
        "what": operator.what,
        "age_ms": milliseconds(operator.age),
    })
}

fn range_json(range: &RangeStatus) -> Value {
    json!({
        "id": range.descriptor.id.0,
        "space": space(range.descriptor.space),
        "start": key_text::write(&range.descriptor.keys.start),
        "end": range.descriptor.keys.end.as_deref().map(key_text::write),
        "version": range.descriptor.version,
        "leader": range.leader.map(|leader| leader.0),
        "voters": numbers(&range.voters),
        "learners": numbers(&range.learners),
        "healthy": range.healthy,
        "available": range.available,
        "bytes": range.bytes,
        "writes_per_second": range.writes_per_second,
        "reads_per_second": range.reads_per_second,
    })
}

fn numbers<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> Vec<u64> {
    nodes.into_iter().map(|node| node.0).collect()
}

fn list(nodes: impl Iterator<Item = NodeId>) -> String {
    nodes.map(|node| node.to_string()).collect::<Vec<_>>().join(",")
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn keys(whose: Space, keys: &KeyRange) -> String {
    let start = key_text::write(&keys.start);
    let end = keys.end.as_deref().map_or_else(String::new, key_text::write);
    match whose {
        Space::User => format!("{start}..{end}"),
        Space::Placement => format!("{}: {start}..{end}", space(whose)),
    }
}

const fn space(space: Space) -> &'static str {
    match space {
        Space::User => "data",
        Space::Placement => "placement",
    }
}

const fn state_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Active => "active",
        NodeState::Draining => "draining",
        NodeState::Removed => "removed",
    }
}

fn state(node: &NodeStatus) -> String {
    let word = state_word(node.state);
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

const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Manual => "asked for",
        Reason::Repair => "repair",
        Reason::Drain => "drain",
        Reason::Domains => "failure domains",
        Reason::Split => "split",
        Reason::Leaders => "balance of leaders",
        Reason::Balance => "balance",
        Reason::Hot => "load",
    }
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
