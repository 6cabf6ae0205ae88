//! What every segment says first: the state of each group that is not its entries.
//!
//! ```text
//! groups            u32
//!   for each, ascending:
//!   range           u64
//!   present         u8    bits: 0 purged, 1 last, 2 vote, 3 the vote is committed, 4 committed
//!   purged          u64 term, u64 index
//!   last            u64
//!   vote            u64 term, u64 node
//!   committed       u64 term, u64 index
//! ```
//! All little-endian; what is not present is zeros.

use std::collections::BTreeMap;

use bytes::{Buf as _, BufMut as _};

use super::Vote;
use crate::{
    log_id::LogId,
    range::{NodeId, RangeId},
};

const GROUP_BYTES: usize = 65;

/// State of a group as the records before a place of the log make it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HardState {
    pub(super) purged: Option<LogId>,
    /// Index of the last entry, or of what was purged.
    pub(super) last: Option<u64>,
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
}

impl HardState {
    /// A group purged up to `floor`.
    pub(super) fn born(floor: Option<LogId>) -> Self {
        Self { purged: floor, last: floor.map(|floor| floor.index), ..Self::default() }
    }

    pub(super) fn truncate_after(&mut self, after: Option<u64>) {
        self.last = self.last.min(after).max(self.purged.map(|purged| purged.index));
    }

    pub(super) fn purge(&mut self, id: LogId) {
        self.purged = Some(id);
        self.last = self.last.max(Some(id.index));
    }
}

/// Encodes the states of all groups.
pub(super) fn encode(states: &BTreeMap<RangeId, HardState>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + states.len() * GROUP_BYTES);
    bytes.put_u32_le(u32::try_from(states.len()).unwrap_or(u32::MAX));
    for (range, state) in states {
        let HardState { purged, last, vote, committed } = state;
        bytes.put_u64_le(range.0);
        let vote_committed = vote.is_some_and(|vote| vote.committed);
        let present = [purged.is_some(), last.is_some(), vote.is_some(), vote_committed, committed.is_some()];
        bytes.put_u8(present.iter().rev().fold(0, |bits, bit| bits << 1 | u8::from(*bit)));
        let ids = |id: &Option<LogId>| id.map_or([0, 0], |id| [id.term, id.index]);
        let [purged_term, purged_index] = ids(purged);
        let [vote_term, node] = vote.map_or([0, 0], |vote| [vote.term, vote.node.0]);
        let [term, index] = ids(committed);
        for field in [purged_term, purged_index, last.unwrap_or(0), vote_term, node, term, index] {
            bytes.put_u64_le(field);
        }
    }
    bytes
}

/// Decodes the states of all groups; `None` if they are not that.
pub(super) fn decode(mut bytes: &[u8]) -> Option<BTreeMap<RangeId, HardState>> {
    let count = bytes.try_get_u32_le().ok()?;
    if bytes.len() != (count as usize).checked_mul(GROUP_BYTES)? {
        return None;
    }
    let mut states = BTreeMap::new();
    while bytes.has_remaining() {
        let range = RangeId(bytes.get_u64_le());
        let present = bytes.get_u8();
        let has = |bit: u8| present >> bit & 1 == 1;
        let mut field = || bytes.get_u64_le();
        let purged = LogId { term: field(), index: field() };
        let last = field();
        let vote = Vote { term: field(), node: NodeId(field()), committed: has(3) };
        let committed = LogId { term: field(), index: field() };
        let state = HardState {
            purged: has(0).then_some(purged),
            last: has(1).then_some(last),
            vote: has(2).then_some(vote),
            committed: has(4).then_some(committed),
        };
        states.insert(range, state);
    }
    (states.len() == count as usize).then_some(states)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            fields in proptest::collection::btree_map(any::<u64>(), any::<([Option<(u64, u64)>; 3], Option<u64>, bool)>(), 0..5)
        ) {
            let id = |id: Option<(u64, u64)>| id.map(|(term, index)| LogId { term, index });
            let states: BTreeMap<RangeId, HardState> = fields.into_iter().map(|(range, ([purged, vote, last_id], last, committed))| {
                let vote = vote.map(|(term, node)| Vote { term, node: NodeId(node), committed });
                (RangeId(range), HardState { purged: id(purged), last, vote, committed: id(last_id) })
            }).collect();
            let bytes = encode(&states);
            prop_assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(decode(&bytes), Some(states));
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _decoded = decode(&bytes);
        }
    }
}
