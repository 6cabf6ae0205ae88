//! The bytes of what nodes and the placement driver tell each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;

use super::Peer;
use crate::{
    fields::{self, Reader, Writer},
    placement::{
        ClusterId, Follower, Join, NodeReport, NodeState, NodeStatus, OperatorStatus, Order, RangeReport,
        RangeStatus, Reason, ReplicaPhase, ReplicaReport, Status,
    },
    range::{NodeId, RangeId},
};

/// What the driver answers to a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) orders: Vec<Order>,
    /// All nodes of the cluster.
    pub(crate) peers: Vec<Peer>,
    /// What a leader must hold a change of voters against.
    pub(crate) lag_max: u64,
    pub(crate) silent_max: Duration,
}

/// What the driver answers to a node that joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) node: NodeId,
    pub(crate) cluster: u64,
    pub(crate) peers: Vec<Peer>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn write_nodes(writer: &mut Writer, nodes: &BTreeSet<NodeId>) {
    writer.list(nodes.iter(), |writer, node| {
        writer.u64(node.0);
    });
}

fn read_nodes(reader: &mut Reader) -> Result<BTreeSet<NodeId>, fields::Reason> {
    Ok(reader.list(read_node)?.into_iter().collect())
}

fn read_node(reader: &mut Reader) -> Result<NodeId, fields::Reason> {
    reader.u64().map(NodeId)
}

fn write_labels(writer: &mut Writer, labels: &BTreeMap<String, String>) {
    writer.list(labels.iter(), |writer, (name, value)| {
        writer.bytes(name.as_bytes()).bytes(value.as_bytes());
    });
}

fn read_labels(reader: &mut Reader) -> Result<BTreeMap<String, String>, fields::Reason> {
    Ok(reader.list(|reader| Ok((reader.text()?, reader.text()?)))?.into_iter().collect())
}

fn write_peers(writer: &mut Writer, peers: &[Peer]) {
    writer.list(peers.iter(), |writer, peer| {
        writer.u64(peer.node.0).bytes(peer.address.as_bytes());
    });
}

fn read_peers(reader: &mut Reader) -> Result<Vec<Peer>, fields::Reason> {
    reader.list(|reader| Ok(Peer { node: read_node(reader)?, address: reader.text()? }))
}

pub(crate) fn encode_report(report: &NodeReport) -> Bytes {
    let mut writer = Writer::default();
    writer.u64(report.node.0).u64(report.incarnation).u64(report.sequence).bytes(report.address.as_bytes());
    write_labels(&mut writer, &report.labels);
    writer.u64(report.capacity_bytes).u64(report.free_bytes);
    writer.list(report.replicas.iter(), |writer, (range, replica)| {
        writer.u64(range.0).u64(replica.configuration).u64(replica.term);
        writer.flag(replica.phase == ReplicaPhase::Live);
    });
    writer.list(report.led.iter(), write_range_report);
    writer.finish()
}

fn write_range_report(writer: &mut Writer, report: &RangeReport) {
    writer.descriptor(&report.descriptor);
    write_nodes(writer, &report.voters);
    write_nodes(writer, &report.outgoing);
    write_nodes(writer, &report.learners);
    writer.u64(report.configuration).flag(report.changing);
    writer.u64(report.term).flag(report.established).u64(report.last_index);
    writer.u64(report.bytes).u64(report.writes_per_second).u64(report.reads_per_second);
    writer.list(report.followers.iter(), |writer, (node, follower)| {
        writer.u64(node.0).u64(follower.matched).u64(millis(follower.silent));
    });
}

pub(crate) fn decode_report(bytes: Bytes) -> Result<NodeReport, fields::Reason> {
    let mut reader = Reader::new(bytes);
    let report = NodeReport {
        node: read_node(&mut reader)?,
        incarnation: reader.u64()?,
        sequence: reader.u64()?,
        address: reader.text()?,
        labels: read_labels(&mut reader)?,
        capacity_bytes: reader.u64()?,
        free_bytes: reader.u64()?,
        replicas: reader
            .list(|reader| {
                let range = RangeId(reader.u64()?);
                let (configuration, term) = (reader.u64()?, reader.u64()?);
                let phase = if reader.flag()? { ReplicaPhase::Live } else { ReplicaPhase::Empty };
                Ok((range, ReplicaReport { configuration, term, phase }))
            })?
            .into_iter()
            .collect(),
        led: reader.list(read_range_report)?,
    };
    reader.finish(report)
}

fn read_range_report(reader: &mut Reader) -> Result<RangeReport, fields::Reason> {
    Ok(RangeReport {
        descriptor: reader.descriptor()?,
        voters: read_nodes(reader)?,
        outgoing: read_nodes(reader)?,
        learners: read_nodes(reader)?,
        configuration: reader.u64()?,
        changing: reader.flag()?,
        term: reader.u64()?,
        established: reader.flag()?,
        last_index: reader.u64()?,
        bytes: reader.u64()?,
        writes_per_second: reader.u64()?,
        reads_per_second: reader.u64()?,
        followers: reader
            .list(|reader| {
                let (node, matched) = (read_node(reader)?, reader.u64()?);
                Ok((node, Follower { matched, silent: Duration::from_millis(reader.u64()?) }))
            })?
            .into_iter()
            .collect(),
    })
}

fn write_order(writer: &mut Writer, order: &Order) {
    match order {
        Order::CreateReplica { descriptor, incarnation, configuration } => {
            writer.u8(0).descriptor(descriptor);
            writer.u64(*incarnation).u64(*configuration);
        }
        Order::DropReplica { range, incarnation, configuration, settled_term } => {
            writer.u8(1).u64(range.0).u64(*incarnation).u64(*configuration).u64(*settled_term);
        }
        Order::AddLearner { range, configuration, node, address } => {
            writer.u8(2).u64(range.0).u64(*configuration).u64(node.0).bytes(address.as_bytes());
        }
        Order::RemoveLearner { range, configuration, node } => {
            writer.u8(3).u64(range.0).u64(*configuration).u64(node.0);
        }
        Order::ChangeVoters { range, configuration, voters } => {
            write_nodes(writer.u8(4).u64(range.0).u64(*configuration), voters);
        }
        Order::TransferLeader { range, term, to } => {
            writer.u8(5).u64(range.0).u64(*term).u64(to.0);
        }
        Order::Split { range, version, at, child } => {
            writer.u8(6).u64(range.0).u64(*version).u64(child.0).option(at.as_ref(), |writer, at| {
                writer.bytes(at);
            });
        }
    }
}

fn read_order(reader: &mut Reader) -> Result<Order, fields::Reason> {
    let tag = reader.u8()?;
    if tag == 0 {
        let (descriptor, incarnation) = (reader.descriptor()?, reader.u64()?);
        return Ok(Order::CreateReplica { descriptor, incarnation, configuration: reader.u64()? });
    }
    let (range, second) = (RangeId(reader.u64()?), reader.u64()?);
    Ok(match tag {
        1 => Order::DropReplica {
            range,
            incarnation: second,
            configuration: reader.u64()?,
            settled_term: reader.u64()?,
        },
        2 => Order::AddLearner {
            range,
            configuration: second,
            node: read_node(reader)?,
            address: reader.text()?,
        },
        3 => Order::RemoveLearner { range, configuration: second, node: read_node(reader)? },
        4 => Order::ChangeVoters { range, configuration: second, voters: read_nodes(reader)? },
        5 => Order::TransferLeader { range, term: second, to: read_node(reader)? },
        6 => {
            let child = RangeId(reader.u64()?);
            Order::Split { range, version: second, at: reader.option(Reader::bytes)?, child }
        }
        _ => return Err("unknown order"),
    })
}

pub(crate) fn encode_orders(orders: &Orders) -> Bytes {
    let mut writer = Writer::default();
    writer.list(orders.orders.iter(), write_order);
    write_peers(&mut writer, &orders.peers);
    writer.u64(orders.lag_max).u64(millis(orders.silent_max));
    writer.finish()
}

pub(crate) fn decode_orders(bytes: Bytes) -> Result<Orders, fields::Reason> {
    let mut reader = Reader::new(bytes);
    let orders = Orders {
        orders: reader.list(read_order)?,
        peers: read_peers(&mut reader)?,
        lag_max: reader.u64()?,
        silent_max: Duration::from_millis(reader.u64()?),
    };
    reader.finish(orders)
}

pub(crate) fn encode_join(join: &Join) -> Bytes {
    let mut writer = Writer::default();
    writer.option(join.node, |writer, node| {
        writer.u64(node.0);
    });
    write_labels(writer.bytes(join.address.as_bytes()), &join.labels);
    writer.u64(join.incarnation);
    writer.finish()
}

pub(crate) fn decode_join(bytes: Bytes) -> Result<Join, fields::Reason> {
    let mut reader = Reader::new(bytes);
    let join = Join {
        node: reader.option(read_node)?,
        address: reader.text()?,
        labels: read_labels(&mut reader)?,
        incarnation: reader.u64()?,
    };
    reader.finish(join)
}

pub(crate) fn encode_joined(joined: &Joined) -> Bytes {
    let mut writer = Writer::default();
    write_peers(writer.u64(joined.node.0).u64(joined.cluster), &joined.peers);
    writer.finish()
}

pub(crate) fn decode_joined(bytes: Bytes) -> Result<Joined, fields::Reason> {
    let mut reader = Reader::new(bytes);
    let (node, cluster) = (read_node(&mut reader)?, reader.u64()?);
    let joined = Joined { node, cluster, peers: read_peers(&mut reader)? };
    reader.finish(joined)
}

pub(crate) fn encode_status(status: &Status) -> Bytes {
    let mut writer = Writer::default();
    writer.u128(status.cluster.0).u64(status.replicas as u64);
    writer.list(status.nodes.iter(), |writer, node| {
        writer.u64(node.id.0).bytes(node.address.as_bytes());
        write_labels(writer, &node.labels);
        writer.u8(match node.state {
            NodeState::Active => 0,
            NodeState::Draining => 1,
            NodeState::Removed => 2,
        });
        writer.flag(node.live).u64(millis(node.silent)).u64(node.capacity_bytes).u64(node.free_bytes);
        writer.u64(node.replicas as u64).u64(node.leaders as u64);
    });
    writer.list(status.ranges.iter(), |writer, range| {
        writer.descriptor(&range.descriptor);
        write_nodes(writer, &range.voters);
        write_nodes(writer, &range.learners);
        writer.option(range.leader, |writer, node| {
            writer.u64(node.0);
        });
        writer.u64(range.healthy as u64).flag(range.available).u64(range.bytes);
        writer.u64(range.writes_per_second).u64(range.reads_per_second);
    });
    writer.list(status.operators.iter(), |writer, operator| {
        writer.u64(operator.range.0).u8(operator.reason as u8);
        writer.bytes(operator.what.as_bytes()).u64(millis(operator.age));
    });
    writer.u64(status.under_replicated as u64).u64(status.unavailable as u64);
    writer.list(status.down.iter(), |writer, node| {
        writer.u64(node.0);
    });
    writer.finish()
}

fn read_size(reader: &mut Reader) -> Result<usize, fields::Reason> {
    usize::try_from(reader.u64()?).map_err(|_| "a number that is too large")
}

fn read_node_status(reader: &mut Reader) -> Result<NodeStatus, fields::Reason> {
    Ok(NodeStatus {
        id: read_node(reader)?,
        address: reader.text()?,
        labels: read_labels(reader)?,
        state: match reader.u8()? {
            0 => NodeState::Active,
            1 => NodeState::Draining,
            2 => NodeState::Removed,
            _ => return Err("unknown state of a node"),
        },
        live: reader.flag()?,
        silent: Duration::from_millis(reader.u64()?),
        capacity_bytes: reader.u64()?,
        free_bytes: reader.u64()?,
        replicas: read_size(reader)?,
        leaders: read_size(reader)?,
    })
}

fn read_range_status(reader: &mut Reader) -> Result<RangeStatus, fields::Reason> {
    Ok(RangeStatus {
        descriptor: reader.descriptor()?,
        voters: read_nodes(reader)?,
        learners: read_nodes(reader)?,
        leader: reader.option(read_node)?,
        healthy: read_size(reader)?,
        available: reader.flag()?,
        bytes: reader.u64()?,
        writes_per_second: reader.u64()?,
        reads_per_second: reader.u64()?,
    })
}

fn read_operator(reader: &mut Reader) -> Result<OperatorStatus, fields::Reason> {
    const REASONS: [Reason; 8] = [
        Reason::Manual,
        Reason::Repair,
        Reason::Drain,
        Reason::Domains,
        Reason::Split,
        Reason::Leaders,
        Reason::Balance,
        Reason::Hot,
    ];
    let range = RangeId(reader.u64()?);
    let reason = REASONS.get(usize::from(reader.u8()?)).copied().ok_or("unknown reason")?;
    Ok(OperatorStatus { range, reason, what: reader.text()?, age: Duration::from_millis(reader.u64()?) })
}

pub(crate) fn decode_status(bytes: Bytes) -> Result<Status, fields::Reason> {
    let mut reader = Reader::new(bytes);
    let status = Status {
        cluster: ClusterId(reader.u128()?),
        replicas: read_size(&mut reader)?,
        nodes: reader.list(read_node_status)?,
        ranges: reader.list(read_range_status)?,
        operators: reader.list(read_operator)?,
        under_replicated: read_size(&mut reader)?,
        unavailable: read_size(&mut reader)?,
        down: reader.list(read_node)?,
    };
    reader.finish(status)
}
