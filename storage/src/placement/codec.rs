//! Keys and values of the registry as bytes.
//!
//! ```text
//! cluster          its id and the settings
//! driver           the mark of the driver that writes
//! ids              the first range id that is not reserved
//! node/  u64       a node          u64 big-endian
//! range/ u64       a range
//! ```
//! Values are protobuf messages, as declared below.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use prost::Message;

use super::{
    record::{ClusterId, NodeRecord, NodeState, RangeRecord},
    settings::Settings,
};
use crate::{
    kv::{Key, KeyRange, Value},
    range::{NodeId, RangeDescriptor, RangeId, Space},
};

const CLUSTER: &[u8] = b"cluster";
const DRIVER: &[u8] = b"driver";
const IDS: &[u8] = b"ids";
const NODE: &[u8] = b"node/";
const RANGE: &[u8] = b"range/";

/// What a key of the registry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RegistryKey {
    Cluster,
    Driver,
    Ids,
    Node(NodeId),
    Range(RangeId),
}

/// Which driver writes; no two have the same.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Mark {
    /// Term of the leadership of range 1.
    #[prost(uint64, tag = "1")]
    pub(crate) term: u64,
    /// How often it was loaded in that term.
    #[prost(uint64, tag = "2")]
    pub(crate) load: u64,
}

#[derive(Clone, PartialEq, Message)]
struct ClusterValue {
    #[prost(fixed64, tag = "1")]
    id_high: u64,
    #[prost(fixed64, tag = "2")]
    id_low: u64,
    #[prost(uint64, tag = "3")]
    replicas: u64,
    #[prost(string, repeated, tag = "4")]
    domains: Vec<String>,
    #[prost(uint64, tag = "5")]
    range_bytes_max: u64,
    #[prost(uint64, tag = "6")]
    split_writes_per_second: u64,
    #[prost(uint64, tag = "7")]
    split_reads_per_second: u64,
    #[prost(uint64, tag = "8")]
    load_split_after_ms: u64,
    #[prost(uint64, tag = "9")]
    suspect_after_ms: u64,
    #[prost(uint64, tag = "10")]
    down_after_ms: u64,
    #[prost(uint64, tag = "11")]
    missing_after_ms: u64,
    #[prost(uint64, tag = "12")]
    lag_max: u64,
    #[prost(uint64, tag = "13")]
    snapshots_per_node_max: u64,
    #[prost(uint64, tag = "14")]
    moves_per_minute_max: u64,
    #[prost(uint64, tag = "15")]
    transfers_max: u64,
    #[prost(uint64, tag = "16")]
    disk_used_percent_max: u64,
    #[prost(uint64, tag = "17")]
    move_timeout_ms: u64,
    #[prost(uint64, tag = "18")]
    step_timeout_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct IdsValue {
    #[prost(uint64, tag = "1")]
    next: u64,
}

#[derive(Clone, PartialEq, Message)]
struct NodeValue {
    #[prost(string, tag = "1")]
    address: String,
    #[prost(btree_map = "string, string", tag = "2")]
    labels: BTreeMap<String, String>,
    #[prost(uint32, tag = "3")]
    state: u32,
    #[prost(uint64, tag = "4")]
    incarnation: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RangeValue {
    #[prost(uint32, tag = "1")]
    space: u32,
    #[prost(bytes = "bytes", tag = "2")]
    start: Bytes,
    #[prost(bytes = "bytes", optional, tag = "3")]
    end: Option<Bytes>,
    #[prost(uint64, tag = "4")]
    version: u64,
    #[prost(uint64, repeated, tag = "5")]
    voters: Vec<u64>,
    #[prost(uint64, repeated, tag = "6")]
    learners: Vec<u64>,
    #[prost(uint64, tag = "7")]
    configuration: u64,
    #[prost(uint64, tag = "8")]
    term: u64,
    #[prost(uint64, optional, tag = "9")]
    leader: Option<u64>,
}

pub(crate) const fn cluster_key() -> Key {
    Bytes::from_static(CLUSTER)
}

pub(crate) const fn driver_key() -> Key {
    Bytes::from_static(DRIVER)
}

pub(crate) const fn ids_key() -> Key {
    Bytes::from_static(IDS)
}

pub(crate) fn node_key(node: NodeId) -> Key {
    numbered(NODE, node.0)
}

pub(crate) fn range_key(range: RangeId) -> Key {
    numbered(RANGE, range.0)
}

fn numbered(prefix: &[u8], number: u64) -> Key {
    [prefix, number.to_be_bytes().as_slice()].concat().into()
}

/// What the key is, if it is one of the registry.
pub(crate) fn parse_key(key: &[u8]) -> Option<RegistryKey> {
    let number = |rest: &[u8]| rest.try_into().ok().map(u64::from_be_bytes);
    match key {
        CLUSTER => Some(RegistryKey::Cluster),
        DRIVER => Some(RegistryKey::Driver),
        IDS => Some(RegistryKey::Ids),
        _ => match (key.strip_prefix(NODE), key.strip_prefix(RANGE)) {
            (Some(rest), _) => number(rest).map(|number| RegistryKey::Node(NodeId(number))),
            (_, Some(rest)) => number(rest).map(|number| RegistryKey::Range(RangeId(number))),
            (None, None) => None,
        },
    }
}

fn value(message: &impl Message) -> Value {
    message.encode_to_vec().into()
}

fn message<M: Message + Default>(value: Value) -> Result<M, &'static str> {
    M::decode(value).map_err(|_| "it is not the message that belongs there")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) fn encode_mark(mark: Mark) -> Value {
    value(&mark)
}

pub(crate) fn decode_mark(value: Value) -> Result<Mark, &'static str> {
    message(value)
}

pub(crate) fn encode_ids(next: u64) -> Value {
    value(&IdsValue { next })
}

pub(crate) fn decode_ids(value: Value) -> Result<u64, &'static str> {
    let IdsValue { next } = message(value)?;
    if next == 0 { Err("range ids begin at 1") } else { Ok(next) }
}

pub(crate) fn encode_cluster(cluster: ClusterId, settings: &Settings) -> Value {
    value(&ClusterValue {
        id_high: (cluster.0 >> 64) as u64,
        id_low: cluster.0 as u64,
        replicas: settings.replicas as u64,
        domains: settings.domains.clone(),
        range_bytes_max: settings.range_bytes_max,
        split_writes_per_second: settings.split_writes_per_second,
        split_reads_per_second: settings.split_reads_per_second,
        load_split_after_ms: milliseconds(settings.load_split_after),
        suspect_after_ms: milliseconds(settings.suspect_after),
        down_after_ms: milliseconds(settings.down_after),
        missing_after_ms: milliseconds(settings.missing_after),
        lag_max: settings.lag_max,
        snapshots_per_node_max: settings.snapshots_per_node_max as u64,
        moves_per_minute_max: settings.moves_per_minute_max as u64,
        transfers_max: settings.transfers_max as u64,
        disk_used_percent_max: settings.disk_used_percent_max,
        move_timeout_ms: milliseconds(settings.move_timeout),
        step_timeout_ms: milliseconds(settings.step_timeout),
    })
}

pub(crate) fn decode_cluster(value: Value) -> Result<(ClusterId, Settings), &'static str> {
    let found: ClusterValue = message(value)?;
    let settings = Settings {
        replicas: count(found.replicas),
        domains: found.domains,
        range_bytes_max: found.range_bytes_max,
        split_writes_per_second: found.split_writes_per_second,
        split_reads_per_second: found.split_reads_per_second,
        load_split_after: Duration::from_millis(found.load_split_after_ms),
        suspect_after: Duration::from_millis(found.suspect_after_ms),
        down_after: Duration::from_millis(found.down_after_ms),
        missing_after: Duration::from_millis(found.missing_after_ms),
        lag_max: found.lag_max,
        snapshots_per_node_max: count(found.snapshots_per_node_max),
        moves_per_minute_max: count(found.moves_per_minute_max),
        transfers_max: count(found.transfers_max),
        disk_used_percent_max: found.disk_used_percent_max,
        move_timeout: Duration::from_millis(found.move_timeout_ms),
        step_timeout: Duration::from_millis(found.step_timeout_ms),
    };
    settings.check().map_err(|_| "a setting is out of its bounds")?;
    Ok((ClusterId(u128::from(found.id_high) << 64 | u128::from(found.id_low)), settings))
}

pub(crate) fn encode_node(node: &NodeRecord) -> Value {
    value(&NodeValue {
        address: node.address.clone(),
        labels: node.labels.clone(),
        state: match node.state {
            NodeState::Active => 1,
            NodeState::Draining => 2,
            NodeState::Removed => 3,
        },
        incarnation: node.incarnation,
    })
}

pub(crate) fn decode_node(id: NodeId, value: Value) -> Result<NodeRecord, &'static str> {
    let NodeValue { address, labels, state, incarnation } = message(value)?;
    let state = match state {
        1 => NodeState::Active,
        2 => NodeState::Draining,
        3 => NodeState::Removed,
        _ => return Err("unknown state of a node"),
    };
    Ok(NodeRecord { id, address, labels, state, incarnation })
}

pub(crate) fn encode_range(range: &RangeRecord) -> Value {
    let RangeRecord { descriptor, voters, learners, configuration, term, leader } = range;
    value(&RangeValue {
        space: descriptor.space as u32,
        start: descriptor.keys.start.clone(),
        end: descriptor.keys.end.clone(),
        version: descriptor.version,
        voters: voters.iter().map(|node| node.0).collect(),
        learners: learners.iter().map(|node| node.0).collect(),
        configuration: *configuration,
        term: *term,
        leader: leader.map(|node| node.0),
    })
}

pub(crate) fn decode_range(id: RangeId, value: Value) -> Result<RangeRecord, &'static str> {
    let found: RangeValue = message(value)?;
    let space = match found.space {
        0 => Space::User,
        1 => Space::Placement,
        _ => return Err("unknown space"),
    };
    let nodes = |numbers: Vec<u64>| numbers.into_iter().map(NodeId).collect::<BTreeSet<_>>();
    Ok(RangeRecord {
        descriptor: RangeDescriptor {
            id,
            space,
            keys: KeyRange { start: found.start, end: found.end },
            version: found.version,
        },
        voters: nodes(found.voters),
        learners: nodes(found.learners),
        configuration: found.configuration,
        term: found.term,
        leader: found.leader.map(NodeId),
    })
}

/// The keys of all ranges in the registry.
pub(crate) fn range_keys() -> KeyRange {
    KeyRange::prefix(Bytes::from_static(RANGE))
}

/// A range of the registry; `None` if the key or the value is none.
pub(crate) fn decode_range_record(key: &[u8], value: Value) -> Option<RangeRecord> {
    match parse_key(key)? {
        RegistryKey::Range(range) => decode_range(range, value).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = RangeRecord> {
        let nodes = || proptest::collection::btree_set((1_u64..9).prop_map(NodeId), 0..5);
        let key = || proptest::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from);
        (any::<(u64, bool, u64, u64, u64)>(), key(), proptest::option::of(key()), nodes(), nodes()).prop_map(
            |((id, user, version, configuration, term), start, end, voters, learners)| RangeRecord {
                descriptor: RangeDescriptor {
                    id: RangeId(id),
                    space: if user { Space::User } else { Space::Placement },
                    keys: KeyRange { start, end },
                    version,
                },
                leader: voters.first().copied(),
                voters,
                learners,
                configuration,
                term,
            },
        )
    }

    proptest! {
        #[test]
        fn a_range_is_read_as_written(range in range()) {
            let id = range.descriptor.id;
            prop_assert_eq!(parse_key(&range_key(id)), Some(RegistryKey::Range(id)));
            prop_assert_eq!(decode_range(id, encode_range(&range)), Ok(range));
        }

        #[test]
        fn hostile_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = (parse_key(&bytes), decode_mark(bytes.clone()), decode_ids(bytes.clone()));
            let _ = decode_cluster(bytes.clone());
            let _ = decode_node(NodeId(1), bytes.clone());
            let _ = decode_range(RangeId(1), bytes);
        }

        #[test]
        fn a_damaged_range_is_refused_or_read(range in range(), at in 0_usize..400, bit in 0_u8..8) {
            let mut bytes = encode_range(&range).to_vec();
            let at = at % bytes.len().max(1);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            let _ = decode_range(range.descriptor.id, bytes.into());
        }
    }

    #[test]
    fn nodes_and_settings_are_read_as_written() {
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        for state in [NodeState::Active, NodeState::Draining, NodeState::Removed] {
            let node = NodeRecord {
                id: NodeId(7),
                address: "n7:1".into(),
                labels: labels.clone(),
                state,
                incarnation: 3,
            };
            assert_eq!(decode_node(NodeId(7), encode_node(&node)), Ok(node));
        }
        let cluster = (ClusterId(u128::MAX - 5), Settings { lag_max: 17, ..Settings::default() });
        assert_eq!(decode_cluster(encode_cluster(cluster.0, &cluster.1)), Ok(cluster));
        assert_eq!(parse_key(b"node/1"), None);
        assert!(decode_node(NodeId(1), Bytes::new()).is_err());
        assert!(decode_cluster(Bytes::new()).is_err());
    }
}
