//! The registry in memory, and which of its keys are not written yet.
//!
//! Every change is one transaction, conditional on the key of the driver: each driver writes its own
//! mark there first, so that one which has been replaced can write nothing any more.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    codec::{self, Mark},
    error::PlacementError,
    record::{ClusterId, NodeRecord, NodeState, RangeRecord},
    report::RangeReport,
    settings::Settings,
};
use crate::{
    kv::{Condition, Key, Transaction, Value, WriteBatch},
    range::{NodeId, RangeId},
};

/// Range ids reserved by one write; those not used when the driver changes are left out for ever.
const IDS_RESERVED: u64 = 64;

/// A change of the registry that waits to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number, for [`Driver::saved`](super::Driver::saved).
    pub number: u64,
    /// What to write in [`Space::Placement`](crate::Space::Placement), in range 1. If its condition
    /// fails, another driver runs: this one must be dropped, or loaded anew if range 1 is led here.
    pub transaction: Transaction,
}

/// A key of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Cluster,
    Ids,
    Node(NodeId),
    Range(RangeId),
}

/// The registry, as read when the driver began and as changed since.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) cluster: ClusterId,
    pub(crate) settings: Settings,
    pub(crate) nodes: BTreeMap<NodeId, NodeRecord>,
    pub(crate) ranges: BTreeMap<RangeId, RangeRecord>,
    /// The value of the driver's key that a change must find.
    found: Option<Value>,
    mark: Mark,
    next_range: u64,
    /// Ids below are reserved in memory; below `reserved_saved`, durably.
    reserved: u64,
    reserved_saved: u64,
    dirty: BTreeSet<Entry>,
    /// Number of the last change taken, and the ids that it reserves.
    taken: u64,
    in_flight: Option<u64>,
    saved: u64,
}

impl Registry {
    /// Reads every key of the registry; `term` is that of the leadership of range 1.
    pub(crate) fn load(
        entries: impl IntoIterator<Item = (Key, Value)>,
        term: u64,
    ) -> Result<Self, PlacementError> {
        let (mut cluster, mut ids, mut found) = (None, None, None);
        let (mut nodes, mut ranges) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in entries {
            let corrupt = |reason| PlacementError::Corrupt { key: key.clone(), reason };
            match codec::parse_key(&key).ok_or_else(|| corrupt("no such key"))? {
                codec::RegistryKey::Cluster => {
                    cluster = Some(codec::decode_cluster(value).map_err(corrupt)?);
                }
                codec::RegistryKey::Driver => found = Some(value),
                codec::RegistryKey::Ids => ids = Some(codec::decode_ids(value).map_err(corrupt)?),
                codec::RegistryKey::Node(id) => {
                    nodes.insert(id, codec::decode_node(id, value).map_err(corrupt)?);
                }
                codec::RegistryKey::Range(id) => {
                    ranges.insert(id, codec::decode_range(id, value).map_err(corrupt)?);
                }
            }
        }
        let (cluster, settings) = cluster.ok_or(PlacementError::Incomplete { key: "cluster" })?;
        settings.check()?;
        let reserved = ids.ok_or(PlacementError::Incomplete { key: "ids" })?;
        let before = found.clone().map(codec::decode_mark).transpose();
        let before = before.map_err(|reason| PlacementError::Corrupt { key: codec::driver_key(), reason })?;
        // The same leader may load twice in one term: the marks must differ.
        let load = before.filter(|mark| mark.term == term).map_or(0, |mark| mark.load.saturating_add(1));
        Ok(Self {
            cluster,
            settings,
            nodes,
            ranges,
            found,
            mark: Mark { term, load },
            next_range: reserved,
            reserved,
            reserved_saved: reserved,
            dirty: BTreeSet::new(),
            taken: 0,
            in_flight: None,
            saved: 0,
        })
    }

    /// The keys of a new cluster: one node, and its ranges.
    pub(crate) fn first(
        cluster: ClusterId,
        settings: &Settings,
        node: &NodeRecord,
        ranges: &[RangeRecord],
    ) -> Vec<(Key, Value)> {
        let next = ranges.iter().map(|range| range.descriptor.id.0.saturating_add(1)).max().unwrap_or(1);
        let mut entries = vec![
            (codec::cluster_key(), codec::encode_cluster(cluster, settings)),
            (codec::ids_key(), codec::encode_ids(next)),
            (codec::node_key(node.id), codec::encode_node(node)),
        ];
        entries.extend(
            ranges.iter().map(|range| (codec::range_key(range.descriptor.id), codec::encode_range(range))),
        );
        entries
    }

    /// What to write next, unless a change is on its way or there is none.
    pub(crate) fn change(&mut self) -> Option<Change> {
        if self.in_flight.is_some() || (self.dirty.is_empty() && self.taken > 0) {
            return None;
        }
        let (key, mark) = (codec::driver_key(), codec::encode_mark(self.mark));
        let condition = match self.found.replace(mark.clone()) {
            Some(found) => Condition::Equals(key.clone(), found),
            None => Condition::Absent(key.clone()),
        };
        let mut batch = WriteBatch::new();
        batch.put(key, mark);
        for entry in std::mem::take(&mut self.dirty) {
            match entry {
                Entry::Cluster => {
                    batch.put(codec::cluster_key(), codec::encode_cluster(self.cluster, &self.settings))
                }
                Entry::Ids => batch.put(codec::ids_key(), codec::encode_ids(self.reserved)),
                Entry::Node(id) => match self.nodes.get(&id) {
                    Some(node) => batch.put(codec::node_key(id), codec::encode_node(node)),
                    None => batch.delete(codec::node_key(id)),
                },
                Entry::Range(id) => match self.ranges.get(&id) {
                    Some(range) => batch.put(codec::range_key(id), codec::encode_range(range)),
                    None => batch.delete(codec::range_key(id)),
                },
            };
        }
        self.taken += 1;
        self.in_flight = Some(self.reserved);
        Some(Change { number: self.taken, transaction: Transaction { conditions: vec![condition], batch } })
    }

    /// The change is durable.
    pub(crate) fn saved(&mut self, number: u64) {
        if number == self.taken
            && let Some(reserved) = self.in_flight.take()
        {
            self.reserved_saved = reserved;
            self.saved = number;
        }
    }

    /// Number of the last change that is durable.
    pub(crate) const fn saved_number(&self) -> u64 {
        self.saved
    }

    /// Number of the change that will hold what was changed just now, or, if that changed nothing, of
    /// the last one.
    pub(crate) fn next_number(&self) -> u64 {
        let waits = !self.dirty.is_empty() || self.taken == 0;
        self.taken + u64::from(waits)
    }

    /// An id that no range has had. None until a reservation is durable: were it given out before, the
    /// next driver could give it out again.
    pub(crate) fn allocate(&mut self) -> Option<RangeId> {
        if self.next_range < self.reserved_saved {
            self.next_range += 1;
            return Some(RangeId(self.next_range - 1));
        }
        self.reserve();
        None
    }

    fn reserve(&mut self) {
        if self.reserved <= self.reserved_saved.max(self.next_range) {
            self.reserved = self.next_range.saturating_add(IDS_RESERVED);
            self.dirty.insert(Entry::Ids);
        }
    }

    /// Stores the settings.
    pub(crate) fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.dirty.insert(Entry::Cluster);
    }

    /// Stores a node, if it differs from what is stored.
    pub(crate) fn set_node(&mut self, node: NodeRecord) {
        if self.nodes.get(&node.id) != Some(&node) {
            self.dirty.insert(Entry::Node(node.id));
            self.nodes.insert(node.id, node);
        }
    }

    /// The node's state; [`NodeState::Removed`] if it never joined.
    pub(crate) fn state(&self, node: NodeId) -> NodeState {
        self.nodes.get(&node).map_or(NodeState::Removed, |record| record.state)
    }

    /// Takes note of what `leader` reports; false if it is older than what is known.
    pub(crate) fn observe(&mut self, leader: NodeId, report: &RangeReport) -> bool {
        let id = report.descriptor.id;
        // All three only ever grow, so a report in which one is less is from a leader that has been
        // replaced, or that has not yet applied what its predecessor reported.
        if self.ranges.get(&id).is_some_and(|known| {
            report.term < known.term
                || report.configuration < known.configuration
                || report.descriptor.version < known.descriptor.version
        }) {
            return false;
        }
        if id.0 >= self.next_range {
            self.next_range = id.0.saturating_add(1);
            self.reserve();
        }
        let mut record = RangeRecord {
            descriptor: report.descriptor.clone(),
            voters: report.voters.union(&report.outgoing).copied().collect(),
            learners: report.learners.clone(),
            configuration: report.configuration,
            term: report.term,
            leader: Some(leader),
        };
        // As the parent keeps its id and its first keys, and no range ever grows: where two overlap,
        // the one with the greater id was cut out of what the other no longer has.
        for newer in self.ranges.range((std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded)) {
            shrink(&mut record, newer.1);
        }
        let older: Vec<RangeId> = self.ranges.range(..id).map(|(id, _)| *id).collect();
        for older in older {
            if let Some(range) = self.ranges.get_mut(&older)
                && shrink(range, &record)
            {
                self.dirty.insert(Entry::Range(older));
            }
        }
        if self.ranges.get(&id) != Some(&record) {
            self.dirty.insert(Entry::Range(id));
            self.ranges.insert(id, record);
        }
        true
    }

    /// Ranges by space and first key.
    pub(crate) fn by_keys(&self) -> Vec<&RangeRecord> {
        let mut ranges: Vec<_> = self.ranges.values().collect();
        ranges.sort_by(|a, b| {
            let (a, b) = (&a.descriptor, &b.descriptor);
            (a.space, &a.keys.start, a.id).cmp(&(b.space, &b.keys.start, b.id))
        });
        ranges
    }
}

/// Cuts off what `newer` has; whether there was any.
fn shrink(range: &mut RangeRecord, newer: &RangeRecord) -> bool {
    let (keys, newer_keys) = (&mut range.descriptor.keys, &newer.descriptor.keys);
    let ends_after = keys.end.as_ref().is_none_or(|end| *end > newer_keys.start);
    let begins_before = newer_keys.end.as_ref().is_none_or(|end| keys.start < *end);
    if range.descriptor.space != newer.descriptor.space
        || !ends_after
        || !begins_before
        || newer_keys.is_empty()
        || keys.is_empty()
    {
        return false;
    }
    // A parent begins before its child; anything else is an old record that says nothing any more.
    keys.end = Some(newer_keys.start.clone().max(keys.start.clone()));
    true
}

#[cfg(test)]
mod tests;
